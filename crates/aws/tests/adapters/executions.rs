//! Starting state machines.

use perch_app::ports::{Machine, PortError, StartExecution};
use perch_aws::executions::{Executions, Machines};
use perch_aws::store::Table;
use serde_json::{Value, json};

use crate::samples::{ID, TABLE};
use crate::support::{Answer, aws};

fn machines() -> Machines {
    Machines {
        canary_deploy: "arn:canary-deploy".into(),
        model_reload: "arn:model-reload".into(),
        rollback: "arn:rollback".into(),
    }
}

fn input() -> Value {
    json!({ "releaseId": ID, "fence": 7 })
}

async fn start(answer: Answer, machine: Machine) -> (Result<(), PortError>, (String, Value)) {
    let (sdk, sent) = aws([answer]);
    let executions = Executions::new(&sdk, machines());
    let started = executions.start(machine, &ID.parse().unwrap(), &input()).await;
    (started, sent.only())
}

fn started() -> Answer {
    Answer::json(&json!({ "executionArn": "arn:x", "startDate": 1_763_726_400.5 }))
}

#[tokio::test]
async fn an_execution_has_the_name_of_its_release() {
    for (machine, arn) in
        [(Machine::CanaryDeploy, "arn:canary-deploy"), (Machine::Rollback, "arn:rollback")]
    {
        let (done, (operation, mut body)) = start(started(), machine).await;
        done.unwrap();
        assert_eq!(operation, "StartExecution");
        let sent: Value = serde_json::from_str(body["input"].as_str().unwrap()).unwrap();
        assert_eq!(sent, input());
        body.as_object_mut().unwrap().remove("input");
        assert_eq!(body, json!({ "stateMachineArn": arn, "name": ID }));
    }
}

#[tokio::test]
async fn an_execution_that_exists_counts_as_started() {
    let exists = Answer::error(400, "ExecutionAlreadyExists", "Execution Already Exists: 'arn:x'");
    start(exists, Machine::CanaryDeploy).await.0.unwrap();
}

#[tokio::test]
async fn a_machine_that_does_not_exist_is_an_error() {
    let gone = Answer::error(400, "StateMachineDoesNotExist", "State Machine Does Not Exist");
    let error = start(gone, Machine::Rollback).await.0.unwrap_err();
    assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
    let denied = Answer::error(400, "AccessDeniedException", "no");
    let error = start(denied, Machine::Rollback).await.0.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn machines_stand_beside_the_table() {
    let arn = "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/perch";
    let (sdk, sent) = aws([Answer::json(&json!({ "Table": { "TableArn": arn } })), started()]);
    let table = Table::new(&sdk, TABLE.into());
    let executions = Executions::beside(&sdk, &table, "perch").await.unwrap();
    executions.start(Machine::Rollback, &ID.parse().unwrap(), &input()).await.unwrap();
    let requests = sent.requests();
    assert_eq!(
        requests[1].body["stateMachineArn"],
        "arn:aws-cn:states:cn-north-1:123456789012:stateMachine:perch-rollback"
    );
}
