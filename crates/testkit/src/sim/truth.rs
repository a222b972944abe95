//! How versions really behave: what the metrics say of them, and when a guard goes off.

use std::collections::BTreeMap;

use perch_app::ports::Route;
use perch_core::artifact::Lane;
use perch_core::judge::{Arm, Health};
use perch_core::names::{AlarmName, TargetName, Version};
use perch_core::release::Driver;
use perch_core::smoke::Answer;
use perch_core::target::Target;

use super::script::{Behaviour, Script};
use crate::watching::{failing, healthy, silent, slow};
use crate::world::World;

/// Which version has had all traffic of a target since when, in milliseconds after the start.
pub(super) type Alone = BTreeMap<TargetName, (Version, i64)>;

/// Where the traffic of a target's code goes now.
pub(super) fn serves(world: &World, target: &Target) -> Route {
    world.serves(target).expect("a target of a story has a function or a service")
}

/// The name of the target's function or service.
pub(super) fn name(target: &Target) -> String {
    let driver = Driver::of(target, Lane::Code).expect("a target of a story takes code");
    driver.name().to_owned()
}

/// Notes where the traffic of each target goes now.
pub(super) fn look_at_traffic(world: &World, script: &Script, alone: &mut Alone, clock: i64) {
    for target in &script.targets {
        let route = serves(world, target);
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
        let versions: BTreeMap<String, Arm> = behaviours(world, script, target, alone, clock)
            .into_iter()
            .map(|(version, is)| (version, arm(if blind { Behaviour::Healthy } else { is })))
            .collect();
        let primary = serves(world, target).primary;
        let total = versions.get(primary.as_str()).copied().unwrap_or_default();
        world.metrics.set_for(&name(target), versions, total);
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
        let route = serves(world, target);
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
    let of = name(target);
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
    let versions = codes(world, target).into_iter().enumerate();
    versions
        .filter_map(|(place, code)| Some((place, code?)))
        .map(|(place, code)| {
            let number = (place + 1).to_string();
            let behaviour = script.behaviours.get(&(of.clone(), code)).copied();
            (number.clone(), now(&number, behaviour.unwrap_or(Behaviour::Healthy)))
        })
        .collect()
}

/// What each version of the target's code was built from; nothing where it was deleted.
pub(super) fn codes(world: &World, target: &Target) -> Vec<Option<String>> {
    if let Some(service) = &target.service.ecs {
        return world.codes(service).into_iter().map(Some).collect();
    }
    let function = &target.service.lambda.as_ref().expect("it is a function else").function;
    world.lambda.read(|account| {
        let versions = account.functions[function].versions.iter();
        versions.map(|version| Some(version.as_ref()?.code.clone())).collect()
    })
}

/// Has the test listener of each service answer as the revision does that its deployment brings up, and
/// the load balancer report how healthy that one is.
pub(super) fn tell_test_listeners(world: &World, script: &Script, blind: bool) {
    for target in &script.targets {
        let Some(service) = &target.service.ecs else { continue };
        let canary = world.deployments.read(|known| {
            let up = known.made.iter().rfind(|made| made.is_of(target) && !made.is_rollback());
            up.map(|made| made.to().clone())
        });
        let unfit = canary.is_some_and(|canary| world.is_unfit(service, &canary)) && !blind;
        let status = if unfit { 500 } else { 200 };
        let url = format!("http://{}:8443/fit", service.service);
        world.web.answer(&url, Answer::Http { status, body: Vec::new() });
        let healthy = if unfit { 1 } else { 2 };
        world.services.change(service, |running| running.health = Health { healthy, of: 2 });
    }
}

fn arm(behaviour: Behaviour) -> Arm {
    match behaviour {
        Behaviour::Healthy | Behaviour::TurnsBad(_) => healthy(),
        Behaviour::Failing | Behaviour::Unfit => failing(),
        Behaviour::Slow => slow(),
        Behaviour::Silent => silent(),
    }
}
