//! Takes the snapshot of an ECS service, or says why a release can't start.

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::decide::Event;
use perch_core::deployment::are_gated;
use perch_core::head::{Ledger, ServiceSnapshot, Snapshot};
use perch_core::release::Release;
use perch_core::target::EcsService;
use perch_core::weight::Weight;

use crate::ports::{FindImage, ReadAlarms, ReadServices, Revision};
use crate::step::StepError;
use crate::take_ledger::{guards, no_way_back};

pub(super) async fn take(
    services: &impl ReadServices,
    (images, alarms): (&impl FindImage, &impl ReadAlarms),
    service: &EcsService,
    release: &Release,
    now: Timestamp,
) -> Result<Event, StepError> {
    let found = services.service(service).await?;
    let baseline = match (found.shares.as_slice(), &found.foreign) {
        ([(version, Weight::FULL)], None) => version.clone(),
        _ => {
            return Ok(refused(format!(
                "the traffic of {service} is split already ({found}), and Perch did not do it: a \
                 split is never taken as the state to come back to; end that deployment first"
            )));
        }
    };
    let ignored = match guards(alarms, release).await? {
        Ok(ignored) => ignored,
        Err(why) => return Ok(refused(why)),
    };
    let container = service.container.as_ref().unwrap_or(&found.container);
    let serves =
        services.task_definition(&found.family, Revision::Number(&baseline), container).await?;
    if !serves.is_active {
        return Ok(refused(format!(
            "there is no way back: {service} runs task definition {}:{baseline}, which is not active \
             any more, so that nothing can be brought back to it; register it anew and deploy that \
             first",
            found.family
        )));
    }
    let by_digest = serves.image.contains('@').then_some(serves.image.as_str());
    if let Some(why) = no_way_back(images, release, by_digest).await? {
        return Ok(refused(why));
    }
    let same = match &release.artifact {
        Artifact::Image { digest, .. } => serves.image.ends_with(digest.as_str()),
        Artifact::Version { version } => *version == baseline,
        Artifact::Model { .. } | Artifact::Package { .. } => false,
    };
    if same {
        let why = format!("{} serves already, as {}:{baseline}", release.artifact, found.family);
        return Ok(refused(why));
    }
    let snapshot = Snapshot::Service(Box::new(ServiceSnapshot {
        service: service.clone(),
        family: found.family,
        image: serves.image,
        container: found.container,
        port: found.port,
        groups: found.groups,
        is_gated: are_gated(&found.hooks),
    }));
    let ledger = Ledger { baseline, canary: None, snapshot, taken_at: now };
    Ok(Event::LedgerTaken { ledger, ignored })
}

fn refused(why: String) -> Event {
    Event::Refused { why }
}
