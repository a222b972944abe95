//! What comes before a deployment: nobody else's may be under way; and where ECS runs the canary, the
//! ledger and the canary's task definition.

use jiff::Timestamp;
use perch_core::decide::{Event, Next};
use perch_core::phase::Phase;
use perch_core::release::{Driver, Release};

use super::gate::{Gate, pass};
use crate::ports::{
    FindImage, PortError, ReadAlarms, ReadAlias, ReadDeployments, ReadEvidence, ReadServices,
    RegisterTask, StopDeployment,
};
use crate::service;
use crate::step::{StepError, alias_of, missing};
use crate::take_ledger::unfit;

/// What came of a step.
pub(super) enum Step {
    /// This is settled.
    Event(Box<Event>),
    /// Nothing yet.
    Again(Next),
}

impl Step {
    fn refused(why: String) -> Self {
        Step::Event(Box::new(Event::Refused { why }))
    }
}

/// Does the next step before the deployment of a release. What trying again does not mend ends it with the
/// reason: nothing was touched yet.
pub(super) async fn run(
    (lambda, services, deployments, looks): (
        &impl ReadAlias,
        &(impl ReadServices + RegisterTask),
        &(impl ReadDeployments + StopDeployment),
        (&impl FindImage, &impl ReadAlarms, &impl ReadEvidence),
    ),
    release: &mut Release,
    now: Timestamp,
) -> Result<Step, StepError> {
    let step = match waits(deployments, release, now).await {
        Ok(Some(step)) => Ok(step),
        Ok(None) => begin((lambda, services, looks), release, now).await,
        Err(error) => Err(error),
    };
    match step {
        Err(StepError::Port(
            error @ (PortError::NotFound { .. }
            | PortError::Denied { .. }
            | PortError::Invalid { .. }),
        )) => Ok(Step::refused(error.to_string())),
        step => step,
    }
}

/// What is to be done instead of beginning while someone else's deployment is under way.
async fn waits(
    deployments: &(impl ReadDeployments + StopDeployment),
    release: &Release,
    now: Timestamp,
) -> Result<Option<Step>, StepError> {
    let mover = release.plan.driver.mover().ok_or_else(|| missing(release, "deployment"))?;
    if release.phase != Phase::Pending {
        return Ok(None);
    }
    Ok(match pass(deployments, mover, Some(&release.id)).await? {
        Gate::Free => None,
        Gate::Refused(why) => Some(Step::refused(why)),
        Gate::Wait(_) if now >= release.deadline => {
            let deadline = release.deadline;
            Some(Step::refused(format!("{mover} was busy until {deadline:.0}")))
        }
        Gate::Wait(after_seconds) => Some(Step::Again(match release.plan.driver {
            Driver::Service(_) => Next::Follow { after_seconds },
            Driver::Alias(_) | Driver::Servers(_) => Next::Prepare { after_seconds },
        })),
    })
}

/// Takes the ledger, and where ECS runs the canary, registers it.
async fn begin(
    (lambda, services, looks): (
        &impl ReadAlias,
        &(impl ReadServices + RegisterTask),
        (&impl FindImage, &impl ReadAlarms, &impl ReadEvidence),
    ),
    release: &mut Release,
    now: Timestamp,
) -> Result<Step, StepError> {
    match &release.plan.driver {
        Driver::Service(of) => {
            let event = service::begin(services, looks, of.clone(), release, now).await?;
            Ok(Step::Event(Box::new(event)))
        }
        Driver::Alias(_) | Driver::Servers(_) => {
            let service = alias_of(release)?;
            Ok(match unfit(service, &lambda.alias(service).await?) {
                Some(why) => Step::refused(why),
                None => Step::Again(Next::Prepare { after_seconds: 0 }),
            })
        }
    }
}
