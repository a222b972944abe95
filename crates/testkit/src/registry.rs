//! ECR in memory: what was pushed, newest last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use perch_app::ports::{ImageName, Lifecycle, ListSources, PortError, ReadLifecycle, ResolveTag};
use perch_core::artifact::Artifact;
use perch_core::lifecycle::{Image, Policy};
use perch_core::names::RepositoryName;
use perch_core::sweep::Pushed;
use perch_core::target::ImageSource;

use crate::calls::Calls;

/// Images in memory.
#[derive(Debug)]
pub struct MemoryRegistry {
    calls: Arc<Calls>,
    pushed: Mutex<Vec<Pushed>>,
    policies: Mutex<BTreeMap<RepositoryName, Policy>>,
}

impl MemoryRegistry {
    /// A registry without images.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), pushed: Mutex::default(), policies: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        let pushed = Mutex::new(self.pushed.lock().unwrap().clone());
        let policies = Mutex::new(self.policies.lock().unwrap().clone());
        Self { calls: calls.clone(), pushed, policies }
    }

    /// Adds an image; whether an event announces it is the test's affair.
    pub fn push(&self, artifact: Artifact, at: Timestamp) {
        self.pushed.lock().unwrap().push(Pushed { artifact, at });
    }

    /// Gives a repository this lifecycle policy, as its JSON text.
    ///
    /// # Panics
    /// When the text is no policy.
    pub fn set_policy(&self, repository: &RepositoryName, text: &str) {
        let policy = serde_json::from_str(text).expect("the text is a policy");
        self.policies.lock().unwrap().insert(repository.clone(), policy);
    }

    /// The images of a repository, each with the tags of all its pushes.
    fn images(&self, repository: &RepositoryName) -> Vec<Image> {
        let mut images: Vec<Image> = Vec::new();
        for Pushed { artifact, at } in self.pushed.lock().unwrap().iter() {
            let Artifact::Image { repository: of, digest, tag } = artifact else { continue };
            if of != repository {
                continue;
            }
            for image in &mut images {
                image.tags.retain(|other| Some(other) != tag.as_ref());
            }
            match images.iter_mut().find(|image| image.digest == *digest) {
                Some(image) => image.tags.extend(tag.clone()),
                None => images.push(Image {
                    digest: digest.clone(),
                    tags: tag.iter().cloned().collect(),
                    pushed_at: *at,
                    pulled_at: None,
                    archived: false,
                }),
            }
        }
        images
    }
}

impl ResolveTag for MemoryRegistry {
    async fn resolve(
        &self,
        repository: &RepositoryName,
        name: &ImageName,
    ) -> Result<Option<Image>, PortError> {
        let named = |image: &Image| match name {
            ImageName::Tag(tag) => image.tags.contains(tag),
            ImageName::Digest(digest) => image.digest == *digest,
        };
        self.calls.port("resolve", || Ok(self.images(repository).into_iter().find(named))).await
    }
}

impl ReadLifecycle for MemoryRegistry {
    async fn lifecycle(&self, repository: &RepositoryName) -> Result<Option<Lifecycle>, PortError> {
        self.calls
            .port("lifecycle", || {
                let policy = self.policies.lock().unwrap().get(repository).cloned();
                Ok(policy.map(|policy| Lifecycle { policy, images: self.images(repository) }))
            })
            .await
    }
}

impl ListSources for MemoryRegistry {
    async fn newest_image(&self, source: &ImageSource) -> Result<Option<Pushed>, PortError> {
        self.calls
            .port("newest_image", || {
                let pushed = self.pushed.lock().unwrap();
                let taken = pushed.iter().filter(|image| match &image.artifact {
                    Artifact::Image { repository, tag: Some(tag), .. } => {
                        *repository == source.repository && source.admits(tag)
                    }
                    _ => false,
                });
                Ok(taken.max_by_key(|image| image.at).cloned())
            })
            .await
    }
}
