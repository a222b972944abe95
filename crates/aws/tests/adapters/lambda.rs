//! Aliases, code and versions.

use perch_app::ports::{
    AliasState, CodeState, FunctionState, PortError, PublishVersion, ReadAlias, ReadFunction,
    Route, ShiftWeight, UpdateCode, VersionState,
};
use perch_aws::lambda::Functions;
use perch_core::artifact::Artifact;
use perch_core::names::{FunctionName, Version};
use perch_core::target::Lambda;
use perch_core::weight::Weight;
use serde_json::{Value, json};

use crate::samples::{DIGEST, image};
use crate::support::{Answer, Recorded, aws, read};

const REGISTRY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

fn functions(answer: Answer) -> (Functions, Recorded) {
    let (sdk, recorded) = aws([answer]);
    (Functions::with_registry(&sdk, REGISTRY.into()), recorded)
}

pub(crate) fn live() -> Lambda {
    read(json!({ "function": "news", "alias": "live" }))
}

fn news() -> FunctionName {
    "news".parse().unwrap()
}

fn version(number: &str) -> Version {
    number.parse().unwrap()
}

fn alias(version: &str, weights: Value) -> Answer {
    Answer::json(&json!({
        "AliasArn": "arn:aws:lambda:eu-west-1:123456789012:function:news:live",
        "Name": "live",
        "FunctionVersion": version,
        "RoutingConfig": weights,
        "RevisionId": "rev-1",
    }))
}

fn split(version: &str, weight: f64) -> Value {
    json!({ "AdditionalVersionWeights": { version: weight } })
}

async fn read_alias(answer: Answer) -> Result<AliasState, PortError> {
    let (functions, sent) = functions(answer);
    let found = functions.alias(&live()).await;
    let expected = ("GET /2015-03-31/functions/news/aliases/live".to_owned(), Value::Null);
    assert_eq!(sent.only(), expected);
    found
}

