//! What people ask of ECR: the image under a name, and a repository's lifecycle policy.

use perch_app::ports::{ImageName, PortError, ReadLifecycle, ResolveTag};
use perch_aws::tags::Repositories;
use perch_core::lifecycle::{Expiry, Image};
use perch_core::names::RepositoryName;
use serde_json::{Value, json};

use crate::samples::DIGEST;
use crate::support::{Answer, Recorded, Sent, aws};

/// Noon of 2026-11-21.
const NOON: i64 = 1_795_262_400;

fn repositories(answers: impl IntoIterator<Item = Answer>) -> (Repositories, Recorded) {
    let (sdk, recorded) = aws(answers);
    (Repositories::new(&sdk), recorded)
}

fn news() -> RepositoryName {
    "team/news".parse().unwrap()
}

fn detail() -> Value {
    json!({
        "imageDigest": DIGEST,
        "imageTags": ["v42", "latest"],
        "imagePushedAt": NOON as f64 + 0.75,
        "lastRecordedPullTime": NOON + 60,
        "imageStatus": "ACTIVE",
    })
}

fn image() -> Image {
    Image {
        digest: DIGEST.parse().unwrap(),
        tags: vec!["v42".to_owned(), "latest".to_owned()],
        pushed_at: jiff::Timestamp::from_second(NOON).unwrap(),
        pulled_at: Some(jiff::Timestamp::from_second(NOON + 60).unwrap()),
        archived: false,
    }
}

#[tokio::test]
async fn an_image_is_found_by_its_tag_and_by_its_digest() {
    for (name, id) in [
        (ImageName::Tag("v42".to_owned()), json!({ "imageTag": "v42" })),
        (ImageName::Digest(DIGEST.parse().unwrap()), json!({ "imageDigest": DIGEST })),
    ] {
        let answer = Answer::json(&json!({ "imageDetails": [detail()] }));
        let (repositories, sent) = repositories([answer]);
        assert_eq!(repositories.resolve(&news(), &name).await.unwrap(), Some(image()));
        let body = json!({ "repositoryName": "team/news", "imageIds": [id] });
        assert_eq!(sent.only(), ("DescribeImages".into(), body));
    }
}

#[tokio::test]
async fn a_missing_image_is_none_and_a_missing_repository_is_not_found() {
    let name = ImageName::Tag("v9".to_owned());
    let (missing, _) = repositories([Answer::error(400, "ImageNotFoundException", "no v9")]);
    assert_eq!(missing.resolve(&news(), &name).await.unwrap(), None);
    let (nowhere, _) = repositories([Answer::error(400, "RepositoryNotFoundException", "no")]);
    let error = nowhere.resolve(&news(), &name).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
    assert_eq!(error.to_string(), "repository team/news does not exist");
    let (denied, _) = repositories([Answer::error(400, "AccessDeniedException", "no")]);
    let error = denied.resolve(&news(), &name).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}

const POLICY: &str = r#"{ "rules": [{
    "rulePriority": 1, "description": "14 days", "action": { "type": "expire" },
    "selection": { "tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days",
        "countNumber": 14 }
}] }"#;

fn policy(text: &str) -> Answer {
    Answer::json(&json!({ "repositoryName": "team/news", "lifecyclePolicyText": text }))
}

#[tokio::test]
async fn a_policy_comes_with_every_image_of_the_repository() {
    let mut archived = detail();
    archived["imageStatus"] = json!("ARCHIVED");
    archived["imageDigest"] = json!(format!("sha256:{}", "f".repeat(64)));
    let (repositories, sent) = repositories([
        policy(POLICY),
        Answer::json(&json!({ "imageDetails": [detail()], "nextToken": "more" })),
        Answer::json(&json!({ "imageDetails": [archived] })),
    ]);
    let found = repositories.lifecycle(&news()).await.unwrap().unwrap();
    assert_eq!(found.images[0], image());
    assert!(found.images[1].archived);
    let later = jiff::Timestamp::from_second(NOON + 15 * 86_400).unwrap();
    let (rule, expiry) = found.policy.expiry(&image().digest, &found.images, later).unwrap();
    assert_eq!((rule.priority, expiry), (1, Expiry::Due));
    let page = |body| Sent { operation: "DescribeImages".into(), body };
    let name = "team/news";
    assert_eq!(
        sent.requests(),
        [
            Sent {
                operation: "GetLifecyclePolicy".into(),
                body: json!({ "repositoryName": name })
            },
            page(json!({ "repositoryName": name, "maxResults": 1000 })),
            page(json!({ "repositoryName": name, "maxResults": 1000, "nextToken": "more" })),
        ]
    );
}

#[tokio::test]
async fn without_a_policy_no_image_is_listed() {
    let answer = Answer::error(400, "LifecyclePolicyNotFoundException", "no policy");
    let (repositories, sent) = repositories([answer]);
    assert_eq!(repositories.lifecycle(&news()).await.unwrap(), None);
    assert_eq!(sent.operations(), ["GetLifecyclePolicy"]);
}

#[tokio::test]
async fn a_policy_that_is_none_and_a_missing_repository_are_errors() {
    let (broken, _) = repositories([policy("{}")]);
    let error = broken.lifecycle(&news()).await.unwrap_err();
    assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
    let (nowhere, _) = repositories([Answer::error(400, "RepositoryNotFoundException", "no")]);
    let error = nowhere.lifecycle(&news()).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
}
