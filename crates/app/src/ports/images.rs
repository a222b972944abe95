//! What registries say about images: which one a tag names, and which ones a lifecycle policy takes
//! away.

use std::future::Future;

use perch_core::digest::Digest;
use perch_core::lifecycle::{Image, Policy};
use perch_core::names::RepositoryName;
use serde::Serialize;

use super::PortError;

/// How a person names an image of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageName {
    /// By a tag, which may name another image tomorrow.
    Tag(String),
    /// By its digest.
    Digest(Digest),
}

/// Finds an image by its name.
pub trait ResolveTag {
    /// The image of the repository that has this name now.
    ///
    /// # Errors
    /// [`PortError::NotFound`] when there is no such repository.
    fn resolve(
        &self,
        repository: &RepositoryName,
        name: &ImageName,
    ) -> impl Future<Output = Result<Option<Image>, PortError>> + Send;
}

/// A repository's lifecycle policy and all images that it applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// The policy.
    pub policy: Policy,
    /// Every image of the repository.
    pub images: Vec<Image>,
}

/// Reads lifecycle policies.
pub trait ReadLifecycle {
    /// The policy of a repository and its images; `None` where it has no policy.
    ///
    /// # Errors
    /// [`PortError::NotFound`] when there is no such repository.
    fn lifecycle(
        &self,
        repository: &RepositoryName,
    ) -> impl Future<Output = Result<Option<Lifecycle>, PortError>> + Send;
}
