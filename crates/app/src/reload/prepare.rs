//! The first steps of a model's release: gates and ledger, the check of the upload, the basis of the
//! judge. Nothing here touches a server.

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::names::Version;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::reload::Fleet;
use serde::{Deserialize, Serialize};

use super::snapshot;
use crate::check_model;
use crate::fix_basis;
use crate::ports::{
    CommitRelease, LoadHead, LoadRelease, LoadTarget, PortError, ReadAlarms, ReadEvidence,
    ReadModels, VerifySignature,
};
use crate::step::{StepError, StepInput, StepOutput, held, missing, settle};
use crate::take_ledger::guards;

/// What the state machine hands over: the release, and what its replicas report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrepareInput {
    /// The release and its fence.
    #[serde(flatten)]
    pub step: StepInput,
    /// What replicas and cache report.
    pub fleet: Fleet,
}

/// Does the next step of the preparation.
///
/// # Errors
/// [`StepError`] when a port failed; a repeated call does the step again.
pub async fn run(
    store: &(impl LoadRelease + LoadHead + LoadTarget + CommitRelease),
    models: &(impl ReadModels + VerifySignature),
    (alarms, metrics): (&impl ReadAlarms, &impl ReadEvidence),
    input: &PrepareInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let step = &input.step;
    let Some(mut release) = held(store, step).await? else {
        return Ok(step.then(Next::End));
    };
    let event = match &release.phase {
        Phase::Pending => begin(store, alarms, &release, &input.fleet, now).await,
        Phase::Preparing if now >= release.deadline => {
            Ok(refused(format!("the model was not ready by {:.0}", release.deadline)))
        }
        Phase::Preparing if release.reload.is_none() => {
            check_model::again(store, models, &release).await
        }
        Phase::Preparing => {
            let timeout =
                release.plan.driver.servers().map_or(0, |of| of.request_timeout.as_secs());
            let timeout = u32::try_from(timeout).unwrap_or(u32::MAX);
            release.judging = fix_basis::run(metrics, &release, timeout, now).await?;
            Ok(Event::CanaryPublished { version: canary(&release)? })
        }
        _ => return Ok(step.then(resume(&release, now))),
    };
    let event = match event {
        Ok(event) => event,
        // Nothing was touched yet, and trying again does not help: the release ends with the reason.
        Err(StepError::Port(
            error @ (PortError::NotFound { .. }
            | PortError::Denied { .. }
            | PortError::Invalid { .. }),
        )) => refused(error.to_string()),
        Err(error) => return Err(error),
    };
    settle(store, step, release, &event, None, now).await
}

fn refused(why: String) -> Event {
    Event::Refused { why }
}

fn canary(release: &Release) -> Result<Version, StepError> {
    snapshot::version(&release.artifact).cloned().ok_or_else(|| missing(release, "model"))
}

/// Gates first, then the ledger.
async fn begin(
    store: &impl LoadHead,
    alarms: &impl ReadAlarms,
    release: &Release,
    fleet: &Fleet,
    now: Timestamp,
) -> Result<Event, StepError> {
    let servers = release.plan.driver.servers().ok_or_else(|| missing(release, "model servers"))?;
    let ignored = match guards(alarms, release).await? {
        Ok(ignored) => ignored,
        Err(why) => return Ok(refused(why)),
    };
    let head = store.head(&release.target).await?;
    Ok(match snapshot::ledger(release, servers, head.as_ref(), fleet, now) {
        Ok(ledger) => Event::LedgerTaken { ledger, ignored },
        Err(why) => refused(why),
    })
}
