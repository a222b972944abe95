//! Deployments: asked for, found, read and stopped.

use perch_app::ports::{
    Deploy, Deploying, DeploymentState, PortError, Progress, ReadDeployments, StopDeployment,
};
use perch_aws::codedeploy::{Deployments, minute};
use perch_core::deployment::Schedule;
use perch_core::names::{AlarmName, DeploymentId, ReleaseId, Version};
use perch_core::target::{CodeDeploy, Lambda};
use serde_json::{Value, json};

use crate::lambda::live;
use crate::samples::{ID, at};
use crate::support::{Answer, Recorded, Sent, aws, read};

fn deployments(answers: impl IntoIterator<Item = Answer>) -> (Deployments, Recorded) {
    let (sdk, sent) = aws(answers);
    (Deployments::new(&sdk), sent)
}

fn group() -> CodeDeploy {
    read(json!({ "application": "news", "deploymentGroup": "live" }))
}

fn id() -> DeploymentId {
    "d-A1B2C3D4E".parse().unwrap()
}

fn named() -> Value {
    json!({ "applicationName": "news", "deploymentGroupName": "live" })
}

async fn create(
    schedule: Schedule,
    alarms: Option<&[AlarmName]>,
    answers: Vec<Answer>,
) -> (Result<DeploymentId, PortError>, Vec<Sent>) {
    let (deployments, sent) = deployments(answers);
    let (group, lambda): (CodeDeploy, Lambda) = (group(), live());
    let (release, from, to): (ReleaseId, Version, Version) =
        (ID.parse().unwrap(), "4".parse().unwrap(), "5".parse().unwrap());
    let deploying = Deploying {
        group: &group,
        lambda: &lambda,
        release: &release,
        from: &from,
        to: &to,
        schedule,
        alarms,
    };
    (deployments.create(deploying).await, sent.requests())
}

fn created() -> Answer {
    Answer::json(&json!({ "deploymentId": id().as_str() }))
}

#[tokio::test]
async fn a_deployment_names_its_release_and_what_serves() {
    let schedule = Schedule::Canary { percent: 10, minutes: 15 };
    let (made, mut sent) = create(schedule, None, vec![created()]).await;
    assert_eq!(made.unwrap(), id());
    let Sent { operation, mut body } = sent.remove(0);
    assert_eq!(operation, "CreateDeployment");
    let content = body["revision"]["appSpecContent"]["content"].as_str().unwrap().to_owned();
    let spec: Value = serde_json::from_str(&content).unwrap();
    let properties =
        json!({ "Name": "news", "Alias": "live", "CurrentVersion": "4", "TargetVersion": "5" });
    let alias = json!({ "Type": "AWS::Lambda::Function", "Properties": properties });
    assert_eq!(spec, json!({ "version": 0.0, "Resources": [{ "alias": alias }] }));
    body["revision"]["appSpecContent"]["content"] = json!("as above");
    let events = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"];
    assert_eq!(
        body,
        json!({
            "applicationName": "news",
            "deploymentGroupName": "live",
            "deploymentConfigName": "CodeDeployDefault.LambdaCanary10Percent15Minutes",
            "description": format!("perch release {ID}"),
            "revision": {
                "revisionType": "AppSpecContent",
                "appSpecContent": { "content": "as above" },
            },
            "autoRollbackConfiguration": { "enabled": true, "events": events },
        })
    );
}

#[tokio::test]
async fn a_schedule_of_its_own_has_a_configuration_of_its_own() {
    let exists = Answer::error(400, "DeploymentConfigAlreadyExistsException", "it exists");
    for config in [Answer::json(&json!({ "deploymentConfigId": "c-1" })), exists] {
        let schedule = Schedule::Linear { percent: 25, minutes: 2 };
        let (made, mut sent) = create(schedule, None, vec![config, created()]).await;
        assert_eq!(made.unwrap(), id());
        let Sent { operation, body } = sent.remove(0);
        let linear = json!({ "linearPercentage": 25, "linearInterval": 2 });
        assert_eq!(operation, "CreateDeploymentConfig");
        assert_eq!(
            body,
            json!({
                "deploymentConfigName": "Perch.LambdaLinear25PercentEvery2Minutes",
                "computePlatform": "Lambda",
                "trafficRoutingConfig": { "type": "TimeBasedLinear", "timeBasedLinear": linear },
            })
        );
        assert_eq!(sent.remove(0).body["deploymentConfigName"], body["deploymentConfigName"]);
    }
    let schedule = Schedule::Canary { percent: 20, minutes: 7 };
    let config = Answer::json(&json!({ "deploymentConfigId": "c-1" }));
    let (_, sent) = create(schedule, None, vec![config, created()]).await;
    let canary = json!({ "canaryPercentage": 20, "canaryInterval": 7 });
    let routing = json!({ "type": "TimeBasedCanary", "timeBasedCanary": canary });
    assert_eq!(sent[0].body["trafficRoutingConfig"], routing);
}