#[tokio::test]
async fn an_alias_without_a_split_is_all_on_its_version() {
    for weights in [Value::Null, json!({ "AdditionalVersionWeights": {} }), split("5", 0.0)] {
        let found = read_alias(alias("4", weights)).await.unwrap();
        let expected = AliasState { route: Route::all_on(&version("4")), revision: "rev-1".into() };
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_split_is_read_in_whole_percent() {
    for (fraction, percent) in [(0.1, 10), (0.05, 5), (0.29, 29), (0.999, 100), (0.001, 1)] {
        let found = read_alias(alias("4", split("5", fraction))).await.unwrap();
        let weight = Weight::new(percent).unwrap();
        assert_eq!(found.route.split, Some((version("5"), weight)), "{fraction}");
    }
}

#[tokio::test]
async fn an_alias_of_the_unpublished_code_can_not_be_released() {
    let error = read_alias(alias("$LATEST", Value::Null)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "alias live of function news was refused: it points at $LATEST; publish a version and \
         point the alias at it"
    );
}

#[tokio::test]
async fn what_went_wrong_says_what_the_caller_can_do() {
    let what = "alias live of function news";
    let missing = read_alias(Answer::error(404, "ResourceNotFoundException", "gone")).await;
    assert!(matches!(missing.unwrap_err(), PortError::NotFound { what: w } if w == what));
    let denied = read_alias(Answer::error(403, "AccessDeniedException", "no")).await;
    let PortError::Denied { message, .. } = denied.unwrap_err() else { panic!() };
    assert_eq!(message, "no");
    for (status, code) in
        [(429, "TooManyRequestsException"), (500, "ServiceException"), (503, "NewException")]
    {
        let error = read_alias(Answer::error(status, code, "later")).await.unwrap_err();
        assert!(matches!(error, PortError::Unavailable { .. }), "{code}: {error:?}");
    }
}

async fn shift(answer: Answer, route: &Route) -> (Result<AliasState, PortError>, (String, Value)) {
    let (functions, sent) = functions(answer);
    let shifted = functions.shift(&live(), route, "rev-1").await;
    (shifted, sent.only())
}

#[tokio::test]
async fn a_shift_sends_the_fraction_and_the_revision() {
    let route =
        Route { primary: version("4"), split: Some((version("5"), Weight::new(10).unwrap())) };
    let (shifted, (operation, body)) = shift(alias("4", split("5", 0.1)), &route).await;
    assert_eq!(shifted.unwrap().route, route);
    assert_eq!(operation, "PUT /2015-03-31/functions/news/aliases/live");
    let expected = json!({
        "FunctionVersion": "4",
        "RoutingConfig": { "AdditionalVersionWeights": { "5": 0.1 } },
        "RevisionId": "rev-1",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn going_back_sends_an_empty_map() {
    let route = Route::all_on(&version("4"));
    let (shifted, (_, body)) = shift(alias("4", Value::Null), &route).await;
    assert_eq!(shifted.unwrap().route, route);
    let expected = json!({
        "FunctionVersion": "4",
        "RoutingConfig": { "AdditionalVersionWeights": {} },
        "RevisionId": "rev-1",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn an_alias_that_was_moved_meanwhile_is_a_conflict() {
    let route = Route::all_on(&version("4"));
    let moved =
        Answer::error(412, "PreconditionFailedException", "The RevisionId is not the latest");
    let PortError::Conflict { found, .. } = shift(moved, &route).await.0.unwrap_err() else {
        panic!()
    };
    assert_eq!(found, "The RevisionId is not the latest");
}

#[tokio::test]
async fn a_missing_right_names_the_action() {
    let route = Route::all_on(&version("4"));
    let message = "User: x is not authorized to perform: lambda:UpdateAlias on resource: y";
    let denied = Answer::error(403, "AccessDeniedException", message);
    let error = shift(denied, &route).await.0.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("permission denied for alias live of function news: {message}")
    );
}

async fn function(configuration: Value) -> FunctionState {
    let (functions, sent) = functions(Answer::json(&json!({ "Configuration": configuration })));
    let found = functions.function(&news()).await.unwrap();
    assert_eq!(sent.only().0, "GET /2015-03-31/functions/news");
    found
}

#[tokio::test]
async fn code_is_ready_when_its_update_is_through() {
    let state = |state: &str, update: &str| {
        json!({
            "CodeSha256": "c2hh",
            "RevisionId": "rev-9",
            "PackageType": "Image",
            "State": state,
            "LastUpdateStatus": update,
            "LastUpdateStatusReason": "no such image",
        })
    };
    let failed = || CodeState::Failed { reason: "no such image".into() };
    for (configuration, update) in [
        (state("Active", "Successful"), CodeState::Ready),
        (state("Inactive", "Successful"), CodeState::Ready),
        (state("Active", "InProgress"), CodeState::InProgress),
        (state("Pending", "Successful"), CodeState::InProgress),
        (state("Active", "Failed"), failed()),
    ] {
        let expected = FunctionState {
            code_sha256: "c2hh".into(),
            update,
            revision: "rev-9".into(),
            is_image: true,
            model: None,
        };
        assert_eq!(function(configuration).await, expected);
    }
    assert!(!function(json!({ "PackageType": "Zip" })).await.is_image);
}

#[tokio::test]
async fn an_answer_without_a_configuration_is_no_function() {
    let (functions, _) = functions(Answer::json(&json!({})));
    let error = functions.function(&news()).await.unwrap_err();
    assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
}

async fn read_version(answer: Value) -> VersionState {
    let (functions, sent) = functions(Answer::json(&answer));
    let found = functions.version(&news(), &version("5")).await.unwrap();
    assert_eq!(sent.only().0, "GET /2015-03-31/functions/news?Qualifier=5");
    found
}

#[tokio::test]
async fn a_version_of_an_image_is_known_by_its_digest() {
    let found = read_version(json!({
        "Configuration": { "State": "Active", "CodeSha256": "7f5b26", "PackageType": "Image" },
        "Code": {
            "ImageUri": format!("{REGISTRY}/news:v2"),
            "ResolvedImageUri": format!("{REGISTRY}/news@{DIGEST}"),
        },
    }))
    .await;
    let image = Some(format!("{REGISTRY}/news@{DIGEST}"));
    let (code, state) = (DIGEST.into(), CodeState::Ready);
    assert_eq!(found, VersionState { code, image, state, timeout_seconds: 3, model: None });
}

#[tokio::test]
async fn a_version_of_a_zip_is_known_by_its_hash() {
    let found = read_version(json!({
        "Configuration": { "State": "Pending", "CodeSha256": "c2hh" },
        "Code": { "Location": "https://bucket/code.zip" },
    }))
    .await;
    let expected = VersionState {
        code: "c2hh".into(),
        image: None,
        state: CodeState::InProgress,
        timeout_seconds: 3,
        model: None,
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_version_that_can_not_start_says_why() {
    let found = read_version(json!({
        "Configuration": { "State": "Failed", "StateReason": "bad image" },
    }))
    .await;
    assert_eq!(found.state, CodeState::Failed { reason: "bad image".into() });
}

async fn provisioned(answer: Answer) -> Result<bool, PortError> {
    let (functions, sent) = functions(answer);
    let found = functions.has_provisioned_concurrency(&live()).await;
    let path = "GET /2019-09-30/functions/news/provisioned-concurrency?Qualifier=live";
    assert_eq!(sent.only(), (path.to_owned(), Value::Null));
    found
}

#[tokio::test]
async fn an_alias_has_provisioned_concurrency_or_lambda_says_that_it_has_none() {
    for status in ["READY", "IN_PROGRESS", "FAILED"] {
        let config = json!({ "RequestedProvisionedConcurrentExecutions": 2, "Status": status });
        assert!(provisioned(Answer::json(&config)).await.unwrap(), "{status}");
    }
    let none = Answer::error(404, "ProvisionedConcurrencyConfigNotFoundException", "No config");
    assert!(!provisioned(none).await.unwrap());
    let gone = provisioned(Answer::error(404, "ResourceNotFoundException", "gone")).await;
    assert!(matches!(gone.unwrap_err(), PortError::NotFound { .. }));
    let denied = provisioned(Answer::error(403, "AccessDeniedException", "no")).await;
    assert!(matches!(denied.unwrap_err(), PortError::Denied { .. }));
}

async fn update_code(answer: Answer, artifact: Value) -> (Result<String, PortError>, Value) {
    let (functions, sent) = functions(answer);
    let artifact: Artifact = read(artifact);
    let updated = functions.update_code(&news(), &artifact).await;
    let (operation, body) = sent.only();
    assert_eq!(operation, "PUT /2015-03-31/functions/news/code");
    (updated, body)
}

#[tokio::test]
async fn an_image_is_set_by_its_digest_and_never_by_its_tag() {
    let answer = Answer::json(&json!({ "CodeSha256": "c2hh" }));
    let (updated, body) = update_code(answer, image()).await;
    assert_eq!(updated.unwrap(), "c2hh");
    assert_eq!(body, json!({ "ImageUri": format!("{REGISTRY}/news@{DIGEST}") }));
}

#[tokio::test]
async fn a_package_is_set_by_its_object_version() {
    let package =
        json!({ "kind": "package", "bucket": "models", "key": "a b.zip", "version": "v.1_x" });
    let answer = Answer::json(&json!({ "CodeSha256": "c2hh" }));
    let (updated, body) = update_code(answer, package).await;
    assert_eq!(updated.unwrap(), "c2hh");
    let expected = json!({ "S3Bucket": "models", "S3Key": "a b.zip", "S3ObjectVersion": "v.1_x" });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_version_is_published_already() {
    let (sdk, sent) = aws([]);
    let functions = Functions::with_registry(&sdk, REGISTRY.into());
    let version: Artifact = read(json!({ "kind": "version", "version": "4" }));
    let error = functions.update_code(&news(), &version).await.unwrap_err();
    assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
    assert_eq!(sent.requests(), []);
}

#[tokio::test]
async fn code_that_lambda_refuses_is_named() {
    let message = "Source image does not exist. Provide a valid source image.";
    let answer = Answer::error(400, "InvalidParameterValueException", message);
    let error = update_code(answer, image()).await.0.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("code of function news from news:v2 (7f5b2640fe6f) was refused: {message}")
    );
    let busy = Answer::error(409, "ResourceConflictException", "An update is in progress");
    let error = update_code(busy, image()).await.0.unwrap_err();
    assert!(matches!(error, PortError::Conflict { .. }), "{error:?}");
}

async fn publish(answer: Answer, description: &str) -> (Result<Version, PortError>, Value) {
    let (functions, sent) = functions(answer);
    let published = functions.publish(&news(), "c2hh", description).await;
    let (operation, body) = sent.only();
    assert_eq!(operation, "POST /2015-03-31/functions/news/versions");
    (published, body)
}

#[tokio::test]
async fn only_the_expected_code_is_published() {
    let answer = Answer::json(&json!({ "Version": "5" }));
    let (published, body) = publish(answer, "news:v2 by Perch").await;
    assert_eq!(published.unwrap(), version("5"));
    assert_eq!(body, json!({ "CodeSha256": "c2hh", "Description": "news:v2 by Perch" }));
}

#[tokio::test]
async fn a_long_description_is_cut_to_what_lambda_takes() {
    let answer = Answer::json(&json!({ "Version": "5" }));
    let body = publish(answer, &"ä".repeat(300)).await.1;
    assert_eq!(body["Description"].as_str().unwrap().chars().count(), 256);
}

#[tokio::test]
async fn a_version_that_is_no_number_is_refused() {
    let error = publish(Answer::json(&json!({ "Version": "$LATEST" })), "").await.0.unwrap_err();
    assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
}
