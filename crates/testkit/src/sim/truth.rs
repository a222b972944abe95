//! How versions really behave: what the metrics say of them, and when a guard goes off.

use std::collections::BTreeMap;

use perch_core::judge::Arm;
use perch_core::names::{AlarmName, TargetName, Version};
use perch_core::target::Target;

use super::script::{Behaviour, Script};
use crate::watching::{failing, healthy, silent, slow};
use crate::world::World;

/// Which version has had all traffic of a target since when, in milliseconds after the start.
pub(super) type Alone = BTreeMap<TargetName, (Version, i64)>;

/// Notes where the aliases send their traffic now; the targets whose alias moved.
pub(super) fn look_at_aliases(world: &World, script: &Script, alone: &mut Alone, clock: i64) {
    for target in &script.targets {
        let route = world.route(target.service.lambda.as_ref().unwrap());
        let known = alone.get(&target.name);
        if route.split.is_some() {
            alone.remove(&target.name);
        } else if known.is_none_or(|(version, _)| *version != route.primary) {
            alone.insert(target.name.clone(), (route.primary, clock));
        }
    }
}

/// Has the metrics say what is true now, or that all is well.
pub(super) fn tell_metrics(world: &World, script: &Script, alone: &Alone, clock: i64, blind: bool) {
    for target in &script.targets {
        let lambda = target.service.lambda.as_ref().unwrap();
        let versions: BTreeMap<String, Arm> = behaviours(world, script, target, alone, clock)
            .into_iter()
            .map(|(version, is)| (version, arm(if blind { Behaviour::Healthy } else { is })))
            .collect();
        let primary = world.route(lambda).primary;
        let total = versions.get(primary.as_str()).copied().unwrap_or_default();
        world.metrics.set_for(&lambda.function, versions, total);
    }
}

/// Whether the alarm has reason to be in ALARM: a target that it guards sends traffic to a version
/// that fails.
pub(super) fn is_alarming(
    world: &World,
    script: &Script,
    alone: &Alone,
    clock: i64,
    alarm: &AlarmName,
) -> bool {
    script.targets.iter().filter(|target| target.guards.contains(alarm)).any(|target| {
        let route = world.route(target.service.lambda.as_ref().unwrap());
        let second = route.split.map(|(version, _)| version);
        let behaviours = behaviours(world, script, target, alone, clock);
        std::iter::once(route.primary)
            .chain(second)
            .any(|version| behaviours.get(version.as_str()) == Some(&Behaviour::Failing))
    })
}

/// How each version of the target's function behaves now.
fn behaviours(
    world: &World,
    script: &Script,
    target: &Target,
    alone: &Alone,
    clock: i64,
) -> BTreeMap<String, Behaviour> {
    let function = &target.service.lambda.as_ref().unwrap().function;
    let now = |version: &str, behaviour| match (behaviour, alone.get(&target.name)) {
        (Behaviour::TurnsBad(seconds), Some((alone, since)))
            if alone.as_str() == version && clock - since >= seconds * 1000 =>
        {
            Behaviour::Failing
        }
        (Behaviour::TurnsBad(_), _) => Behaviour::Healthy,
        (Behaviour::Unfit, _) => Behaviour::Failing,
        (behaviour, _) => behaviour,
    };
    world.lambda.read(|account| {
        let versions = account.functions[function].versions.iter().enumerate();
        versions
            .filter_map(|(place, version)| Some((place, version.as_ref()?)))
            .map(|(place, version)| {
                let number = (place + 1).to_string();
                let key = (function.to_string(), version.code.clone());
                let behaviour = script.behaviours.get(&key).copied();
                (number.clone(), now(&number, behaviour.unwrap_or(Behaviour::Healthy)))
            })
            .collect()
    })
}

fn arm(behaviour: Behaviour) -> Arm {
    match behaviour {
        Behaviour::Healthy | Behaviour::TurnsBad(_) => healthy(),
        Behaviour::Failing | Behaviour::Unfit => failing(),
        Behaviour::Slow => slow(),
        Behaviour::Silent => silent(),
    }
}
