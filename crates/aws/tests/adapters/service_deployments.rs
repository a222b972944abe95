//! Deployments that ECS carries out itself: asked for, found, read and stopped.

use perch_app::ports::{
    ContinueDeployment, Deploy, Deploying, DeploymentState, Pause, PortError, Progress,
    ReadDeployments, StopDeployment,
};
use perch_aws::codedeploy::Deployments;
use perch_core::deployment::{Purpose, Rollback, Schedule};
use perch_core::head::Snapshot;
use perch_core::names::{AlarmName, DeploymentId, ReleaseId, Version};
use perch_core::release::Mover;
use perch_core::target::EcsService;
use serde_json::{Value, json};

use crate::samples::{ID, at};
use crate::services::{ECS, definition, native, service_revision};
use crate::support::{Answer, Recorded, Sent, aws, read};

fn deployments(answers: impl IntoIterator<Item = Answer>) -> (Deployments, Recorded) {
    let (sdk, sent) = aws(answers);
    (Deployments::new(&sdk), sent)
}

fn id(name: &str) -> DeploymentId {
    format!("{ECS}:service-deployment/ml/news/{name}").parse().unwrap()
}

/// A deployment of revision 8 in place of 7.
struct Asked {
    service: EcsService,
    snapshot: Snapshot,
    release: ReleaseId,
    purpose: Purpose,
    versions: [Version; 2],
    schedule: Schedule,
    alarms: Option<Vec<AlarmName>>,
}

impl Asked {
    fn up(schedule: Schedule) -> Self {
        let groups = json!({
            "balancer": "app/front/50dc", "baseline": "targetgroup/blue/1",
            "canary": "targetgroup/green/2",
        });
        Self {
            service: native(),
            snapshot: read(json!({
                "kind": "service", "service": native(), "family": "news", "image": "news@sha256:aa",
                "container": "server", "port": 8080, "groups": groups,
            })),
            release: ID.parse().unwrap(),
            purpose: Purpose::Canary,
            versions: ["7", "8"].map(|version| version.parse().unwrap()),
            schedule,
            alarms: None,
        }
    }

    fn back() -> Self {
        let up = Self::up(Schedule::AllAtOnce);
        let versions = ["8", "7"].map(|version| version.parse().unwrap());
        Self { purpose: Purpose::WayBack, versions, alarms: Some(Vec::new()), ..up }
    }

    fn deploying(&self) -> Deploying<'_> {
        let [from, to] = &self.versions;
        Deploying {
            mover: Mover::Ecs(&self.service),
            snapshot: &self.snapshot,
            release: &self.release,
            purpose: self.purpose,
            from,
            to,
            schedule: self.schedule,
            alarms: self.alarms.as_deref(),
            is_tested: false,
        }
    }

    /// What is created where nothing runs, and the bodies of the calls of `UpdateService`.
    async fn create(&self, own: &Value, updates: usize) -> (DeploymentId, Vec<Value>) {
        let service = json!({ "services": [{ "deploymentConfiguration": own }] });
        let updated = || Answer::json(&json!({ "service": {} }));
        let to = format!("news:{}", self.versions[1]);
        let mut answers = vec![listed(&[]), Answer::json(&service)];
        answers.extend((0..updates).map(|_| updated()));
        answers.extend([listed(&[("new", 20, "r-new")]), revisions(&[("r-new", &to)])]);
        let (deployments, sent) = deployments(answers);
        let made = deployments.create(self.deploying()).await.unwrap();
        let is_update = |sent: &Sent| sent.operation == "UpdateService";
        let sent = sent.requests().into_iter().filter(is_update);
        (made, sent.map(|sent| sent.body).collect())
    }
}

/// A page of service deployments: name, seconds of the time, service revision.
fn listed(of: &[(&str, i64, &str)]) -> Answer {
    let brief = |(name, seconds, revision): &(&str, i64, &str)| {
        json!({
            "serviceDeploymentArn": id(name).as_str(), "createdAt": 1_795_262_400 + seconds,
            "targetServiceRevisionArn": revision, "status": "IN_PROGRESS",
        })
    };
    Answer::json(&json!({ "serviceDeployments": of.iter().map(brief).collect::<Vec<_>>() }))
}

fn revisions(of: &[(&str, &str)]) -> Answer {
    let of: Vec<Value> = of.iter().map(|(arn, of)| service_revision(arn, of, "green")).collect();
    Answer::json(&json!({ "serviceRevisions": of }))
}

