//! Task definitions as they are read.

use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{Tag, TaskDefinitionField, TaskDefinitionStatus};
use perch_app::ports::{PortError, Revision, TaskDefinition};
use perch_core::names::{EcsName, ReleaseId};

use super::Services;
use crate::error::port_error;

/// The tag that names the release which registered a task definition.
pub(super) const RELEASE: &str = "perch:release";

/// A revision of a family.
pub(super) async fn read(
    services: &Services,
    family: &EcsName,
    revision: Revision<'_>,
    container: &EcsName,
) -> Result<TaskDefinition, PortError> {
    let name = match revision {
        Revision::Number(revision) => format!("{family}:{revision}"),
        Revision::Newest => family.to_string(),
    };
    let what = format!("task definition {name}");
    let found = services
        .ecs
        .describe_task_definition()
        .task_definition(name)
        .include(TaskDefinitionField::Tags)
        .send()
        .await
        .map_err(|error| match error.code() {
            // What ECS says of one that does not exist: "Unable to describe task definition."
            Some("ClientException") => PortError::NotFound { what: what.clone() },
            _ => port_error(what.as_str(), error),
        })?;
    let invalid = |message: String| PortError::Invalid { what: what.clone(), message };
    let definition = found.task_definition().ok_or(PortError::NotFound { what: what.clone() })?;
    let containers = definition.container_definitions();
    let of = containers.iter().find(|of| of.name() == Some(container.as_str()));
    let image = of.and_then(|of| of.image());
    let image = image.ok_or_else(|| invalid(format!("it has no container {container}")))?;
    let number = definition.revision().to_string().parse();
    Ok(TaskDefinition {
        revision: number.map_err(|_| invalid("it has no number".into()))?,
        image: image.to_owned(),
        is_active: definition.status() == Some(&TaskDefinitionStatus::Active),
        release: release_of(found.tags()),
    })
}

/// The release that a task definition's tags name.
pub(super) fn release_of(tags: &[Tag]) -> Option<ReleaseId> {
    let tag = tags.iter().find(|tag| tag.key() == Some(RELEASE))?;
    tag.value()?.parse().ok()
}
