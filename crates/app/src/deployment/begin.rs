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

/// Does the next step before the deployment of a release.
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
    let mover = release.plan.driver.mover().ok_or_else(|| missing(release, "deployment"))?;
    if release.phase == Phase::Pending {
        match pass(deployments, mover, Some(&release.id)).await? {
            Gate::Free => {}
            Gate::Refused(why) => return Ok(Step::refused(why)),
            Gate::Wait(_) if now >= release.deadline => {
                let deadline = release.deadline;
                return Ok(Step::refused(format!("{mover} was busy until {deadline:.0}")));
            }
            Gate::Wait(after_seconds) => {
                return Ok(Step::Again(match release.plan.driver {
                    Driver::Service(_) => Next::Follow { after_seconds },
                    Driver::Alias(_) | Driver::Servers(_) => Next::Prepare { after_seconds },
                }));
            }
        }
    }
    let begun = match &release.plan.driver {
        Driver::Service(of) => service::begin(services, looks, of.clone(), release, now).await,
        Driver::Alias(_) | Driver::Servers(_) => {
            let service = alias_of(release)?;
            return Ok(match unfit(service, &lambda.alias(service).await?) {
                Some(why) => Step::refused(why),
                None => Step::Again(Next::Prepare { after_seconds: 0 }),
            });
        }
    };
    match begun {
        Ok(event) => Ok(Step::Event(Box::new(event))),
        // Nothing was touched yet, and trying again does not help: the release ends with the reason.
        Err(StepError::Port(
            error @ (PortError::NotFound { .. }
            | PortError::Denied { .. }
            | PortError::Invalid { .. }),
        )) => Ok(Step::refused(error.to_string())),
        Err(error) => Err(error),
    }
}
