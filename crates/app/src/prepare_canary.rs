//! Takes the ledger, then has the canary version published. Each call does one step of it and says
//! whether to come back; nothing here moves traffic.

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::decide::{Event, Next, resume};
use perch_core::names::Version;
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::check_model;
use crate::fix_basis;
use crate::golden;
use crate::ports::{
    AskVersion, CodeState, CommitRelease, FindImage, ImageState, LoadHead, LoadRelease, LoadTarget,
    PointAtModel, PortError, PublishVersion, ReadAlarms, ReadAlias, ReadEvidence, ReadFunction,
    ReadModels, UpdateCode, VerifySignature,
};
use crate::publish_canary;
use crate::step::{StepError, StepInput, StepOutput, alias_of, held, settle};
use crate::take_ledger;

/// How long to wait before looking again whether Lambda is done with new code.
const POLL: Next = Next::Prepare { after_seconds: 2 };

/// Does the next step of the preparation.
pub async fn run(
    store: &(impl LoadRelease + LoadHead + LoadTarget + CommitRelease),
    lambda: &(impl ReadAlias + ReadFunction + UpdateCode + PointAtModel + PublishVersion + AskVersion),
    (images, models, alarms, metrics): (
        &impl FindImage,
        &(impl ReadModels + VerifySignature),
        &impl ReadAlarms,
        &impl ReadEvidence,
    ),
    input: &StepInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let Some(mut release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    // ECS runs the canary: the step that has its deployment begin makes it.
    if release.plan.driver.service().is_some() || release.awaits_smoke_tests() {
        return Ok(input.then(resume(&release, now)));
    }
    let outcome = match &release.phase {
        Phase::Pending => match take_ledger::run(lambda, images, alarms, &release, now).await {
            Ok(Some(event)) => Ok(Step::settled(event)),
            Ok(None) => return Ok(input.then(Next::Follow { after_seconds: 0 })),
            Err(error) => Err(error),
        },
        Phase::Preparing if now >= release.deadline => Ok(Step::settled(refused(format!(
            "the canary was not ready by {:.0}",
            release.deadline
        )))),
        Phase::Preparing => match &release.artifact {
            Artifact::Version { version } => existing(lambda, images, &release, version).await,
            Artifact::Model { .. } if release.reload.is_none() => {
                check_model::again(store, models, &release).await.map(Step::settled)
            }
            Artifact::Model { .. } => {
                let step = publish_canary::run(lambda, &release).await;
                asked(lambda, models, &release, step).await
            }
            Artifact::Image { .. } | Artifact::Package { .. } => {
                publish_canary::run(lambda, &release).await
            }
        },
        _ => return Ok(input.then(resume(&release, now))),
    };
    let outcome = match outcome {
        Ok(Step::Published(version, timeout_seconds)) => {
            let judging = fix_basis::run(metrics, &release, timeout_seconds, now).await;
            judging.map_err(StepError::from).map(|judging| {
                release.judging = judging;
                Step::settled(Event::CanaryPublished { version })
            })
        }
        other => other,
    };
    match outcome {
        Ok(Step::Event(event)) => settle(store, input, release, &event, None, now).await,
        Ok(Step::Published(..) | Step::Again) => Ok(input.then(POLL)),
        // Nothing was touched yet, and trying again does not help: the release ends with the reason.
        Err(StepError::Port(
            error @ (PortError::NotFound { .. }
            | PortError::Denied { .. }
            | PortError::Invalid { .. }),
        )) => settle(store, input, release, &refused(error.to_string()), None, now).await,
        Err(error) => Err(error),
    }
}

/// What a step of the preparation came to.
pub(crate) enum Step {
    /// This is settled.
    Event(Box<Event>),
    /// The canary version, and the time-out of its invocations in seconds.
    Published(Version, u32),
    /// Lambda is not done yet.
    Again,
}

impl Step {
    /// What is settled.
    pub(crate) fn settled(event: Event) -> Self {
        Step::Event(Box::new(event))
    }
}

fn refused(why: String) -> Event {
    Event::Refused { why }
}

/// The same step, unless a version was published that answers its golden requests otherwise.
async fn asked(
    lambda: &impl AskVersion,
    models: &impl ReadModels,
    release: &Release,
    step: Result<Step, StepError>,
) -> Result<Step, StepError> {
    let Ok(Step::Published(version, timeout)) = step else { return step };
    let function = &alias_of(release)?.function;
    let wrong = golden::wrong_answer(lambda, models, function, &version, release).await?;
    Ok(match wrong {
        Some(why) => Step::settled(refused(format!("version {version} of {function}: {why}"))),
        None => Step::Published(version, timeout),
    })
}

/// A version that a person goes back to: it must be there, and so must its image.
async fn existing(
    lambda: &impl ReadFunction,
    images: &impl FindImage,
    release: &Release,
    version: &Version,
) -> Result<Step, StepError> {
    let function = &alias_of(release)?.function;
    let found = match lambda.version(function, version).await {
        Ok(found) => found,
        Err(PortError::NotFound { .. }) => {
            return Ok(Step::settled(refused(format!(
                "version {version} of {function} does not exist (any more); `aws lambda \
                 list-versions-by-function --function-name {function}` lists those that do"
            ))));
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(uri) = &found.image
        && images.image(uri).await? == ImageState::Gone
    {
        return Ok(Step::settled(refused(format!(
            "the image of version {version}, {uri}, is not in the registry any more"
        ))));
    }
    Ok(match found.state {
        CodeState::Ready => Step::Published(version.clone(), found.timeout_seconds),
        CodeState::InProgress => Step::Again,
        CodeState::Failed { reason } => {
            Step::settled(refused(format!("version {version} of {function} can't start: {reason}")))
        }
    })
}
