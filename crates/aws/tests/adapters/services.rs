//! ECS services: which revision gets how much traffic, and why some can't be released to.

use perch_app::ports::{
    PortError, ReadServices, RegisterTask, Registering, Revision, ServiceState,
};
use perch_aws::services::Services;
use perch_core::judge::Health;
use perch_core::names::{EcsName, ReleaseId, Version};
use perch_core::target::EcsService;
use serde_json::{Value, json};

use crate::samples::ID;
use crate::support::{Answer, Recorded, aws, read};

pub(crate) const ECS: &str = "arn:aws:ecs:eu-west-1:123456789012";
const ELB: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012";
const REGISTRY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

fn services(answers: impl IntoIterator<Item = Answer>) -> (Services, Recorded) {
    let (sdk, sent) = aws(answers);
    (Services::new(&sdk, REGISTRY), sent)
}

fn of_code_deploy() -> EcsService {
    read(json!({
        "cluster": "ml", "service": "news",
        "codeDeploy": { "application": "news", "deploymentGroup": "live" },
    }))
}

pub(crate) fn native() -> EcsService {
    read(json!({ "cluster": "ml", "service": "news" }))
}

fn group(name: &str) -> String {
    format!("{ELB}:targetgroup/{name}/{name}1")
}

pub(crate) fn definition(name: &str) -> String {
    format!("{ECS}:task-definition/{name}")
}

fn listener() -> String {
    format!("{ELB}:listener/app/front/50dc/0467")
}

/// A load balancer of a service, or of a task set.
fn balancing(group_name: &str, more: Value) -> Value {
    let mut of = json!({
        "targetGroupArn": group(group_name), "containerName": "server", "containerPort": 8080,
    });
    of.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    of
}

fn described(controller: &str, more: Value) -> Answer {
    let mut service = json!({
        "serviceName": "news", "status": "ACTIVE", "deploymentController": { "type": controller },
    });
    service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Answer::json(&json!({ "services": [service], "failures": [] }))
}

fn set(status: &str, revision: &str, group: &str) -> Value {
    json!({
        "id": format!("ecs-svc/{revision}"), "status": status,
        "taskDefinition": definition(revision), "loadBalancers": [balancing(group, json!({}))],
    })
}

fn with_sets(sets: &[Value]) -> Answer {
    described("CODE_DEPLOY", json!({ "taskSets": sets }))
}

fn deployment_group(listener: &str) -> Answer {
    let pair = json!({
        "targetGroups": [{ "name": "blue" }, { "name": "green" }],
        "prodTrafficRoute": { "listenerArns": [listener] },
    });
    Answer::json(&json!({ "deploymentGroupInfo": {
        "ecsServices": [{ "clusterName": "ml", "serviceName": "news" }],
        "loadBalancerInfo": { "targetGroupPairInfoList": [pair] },
    } }))
}

fn xml(operation: &str, result: &str) -> Answer {
    Answer::xml(&format!(
        "<{operation}Response xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\
         <{operation}Result>{result}</{operation}Result></{operation}Response>"
    ))
}

fn target_groups(names: &[&str]) -> Answer {
    let member = |name: &&str| {
        format!(
            "<member><TargetGroupArn>{}</TargetGroupArn><TargetGroupName>{name}</TargetGroupName>\
             </member>",
            group(name)
        )
    };
    let members: String = names.iter().map(member).collect();
    xml("DescribeTargetGroups", &format!("<TargetGroups>{members}</TargetGroups>"))
}

/// One rule that splits traffic, and one that answers by itself.
fn rules(weights: &[(&str, u32)]) -> Answer {
    let tuple = |(name, weight): &(&str, u32)| {
        format!(
            "<member><TargetGroupArn>{}</TargetGroupArn><Weight>{weight}</Weight></member>",
            group(name)
        )
    };
    let tuples: String = weights.iter().map(tuple).collect();
    let rule =
        |action: &str| format!("<member><Actions><member>{action}</member></Actions></member>");
    let forward = format!(
        "<Type>forward</Type><ForwardConfig><TargetGroups>{tuples}</TargetGroups></ForwardConfig>"
    );
    let rules = [rule(&forward), rule("<Type>fixed-response</Type>")].concat();
    xml("DescribeRules", &format!("<Rules>{rules}</Rules>"))
}

