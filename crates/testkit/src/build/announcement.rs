//! Announcements of artifacts.

use perch_app::announce::Announcement;
use perch_core::artifact::Artifact;

use super::{at, digest, image};

/// An announcement under construction.
#[derive(Debug, Clone)]
pub struct AnnouncementBuilder(Announcement);

/// Event `event-1`: image b was pushed to `news` as v2 when the test starts.
pub fn announcement() -> AnnouncementBuilder {
    AnnouncementBuilder(Announcement {
        artifact: image('b', "v2"),
        event: "event-1".to_owned(),
        pushed_at: at(0),
    })
}

impl AnnouncementBuilder {
    /// Another event.
    pub fn event(mut self, id: &str) -> Self {
        id.clone_into(&mut self.0.event);
        self
    }

    /// Another artifact.
    pub fn of(mut self, artifact: Artifact) -> Self {
        self.0.artifact = artifact;
        self
    }

    /// A push without a tag.
    pub fn untagged(self) -> Self {
        let repository = "news".parse().unwrap();
        self.of(Artifact::Image { repository, digest: digest('b'), tag: None })
    }

    /// Pushed this many seconds after the test's start.
    pub fn pushed_at(mut self, seconds: i64) -> Self {
        self.0.pushed_at = at(seconds);
        self
    }

    /// The announcement.
    pub fn build(self) -> Announcement {
        self.0
    }
}
