use std::time::Duration;

use super::*;
use crate::span::Span;
use crate::target::Preset;

const MINUTE: Duration = Duration::from_secs(60);

fn steps(of: &[(u8, u64)]) -> Vec<Step> {
    let step = |&(percent, seconds)| Step {
        weight: Weight::new(percent).unwrap(),
        bake: Span::seconds(seconds),
    };
    of.iter().map(step).collect()
}

#[test]
fn presets_are_the_configurations_of_the_same_name() {
    for preset in [
        Preset::LambdaAllAtOnce,
        Preset::LambdaCanary10Percent5Minutes,
        Preset::LambdaCanary10Percent10Minutes,
        Preset::LambdaCanary10Percent15Minutes,
        Preset::LambdaCanary10Percent30Minutes,
        Preset::LambdaLinear10PercentEvery1Minute,
        Preset::LambdaLinear10PercentEvery2Minutes,
        Preset::LambdaLinear10PercentEvery3Minutes,
        Preset::LambdaLinear10PercentEvery10Minutes,
    ] {
        let config = Schedule::of(&preset.steps(), MINUTE).unwrap().lambda_config();
        assert_eq!(config, format!("CodeDeployDefault.{preset:?}"));
    }
}

#[test]
fn presets_of_ecs_are_its_configurations() {
    for preset in [
        Preset::EcsAllAtOnce,
        Preset::EcsCanary10Percent5Minutes,
        Preset::EcsCanary10Percent15Minutes,
        Preset::EcsLinear10PercentEvery1Minutes,
        Preset::EcsLinear10PercentEvery3Minutes,
    ] {
        let name = serde_json::to_value(preset).unwrap();
        let config = Schedule::of(&preset.steps(), MINUTE).unwrap().ecs_config();
        assert_eq!(config, format!("CodeDeployDefault.{}", name.as_str().unwrap()));
    }
    let other = Schedule::of(&steps(&[(10, 600)]), MINUTE).unwrap();
    assert_eq!(other.ecs_config(), "Perch.ECSCanary10Percent10Minutes");
}

#[test]
fn other_schedules_have_configurations_of_their_own() {
    for (of, config) in [
        (vec![(20, 420)], "Perch.LambdaCanary20Percent7Minutes"),
        (vec![(10, 120)], "Perch.LambdaCanary10Percent2Minutes"),
        (vec![(25, 60), (50, 60), (75, 60)], "Perch.LambdaLinear25PercentEvery1Minutes"),
        (vec![(30, 60), (60, 60), (90, 60)], "Perch.LambdaLinear30PercentEvery1Minutes"),
    ] {
        let found = Schedule::of(&steps(&of), MINUTE).unwrap().lambda_config();
        assert_eq!(found, config);
        assert!(!Schedule::is_predefined(&found));
    }
}

#[test]
fn what_codedeploy_cannot_do_is_refused_with_the_reason() {
    for (of, reason) in [
        (vec![(1, 60), (5, 60), (25, 60)], "neither"),
        (vec![(10, 60), (20, 120)], "neither"),
        (vec![(10, 60), (20, 60)], "neither"),
        (vec![(10, 90)], "the bake at 10% is 90 s"),
        (vec![(10, 172_860)], "2881 minutes apart"),
    ] {
        let error = Schedule::of(&steps(&of), MINUTE).unwrap_err().to_string();
        assert!(error.contains(reason), "{of:?}: {error}");
    }
}

#[test]
fn a_faster_clock_has_shorter_minutes() {
    let schedule = Schedule::of(&steps(&[(10, 25)]), Duration::from_secs(5)).unwrap();
    assert_eq!(schedule, Schedule::Canary { percent: 10, minutes: 5 });
}
