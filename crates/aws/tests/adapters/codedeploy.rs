//! Deployments: asked for, found, read and stopped.

use perch_app::deployment::hook::{Answer as HookAnswer, Hook};
use perch_app::ports::{
    AnswerHook, Deploy, Deploying, DeploymentState, Platform, PortError, Progress, ReadDeployments,
    ReadGroups, StopDeployment,
};
use perch_aws::codedeploy::{Deployments, minute};
use perch_core::deployment::{Purpose, Rollback, Schedule};
use perch_core::head::Snapshot;
use perch_core::names::{AlarmName, DeploymentId, ReleaseId, Version};
use perch_core::release::Mover;
use perch_core::target::CodeDeploy;
use serde_json::{Value, json};

use crate::samples::{ID, at, ledger};
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

fn service() -> Snapshot {
    read(json!({
        "kind": "service",
        "service": {
            "cluster": "ml", "service": "news",
            "codeDeploy": { "application": "news", "deploymentGroup": "live" },
        },
        "family": "news",
        "image": "news@sha256:aa",
        "container": "server",
        "port": 8080,
        "groups": {
            "balancer": "app/front/50dc",
            "baseline": "targetgroup/blue/1",
            "canary": "targetgroup/green/2",
        },
    }))
}

/// A deployment of version 5 in place of 4.
struct Asked {
    group: CodeDeploy,
    snapshot: Snapshot,
    release: ReleaseId,
    purpose: Purpose,
    versions: [Version; 2],
    schedule: Schedule,
    alarms: Option<Vec<AlarmName>>,
    is_tested: bool,
}

impl Asked {
    fn of(schedule: Schedule) -> Self {
        Self {
            group: group(),
            snapshot: ledger().snapshot,
            release: ID.parse().unwrap(),
            purpose: Purpose::Canary,
            versions: ["4", "5"].map(|version| version.parse().unwrap()),
            schedule,
            alarms: None,
            is_tested: false,
        }
    }

    fn deploying(&self) -> Deploying<'_> {
        let [from, to] = &self.versions;
        Deploying {
            mover: Mover::CodeDeploy(&self.group),
            snapshot: &self.snapshot,
            release: &self.release,
            purpose: self.purpose,
            from,
            to,
            schedule: self.schedule,
            alarms: self.alarms.as_deref(),
            is_tested: self.is_tested,
        }
    }

    async fn create(&self, answers: Vec<Answer>) -> (Result<DeploymentId, PortError>, Vec<Sent>) {
        let (deployments, sent) = deployments(answers);
        let deployments = deployments.with_hook("CodeDeployHook_perch");
        (deployments.create(self.deploying()).await, sent.requests())
    }
}

async fn create(
    schedule: Schedule,
    alarms: Option<&[AlarmName]>,
    answers: Vec<Answer>,
) -> (Result<DeploymentId, PortError>, Vec<Sent>) {
    let alarms = alarms.map(<[AlarmName]>::to_vec);
    Asked { alarms, ..Asked::of(schedule) }.create(answers).await
}

fn task_definition() -> Answer {
    let arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/news:5";
    Answer::json(&json!({ "taskDefinition": { "taskDefinitionArn": arn } }))
}

