//! ECR: a repository's lifecycle policy, and the images that it applies to.

use perch_app::ports::{Lifecycle, PortError, ReadLifecycle};
use perch_core::names::RepositoryName;

use crate::error::port_error;
use crate::tags::{Repositories, image};

/// `DescribeImages` answers this many images at once (API Reference, `maxResults`).
const IMAGES_PER_PAGE: i32 = 1000;

impl ReadLifecycle for Repositories {
    async fn lifecycle(&self, repository: &RepositoryName) -> Result<Option<Lifecycle>, PortError> {
        let what = || format!("the lifecycle policy of repository {repository}");
        let answer =
            self.client.get_lifecycle_policy().repository_name(repository.as_str()).send().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_lifecycle_policy_not_found_exception()) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(port_error(what(), error)),
        };
        let text = answer.lifecycle_policy_text().unwrap_or_default();
        let policy = serde_json::from_str(text).map_err(|error| PortError::Invalid {
            what: what(),
            message: format!("it can't be read: {error}"),
        })?;
        let mut details = self
            .client
            .describe_images()
            .repository_name(repository.as_str())
            .max_results(IMAGES_PER_PAGE)
            .into_paginator()
            .items()
            .send();
        let mut images = Vec::new();
        while let Some(detail) = details.next().await {
            let detail = detail.map_err(|e| port_error(format!("repository {repository}"), e))?;
            images.extend(image(&detail));
        }
        Ok(Some(Lifecycle { policy, images }))
    }
}