fn described(status: &str, more: Value) -> Answer {
    let mut found = json!({
        "serviceDeploymentArn": id("new").as_str(), "status": status,
        "targetServiceRevision": { "arn": "r-8" },
    });
    found.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Answer::json(&json!({ "serviceDeployments": [found], "failures": [] }))
}

fn tagged() -> Answer {
    let tags = json!([{ "key": "perch:release", "value": ID }]);
    Answer::json(&json!({ "taskDefinition": { "revision": 8 }, "tags": tags }))
}

/// What the service's template says, with a field that is not known here.
fn own() -> Value {
    json!({
        "strategy": "LINEAR",
        "linearConfiguration": { "stepPercent": 10.0, "stepBakeTimeInMinutes": 6 },
        "bakeTimeInMinutes": 15,
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "lifecycleHooks": [{
            "targetType": "AWS_LAMBDA",
            "hookTargetArn": "arn:aws:lambda:eu-west-1:123456789012:function:perch-answer-hook",
            "roleArn": "arn:aws:iam::123456789012:role/hook",
            "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"],
        }],
        "alarms": { "alarmNames": ["errors"], "enable": true, "rollback": true },
    })
}

fn with(mut value: Value, fields: &[(&str, Value)]) -> Value {
    for (name, field) in fields {
        value[*name] = field.clone();
    }
    value
}

#[tokio::test]
async fn a_deployment_is_a_change_of_the_service_with_its_own_hooks_alarms_and_bake() {
    let canary = json!({ "canaryPercent": 10, "canaryBakeTimeInMinutes": 15 });
    let linear = json!({ "stepPercent": 20, "stepBakeTimeInMinutes": 2 });
    for (schedule, strategy, parts) in [
        (Schedule::AllAtOnce, "BLUE_GREEN", [Value::Null, Value::Null]),
        (Schedule::Canary { percent: 10, minutes: 15 }, "CANARY", [canary, Value::Null]),
        (Schedule::Linear { percent: 20, minutes: 2 }, "LINEAR", [Value::Null, linear]),
    ] {
        let (made, updates) = Asked::up(schedule).create(&own(), 1).await;
        assert_eq!(made, id("new"));
        let mut expected = with(own(), &[("strategy", json!(strategy))]);
        expected.as_object_mut().unwrap().remove("linearConfiguration");
        for (name, part) in ["canaryConfiguration", "linearConfiguration"].iter().zip(parts) {
            if !part.is_null() {
                expected[*name] = part;
            }
        }
        let body = json!({
            "cluster": "ml", "service": "news", "taskDefinition": "news:8",
            "deploymentConfiguration": expected,
        });
        assert_eq!(updates, [body]);
    }
}

/// The service has its own configuration again as soon as the deployment is under way.
#[tokio::test]
async fn nothing_undoes_the_way_back_and_the_service_keeps_its_hooks() {
    let (_, updates) = Asked::back().create(&own(), 2).await;
    let off = json!({ "alarmNames": [], "enable": false, "rollback": false });
    let mut made = own();
    made.as_object_mut().unwrap().remove("linearConfiguration");
    let back = with(made, &[("strategy", json!("BLUE_GREEN"))]);
    let bare = [("lifecycleHooks", json!([])), ("alarms", off), ("bakeTimeInMinutes", json!(0))];
    assert_eq!(updates[0]["taskDefinition"], "news:7");
    assert_eq!(updates[0]["deploymentConfiguration"], with(back.clone(), &bare));
    assert_eq!(updates[1].get("taskDefinition"), None);
    assert_eq!(updates[1]["deploymentConfiguration"], back);
}

#[tokio::test]
async fn alarms_that_count_are_those_of_one_deployment() {
    let alarms = Some(vec!["latency".parse().unwrap()]);
    let asked = Asked { alarms, ..Asked::up(Schedule::AllAtOnce) };
    let (_, updates) = asked.create(&own(), 2).await;
    let counts = json!({ "alarmNames": ["latency"], "enable": true, "rollback": true });
    assert_eq!(updates[0]["deploymentConfiguration"]["alarms"], counts);
    assert_eq!(updates[1]["deploymentConfiguration"]["alarms"], own()["alarms"]);
    assert_eq!(updates[1]["deploymentConfiguration"]["lifecycleHooks"], own()["lifecycleHooks"]);
    // A service without alarms has none afterwards, either.
    let (_, updates) = asked.create(&json!({ "strategy": "ROLLING" }), 2).await;
    let none = json!({ "alarmNames": [], "enable": false, "rollback": false });
    assert_eq!(updates[0]["deploymentConfiguration"]["bakeTimeInMinutes"], 0);
    assert_eq!(updates[1]["deploymentConfiguration"]["alarms"], none);
}