async fn state(
    service: &EcsService,
    answers: Vec<Answer>,
) -> (Result<ServiceState, PortError>, Recorded) {
    let (services, sent) = services(answers);
    (services.service(service).await, sent)
}

fn split(state: &ServiceState) -> Vec<(&str, u8)> {
    state.shares.iter().map(|(version, weight)| (version.as_str(), weight.percent())).collect()
}

#[tokio::test]
async fn task_sets_and_the_production_listener_say_what_codedeploy_did() {
    let answers = vec![
        with_sets(&[set("ACTIVE", "news:8", "green"), set("PRIMARY", "news:7", "blue")]),
        deployment_group(&listener()),
        target_groups(&["green", "blue"]),
        rules(&[("green", 10), ("blue", 90)]),
    ];
    let (found, sent) = state(&of_code_deploy(), answers).await;
    let found = found.unwrap();
    assert_eq!(split(&found), [("7", 90), ("8", 10)]);
    assert_eq!((found.family.as_str(), found.foreign.as_deref()), ("news", None));
    assert_eq!((found.container.as_str(), found.port), ("server", 8080));
    assert_eq!(found.groups.balancer, "app/front/50dc");
    assert_eq!(found.groups.baseline, "targetgroup/blue/blue1");
    assert_eq!(found.groups.canary, "targetgroup/green/green1");
    let requests = sent.requests();
    let bodies: Vec<_> =
        requests.iter().map(|sent| (sent.operation.as_str(), &sent.body)).collect();
    let expected = [
        ("DescribeServices", json!({ "cluster": "ml", "services": ["news"] })),
        ("GetDeploymentGroup", json!({ "applicationName": "news", "deploymentGroupName": "live" })),
        ("DescribeTargetGroups", json!({ "Names.member.1": "blue", "Names.member.2": "green" })),
        ("DescribeRules", json!({ "ListenerArn": listener() })),
    ];
    assert_eq!(bodies, expected.each_ref().map(|(name, body)| (*name, body)));
}

/// As CodeDeploy leaves it, before, during and after a deployment.
#[tokio::test]
async fn the_group_with_the_most_traffic_is_the_baselines() {
    let alone = [set("PRIMARY", "news:8", "green")];
    let both = [set("PRIMARY", "news:7", "blue"), set("ACTIVE", "news:8", "green")];
    let again = [set("PRIMARY", "news:7", "blue"), set("DRAINING", "news:7", "green")];
    for (sets, weights, expected, baseline) in [
        (&alone[..], &[("green", 100), ("blue", 0)][..], &[("8", 100)][..], "green"),
        (&both, &[("green", 0), ("blue", 1)], &[("7", 100)], "blue"),
        (&both, &[("green", 60), ("blue", 40)], &[("8", 60), ("7", 40)], "green"),
        (&both, &[("green", 0), ("blue", 0)], &[], "blue"),
        (&again, &[("green", 30), ("blue", 70)], &[("7", 100)], "blue"),
    ] {
        let answers = vec![
            with_sets(sets),
            deployment_group(&listener()),
            target_groups(&["blue", "green"]),
            rules(weights),
        ];
        let found = state(&of_code_deploy(), answers).await.0.unwrap();
        assert_eq!(split(&found), expected, "{weights:?}");
        assert_eq!(found.groups.baseline, format!("targetgroup/{baseline}/{baseline}1"));
        assert_ne!(found.groups.baseline, found.groups.canary);
    }
}

