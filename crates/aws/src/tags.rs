//! ECR: the image that a tag or a digest names now.

use aws_config::SdkConfig;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::{ImageDetail, ImageIdentifier, ImageStatus};
use jiff::Timestamp;
use perch_app::ports::{ImageName, PortError, ResolveTag};
use perch_core::lifecycle::Image;
use perch_core::names::RepositoryName;

use crate::error::port_error;

/// Repositories in the registry of the account and region, as people ask about them.
#[derive(Debug, Clone)]
pub struct Repositories {
    pub(crate) client: Client,
}

impl Repositories {
    /// Repositories under this configuration.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self { client: Client::new(sdk) }
    }
}

impl ResolveTag for Repositories {
    async fn resolve(
        &self,
        repository: &RepositoryName,
        name: &ImageName,
    ) -> Result<Option<Image>, PortError> {
        let id = ImageIdentifier::builder();
        let id = match name {
            ImageName::Tag(tag) => id.image_tag(tag),
            ImageName::Digest(digest) => id.image_digest(digest.as_str()),
        };
        let answer = self
            .client
            .describe_images()
            .repository_name(repository.as_str())
            .image_ids(id.build())
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.image_details().iter().find_map(image)),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_image_not_found_exception()) =>
            {
                Ok(None)
            }
            Err(error) => Err(port_error(format!("repository {repository}"), error)),
        }
    }
}

/// An image as a lifecycle policy sees it. Times are in whole seconds, as events say them.
pub(crate) fn image(detail: &ImageDetail) -> Option<Image> {
    let time =
        |at: Option<&aws_sdk_ecr::primitives::DateTime>| Timestamp::from_second(at?.secs()).ok();
    Some(Image {
        digest: detail.image_digest()?.parse().ok()?,
        tags: detail.image_tags().to_vec(),
        pushed_at: time(detail.image_pushed_at())?,
        pulled_at: time(detail.last_recorded_pull_time()),
        archived: matches!(detail.image_status(), Some(ImageStatus::Archived)),
    })
}
