//! The targets of a story: what they release to, and what moves their traffic.

use perch_core::target::{MetricResolution, Target, WhenBusy, WhileReleasing};
use perch_testkit::sim::{Dice, one_of};
use perch_testkit::{TargetBuilder, target};
use serde_json::json;

/// What moves the traffic of a target.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Alias,
    Lambda(WhenBusy),
    Ecs(WhenBusy),
    Native,
}

/// One to three targets; half of them are moved by Perch itself.
pub(crate) fn roll(dice: &mut dyn Dice) -> Vec<Target> {
    let count = one_of(dice, &[1, 1, 1, 2, 3]);
    let shared = dice.once_in(4);
    let names = ["news", "search", "ads"];
    names.iter().take(count).map(|name| one(name, shared, dice)).collect()
}

/// Whether CodeDeploy or ECS moves its traffic.
pub(crate) fn moves_itself(target: &Target) -> bool {
    let lambda = target.service.lambda.as_ref();
    lambda.is_none_or(|lambda| lambda.code_deploy.is_some())
}

/// Whether ECS moves its traffic.
pub(crate) fn is_native(target: &Target) -> bool {
    target.service.ecs.as_ref().is_some_and(|service| service.code_deploy.is_none())
}

fn kind(dice: &mut dyn Dice) -> Kind {
    let busy = [WhenBusy::Wait, WhenBusy::Wait, WhenBusy::Replace, WhenBusy::Reject];
    match dice.below(6) {
        0 => Kind::Lambda(one_of(dice, &busy)),
        1 => Kind::Ecs(one_of(dice, &busy)),
        2 => Kind::Native,
        _ => Kind::Alias,
    }
}

fn one(name: &str, shared: bool, dice: &mut dyn Dice) -> Target {
    let kind = kind(dice);
    let alarm = if shared { "errors".to_owned() } else { format!("{name}-errors") };
    let guards = if dice.once_in(3) { vec![] } else { vec![alarm.as_str()] };
    let steps = steps(kind, dice);
    let mut builder = target().named(name).function(name).steps(steps).guarded_by(&guards);
    builder = match kind {
        Kind::Alias => builder,
        Kind::Lambda(when_busy) => builder.deployed_by_code_deploy(when_busy),
        Kind::Ecs(when_busy) => builder.on_ecs(Some(when_busy)),
        Kind::Native => builder.on_ecs(None),
    };
    let on_ecs = matches!(kind, Kind::Ecs(_) | Kind::Native);
    if on_ecs && dice.once_in(2) {
        builder = builder.needing_healthy_targets("80%");
    }
    if dice.once_in(2) {
        builder = builder.failing_without_data();
    }
    if dice.once_in(2) {
        builder = builder.deadline(if kind == Kind::Alias { 900 } else { 1500 });
    }
    if dice.once_in(3) {
        builder = builder.ignoring_alarms_at_start();
    }
    if dice.once_in(3) {
        builder = smoke_tested(builder, name, on_ecs);
    }
    let policies = [WhileReleasing::Replace, WhileReleasing::Replace, WhileReleasing::Queue];
    builder = builder.while_releasing(one_of(dice, &policies));
    if dice.once_in(8) {
        builder = builder.while_releasing(WhileReleasing::Reject);
    }
    let mut target = builder.build();
    name_after(&mut target, name);
    target.watch = one_of(dice, &["0s", "1m", "3m", "5m"]).parse().unwrap();
    if !shared && let Some(source) = &mut target.sources.image {
        source.repository = name.parse().unwrap();
    }
    if !on_ecs && dice.once_in(3) {
        let source = json!({ "bucket": "models", "prefix": format!("models/{name}") });
        target.sources.model = serde_json::from_value(source).unwrap();
    }
    let problems = target.problems(MetricResolution::Minute);
    let of_kind = problems.iter().filter(|_| kind != Kind::Alias).collect::<Vec<_>>();
    assert!(of_kind.is_empty(), "{kind:?}: {of_kind:?}");
    target
}

/// Perch takes any steps; CodeDeploy and ECS take one or equal ones, and the judge has to be done before
/// the last move.
fn steps(kind: Kind, dice: &mut dyn Dice) -> &'static [(u8, u64)] {
    match (kind, dice.below(5)) {
        (_, 0) => &[],
        (Kind::Alias, 1) => &[(10, 60)],
        (Kind::Alias, 2) => &[(10, 120), (50, 60)],
        (Kind::Alias, 3) => &[(5, 60), (25, 60), (50, 60)],
        (Kind::Alias, _) => &[(50, 180)],
        (_, 1) => &[(10, 300)],
        (_, 2) => &[(25, 240), (50, 240), (75, 240)],
        (_, 3) => &[(50, 300)],
        _ => &[(10, 600)],
    }
}

fn smoke_tested(builder: TargetBuilder, name: &str, on_ecs: bool) -> TargetBuilder {
    if !on_ecs {
        return builder.smoke_tested();
    }
    let url = format!("http://{name}:8443/fit");
    builder.with_smoke_tests(json!({ "checks": [{ "name": "fit", "http": { "url": url } }] }))
}

/// Each target has a service and a deployment group of its own.
fn name_after(target: &mut Target, name: &str) {
    if let Some(service) = &mut target.service.ecs {
        service.service = name.parse().unwrap();
    }
    let of_lambda = target.service.lambda.as_mut().and_then(|of| of.code_deploy.as_mut());
    let of_service = target.service.ecs.as_mut().and_then(|of| of.code_deploy.as_mut());
    if let Some(group) = of_lambda.or(of_service) {
        group.deployment_group = name.parse().unwrap();
    }
}