#[tokio::test]
async fn a_service_with_a_deployment_under_way_is_left_alone() {
    let (deployments, sent) = deployments([listed(&[("other", 0, "r-9")])]);
    let asked = Asked::up(Schedule::AllAtOnce);
    let error = deployments.create(asked.deploying()).await.unwrap_err();
    assert!(matches!(error, PortError::Conflict { .. }), "{error:?}");
    let body = json!({ "cluster": "ml", "service": "news", "maxResults": 100 });
    assert_eq!(sent.only(), ("ListServiceDeployments".to_owned(), body));
}

/// Also where an earlier deployment of the same revision is listed.
#[tokio::test]
async fn a_deployment_that_is_not_listed_yet_is_looked_for_again() {
    let earlier = || {
        Answer::json(&json!({ "serviceDeployments": [{
            "serviceDeploymentArn": id("old").as_str(), "createdAt": 1_795_262_400,
            "targetServiceRevisionArn": "r-8", "status": "ROLLBACK_SUCCESSFUL",
        }] }))
    };
    for (before, after) in [
        (listed(&[]), vec![listed(&[])]),
        (earlier(), vec![earlier(), revisions(&[("r-8", "news:8")])]),
    ] {
        let service = json!({ "services": [{ "deploymentConfiguration": own() }] });
        let updated = Answer::json(&json!({ "service": {} }));
        let mut answers = vec![before, Answer::json(&service), updated];
        answers.extend(after);
        let (deployments, _) = deployments(answers);
        let asked = Asked::up(Schedule::AllAtOnce);
        let error = deployments.create(asked.deploying()).await.unwrap_err();
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_change_that_ecs_refuses_is_not_tried_again() {
    for (code, passes) in [
        ("InvalidParameterException", false),
        ("ClientException", false),
        ("ServiceNotActiveException", false),
        ("ServerException", true),
    ] {
        let service = json!({ "services": [{ "deploymentConfiguration": own() }] });
        let refused = Answer::error(400, code, "no");
        let (deployments, _) = deployments([listed(&[]), Answer::json(&service), refused]);
        let asked = Asked::up(Schedule::AllAtOnce);
        let error = deployments.create(asked.deploying()).await.unwrap_err();
        assert_eq!(matches!(error, PortError::Unavailable { .. }), passes, "{error:?}");
    }
}

async fn find(
    asked: &Asked,
    listed: Answer,
    runs: &[(&str, &str)],
    is_found: bool,
) -> (Option<DeploymentState>, Vec<Sent>) {
    let mut answers = vec![listed, revisions(runs)];
    if is_found && asked.purpose == Purpose::WayBack {
        answers.push(Answer::json(&json!({ "services": [{ "deploymentConfiguration": own() }] })));
    }
    if is_found {
        answers.extend([described("IN_PROGRESS", json!({})), revisions(&[("r-8", "news:8")])]);
        answers.push(tagged());
    }
    let (deployments, sent) = deployments(answers);
    let since = at("2026-11-21T12:01:00Z");
    (deployments.find(&asked.deploying(), since).await.unwrap(), sent.requests())
}

#[tokio::test]
async fn a_deployment_is_found_by_the_revision_that_it_brings() {
    let runs = [("r-7", "news:7"), ("r-8", "news:8"), ("r-9", "news:9")];
    let asked = Asked::up(Schedule::AllAtOnce);
    // Someone deployed another revision since.
    let page = [("before", 0, "r-7"), ("new", 20, "r-8"), ("later", 30, "r-9")];
    let (found, sent) = find(&asked, listed(&page), &runs, true).await;
    assert_eq!(found.unwrap().id, id("new"));
    let body = &sent[0].body;
    let after = at("2026-11-21T12:01:00Z").as_second() - 5;
    assert_eq!(body["createdAt"]["after"].as_f64(), Some(after as f64));
    assert_eq!(sent[1].body, json!({ "serviceRevisionArns": ["r-7", "r-8", "r-9"] }));
    assert_eq!(sent[2].body, json!({ "serviceDeploymentArns": [id("new").as_str()] }));
    // What brought the baseline up is not what brings it back.
    let page = [("before", 0, "r-7"), ("new", 20, "r-8")];
    let (found, _) = find(&Asked::back(), listed(&page), &runs, false).await;
    assert_eq!(found, None);
    let page = [("new", 20, "r-8"), ("back", 40, "r-7")];
    let (found, sent) = find(&Asked::back(), listed(&page), &runs, true).await;
    assert!(found.is_some());
    assert_eq!(sent[2].operation, "DescribeServices");
    assert_eq!(sent[3].body, json!({ "serviceDeploymentArns": [id("back").as_str()] }));
}

/// A function that ended between its two calls.
#[tokio::test]
async fn who_finds_the_way_back_gives_the_service_its_hooks_again() {
    let off = json!({ "alarmNames": [], "enable": false, "rollback": false });
    let bare = [
        ("strategy", json!("BLUE_GREEN")),
        ("lifecycleHooks", json!([])),
        ("alarms", off),
        ("bakeTimeInMinutes", json!(0)),
    ];
    let bare = with(own(), &bare);
    let page = || listed(&[("new", 20, "r-8"), ("back", 40, "r-7")]);
    let runs = || revisions(&[("r-7", "news:7"), ("r-8", "news:8")]);
    let service = json!({ "services": [{ "deploymentConfiguration": bare }] });
    let answers = [
        page(),
        runs(),
        Answer::json(&service),
        page(),
        runs(),
        described("SUCCESSFUL", json!({ "deploymentConfiguration": own() })),
        Answer::json(&json!({ "service": {} })),
        described("IN_PROGRESS", json!({})),
        runs(),
        tagged(),
    ];
    let (deployments, sent) = deployments(answers);
    let since = at("2026-11-21T12:01:00Z");
    let found = deployments.find(&Asked::back().deploying(), since).await.unwrap();
    assert!(found.is_some());
    let sent = sent.requests();
    assert_eq!(sent[5].body, json!({ "serviceDeploymentArns": [id("new").as_str()] }));
    let back = with(own(), &[("strategy", json!("BLUE_GREEN"))]);
    let body = json!({ "cluster": "ml", "service": "news", "deploymentConfiguration": back });
    assert_eq!((sent[6].operation.as_str(), &sent[6].body), ("UpdateService", &body));
}

async fn state(answer: Answer) -> DeploymentState {
    let (deployments, sent) = deployments([answer, revisions(&[("r-8", "news:8")]), tagged()]);
    let state = deployments.deployment(&id("new")).await.unwrap();
    let body = json!({ "taskDefinition": definition("news:8"), "include": ["TAGS"] });
    assert_eq!(sent.requests()[2].body, body);
    state
}

#[tokio::test]
async fn a_deployment_has_not_ended_before_its_rollback_has() {
    for (status, progress) in [
        ("PENDING", Progress::Running),
        ("IN_PROGRESS", Progress::Running),
        ("STOP_REQUESTED", Progress::Running),
        ("ROLLBACK_REQUESTED", Progress::Running),
        ("ROLLBACK_IN_PROGRESS", Progress::Running),
        ("ADDED_LATER", Progress::Running),
        ("SUCCESSFUL", Progress::Succeeded),
    ] {
        let found = state(described(status, json!({}))).await;
        assert_eq!(found.progress, progress, "{status}");
        let begun = ["STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"];
        let why = "ECS service deployment new goes back".to_owned();
        assert_eq!(found.goes_back, begun.contains(&status).then_some(why), "{status}");
        assert_eq!((found.id, found.is_rollback, found.rollback), (id("new"), false, None));
        assert_eq!(found.release.unwrap().as_str(), ID);
    }
}

#[tokio::test]
async fn the_end_says_why() {
    let breaker = json!({ "status": "TRIGGERED", "failureCount": 3, "threshold": 3 });
    let alarms = json!({ "status": "TRIGGERED", "triggeredAlarmNames": ["errors", "slow"] });
    let quiet = json!({ "status": "MONITORING_COMPLETE", "failureCount": 0, "threshold": 3 });
    for (status, more, why) in [
        ("STOPPED", json!({ "statusReason": "A new one came." }), "was stopped: A new one came."),
        ("STOPPED", json!({}), "was stopped"),
        (
            "ROLLBACK_SUCCESSFUL",
            json!({ "rollback": { "reason": "alarms" }, "alarms": alarms,
                    "deploymentCircuitBreaker": quiet }),
            "was rolled back: alarms; in ALARM: errors, slow",
        ),
        (
            "ROLLBACK_FAILED",
            json!({ "deploymentCircuitBreaker": breaker }),
            "could not be rolled back; the circuit breaker tripped after 3 failures",
        ),
    ] {
        let found = state(described(status, more)).await;
        let why = format!("ECS service deployment new {why}");
        assert_eq!(found.progress, Progress::Over { why });
    }
}

#[tokio::test]
async fn what_is_under_way_may_be_of_a_definition_that_was_deleted() {
    let gone = Answer::error(400, "ClientException", "Unable to describe task definition.");
    let running = [
        listed(&[("new", 20, "r-8")]),
        described("IN_PROGRESS", json!({})),
        revisions(&[("r-8", "news:8")]),
        gone,
    ];
    let (some, _) = deployments(running);
    let found = some.under_way(Mover::Ecs(&native())).await.unwrap().unwrap();
    assert_eq!((found.release, found.progress), (None, Progress::Running));
    let (none, sent) = deployments([listed(&[])]);
    assert_eq!(none.under_way(Mover::Ecs(&native())).await.unwrap(), None);
    let statuses =
        ["PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"];
    let body = json!({ "cluster": "ml", "service": "news", "status": statuses, "maxResults": 100 });
    assert_eq!(sent.only(), ("ListServiceDeployments".to_owned(), body));
    let (missing, _) = deployments([Answer::json(&json!({ "serviceDeployments": [] }))]);
    let error = missing.deployment(&id("new")).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stop_rolls_back_and_one_that_came_late_is_fine() {
    let over = Answer::error(400, "ConflictException", "It is ROLLBACK_IN_PROGRESS.");
    for answer in [Answer::json(&json!({ "serviceDeploymentArn": id("new").as_str() })), over] {
        let (deployments, sent) = deployments([answer]);
        deployments.stop(&id("new"), Rollback::ToBaseline).await.unwrap();
        let body = json!({ "serviceDeploymentArn": id("new").as_str(), "stopType": "ROLLBACK" });
        assert_eq!(sent.only(), ("StopServiceDeployment".to_owned(), body));
    }
    let missing = Answer::error(400, "ServiceDeploymentNotFoundException", "no");
    let (deployments, _) = deployments([missing]);
    let error = deployments.stop(&id("new"), Rollback::LeaveAsFound).await.unwrap_err();
    assert!(matches!(error, PortError::Invalid { .. }), "ECS has nothing like it: {error:?}");
    let error = deployments.stop(&id("new"), Rollback::ToBaseline).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn pauses_are_those_that_await_an_action() {
    let hook = |id: &str, kind: &str, status: &str| json!({ "hookId": id, "targetType": kind, "status": status });
    let hooks = [
        hook("ecs-pause-1", "PAUSE", "SUCCEEDED"),
        hook("ecs-pause-2", "PAUSE", "AWAITING_ACTION"),
        hook("1-2-3", "AWS_LAMBDA", "IN_PROGRESS"),
    ];
    let stage = "PRE_PRODUCTION_TRAFFIC_SHIFT";
    let more = json!({ "lifecycleStage": stage, "lifecycleHookDetails": hooks });
    let found = state(described("IN_PROGRESS", more)).await;
    let pause = Pause { hook: "ecs-pause-2".to_owned(), stage: stage.to_owned() };
    assert_eq!(found.pauses, [pause]);
    assert!(state(described("IN_PROGRESS", json!({}))).await.pauses.is_empty());
}

#[tokio::test]
async fn a_pause_is_ended_by_its_hook_and_one_that_has_ended_needs_nothing() {
    let pause = Pause { hook: "ecs-pause-2".to_owned(), stage: "POST_TEST_TRAFFIC_SHIFT".into() };
    let arn = id("new");
    let (made, sent) =
        deployments([Answer::json(&json!({ "serviceDeploymentArn": arn.as_str() }))]);
    made.go_on(&arn, &pause).await.unwrap();
    let sent = sent.requests();
    let body = json!({
        "serviceDeploymentArn": arn.as_str(), "hookId": "ecs-pause-2", "action": "CONTINUE",
    });
    assert_eq!((sent[0].operation.as_str(), &sent[0].body), ("ContinueServiceDeployment", &body));
    for code in ["InvalidParameterException", "ClientException"] {
        let (made, _) = deployments([Answer::error(400, code, "not awaiting an action")]);
        made.go_on(&arn, &pause).await.unwrap();
    }
    let (made, _) = deployments([Answer::error(400, "AccessDeniedException", "no")]);
    let error = made.go_on(&arn, &pause).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error}");
    let (made, sent) = deployments([]);
    made.go_on(&"d-ABCDEF".parse().unwrap(), &pause).await.unwrap();
    assert!(sent.requests().is_empty(), "CodeDeploy has no pauses");
}
