//! Models in S3: what is asked, and what the answers mean.

use perch_app::ports::{ObjectId, PortError, ReadBucket, ReadModels, VerifySignature};
use perch_aws::models::{Kept, Models, Put};
use perch_core::manifest::{Algorithm, Checksum, Found, Sha256, Signature, Stored};
use perch_core::names::BucketName;
use serde_json::json;

use crate::support::{Answer, Recorded, aws};

const KEY: &str = "models/news/v2/m.bin";
/// Base64 of 32 bytes that are 7 each.
const SUM: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn models(answers: impl IntoIterator<Item = Answer>) -> (Models, Recorded) {
    let (sdk, recorded) = aws(answers);
    (Models::new(&sdk), recorded)
}

fn bucket() -> BucketName {
    "models".parse().unwrap()
}

fn head(checksum: &str) -> Answer {
    let answer = Answer::xml("").with_header("x-amz-version-id", "a1");
    let answer = answer.with_header("content-length", "12");
    match checksum {
        "" => answer,
        text => answer.with_header("x-amz-checksum-sha256", text),
    }
}

#[tokio::test]
async fn a_look_at_an_object_asks_for_its_checksum_and_reads_nothing() {
    let sum = Sha256::new([7; 32]);
    let object = |checksum| Found::Object(Stored { version_id: "a1".into(), size: 12, checksum });
    let gone = || Answer::xml("").with_status(404);
    for (answer, expected) in [
        (head(SUM), object(Checksum::Full(sum))),
        (head(&format!("{SUM}-3")), object(Checksum::Composite { sum, parts: 3 })),
        (head(""), object(Checksum::None)),
        (gone(), Found::Nothing),
        (gone().with_header("x-amz-delete-marker", "true"), Found::Deleted),
    ] {
        let (models, sent) = models([answer]);
        assert_eq!(models.object(&bucket(), KEY).await.unwrap(), expected);
        assert_eq!(sent.paths(), [format!("HEAD /{KEY}")]);
        assert_eq!(sent.header(0, "x-amz-checksum-mode").as_deref(), Some("ENABLED"));
    }
    let (denied, _) = models([Answer::xml("").with_status(403)]);
    let error = denied.object(&bucket(), KEY).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
    let (busy, _) = models([Answer::xml("").with_status(503)]);
    let error = busy.object(&bucket(), KEY).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn only_enabled_versioning_counts() {
    let status = |status: &str| {
        let inner =
            if status.is_empty() { String::new() } else { format!("<Status>{status}</Status>") };
        Answer::xml(&format!("<VersioningConfiguration>{inner}</VersioningConfiguration>"))
    };
    for (answer, versioned) in
        [(status("Enabled"), true), (status("Suspended"), false), (status(""), false)]
    {
        let (models, _) = models([answer]);
        assert_eq!(models.is_versioned(&bucket()).await.unwrap(), versioned);
    }
}

#[tokio::test]
async fn a_bucket_tells_eventbridge_or_others_alone() {
    let queue = "<QueueConfiguration><Id>a</Id><Queue>arn:aws:sqs:eu-west-1:1:q</Queue>\
                 <Event>s3:ObjectCreated:*</Event></QueueConfiguration>";
    for (inner, announces) in [("<EventBridgeConfiguration/>", true), (queue, false), ("", false)] {
        let body = format!("<NotificationConfiguration>{inner}</NotificationConfiguration>");
        let (models, sent) = models([Answer::xml(&body)]);
        assert_eq!(models.announces(&bucket()).await.unwrap(), announces);
        assert_eq!(sent.paths(), ["GET /?notification"]);
    }
}

#[tokio::test]
async fn versions_of_a_key_come_newest_first_and_those_of_longer_keys_not_at_all() {
    let item = |kind: &str, key: &str, id: &str, latest: bool, second: u8| {
        format!(
            "<{kind}><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{latest}</IsLatest>\
             <LastModified>2026-11-21T10:00:{second:02}Z</LastModified></{kind}>"
        )
    };
    let body = [
        item("Version", "m.json", "first", false, 1),
        item("Version", "m.json", "third", false, 3),
        item("Version", "m.json.bak", "other", true, 9),
        item("DeleteMarker", "m.json", "second", false, 2),
        item("DeleteMarker", "m.json", "last", true, 3),
    ]
    .concat();
    let (models, sent) =
        models([Answer::xml(&format!("<ListVersionsResult>{body}</ListVersionsResult>"))]);
    let kept = models.versions(&bucket(), "m.json").await.unwrap();
    let kept: Vec<_> = kept.iter().map(|kept| (kept.id.as_str(), kept.deleted)).collect();
    assert_eq!(kept, [("last", true), ("third", false), ("second", true), ("first", false)]);
    assert_eq!(sent.paths(), ["GET /?versions&max-keys=100&prefix=m.json"]);
}

#[tokio::test]
async fn content_has_a_limit_and_a_sum() {
    let bucket = bucket();
    let object = ObjectId { bucket: &bucket, key: KEY, version: "a1" };
    let (all, sent) = models([Answer::xml("weights")]);
    assert_eq!(all.content(object, 7).await.unwrap(), b"weights");
    assert!(sent.paths()[0].contains("versionId=a1"), "{:?}", sent.paths());
    let (large, _) = models([Answer::xml("weights")]);
    let error = large.content(object, 6).await.unwrap_err();
    assert!(error.to_string().contains("more than 6 bytes"), "{error}");
    let (summed, _) = models([Answer::xml("abc")]);
    let sum = summed.digest(object).await.unwrap().to_string();
    assert_eq!(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[tokio::test]
async fn a_url_is_of_one_version_and_good_for_an_hour() {
    let (models, sent) = models([]);
    let bucket = bucket();
    let url = models.url(ObjectId { bucket: &bucket, key: KEY, version: "a1" }).await.unwrap();
    for part in ["versionId=a1", "X-Amz-Expires=3600", "X-Amz-Signature=", "/m.bin?"] {
        assert!(url.contains(part), "{part}: {url}");
    }
    assert_eq!(sent.paths(), [""; 0], "it is made without a call");
}

#[tokio::test]
async fn a_manifest_is_written_only_where_there_is_none() {
    let (fresh, sent) = models([Answer::xml("").with_header("x-amz-version-id", "m1")]);
    let id = fresh.put(&bucket(), "v2/manifest.json", Put::New(b"{}".to_vec())).await.unwrap();
    assert_eq!(id.as_deref(), Some("m1"));
    assert_eq!(sent.header(0, "if-none-match").as_deref(), Some("*"));
    let refusal = "<Error><Code>PreconditionFailed</Code><Message>At least one</Message></Error>";
    let (taken, _) = models([Answer::xml(refusal).with_status(412)]);
    let error =
        taken.put(&bucket(), "v2/manifest.json", Put::New(b"{}".to_vec())).await.unwrap_err();
    assert!(matches!(error, PortError::Conflict { .. }), "{error:?}");
}

#[tokio::test]
async fn parts_become_an_object_under_their_composite_sum() {
    let done = "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>";
    let (models, sent) = models([Answer::xml(done).with_header("x-amz-version-id", "a1")]);
    let part = |number| Kept {
        number,
        size: 5,
        sha256: Sha256::new([7; 32]),
        etag: format!("tag{number}"),
    };
    let parts = [part(1), part(2)];
    let sum = Sha256::new([7; 32]);
    let id = models.finish(&bucket(), KEY, "upload-1", (&parts, &sum)).await.unwrap();
    assert_eq!(id.as_deref(), Some("a1"));
    let checksum = sent.header(0, "x-amz-checksum-sha256").unwrap();
    assert_eq!(checksum, format!("{SUM}-2"));
    assert_eq!(sent.header(0, "x-amz-checksum-type").as_deref(), Some("COMPOSITE"));
}

#[tokio::test]
async fn kms_says_whether_a_signature_holds() {
    let signature = Signature { algorithm: Algorithm::EcdsaSha256, value: "AQID".to_owned() };
    for (answer, holds) in [
        (Answer::json(&json!({ "SignatureValid": true })), true),
        (Answer::error(400, "KMSInvalidSignatureException", ""), false),
    ] {
        let (models, sent) = models([answer]);
        assert_eq!(models.holds("arn:key", b"abc", &signature).await.unwrap(), holds);
        let (operation, body) = sent.only();
        assert_eq!(operation, "Verify");
        assert_eq!(
            body,
            json!({
                "KeyId": "arn:key",
                "Message": "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
                "MessageType": "DIGEST",
                "Signature": "AQID",
                "SigningAlgorithm": "ECDSA_SHA_256",
            })
        );
    }
    let (denied, _) = models([Answer::error(400, "AccessDeniedException", "kms:Verify")]);
    let error = denied.holds("arn:key", b"abc", &signature).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}
