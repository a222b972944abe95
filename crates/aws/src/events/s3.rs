//! `Object Created` (S3 User Guide, "EventBridge event message structure").

use perch_app::announce::Announcement;
use perch_app::announce_model::Uploaded;
use perch_core::artifact::Artifact;
use perch_core::names::BucketName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Delivered, EventError, detail, id, malformed, time};

const KIND: &str = "Object Created";

/// The source of events that stand for those that did not come.
const SWEEP: &str = "perch.sweep";

#[derive(Deserialize)]
struct Detail {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: BucketName,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Object {
    key: String,
    #[serde(default)]
    version_id: Option<String>,
}

/// The package that was uploaded.
///
/// # Errors
/// [`EventError`] for another kind of event, or one from a bucket without versions: what is
/// released has to be the object that was uploaded, not the one that is there later.
pub fn package_of(event: &Delivered) -> Result<Announcement, EventError> {
    let Detail { bucket, object } = detail(event, KIND)?;
    let Some(version) = object.version_id.filter(|version| !version.is_empty()) else {
        let message = format!(
            "missing field `object.version-id`: bucket {} has no versions; turn on its versioning",
            bucket.name
        );
        return Err(malformed(event, KIND, message));
    };
    Ok(Announcement {
        artifact: Artifact::Package { bucket: bucket.name, key: object.key, version },
        event: id(event),
        pushed_at: time(event),
    })
}

/// The object that may be a model, or the manifest of one. Without a version id the bucket has no
/// versions; what that means is said to the people of the target.
///
/// # Errors
/// [`EventError`] for another kind of event.
pub fn model_of(event: &Delivered) -> Result<Uploaded, EventError> {
    let Detail { bucket, object } = detail(event, KIND)?;
    let version = object.version_id.filter(|version| !["", "null"].contains(&version.as_str()));
    Ok(Uploaded {
        bucket: bucket.name,
        key: object.key,
        object: version,
        event: id(event),
        at: time(event),
        missed: event.source == SWEEP,
    })
}

/// The event that stands for one that did not come.
pub(crate) fn upload_event(uploaded: &Uploaded) -> Value {
    let Uploaded { bucket, key, object, event, at, .. } = uploaded;
    json!({
        "version": "0",
        "id": event,
        "detail-type": KIND,
        "source": SWEEP,
        "time": at,
        "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": {
            "version": "0",
            "bucket": { "name": bucket },
            "object": { "key": key, "version-id": object },
            "reason": "no event announced it",
        },
    })
}
