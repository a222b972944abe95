//! Where the traffic of a release goes, while a driver moves it by itself.

use jiff::Timestamp;
use perch_core::decide::Event;
use perch_core::head::Ledger;
use perch_core::names::Version;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Driver, Release};
use perch_core::weight::Weight;

use crate::move_alias::way;
use crate::ports::{PortError, ReadAlias, ReadDeployments, ReadServices, Route, ServiceState};
use crate::step::{StepError, missing};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The canary's weight; nothing where something else serves than the baseline and the canary.
    pub(crate) weight: Option<Weight>,
    /// Whether the release may have set it, at whatever weights.
    pub(crate) is_within: bool,
    /// In words.
    pub(crate) text: String,
}

impl Seen {
    /// Whether the baseline has all traffic.
    pub(crate) fn is_baseline(&self) -> bool {
        self.weight == Some(Weight::ZERO)
    }

    fn of_route(route: &Route, ledger: &Ledger, canary: Option<&Version>) -> Self {
        let weight = match &route.split {
            None if route.primary == ledger.baseline => Some(Weight::ZERO),
            None if Some(&route.primary) == canary => Some(Weight::FULL),
            Some((second, weight))
                if route.primary == ledger.baseline && Some(second) == canary =>
            {
                Some(*weight)
            }
            None | Some(_) => None,
        };
        Self { weight, is_within: route.is_within(ledger), text: route.to_string() }
    }

    fn of_service(found: &ServiceState, ledger: &Ledger, canary: Option<&Version>) -> Self {
        let known = |version: &Version| *version == ledger.baseline || Some(version) == canary;
        let of_family = ledger.service().is_some_and(|of| of.family == found.family);
        let ours = of_family
            && found.foreign.is_none()
            && !found.shares.is_empty()
            && found.shares.iter().all(|(version, _)| known(version));
        let of_canary = found.shares.iter().find(|(version, _)| Some(version) == canary);
        let weight = of_canary.map_or(Weight::ZERO, |(_, weight)| *weight);
        Self { weight: ours.then_some(weight), is_within: ours, text: found.to_string() }
    }
}

impl std::fmt::Display for ServiceState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts: Vec<String> = self
            .shares
            .iter()
            .map(|(version, weight)| format!("{}:{version} at {weight}", self.family))
            .collect();
        parts.extend(self.foreign.iter().map(|foreign| format!("task definition {foreign}")));
        let text = if parts.is_empty() { "no traffic at all".to_owned() } else { parts.join(", ") };
        f.write_str(&text)
    }
}

/// Reads where the traffic of a release goes.
///
/// # Errors
/// [`StepError`] when it can't be read, or the release has no ledger.
pub(crate) async fn seen(
    (lambda, services): (&impl ReadAlias, &impl ReadServices),
    release: &Release,
) -> Result<Seen, StepError> {
    let ledger = release.ledger.as_ref().ok_or_else(|| missing(release, "ledger"))?;
    let canary = release.canary.as_ref();
    match &release.plan.driver {
        Driver::Alias(alias) => {
            let found = lambda.alias(alias).await?;
            Ok(Seen::of_route(&found.route, ledger, canary))
        }
        Driver::Service(service) => {
            let found = services.service(service).await?;
            Ok(Seen::of_service(&found, ledger, canary))
        }
        Driver::Servers(_) => Err(missing(release, "driver that moves by itself")),
    }
}

/// What follows where the traffic is not as the release knows it: the deployment moved on, or went back,
/// or someone else moved it.
///
/// At the end of the watch the weights do not tell all: a deployment that has begun to go back may not have
/// moved any. It is read after them, so that one which begins later finds the release promoted, and
/// [`super::changed`] tells people.
///
/// # Errors
/// As [`seen`], and when the deployment can't be read.
pub(crate) async fn unexpected(
    (lambda, services): (&impl ReadAlias, &impl ReadServices),
    deployments: &impl ReadDeployments,
    release: &Release,
    now: Timestamp,
) -> Result<Option<Event>, StepError> {
    way(release)?;
    let (found, expected) = (seen((lambda, services), release).await?, release.weight());
    let is_last = matches!(release.phase, Phase::Watching { until, .. } if now >= until);
    let went_back = found.weight.is_some_and(|weight| weight < expected);
    if (went_back || (is_last && found.weight == Some(expected)))
        && let Some(why) = failure(deployments, release).await?
    {
        return Ok(Some(Event::RollbackRequested(RollbackCause::Platform { why })));
    }
    Ok(match found.weight {
        Some(weight) if weight == expected => None,
        Some(weight) if weight > expected && matches!(release.phase, Phase::Baking { .. }) => {
            Some(Event::WeightFound { weight })
        }
        Some(weight) if weight < expected => {
            let id = release.deployment_id();
            let id = id.map_or("it".to_owned(), ToString::to_string);
            let error = format!("the deployment took traffic back to {weight}; see why in {id}");
            Some(Event::RollbackRequested(RollbackCause::Error { error }))
        }
        Some(_) | None => Some(Event::TakenOver { found: found.text }),
    })
}

/// Why the deployment of the release failed, or goes back.
async fn failure(
    deployments: &impl ReadDeployments,
    release: &Release,
) -> Result<Option<String>, PortError> {
    let Some(id) = release.deployment_id() else { return Ok(None) };
    match deployments.deployment(id).await {
        Ok(state) => Ok(state.failure().map(str::to_owned)),
        // It is forgotten by now.
        Err(PortError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
