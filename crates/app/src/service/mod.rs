//! Releases to ECS services, before their deployment: the ledger, then the canary's task definition.
//! Nothing here moves traffic.

mod ledger;
mod prepare;

use jiff::Timestamp;
use perch_core::decide::Event;
use perch_core::phase::Phase;
use perch_core::release::{LONGEST_REQUEST, Release};
use perch_core::target::EcsService;

use crate::fix_basis;
use crate::ports::{FindImage, ReadAlarms, ReadEvidence, ReadServices, RegisterTask};
use crate::step::StepError;

/// Does the next step before the deployment.
///
/// # Errors
/// [`StepError`] when a port failed; a repeated call goes on.
pub(crate) async fn begin(
    services: &(impl ReadServices + RegisterTask),
    (images, alarms, metrics): (&impl FindImage, &impl ReadAlarms, &impl ReadEvidence),
    service: EcsService,
    release: &mut Release,
    now: Timestamp,
) -> Result<Event, StepError> {
    if release.phase == Phase::Pending {
        return ledger::take(services, (images, alarms), &service, release, now).await;
    }
    if now >= release.deadline {
        let why = format!("the canary was not ready by {:.0}", release.deadline);
        return Ok(Event::Refused { why });
    }
    let event = prepare::run(services, release).await?;
    if matches!(event, Event::CanaryPublished { .. }) {
        let longest = u32::try_from(LONGEST_REQUEST.as_secs()).unwrap_or(u32::MAX);
        release.judging = fix_basis::run(metrics, release, longest, now).await?;
    }
    Ok(event)
}
