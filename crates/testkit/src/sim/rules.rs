//! What a single write may do: a phase is read back, a weight follows the plan, nothing goes past a
//! person.

use perch_app::ports::Route;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::Target;

use super::flight::Flight;
use super::truth::serves;
use crate::world::World;

/// Automation never moves past a person's stop or hold: nothing starts, and no bake is left upwards.
pub(super) fn past_a_stop(
    flight: &Flight,
    release: &Release,
    before: Option<&Phase>,
    broken: &mut Vec<String>,
) {
    let baked = matches!(before, Some(Phase::Baking { .. }));
    let up = matches!(release.phase, Phase::Shifting { .. } | Phase::Promoting { .. });
    if baked && up && flight.is_step {
        broken.push(format!("{} left a bake past a stop or a hold", flight.name));
    }
}

/// What someone else set is not overwritten, unless it is a route that the release itself may set.
pub(super) fn overwritten(
    flight: &Flight,
    world: &World,
    target: &Target,
    before: &Route,
    broken: &mut Vec<String>,
) {
    let ledger = world.head(&target.name).ledger;
    if !ledger.is_some_and(|ledger| before.is_within(&ledger)) {
        broken.push(format!("{} overwrote {before}, which someone else had set", flight.name));
    }
}

/// P5: the phase that was just written was read back in the same function.
pub(super) fn read_back(
    flight: &Flight,
    release: &Release,
    before: Option<&Phase>,
    broken: &mut Vec<String>,
) {
    let (Some(ledger), canary) = (&release.ledger, release.canary.as_ref()) else {
        return;
    };
    let wanted = match (&release.phase, canary) {
        (Phase::Baking { weight, .. }, Some(canary)) => {
            Route { primary: ledger.baseline.clone(), split: Some((canary.clone(), *weight)) }
        }
        (Phase::Watching { .. }, Some(canary)) => Route::all_on(canary),
        (Phase::RolledBack { .. }, _) if before.is_some_and(Phase::is_exposed) => {
            Route::all_on(&ledger.baseline)
        }
        _ => return,
    };
    if flight.seen.as_ref() != Some(&wanted) {
        let (name, phase) = (&flight.name, release.phase.name());
        let seen = flight.seen.as_ref().map_or("nothing".to_owned(), Route::to_string);
        broken.push(format!("P5: {name} called it {phase}, having read back {seen}"));
    }
}

/// Whether a step's write goes up by more than one step of the plan.
pub(super) fn skips_a_step(
    release: &Release,
    baseline: &perch_core::names::Version,
    before: &Route,
    after: &Route,
) -> bool {
    let mut way = vec![Route::all_on(baseline)];
    if let Some(canary) = &release.canary {
        for step in &release.plan.steps {
            let split = Some((canary.clone(), step.weight));
            way.push(Route { primary: baseline.clone(), split });
        }
        way.push(Route::all_on(canary));
    }
    let place = |route| way.iter().position(|known| known == route);
    match (place(before), place(after)) {
        (Some(before), Some(after)) => after != before && after != before + 1,
        (None, _) | (_, None) => true,
    }
}

/// How often the traffic of a target was moved, and where it goes.
pub(super) fn last_route(world: &World, target: &Target) -> (usize, Route) {
    if let Some(service) = &target.service.ecs {
        let count = world.services.read(|c| c.services[service.service.as_str()].splits.len());
        return (count, serves(world, target));
    }
    let lambda = target.service.lambda.as_ref().expect("it is a function else");
    world.lambda.read(|account| {
        let routes = &account.functions[&lambda.function].aliases[lambda.alias.as_str()].routes;
        (routes.len(), routes.last().expect("an alias has a route").clone())
    })
}
