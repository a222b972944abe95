//! `ECR Image Action` (ECR User Guide, "Amazon ECR events and EventBridge").

use perch_app::announce::Announcement;
use perch_app::ports::Note;
use perch_core::artifact::Artifact;
use perch_core::digest::Digest;
use perch_core::names::RepositoryName;
use serde::Deserialize;
use serde_json::Value;

use super::{Delivered, EventError, detail, id, time};

const KIND: &str = "ECR Image Action";

/// Archiving and deletion come under the same detail type; only a push that succeeded is one.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Action {
    result: String,
    action_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Push {
    repository_name: RepositoryName,
    image_digest: Digest,
    /// Absent or empty for an untagged manifest, such as one of a multi-architecture index.
    #[serde(default)]
    image_tag: Option<String>,
}

/// The image that was pushed; `None` when the event is about something else than a push.
///
/// # Errors
/// [`EventError`] for another kind of event, or a push without a documented field.
pub fn image_of(event: &Delivered) -> Result<Option<Announcement>, EventError> {
    let Action { result, action_type } = detail(event, KIND)?;
    if action_type != "PUSH" || result != "SUCCESS" {
        return Ok(None);
    }
    let push: Push = detail(event, KIND)?;
    Ok(Some(Announcement {
        artifact: Artifact::Image {
            repository: push.repository_name,
            digest: push.image_digest,
            tag: push.image_tag.filter(|tag| !tag.is_empty()),
        },
        event: id(event),
        pushed_at: time(event),
    }))
}

/// The note about an event that [`image_of`] found to be no push that succeeded.
pub fn not_a_push(event: &Delivered) -> Note {
    let field = |name: &str| event.detail.get(name).and_then(Value::as_str).unwrap_or("?");
    Note {
        at: time(event),
        target: None,
        event: id(event),
        subject: format!("{}@{}", field("repository-name"), field("image-digest")),
        text: format!(
            "the action is {} with result {}; only a PUSH with SUCCESS starts a release",
            field("action-type"),
            field("result")
        ),
    }
}
