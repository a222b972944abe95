//! Images: whether one is there, and which was pushed last.

use perch_app::ports::{FindImage, ImageState, ListSources, PortError};
use perch_aws::images::Images;
use perch_core::sweep::Pushed;
use perch_core::target::ImageSource;
use serde_json::{Value, json};

use crate::samples::{DIGEST, at, image, target};
use crate::support::{Answer, Recorded, aws, read};

const ACCOUNT: &str = "210987654321";

fn images(answers: impl IntoIterator<Item = Answer>) -> (Images, Recorded) {
    let (sdk, recorded) = aws(answers);
    (Images::new(&sdk), recorded)
}

fn uri(region: &str) -> String {
    format!("{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/team/news@{DIGEST}")
}

fn page(images: &[Value], next: Option<&str>) -> Answer {
    let mut body = json!({ "imageDetails": images });
    if let Some(next) = next {
        body["nextToken"] = json!(next);
    }
    Answer::json(&body)
}

#[tokio::test]
async fn an_image_is_looked_for_in_its_own_registry() {
    let found = json!({ "imageDigest": DIGEST });
    for (answer, state) in [
        (page(&[found], None), ImageState::Present),
        (Answer::error(400, "ImageNotFoundException", "no such image"), ImageState::Gone),
        (Answer::error(400, "RepositoryNotFoundException", "no such name"), ImageState::Gone),
        (Answer::error(400, "AccessDeniedException", "another account's"), ImageState::Unknown),
    ] {
        let (images, sent) = images([answer]);
        assert_eq!(images.image(&uri("eu-west-1")).await.unwrap(), state);
        let body = json!({
            "registryId": ACCOUNT,
            "repositoryName": "team/news",
            "imageIds": [{ "imageDigest": DIGEST }],
        });
        assert_eq!(sent.only(), ("DescribeImages".into(), body));
    }
}

#[tokio::test]
async fn an_image_elsewhere_is_not_asked_for() {
    for uri in [uri("us-east-1"), "public.ecr.aws/team/news@sha256:aa".into(), "news:v2".into()] {
        let (images, sent) = images([]);
        assert_eq!(images.image(&uri).await.unwrap(), ImageState::Unknown);
        assert_eq!(sent.requests(), []);
    }
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_an_error() {
    let (images, _) = images([Answer::error(500, "ServerException", "later")]);
    let error = images.image(&uri("eu-west-1")).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
}

/// An image that was pushed so many seconds after noon.
fn pushed(digest: &str, tags: &[&str], seconds: f64) -> Value {
    let noon = f64::from(1_795_262_400_u32);
    json!({ "imageDigest": digest, "imageTags": tags, "imagePushedAt": noon + seconds })
}

fn digest(of: char) -> String {
    format!("sha256:{}", of.to_string().repeat(64))
}

fn source() -> ImageSource {
    target().sources.image.unwrap()
}

#[tokio::test]
async fn the_newest_image_with_a_tag_that_the_source_takes_is_found_on_any_page() {
    let (images, sent) = images([
        page(
            &[pushed(&digest('a'), &["v1"], 10.0), pushed(&digest('b'), &["dev"], 90.0)],
            Some("more"),
        ),
        page(&[pushed(DIGEST, &["latest", "v2"], 60.75), pushed(&digest('c'), &["v0"], 5.0)], None),
    ]);
    let expected = Pushed { artifact: read(image()), at: at("2026-11-21T12:01:00Z") };
    assert_eq!(images.newest_image(&source()).await.unwrap(), Some(expected));
    let first = json!({
        "repositoryName": "news",
        "filter": { "tagStatus": "TAGGED" },
        "maxResults": 1000,
    });
    let mut second = first.clone();
    second["nextToken"] = json!("more");
    let bodies: Vec<Value> = sent.requests().into_iter().map(|sent| sent.body).collect();
    assert_eq!(bodies, [first, second]);
    assert_eq!(sent.operations(), ["DescribeImages"; 2]);
}

#[tokio::test]
async fn of_two_pushes_at_once_the_first_listed_stays() {
    let (images, _) = images([page(
        &[pushed(DIGEST, &["v2"], 60.25), pushed(&digest('a'), &["v3"], 60.5)],
        None,
    )]);
    let newest = images.newest_image(&source()).await.unwrap().unwrap();
    assert_eq!(newest.artifact.identity(), DIGEST);
}

#[tokio::test]
async fn a_repository_without_an_image_for_the_source_has_none() {
    for answer in [
        page(&[], None),
        page(&[pushed(DIGEST, &["dev", "latest"], 1.0)], None),
        Answer::error(400, "RepositoryNotFoundException", "no such name"),
    ] {
        let (images, _) = images([answer]);
        assert_eq!(images.newest_image(&source()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_repository_that_may_not_be_listed_is_an_error() {
    let (images, _) = images([Answer::error(400, "AccessDeniedException", "no")]);
    let error = images.newest_image(&source()).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}
