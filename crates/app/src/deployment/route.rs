//! What an alias says about a deployment that moves it.

use perch_core::decide::Event;
use perch_core::head::Ledger;
use perch_core::names::Version;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_core::weight::Weight;

use crate::ports::Route;

/// The weight of the canary on a route; nothing where the route has other versions than the baseline
/// and the canary.
pub(super) fn weight_on(route: &Route, ledger: &Ledger, canary: &Version) -> Option<Weight> {
    match &route.split {
        None if route.primary == ledger.baseline => Some(Weight::ZERO),
        None if route.primary == *canary => Some(Weight::FULL),
        Some((second, weight)) if route.primary == ledger.baseline && second == canary => {
            Some(*weight)
        }
        None | Some(_) => None,
    }
}

/// What follows where the alias is not as the release knows it: the deployment moved on, or went back, or
/// someone else moved the alias.
pub(crate) fn unexpected(
    release: &Release,
    ledger: &Ledger,
    canary: &Version,
    route: &Route,
) -> Option<Event> {
    let expected = release.weight();
    match weight_on(route, ledger, canary) {
        Some(weight) if weight == expected => None,
        Some(weight) if matches!(release.phase, Phase::Baking { .. }) => {
            Some(if weight > expected {
                Event::WeightFound { weight }
            } else {
                let id = release.deployment.as_ref().and_then(|deployment| deployment.id.as_ref());
                let id = id.map_or("it".to_owned(), ToString::to_string);
                let error =
                    format!("the deployment took traffic back to {weight}; see why in {id}");
                Event::RollbackRequested(RollbackCause::Error { error })
            })
        }
        Some(_) | None => Some(Event::TakenOver { found: route.to_string() }),
    }
}