#[tokio::test]
async fn guards_that_count_replace_the_alarms_of_the_group() {
    let guards: [AlarmName; 1] = ["errors".parse().unwrap()];
    for (alarms, expected) in [
        (&guards[..], json!({ "enabled": true, "alarms": [{ "name": "errors" }] })),
        (&[][..], json!({ "enabled": false, "alarms": [] })),
    ] {
        let (_, sent) = create(Schedule::AllAtOnce, Some(alarms), vec![created()]).await;
        let mut found = sent[0].body["overrideAlarmConfiguration"].clone();
        // The SDK says what the service assumes.
        assert_eq!(
            found.as_object_mut().unwrap().remove("ignorePollAlarmFailure"),
            Some(json!(false))
        );
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn errors_of_codedeploy_say_what_a_caller_can_do() {
    for (code, expected) in [
        ("DeploymentLimitExceededException", "Conflict"),
        ("DeploymentGroupDoesNotExistException", "NotFound"),
        ("InvalidRevisionException", "Invalid"),
        ("AccessDeniedException", "Denied"),
        ("ThrottlingException", "Unavailable"),
    ] {
        let answer = Answer::error(400, code, "no");
        let error = create(Schedule::AllAtOnce, None, vec![answer]).await.0.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{code}: {error:?}");
    }
}

fn info(status: &str, more: Value) -> Value {
    let mut info = json!({
        "deploymentId": id().as_str(),
        "description": format!("perch release {ID}"),
        "status": status,
    });
    info.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    info
}

async fn state(info: Value) -> DeploymentState {
    let (deployments, sent) = deployments([Answer::json(&json!({ "deploymentInfo": info }))]);
    let state = deployments.deployment(&id()).await.unwrap();
    let expected = ("GetDeployment".to_owned(), json!({ "deploymentId": id().as_str() }));
    assert_eq!(sent.only(), expected);
    state
}

#[tokio::test]
async fn a_deployment_is_read_with_its_release_and_its_end() {
    let none = json!({});
    for (status, progress) in [
        ("Created", Progress::Running),
        ("Queued", Progress::Running),
        ("InProgress", Progress::Running),
        ("Baking", Progress::Running),
        ("Ready", Progress::Running),
        ("AddedLater", Progress::Running),
        ("Succeeded", Progress::Succeeded),
    ] {
        let found = state(info(status, none.clone())).await;
        assert_eq!(found.progress, progress, "{status}");
        assert_eq!(found.release.unwrap().as_str(), ID);
    }
    let error = json!({ "code": "ALARM_ACTIVE", "message": "errors is in ALARM" });
    let back = json!({ "rollbackDeploymentId": "d-BACK" });
    let failed =
        state(info("Failed", json!({ "errorInformation": error, "rollbackInfo": back }))).await;
    let why = "CodeDeploy deployment d-A1B2C3D4E failed: ALARM_ACTIVE: errors is in ALARM";
    assert_eq!(failed.progress, Progress::Over { why: why.to_owned() });
    assert_eq!((failed.rollback.unwrap().as_str(), failed.is_rollback), ("d-BACK", false));
    let of = json!({ "rollbackTriggeringDeploymentId": "d-BAD" });
    let more = json!({ "description": "by someone", "rollbackInfo": of });
    let back = state(info("Stopped", more)).await;
    assert_eq!((back.is_rollback, back.release), (true, None));
    let why = "CodeDeploy deployment d-A1B2C3D4E was stopped".to_owned();
    assert_eq!(back.progress, Progress::Over { why });
}

#[tokio::test]
async fn the_deployment_of_a_release_is_found_by_its_description() {
    let listed = Answer::json(&json!({ "deployments": ["d-1", "d-2"] }));
    let other = json!({ "deploymentId": "d-1", "status": "Succeeded" });
    let read = Answer::json(&json!({ "deploymentsInfo": [other, info("InProgress", json!({}))] }));
    let (deployments, sent) = deployments([listed, read]);
    let since = at("2026-11-21T12:01:00Z");
    let found = deployments.find(&group(), &ID.parse().unwrap(), since).await.unwrap().unwrap();
    assert_eq!(found.id, id());
    let sent = sent.requests();
    assert_eq!(sent[0].operation, "ListDeployments");
    let start = (since.as_second() - 60) as f64;
    assert_eq!(sent[0].body["createTimeRange"]["start"].as_f64(), Some(start));
    assert_eq!(sent[1].operation, "BatchGetDeployments");
    assert_eq!(sent[1].body, json!({ "deploymentIds": ["d-1", "d-2"] }));
}

#[tokio::test]
async fn what_is_under_way_in_a_group_is_asked_for_by_status() {
    let (deployments, sent) = deployments([Answer::json(&json!({ "deployments": [] }))]);
    assert_eq!(deployments.under_way(&group()).await.unwrap(), None);
    let (operation, body) = sent.only();
    let mut expected = named();
    expected["includeOnlyStatuses"] = json!(["Created", "Queued", "InProgress", "Baking", "Ready"]);
    assert_eq!((operation.as_str(), body), ("ListDeployments", expected));
}

#[tokio::test]
async fn a_stop_puts_the_baseline_back_and_one_that_came_late_is_fine() {
    let over = Answer::error(400, "DeploymentAlreadyCompletedException", "it is over");
    for answer in [Answer::json(&json!({ "status": "Pending" })), over] {
        let (deployments, sent) = deployments([answer]);
        deployments.stop(&id()).await.unwrap();
        let body = json!({ "deploymentId": id().as_str(), "autoRollbackEnabled": true });
        assert_eq!(sent.only(), ("StopDeployment".to_owned(), body));
    }
    let (deployments, _) = deployments([Answer::error(400, "ThrottlingException", "slow down")]);
    assert!(deployments.stop(&id()).await.is_err());
}

#[test]
fn a_minute_is_sixty_seconds_or_less() {
    for (text, seconds) in [("60", 60.0), ("5", 5.0), ("0.5", 0.5)] {
        assert_eq!(minute(text).unwrap().as_secs_f64(), seconds);
    }
    for text in ["0", "61", "-5", "a minute", ""] {
        let error = minute(text).unwrap_err().to_string();
        assert!(error.contains(&format!("`{text}`")), "{error}");
    }
}