fn spec(sent: &Sent) -> Value {
    let content = sent.body["revision"]["appSpecContent"]["content"].as_str().unwrap();
    serde_json::from_str(content).unwrap()
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
    let events = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"];
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
async fn a_deployment_of_a_service_names_its_task_definition_and_the_hook() {
    for (is_tested, hooks) in
        [(true, json!([{ "AfterAllowTestTraffic": "CodeDeployHook_perch" }])), (false, Value::Null)]
    {
        let schedule = Schedule::Canary { percent: 10, minutes: 5 };
        let asked = Asked { snapshot: service(), is_tested, ..Asked::of(schedule) };
        let (made, sent) = asked.create(vec![task_definition(), created()]).await;
        assert_eq!(made.unwrap(), id());
        let described = (sent[0].operation.as_str(), &sent[0].body);
        assert_eq!(described, ("DescribeTaskDefinition", &json!({ "taskDefinition": "news:5" })));
        let properties = json!({
            "TaskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/news:5",
            "LoadBalancerInfo": { "ContainerName": "server", "ContainerPort": 8080 },
        });
        let resource = json!({ "Type": "AWS::ECS::Service", "Properties": properties });
        let mut expected = json!({ "version": 0.0, "Resources": [{ "TargetService": resource }] });
        if is_tested {
            expected["Hooks"] = hooks;
        }
        assert_eq!(spec(&sent[1]), expected);
        let config = "CodeDeployDefault.ECSCanary10Percent5Minutes";
        assert_eq!(sent[1].body["deploymentConfigName"], config);
    }
}

#[tokio::test]
async fn a_service_has_configurations_of_its_own_platform() {
    let schedule = Schedule::Linear { percent: 20, minutes: 2 };
    let asked = Asked { snapshot: service(), ..Asked::of(schedule) };
    let config = Answer::json(&json!({ "deploymentConfigId": "c-1" }));
    let (_, sent) = asked.create(vec![config, task_definition(), created()]).await;
    assert_eq!(sent[0].body["computePlatform"], "ECS");
    assert_eq!(sent[0].body["deploymentConfigName"], "Perch.ECSLinear20PercentEvery2Minutes");
}

#[tokio::test]
async fn smoke_tests_without_a_hook_are_refused_and_an_alias_has_them_before_any_traffic() {
    let asked = Asked { is_tested: true, ..Asked::of(Schedule::AllAtOnce) };
    let (deployments, _) = deployments([]);
    let error = deployments.create(asked.deploying()).await.unwrap_err();
    assert!(error.to_string().contains("need a hook"), "{error}");
    let (_, sent) = asked.create(vec![created()]).await;
    let hooks = json!([{ "BeforeAllowTraffic": "CodeDeployHook_perch" }]);
    assert_eq!(spec(&sent[0])["Hooks"], hooks);
}

#[tokio::test]
async fn nothing_undoes_the_way_back() {
    let asked = Asked {
        snapshot: service(),
        purpose: Purpose::WayBack,
        alarms: Some(Vec::new()),
        ..Asked::of(Schedule::AllAtOnce)
    };
    let (_, sent) = asked.create(vec![task_definition(), created()]).await;
    let body = &sent[1].body;
    assert_eq!(body["description"], format!("perch way back of release {ID}"));
    assert_eq!(body["autoRollbackConfiguration"], json!({ "enabled": false }));
    assert_eq!(body["overrideAlarmConfiguration"]["enabled"], false);
    assert_eq!(body["deploymentConfigName"], "CodeDeployDefault.ECSAllAtOnce");
}

#[tokio::test]
async fn the_way_back_and_the_way_up_are_not_taken_for_each_other() {
    let way_back = format!("perch way back of release {ID}");
    let back = json!({ "description": way_back, "deploymentId": "d-BACK" });
    let infos = [info("Succeeded", back), info("Stopped", json!({}))];
    for (purpose, expected) in [(Purpose::Canary, id().as_str()), (Purpose::WayBack, "d-BACK")] {
        let listed = Answer::json(&json!({ "deployments": ["d-1", "d-2"] }));
        let read = Answer::json(&json!({ "deploymentsInfo": infos }));
        let (deployments, _) = deployments([listed, read]);
        let asked = Asked { purpose, ..Asked::of(Schedule::AllAtOnce) };
        let since = at("2026-11-21T12:01:00Z");
        let found = deployments.find(&asked.deploying(), since).await.unwrap().unwrap();
        assert_eq!(found.id.as_str(), expected);
        assert_eq!(found.release.is_some(), purpose == Purpose::Canary);
    }
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

#[tokio::test]
async fn a_group_says_what_it_deploys_to() {
    for (name, platform) in
        [("Lambda", Platform::Lambda), ("ECS", Platform::Ecs), ("Server", Platform::Server)]
    {
        let info = json!({ "deploymentGroupInfo": { "computePlatform": name } });
        let (deployments, sent) = deployments([Answer::json(&info)]);
        assert_eq!(deployments.platform(&group()).await.unwrap(), platform);
        assert_eq!(sent.only(), ("GetDeploymentGroup".to_owned(), named()));
    }
    let gone = Answer::error(400, "DeploymentGroupDoesNotExistException", "no");
    let error = deployments([gone]).0.platform(&group()).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
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
    let why = "CodeDeploy deployment d-A1B2C3D4E failed by an alarm of its deployment group: \
               errors is in ALARM";
    assert_eq!(failed.progress, Progress::Over { why: why.to_owned() });
    for (code, told) in [
        ("MANUAL_STOP", "was stopped by somebody"),
        ("TIMEOUT", "was stopped, because it took too long"),
        ("HOOK_EXECUTION_FAILURE", "was stopped, HOOK_EXECUTION_FAILURE"),
    ] {
        let more = json!({ "errorInformation": { "code": code, "message": "so it is" } });
        let why = format!("CodeDeploy deployment d-A1B2C3D4E {told}: so it is");
        assert_eq!(state(info("Stopped", more)).await.progress, Progress::Over { why });
    }
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
    let asked = Asked::of(Schedule::AllAtOnce);
    let found = deployments.find(&asked.deploying(), since).await.unwrap().unwrap();
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
    assert_eq!(deployments.under_way(Mover::CodeDeploy(&group())).await.unwrap(), None);
    let (operation, body) = sent.only();
    let mut expected = named();
    expected["includeOnlyStatuses"] = json!(["Created", "Queued", "InProgress", "Baking", "Ready"]);
    assert_eq!((operation.as_str(), body), ("ListDeployments", expected));
}

#[tokio::test]
async fn a_stop_says_what_becomes_of_the_traffic_and_one_that_came_late_is_fine() {
    for (rollback, enabled) in [(Rollback::ToBaseline, true), (Rollback::LeaveAsFound, false)] {
        let over = Answer::error(400, "DeploymentAlreadyCompletedException", "it is over");
        for answer in [Answer::json(&json!({ "status": "Pending" })), over] {
            let (deployments, sent) = deployments([answer]);
            deployments.stop(&id(), rollback).await.unwrap();
            let body = json!({ "deploymentId": id().as_str(), "autoRollbackEnabled": enabled });
            assert_eq!(sent.only(), ("StopDeployment".to_owned(), body));
        }
    }
    let (deployments, _) = deployments([Answer::error(400, "ThrottlingException", "slow down")]);
    assert!(deployments.stop(&id(), Rollback::ToBaseline).await.is_err());
}

#[tokio::test]
async fn a_hook_has_its_answer_once() {
    let again = || Answer::error(400, "LifecycleEventAlreadyCompletedException", "answered");
    let done = || Answer::json(&json!({ "lifecycleEventHookExecutionId": "e-1" }));
    let hook = Hook { deployment: id(), execution: "e-1".into() };
    for (given, answer, status) in [
        (HookAnswer::Succeeded, done(), "Succeeded"),
        (HookAnswer::Failed, done(), "Failed"),
        (HookAnswer::Failed, again(), "Failed"),
    ] {
        let (deployments, sent) = deployments([answer]);
        deployments.answer(&hook, given).await.unwrap();
        let body = json!({
            "deploymentId": id().as_str(), "lifecycleEventHookExecutionId": "e-1", "status": status,
        });
        assert_eq!(sent.only(), ("PutLifecycleEventHookExecutionStatus".to_owned(), body));
    }
    let (deployments, _) = deployments([Answer::error(400, "ThrottlingException", "slow down")]);
    assert!(deployments.answer(&hook, HookAnswer::Succeeded).await.is_err());
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