#[tokio::test]
async fn traffic_of_someone_elses_is_foreign() {
    let other = [set("PRIMARY", "news:7", "blue"), set("ACTIVE", "test:3", "green")];
    for (sets, weights, foreign) in [
        (&other[..], [("blue", 90), ("green", 10)], "test:3"),
        (&other[..1], [("blue", 90), ("else", 10)], "behind targetgroup/else/else1"),
        (&other[..1], [("blue", 10), ("else", 90)], "behind targetgroup/else/else1"),
    ] {
        let answers = vec![
            with_sets(sets),
            deployment_group(&listener()),
            target_groups(&["blue", "green"]),
            rules(&weights),
        ];
        let found = state(&of_code_deploy(), answers).await.0.unwrap();
        assert_eq!(found.foreign.as_deref(), Some(foreign));
        assert_eq!(found.family.as_str(), "news");
    }
}

/// Traffic that reaches tasks which were not described yet is neither the baseline's nor someone else's.
#[tokio::test]
async fn what_does_not_fit_together_is_read_again() {
    let answers = vec![
        with_sets(&[set("PRIMARY", "news:7", "blue")]),
        deployment_group(&listener()),
        target_groups(&["blue", "green"]),
        rules(&[("blue", 90), ("green", 10)]),
    ];
    let error = state(&of_code_deploy(), answers).await.0.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
}

fn shifting() -> Value {
    let rule = format!("{ELB}:listener-rule/app/front/50dc/0467/9683");
    let advanced = json!({ "advancedConfiguration": {
        "alternateTargetGroupArn": group("green"), "productionListenerRule": rule,
    } });
    json!({
        "loadBalancers": [balancing("blue", advanced)],
        "currentServiceRevisions": [{ "arn": "r-7" }, { "arn": "r-8" }],
    })
}

pub(crate) fn service_revision(arn: &str, of: &str, group_name: &str) -> Value {
    json!({
        "serviceRevisionArn": arn, "taskDefinition": definition(of),
        "resolvedConfiguration": { "loadBalancers": [{ "targetGroupArn": group(group_name) }] },
    })
}

#[tokio::test]
async fn service_revisions_and_the_production_rule_say_what_ecs_did() {
    let revisions =
        [service_revision("r-7", "news:7", "green"), service_revision("r-8", "news:8", "blue")];
    let answers = vec![
        described("ECS", shifting()),
        Answer::json(&json!({ "serviceRevisions": revisions })),
        rules(&[("blue", 5), ("green", 95)]),
    ];
    let (found, sent) = state(&native(), answers).await;
    let found = found.unwrap();
    assert_eq!(split(&found), [("7", 95), ("8", 5)]);
    assert_eq!(found.groups.baseline, "targetgroup/green/green1");
    let requests = sent.requests();
    assert_eq!(requests[1].body, json!({ "serviceRevisionArns": ["r-7", "r-8"] }));
    let rule = format!("{ELB}:listener-rule/app/front/50dc/0467/9683");
    assert_eq!(requests[2].body, json!({ "RuleArns.member.1": rule }));
}

