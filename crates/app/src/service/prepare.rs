//! Registers the canary's task definition: the baseline's in all but the image, which is pinned by digest.

use perch_core::artifact::Artifact;
use perch_core::decide::Event;
use perch_core::names::Version;
use perch_core::release::Release;

use crate::ports::{PortError, ReadServices, RegisterTask, Registering, Revision};
use crate::step::{StepError, missing};

pub(super) async fn run(
    services: &(impl ReadServices + RegisterTask),
    release: &Release,
) -> Result<Event, StepError> {
    let ledger = release.ledger.as_ref().ok_or_else(|| missing(release, "ledger"))?;
    let before = ledger.service().ok_or_else(|| missing(release, "service"))?;
    let container = before.service.container.as_ref().unwrap_or(&before.container);
    let image = match &release.artifact {
        Artifact::Image { repository, digest, .. } => format!("{repository}@{digest}"),
        Artifact::Version { version } => return existing(services, release, version).await,
        Artifact::Model { .. } | Artifact::Package { .. } => {
            let why = format!("{} runs images, not {}", before.service, release.artifact);
            return Ok(Event::Refused { why });
        }
    };
    // RegisterTaskDefinition has no client token: what an earlier try registered has the release's tag.
    let newest = services.task_definition(&before.family, Revision::Newest, container).await?;
    if newest.release.as_ref() == Some(&release.id) {
        return Ok(Event::CanaryPublished { version: newest.revision });
    }
    let registering = Registering {
        family: &before.family,
        from: &ledger.baseline,
        container,
        image: &image,
        release: &release.id,
    };
    let version = services.register(registering).await?;
    Ok(Event::CanaryPublished { version })
}

/// A revision that a person goes back to.
async fn existing(
    services: &impl ReadServices,
    release: &Release,
    version: &Version,
) -> Result<Event, StepError> {
    let before = release.ledger.as_ref().and_then(|ledger| ledger.service());
    let before = before.ok_or_else(|| missing(release, "service"))?;
    let container = before.service.container.as_ref().unwrap_or(&before.container);
    let found =
        services.task_definition(&before.family, Revision::Number(version), container).await;
    Ok(match found {
        Ok(found) if found.is_active => Event::CanaryPublished { version: version.clone() },
        Ok(_) | Err(PortError::NotFound { .. }) => Event::Refused {
            why: format!(
                "task definition {0}:{version} does not exist or is not active any more; `aws ecs \
                 list-task-definitions --family-prefix {0}` lists those that are",
                before.family
            ),
        },
        Err(error) => return Err(error.into()),
    })
}
