//! Releases that a person starts: of any artifact, or of a version that served before.

use jiff::Timestamp;
use perch_core::artifact::{Artifact, Lane};
use perch_core::names::{AlarmName, ReleaseId, TargetName, Version};
use perch_core::release::{Cause, Plan};
use perch_core::target::{EcsService, Lambda, Target};
use perch_core::weight::Weight;

use super::OrderError;
use crate::announce::Answer;
use crate::ports::{
    KeepNote, LoadArtifact, LoadHead, LoadRelease, LoadStanding, LoadTarget, PlanRelease,
    PortError, ReadAlias, ReadFunction, ReadServices, Revision, Route, StartExecution, WaitForTurn,
};
use crate::start_release;

/// What a person wants to be released, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// To what.
    pub target: TargetName,
    /// What.
    pub artifact: Artifact,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Guards that may be in ALARM at the start; each counts again once it was seen OK.
    pub overrides: Vec<AlarmName>,
    /// Whether it may have been rolled back before.
    pub allow_quarantined: bool,
    /// Whether it is the way back to what served before: all at once.
    pub way_back: bool,
}

/// The table as the start of a release needs it.
pub trait Starts:
    LoadTarget
    + LoadHead
    + LoadStanding
    + LoadArtifact
    + LoadRelease
    + PlanRelease
    + WaitForTurn
    + KeepNote
{
}

impl<T> Starts for T where
    T: LoadTarget
        + LoadHead
        + LoadStanding
        + LoadArtifact
        + LoadRelease
        + PlanRelease
        + WaitForTurn
        + KeepNote
{
}

/// Starts the release of an artifact, whatever was released since.
///
/// # Errors
/// [`OrderError`] when a stop stands, a release holds the target, or the artifact is quarantined.
pub async fn start(
    store: &impl Starts,
    executions: &impl StartExecution,
    wanted: &Start,
    now: Timestamp,
) -> Result<ReleaseId, OrderError> {
    let name = &wanted.target;
    let target =
        store.target(name).await?.ok_or_else(|| OrderError::UnknownTarget(name.clone()))?;
    for alarm in &wanted.overrides {
        refuse_no_guard(&target, wanted.artifact.lane(), alarm)?;
    }
    let standing = store.standing(name).await?;
    if let Some(stop) = standing.stop {
        return Err(OrderError::Stopped { target: name.clone(), stop });
    }
    if let Some(active) = standing.head.and_then(|head| head.active) {
        return Err(OrderError::Busy { target: name.clone(), active });
    }
    if let Some(known) = store.artifact(name, &wanted.artifact).await? {
        let artifact = wanted.artifact.to_string();
        if known.outcome.is_none() {
            return Err(OrderError::InFlight { artifact, by: known.release });
        }
        // A version that a person goes back to is chosen by its number, not by what it once was.
        let chosen = wanted.allow_quarantined || wanted.artifact.is_version();
        if known.is_quarantined() && !chosen {
            return Err(OrderError::Quarantined { artifact, by: known.release });
        }
    }
    let cause = Cause::Person {
        by: wanted.by.clone(),
        reason: wanted.reason.clone(),
        at: now,
        overrides: wanted.overrides.clone(),
        way_back: wanted.way_back,
    };
    match start_release::start(store, executions, &target, &wanted.artifact, cause, now).await? {
        Answer::Started(id) => Ok(id),
        // Something came between the look and the start.
        Answer::Waits { behind: found } | Answer::Ignored(found) => Err(PortError::Conflict {
            what: format!("target {name}"),
            expected: "it free".to_owned(),
            found,
        }
        .into()),
    }
}

fn refuse_no_guard(target: &Target, lane: Lane, alarm: &AlarmName) -> Result<(), OrderError> {
    let guards = Plan::of(target, lane).map(|plan| plan.guards).unwrap_or_default();
    if guards.contains(alarm) {
        return Ok(());
    }
    let guards: Vec<&str> = guards.iter().map(AlarmName::as_str).collect();
    Err(OrderError::NoGuard {
        alarm: alarm.to_string(),
        target: target.name.clone(),
        guards: if guards.is_empty() { "none".to_owned() } else { guards.join(", ") },
    })
}

/// Starts the release of a version that exists: all traffic at once, without guards and watch,
/// because nothing automatic may take a person's way back away.
///
/// # Errors
/// [`OrderError`] as for [`start`], and when the version does not exist or serves already.
pub async fn go_back_to(
    store: &impl Starts,
    (lambda, services): (&(impl ReadAlias + ReadFunction), &impl ReadServices),
    executions: &impl StartExecution,
    (target, version): (&TargetName, &Version),
    (by, reason): (&str, &str),
    now: Timestamp,
) -> Result<ReleaseId, OrderError> {
    let known = store.target(target).await?;
    let known = known.ok_or_else(|| OrderError::UnknownTarget(target.clone()))?;
    let serves = match (&known.service.lambda, &known.service.ecs) {
        (Some(service), _) => published(lambda, service, version).await?,
        (None, Some(service)) => registered(services, service, version).await?,
        (None, None) => return Err(OrderError::NoFunction(target.clone())),
    };
    if serves {
        let (target, version) = (target.clone(), version.clone());
        return Err(OrderError::ServesAlready { target, version });
    }
    let wanted = Start {
        target: target.clone(),
        artifact: Artifact::Version { version: version.clone() },
        by: by.to_owned(),
        reason: reason.to_owned(),
        overrides: Vec::new(),
        allow_quarantined: true,
        way_back: true,
    };
    start(store, executions, &wanted, now).await
}

/// Whether a version of a function serves alone already.
async fn published(
    lambda: &(impl ReadAlias + ReadFunction),
    service: &Lambda,
    version: &Version,
) -> Result<bool, OrderError> {
    match lambda.version(&service.function, version).await {
        Ok(_) => Ok(lambda.alias(service).await?.route == Route::all_on(version)),
        Err(PortError::NotFound { .. }) => {
            let (function, version) = (service.function.clone(), version.clone());
            Err(OrderError::UnknownVersion { function, version })
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a revision of a service's task definition serves alone already.
async fn registered(
    services: &impl ReadServices,
    service: &EcsService,
    version: &Version,
) -> Result<bool, OrderError> {
    let found = services.service(service).await?;
    let container = service.container.as_ref().unwrap_or(&found.container);
    let known = services.task_definition(&found.family, Revision::Number(version), container).await;
    match known {
        Ok(known) if known.is_active => {
            Ok(found.shares == [(version.clone(), Weight::FULL)] && found.foreign.is_none())
        }
        Ok(_) | Err(PortError::NotFound { .. }) => {
            let (family, version) = (found.family, version.clone());
            Err(OrderError::UnknownRevision { family, version })
        }
        Err(error) => Err(error.into()),
    }
}
