//! ECR: whether an image is there, and which one was pushed last.

use aws_config::SdkConfig;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::{DescribeImagesFilter, ImageDetail, ImageIdentifier, TagStatus};
use jiff::Timestamp;
use perch_app::ports::{FindImage, ImageState, ListSources, PortError};
use perch_core::artifact::Artifact;
use perch_core::sweep::Pushed;
use perch_core::target::ImageSource;

use crate::error::port_error;

/// `DescribeImages` answers this many images at once (API Reference, `maxResults`).
const IMAGES_PER_PAGE: i32 = 1000;

/// Images in the registry of the account and region.
#[derive(Debug, Clone)]
pub struct Images {
    client: Client,
    region: String,
}

impl Images {
    /// Images under this configuration.
    pub fn new(sdk: &SdkConfig) -> Self {
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        Self { client: Client::new(sdk), region }
    }
}

/// Where an image is: `account.dkr.ecr.region.amazonaws.com/repository@digest`.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    account: &'a str,
    region: &'a str,
    repository: &'a str,
    digest: &'a str,
}

impl<'a> Place<'a> {
    /// The parts of a URI; `None` when it is not one of ECR's by digest.
    fn of(uri: &'a str) -> Option<Self> {
        let (host, path) = uri.split_once('/')?;
        let (repository, digest) = path.split_once('@')?;
        let (account, host) = host.split_once(".dkr.ecr.")?;
        let (region, _) = host.split_once('.')?;
        Some(Self { account, region, repository, digest })
    }
}

impl FindImage for Images {
    async fn image(&self, uri: &str) -> Result<ImageState, PortError> {
        let Some(place) = Place::of(uri).filter(|place| place.region == self.region) else {
            return Ok(ImageState::Unknown);
        };
        let found = self
            .client
            .describe_images()
            .registry_id(place.account)
            .repository_name(place.repository)
            .image_ids(ImageIdentifier::builder().image_digest(place.digest).build())
            .send()
            .await;
        match found.map_err(|error| port_error(format!("image {uri}"), error)) {
            Ok(_) => Ok(ImageState::Present),
            Err(PortError::NotFound { .. }) => Ok(ImageState::Gone),
            Err(PortError::Denied { .. }) => Ok(ImageState::Unknown),
            Err(error) => Err(error),
        }
    }
}

impl ListSources for Images {
    async fn newest_image(&self, source: &ImageSource) -> Result<Option<Pushed>, PortError> {
        let filter = DescribeImagesFilter::builder().tag_status(TagStatus::Tagged).build();
        let mut images = self
            .client
            .describe_images()
            .repository_name(source.repository.as_str())
            .filter(filter)
            .max_results(IMAGES_PER_PAGE)
            .into_paginator()
            .items()
            .send();
        let mut newest: Option<Pushed> = None;
        while let Some(image) = images.next().await {
            let image = match image.map_err(|e| port_error(source.repository.as_str(), e)) {
                Ok(image) => image,
                // Nothing was ever pushed to a repository that does not exist yet.
                Err(PortError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let later = |pushed: &Pushed| newest.as_ref().is_none_or(|n| pushed.at > n.at);
            newest = pushed(source, &image).filter(later).or(newest);
        }
        Ok(newest)
    }
}

/// The image under the first of its tags that the source takes. The time is in whole seconds, as the
/// event of the same push says it.
fn pushed(source: &ImageSource, image: &ImageDetail) -> Option<Pushed> {
    let tag = image.image_tags().iter().find(|tag| source.admits(tag))?;
    let artifact = Artifact::Image {
        repository: source.repository.clone(),
        digest: image.image_digest()?.parse().ok()?,
        tag: Some(tag.clone()),
    };
    Some(Pushed { artifact, at: Timestamp::from_second(image.image_pushed_at()?.secs()).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uris_of_ecr_by_digest_are_places() {
        let uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/news@sha256:aa";
        let place = Place {
            account: "123456789012",
            region: "eu-west-1",
            repository: "team/news",
            digest: "sha256:aa",
        };
        assert_eq!(Place::of(uri), Some(place));
        for other in ["public.ecr.aws/x/y@sha256:aa", "news", "1.dkr.ecr.r.a.com/news:v1"] {
            assert_eq!(Place::of(other), None, "{other}");
        }
    }
}
