//! Registers task definitions.

use aws_sdk_ecs::Config;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::types::TaskDefinitionField;
use perch_app::ports::{PortError, RegisterTask, Registering};
use perch_core::names::Version;

use super::clone::clone_with;
use super::definition::RELEASE;
use super::raw::{Kept, sending};
use super::{Services, ecs_error};
use crate::error::port_error;

impl RegisterTask for Services {
    async fn register(&self, registering: Registering<'_>) -> Result<Version, PortError> {
        let Registering { family, from, container, image, release } = registering;
        let source = format!("{family}:{from}");
        let kept = Kept::default();
        self.ecs
            .describe_task_definition()
            .task_definition(&source)
            .include(TaskDefinitionField::Tags)
            .customize()
            .interceptor(kept.clone())
            .send()
            .await
            .map_err(|e| port_error(format!("task definition {source}"), e))?;
        let what = format!("a task definition like {source}");
        let invalid = |message: String| PortError::Invalid { what: what.clone(), message };
        let image = format!("{}/{image}", self.registry);
        let tag = (RELEASE, release.as_str());
        let body = clone_with(&kept.take(), container.as_str(), &image, tag)
            .map_err(|error| invalid(error.to_string()))?;
        let request = self.ecs.register_task_definition();
        // It has no client token: who tries again looks for the release's tag first.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let made = sending!(request, body).config_override(once).send().await;
        let made = made.map_err(|e| ecs_error(&what, e))?;
        let number = made.task_definition().map(|made| made.revision().to_string());
        number.unwrap_or_default().parse().map_err(|_| invalid("it has no number".into()))
    }
}