#[tokio::test]
async fn a_service_that_can_not_be_followed_says_what_is_needed() {
    let none = json!({});
    let plain = json!({ "loadBalancers": [balancing("blue", json!({}))] });
    let two = json!({ "loadBalancers": [balancing("a", json!({})), balancing("b", json!({}))] });
    let network = format!("{ELB}:listener/net/front/50dc/0467");
    let set = [set("PRIMARY", "news:7", "blue")];
    for (service, answers, why) in [
        (native(), vec![described("EXTERNAL", none.clone())], "EXTERNAL"),
        (native(), vec![described("CODE_DEPLOY", none.clone())], "under `codeDeploy`"),
        (of_code_deploy(), vec![described("ECS", none.clone())], "news/live: remove `codeDeploy`"),
        (native(), vec![described("ECS", none.clone())], "no load balancer"),
        (native(), vec![described("ECS", two)], "2 load balancers"),
        (native(), vec![described("ECS", plain)], "`advancedConfiguration`"),
        (of_code_deploy(), vec![described("CODE_DEPLOY", none)], "no primary task set"),
        (
            of_code_deploy(),
            vec![
                with_sets(&set),
                deployment_group(&network),
                target_groups(&["blue", "green"]),
                rules(&[("blue", 1)]),
            ],
            "not of an Application Load Balancer",
        ),
        (
            of_code_deploy(),
            vec![
                with_sets(&set),
                deployment_group(&listener()),
                target_groups(&["blue", "green"]),
                rules(&[("else", 1)]),
            ],
            "no rule of",
        ),
        (
            of_code_deploy(),
            vec![with_sets(&set), deployment_group(&listener()), target_groups(&["blue"])],
            "not both there",
        ),
    ] {
        let error = state(&service, answers).await.0.unwrap_err();
        assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
}

#[tokio::test]
async fn a_service_that_is_gone_is_not_found() {
    let failure = json!({ "arn": "news", "reason": "MISSING" });
    let missing = Answer::json(&json!({ "services": [], "failures": [failure] }));
    let deleted = Answer::json(&json!({ "services": [{ "status": "INACTIVE" }] }));
    let cluster = Answer::error(400, "ClusterNotFoundException", "Cluster not found.");
    for answer in [missing, deleted, cluster] {
        let error = state(&native(), vec![answer]).await.0.unwrap_err();
        assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
        assert_eq!(error.to_string(), "service ml/news does not exist");
    }
}

fn name(text: &str) -> EcsName {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_task_definition_is_read_with_its_image_and_its_release() {
    let version: Version = "8".parse().unwrap();
    let tag = json!({ "key": "perch:release", "value": ID });
    for (revision, asked, status, tags) in [
        (Revision::Number(&version), "news:8", "ACTIVE", json!([tag])),
        (Revision::Newest, "news", "INACTIVE", json!([])),
    ] {
        let containers = json!([
            { "name": "proxy", "image": "envoy:1" },
            { "name": "server", "image": format!("{REGISTRY}/news@sha256:aa") },
        ]);
        let found = json!({ "taskDefinition": {
            "revision": 8, "status": status, "containerDefinitions": containers,
        }, "tags": tags });
        let (services, sent) = services([Answer::json(&found)]);
        let found = services.task_definition(&name("news"), revision, &name("server")).await;
        let found = found.unwrap();
        assert_eq!((found.revision.as_str(), found.is_active), ("8", status == "ACTIVE"));
        assert_eq!(found.image, format!("{REGISTRY}/news@sha256:aa"));
        assert_eq!(found.release.is_some(), status == "ACTIVE");
        let body = json!({ "taskDefinition": asked, "include": ["TAGS"] });
        assert_eq!(sent.only(), ("DescribeTaskDefinition".into(), body));
    }
}

#[tokio::test]
async fn a_task_definition_or_a_container_that_is_not_there_is_told_apart() {
    let missing = Answer::error(400, "ClientException", "Unable to describe task definition.");
    let (gone, _) = services([missing]);
    let error = gone.task_definition(&name("news"), Revision::Newest, &name("server")).await;
    assert!(matches!(error.unwrap_err(), PortError::NotFound { .. }));
    let found = json!({ "taskDefinition": { "revision": 8, "containerDefinitions": [] } });
    let (other, _) = services([Answer::json(&found)]);
    let error = other.task_definition(&name("news"), Revision::Newest, &name("server")).await;
    assert!(error.unwrap_err().to_string().contains("no container server"));
}

#[tokio::test]
async fn targets_that_leave_or_are_not_used_do_not_count() {
    let target = |state: &str| {
        format!("<member><TargetHealth><State>{state}</State></TargetHealth></member>")
    };
    let states = ["healthy", "healthy", "initial", "unhealthy", "draining", "unused"];
    let targets: String = states.into_iter().map(target).collect();
    let described = xml(
        "DescribeTargetHealth",
        &format!("<TargetHealthDescriptions>{targets}</TargetHealthDescriptions>"),
    );
    let (services, sent) = services([target_groups(&["green"]), described]);
    let health = services.health(&native(), "targetgroup/green/green1").await.unwrap();
    assert_eq!(health, Health { healthy: 2, of: 4 });
    let requests = sent.requests();
    assert_eq!(requests[0].body, json!({ "Names.member.1": "green" }));
    assert_eq!(requests[1].body, json!({ "TargetGroupArn": group("green") }));
    let (gone, _) = self::services([target_groups(&["green"])]);
    let error = gone.health(&native(), "targetgroup/green/older").await.unwrap_err();
    assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
}

/// Every field that `RegisterTaskDefinition` takes; `tests/test_requests.py` sees to it that none is missing.
const EVERY_FIELD: &str = include_str!("task_definition.json");

fn described_definition() -> (Value, Value) {
    let mut input: Value = serde_json::from_str(EVERY_FIELD).unwrap();
    input["tags"] = json!([
        { "key": "team", "value": "ml" },
        { "key": "aws:cloudformation:stack-name", "value": "news" },
        { "key": "perch:release", "value": "news-20261120-120000-0a1b2c" },
    ]);
    let mut definition = input.clone();
    let tags = definition.as_object_mut().unwrap().remove("tags").unwrap();
    for (name, value) in [
        ("taskDefinitionArn", json!(definition_arn())),
        ("revision", json!(7)),
        ("status", json!("ACTIVE")),
        ("requiresAttributes", json!([{ "name": "ecs.capability.task-eni" }])),
        ("compatibilities", json!(["EC2", "FARGATE"])),
        ("registeredAt", json!(1_795_262_400.5)),
        ("registeredBy", json!("arn:aws:iam::123456789012:role/deploy")),
        ("deregisteredAt", json!(1_795_262_401.5)),
        ("deleteRequestedAt", json!(1_795_262_402.5)),
    ] {
        definition[name] = value;
    }
    (input, json!({ "taskDefinition": definition, "tags": tags }))
}

fn definition_arn() -> String {
    definition("news:7")
}

async fn register(answers: Vec<Answer>) -> (Result<Version, PortError>, Recorded) {
    let (services, sent) = services(answers);
    let (family, from, container): (_, Version, _) =
        (name("news"), "7".parse().unwrap(), name("server"));
    let release: ReleaseId = ID.parse().unwrap();
    let registering = Registering {
        family: &family,
        from: &from,
        container: &container,
        image: "news@sha256:bb",
        release: &release,
    };
    (services.register(registering).await, sent)
}

#[tokio::test]
async fn a_new_revision_differs_in_the_image_and_keeps_every_field() {
    let (input, described) = described_definition();
    let registered = json!({ "taskDefinition": { "revision": 8 } });
    let (made, sent) = register(vec![Answer::json(&described), Answer::json(&registered)]).await;
    assert_eq!(made.unwrap().as_str(), "8");
    let requests = sent.requests();
    let body = json!({ "taskDefinition": "news:7", "include": ["TAGS"] });
    assert_eq!(
        (requests[0].operation.as_str(), &requests[0].body),
        ("DescribeTaskDefinition", &body)
    );
    let mut expected = input;
    expected["containerDefinitions"][0]["image"] = json!(format!("{REGISTRY}/news@sha256:bb"));
    let tags = [("team", "ml"), ("perch:release", ID)];
    expected["tags"] = tags.map(|(key, value)| json!({ "key": key, "value": value })).into();
    assert_eq!(requests[1].operation, "RegisterTaskDefinition");
    assert_eq!(requests[1].body, expected);
    let length = expected.to_string().len();
    assert_eq!(sent.header(1, "content-length"), Some(length.to_string()));
}

#[tokio::test]
async fn a_refused_definition_is_told_from_one_that_comes_at_a_bad_time() {
    for (message, passes) in [
        ("Role is not valid", false),
        ("Too many concurrent attempts to create a new revision of the specified family.", true),
    ] {
        let (_, described) = described_definition();
        let refused = Answer::error(400, "ClientException", message);
        let error = register(vec![Answer::json(&described), refused]).await.0.unwrap_err();
        assert_eq!(matches!(error, PortError::Unavailable { .. }), passes, "{error:?}");
    }
    let other = json!({ "taskDefinition": { "containerDefinitions": [{ "name": "proxy" }] } });
    let error = register(vec![Answer::json(&other)]).await.0.unwrap_err();
    assert!(error.to_string().contains("no container server"), "{error}");
}
