//! What the sweep sees of buckets, and how it has an upload taken.

use perch_app::announce_model::Uploaded;
use perch_app::ports::{AnnounceUpload, ListUploads, PortError, Written};
use perch_aws::events;
use perch_aws::uploads::Uploads;
use perch_core::names::BucketName;
use perch_core::target::ModelSource;
use serde_json::{Value, json};

use crate::samples::{at, done};
use crate::support::{Answer, Recorded, aws, read};

fn uploads(answers: impl IntoIterator<Item = Answer>) -> (Uploads, Recorded) {
    let (sdk, recorded) = aws(answers);
    (Uploads::new(&sdk, "perch-on-model-upload".parse().unwrap()), recorded)
}

fn source(more: Value) -> ModelSource {
    let mut source = json!({ "bucket": "models", "prefix": "models/news" });
    source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read(source)
}

fn bucket() -> BucketName {
    "models".parse().unwrap()
}

fn page(inner: &str) -> Answer {
    Answer::xml(&format!("<ListBucketResult>{inner}</ListBucketResult>"))
}

#[tokio::test]
async fn folders_are_listed_without_their_files() {
    let folder = |name: &str| {
        format!("<CommonPrefixes><Prefix>models/news/{name}/</Prefix></CommonPrefixes>")
    };
    let (uploads, sent) = uploads([page(&(folder("v10") + &folder("v9")))]);
    let keys = uploads.uploads(&source(json!({}))).await.unwrap();
    assert_eq!(keys, ["models/news/v10/manifest.json", "models/news/v9/manifest.json"]);
    assert_eq!(sent.paths(), ["GET /?list-type=2&delimiter=%2F&prefix=models%2Fnews%2F"]);
}

#[tokio::test]
async fn of_plain_files_the_newest_that_the_target_takes_is_found() {
    let file = |key: &str, second: u8| {
        format!(
            "<Contents><Key>models/news/{key}</Key>\
             <LastModified>2026-11-21T10:00:{second:02}Z</LastModified></Contents>"
        )
    };
    let files = [file("a.onnx", 2), file("b.onnx", 1), file("notes.txt", 9)].concat();
    let (all, sent) = uploads([page(&files)]);
    let files = source(json!({ "upload": "file", "keys": ["*.onnx"] }));
    assert_eq!(all.uploads(&files).await.unwrap(), ["models/news/a.onnx"]);
    assert_eq!(sent.paths(), ["GET /?list-type=2&prefix=models%2Fnews%2F"]);
    let (none, _) = uploads([page("")]);
    assert_eq!(none.uploads(&files).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_look_tells_version_and_time_and_reads_nothing() {
    let there = || {
        let answer = Answer::xml("").with_header("x-amz-version-id", "m1");
        answer.with_header("last-modified", "Sat, 21 Nov 2026 10:00:05 GMT")
    };
    let written = Written { object: "m1".to_owned(), at: at("2026-11-21T10:00:05Z") };
    let unversioned = Answer::xml("").with_header("last-modified", "Sat, 21 Nov 2026 10:00:05 GMT");
    for (answer, expected) in [
        (there(), Some(written)),
        (Answer::xml("").with_status(404), None),
        (Answer::xml("").with_status(404).with_header("x-amz-delete-marker", "true"), None),
        (unversioned, None),
    ] {
        let (uploads, sent) = uploads([answer]);
        assert_eq!(uploads.written(&bucket(), "a/manifest.json").await.unwrap(), expected);
        assert_eq!(sent.paths(), ["HEAD /a/manifest.json"]);
    }
    let (denied, _) = uploads([Answer::xml("").with_status(403)]);
    let error = denied.written(&bucket(), "a/manifest.json").await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn an_upload_is_announced_as_its_event_would_have() {
    let uploaded = Uploaded {
        bucket: bucket(),
        key: "models/news/v2/manifest.json".to_owned(),
        object: Some("m1".to_owned()),
        event: "sweep-20261121-100500".to_owned(),
        at: at("2026-11-21T10:00:05Z"),
        missed: true,
    };
    let (uploads, sent) = uploads([done().with_status(202)]);
    uploads.announce(&uploaded).await.unwrap();
    let (operation, event) = sent.only();
    let path = "/2015-03-31/functions/perch-on-model-upload/invocations";
    assert_eq!(operation, format!("POST {path} as Event"));
    assert_eq!(events::model_of(&read(event)).unwrap(), uploaded);
}
