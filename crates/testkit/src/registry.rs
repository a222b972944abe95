//! ECR in memory: what was pushed, newest last.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use perch_app::ports::{ListSources, PortError};
use perch_core::artifact::Artifact;
use perch_core::sweep::Pushed;
use perch_core::target::ImageSource;

use crate::calls::Calls;

/// Images in memory.
#[derive(Debug)]
pub struct MemoryRegistry {
    calls: Arc<Calls>,
    pushed: Mutex<Vec<Pushed>>,
}

impl MemoryRegistry {
    /// A registry without images.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), pushed: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), pushed: Mutex::new(self.pushed.lock().unwrap().clone()) }
    }

    /// Adds an image; whether an event announces it is the test's affair.
    pub fn push(&self, artifact: Artifact, at: Timestamp) {
        self.pushed.lock().unwrap().push(Pushed { artifact, at });
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
