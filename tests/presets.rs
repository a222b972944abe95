//! The presets move traffic exactly as `CodeDeploy`'s configurations of the same names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use perch_core::target::Rollout;
use perch_tests::json;
use serde_json::{Value, json};

/// (minutes since the first shift, weight in percent), the promotion included.
type TimeLine = Vec<(u64, u64)>;

fn documented() -> Vec<(String, TimeLine)> {
    let points = |line: &Value| -> TimeLine {
        let number = |point: &Value, at: usize| point[at].as_u64().unwrap();
        line.as_array().unwrap().iter().map(|point| (number(point, 0), number(point, 1))).collect()
    };
    let file = json("tests/fixtures/codedeploy-timelines.json");
    let platforms = [&file["lambda"], &file["ecs"]].into_iter();
    let all = platforms.flat_map(|platform| platform.as_object().unwrap());
    all.map(|(name, line)| (name.clone(), points(line))).collect()
}

fn time_line(rollout: &Rollout) -> TimeLine {
    let (mut seconds, mut line) = (0, Vec::new());
    for step in rollout.steps() {
        line.push((seconds / 60, u64::from(step.weight.percent())));
        seconds += step.bake.as_secs();
        assert_eq!(seconds % 60, 0, "CodeDeploy counts in minutes");
    }
    line.push((seconds / 60, 100));
    line
}

fn preset(name: &str) -> Result<Rollout, serde_json::Error> {
    serde_json::from_value(json!({ "preset": name }))
}

#[test]
fn weights_over_time_are_those_of_codedeploy() {
    let documented = documented();
    assert_eq!(documented.len(), 14);
    for (name, line) in documented {
        let bare = name.strip_prefix("CodeDeployDefault.").unwrap();
        for name in [name.as_str(), bare] {
            assert_eq!(time_line(&preset(name).unwrap()), line, "{name}");
        }
    }
}

#[test]
fn there_are_no_presets_that_codedeploy_does_not_have() {
    let error = preset("LambdaCanary20Percent5Minutes").unwrap_err().to_string();
    let offered: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    for (name, _) in documented() {
        assert!(offered.contains(&name.trim_start_matches("CodeDeployDefault.")), "{error}");
    }
    let bare = offered.iter().filter(|name| !name.starts_with("CodeDeployDefault."));
    assert_eq!(bare.count(), 14, "{error}");
}
