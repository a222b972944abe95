//! Replicas of model servers: which tasks and instances count, and by which address they are reached.

use perch_app::ports::{FindReplicas, PortError};
use perch_aws::replicas::ReplicaFinder;
use perch_core::target::Replicas;
use serde_json::{Value, json};

use crate::support::{Answer, Recorded, aws};

const ARN: &str = "arn:aws:ecs:eu-west-1:210987654321:task/ml";

fn finder(answers: impl IntoIterator<Item = Answer>) -> (ReplicaFinder, Recorded) {
    let (sdk, recorded) = aws(answers);
    (ReplicaFinder::new(&sdk), recorded)
}

fn places(fields: Value) -> Replicas {
    serde_json::from_value(fields).unwrap()
}

fn ecs() -> Replicas {
    places(json!({ "ecs": { "cluster": "ml", "service": "news", "port": 8080 } }))
}

fn task(id: &str, status: &str, health: &str, address: Option<&str>) -> Value {
    let details: Vec<_> = [("networkInterfaceId", Some("eni-1")), ("privateIPv4Address", address)]
        .into_iter()
        .filter_map(|(name, value)| Some(json!({ "name": name, "value": value? })))
        .collect();
    json!({
        "taskArn": format!("{ARN}/{id}"),
        "lastStatus": status,
        "healthStatus": health,
        "attachments": [{ "type": "ElasticNetworkInterface", "details": details }],
    })
}

/// Names and addresses.
async fn found(finder: &ReplicaFinder, of: &Replicas) -> Vec<(String, String)> {
    let replicas = finder.replicas(of).await.unwrap();
    replicas.into_iter().map(|replica| (replica.name, replica.url)).collect()
}

fn pair(name: &str, url: &str) -> (String, String) {
    (name.to_owned(), url.to_owned())
}

#[tokio::test]
async fn a_list_is_taken_as_it_is_and_asks_nobody() {
    let (finder, sent) = finder([]);
    let list = places(json!({ "static": ["http://10.0.0.8:80/", "grpc://10.0.0.7:8500"] }));
    let expected =
        [pair("10.0.0.8:80", "http://10.0.0.8:80"), pair("10.0.0.7:8500", "grpc://10.0.0.7:8500")];
    assert_eq!(found(&finder, &list).await, expected);
    assert_eq!(sent.requests(), []);
}

#[tokio::test]
async fn tasks_that_run_and_are_not_unhealthy_count_in_the_order_of_their_names() {
    let arns: Vec<_> = ["e", "d", "c", "b", "a"].map(|id| format!("{ARN}/{id}")).into();
    let described = json!({ "tasks": [
        task("e", "RUNNING", "UNKNOWN", Some("10.0.0.5")),
        task("d", "RUNNING", "UNHEALTHY", Some("10.0.0.4")),
        task("c", "PENDING", "UNKNOWN", Some("10.0.0.3")),
        task("b", "RUNNING", "HEALTHY", None),
        task("a", "RUNNING", "HEALTHY", Some("10.0.0.1")),
    ], "failures": [] });
    let (finder, sent) =
        finder([Answer::json(&json!({ "taskArns": arns })), Answer::json(&described)]);
    let expected = [pair("a", "http://10.0.0.1:8080"), pair("e", "http://10.0.0.5:8080")];
    assert_eq!(found(&finder, &ecs()).await, expected);
    let requests: Vec<_> =
        sent.requests().into_iter().map(|sent| (sent.operation, sent.body)).collect();
    let list = json!({ "cluster": "ml", "serviceName": "news", "desiredStatus": "RUNNING" });
    let describe = json!({ "cluster": "ml", "tasks": arns });
    assert_eq!(requests, [("ListTasks".into(), list), ("DescribeTasks".into(), describe)]);
}

#[tokio::test]
async fn many_tasks_are_listed_by_pages_and_described_by_the_hundred() {
    let page = |from: usize, to: usize, next: Option<&str>| {
        let arns: Vec<_> = (from..to).map(|n| format!("{ARN}/{n:03}")).collect();
        Answer::json(&json!({ "taskArns": arns, "nextToken": next }))
    };
    let describe = |from: usize, to: usize| {
        let tasks: Vec<_> = (from..to)
            .map(|n| task(&format!("{n:03}"), "RUNNING", "HEALTHY", Some(&format!("10.0.0.{n}"))))
            .collect();
        Answer::json(&json!({ "tasks": tasks }))
    };
    let (finder, sent) = finder([
        page(0, 100, Some("more")),
        page(100, 130, None),
        describe(0, 100),
        describe(100, 130),
    ]);
    assert_eq!(found(&finder, &ecs()).await.len(), 130);
    assert_eq!(sent.operations(), ["ListTasks", "ListTasks", "DescribeTasks", "DescribeTasks"]);
    let sizes: Vec<_> = sent.requests()[2..]
        .iter()
        .map(|sent| sent.body["tasks"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [100, 30]);
    assert_eq!(sent.requests()[1].body["nextToken"], "more");
}

#[tokio::test]
async fn a_service_without_tasks_has_no_replicas_and_one_that_is_missing_is_not_found() {
    let (none, sent) = finder([Answer::json(&json!({ "taskArns": [] }))]);
    assert_eq!(found(&none, &ecs()).await, []);
    assert_eq!(sent.operations(), ["ListTasks"]);
    let (missing, _) =
        finder([Answer::error(400, "ServiceNotFoundException", "Service not found.")]);
    let error = missing.replicas(&ecs()).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn healthy_instances_count_by_their_own_port_or_the_one_given() {
    let instance = |id: &str, attributes: Value| json!({ "InstanceId": id, "HealthStatus": "HEALTHY", "Attributes": attributes });
    let instances = json!({ "Instances": [
        instance("b", json!({ "AWS_INSTANCE_IPV4": "10.0.0.2", "AWS_INSTANCE_PORT": "9000" })),
        instance("a", json!({ "AWS_INSTANCE_IPV4": "10.0.0.1" })),
        instance("c", json!({ "AWS_INSTANCE_CNAME": "elsewhere" })),
    ] });
    let service = |port: Value| {
        places(json!({ "cloudMap": { "namespace": "ml.local", "service": "news", "port": port } }))
    };
    let (finder, sent) = finder([Answer::json(&instances), Answer::json(&instances)]);
    let expected = [pair("a", "http://10.0.0.1:8080"), pair("b", "http://10.0.0.2:9000")];
    assert_eq!(found(&finder, &service(json!(8080))).await, expected);
    assert_eq!(found(&finder, &service(Value::Null)).await, expected[1..]);
    let body = json!({
        "NamespaceName": "ml.local", "ServiceName": "news", "MaxResults": 1000,
        "HealthStatus": "HEALTHY",
    });
    assert_eq!(sent.requests()[0].body, body);
}
