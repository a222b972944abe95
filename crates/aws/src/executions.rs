//! Step Functions: starting Perch's state machines.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use perch_app::ports::{EndWait, Machine, PortError, StartExecution};
use perch_core::names::ReleaseId;
use serde_json::Value;

use crate::error::port_error;
use crate::store::Table;

/// The ARNs of the state machines that a function may start; empty where it may not.
#[derive(Debug, Clone, Default)]
pub struct Machines {
    /// `canary-deploy`
    pub canary_deploy: String,
    /// `model-reload`
    pub model_reload: String,
    /// `rollback`
    pub rollback: String,
}

/// Executions of Perch's state machines.
#[derive(Debug, Clone)]
pub struct Executions {
    client: Client,
    machines: Machines,
}

impl Executions {
    /// Executions of these machines.
    pub fn new(sdk: &SdkConfig, machines: Machines) -> Self {
        Self { client: Client::new(sdk), machines }
    }

    /// Executions of the machines of a stack, whose account and region the table's ARN tells.
    ///
    /// # Errors
    /// [`PortError`] when the table can't be described.
    pub async fn beside(sdk: &SdkConfig, table: &Table, stack: &str) -> Result<Self, PortError> {
        let arn = table.arn().await?;
        let place = arn.replacen(":dynamodb:", ":states:", 1);
        let place = place.split(":table/").next().unwrap_or_default();
        let machine = |name: &str| format!("{place}:stateMachine:{stack}-{name}");
        let machines = Machines {
            canary_deploy: machine("canary-deploy"),
            model_reload: machine("model-reload"),
            rollback: machine("rollback"),
        };
        Ok(Self::new(sdk, machines))
    }
}

impl StartExecution for Executions {
    async fn start(
        &self,
        machine: Machine,
        name: &ReleaseId,
        input: &Value,
    ) -> Result<(), PortError> {
        let arn = match machine {
            Machine::CanaryDeploy => &self.machines.canary_deploy,
            Machine::ModelReload => &self.machines.model_reload,
            Machine::Rollback => &self.machines.rollback,
        };
        let started = self
            .client
            .start_execution()
            .state_machine_arn(arn)
            .name(name.as_str())
            .input(input.to_string())
            .send()
            .await;
        match started {
            Ok(_) => Ok(()),
            // The name is the release's id: whoever started it, it is this release's execution.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(StartExecutionError::is_execution_already_exists) =>
            {
                Ok(())
            }
            Err(error) => Err(port_error(format!("execution {name}"), error)),
        }
    }
}

impl EndWait for Executions {
    async fn end_wait(&self, token: &str) -> Result<(), PortError> {
        let ended = self.client.send_task_success().task_token(token).output("{}").send().await;
        match ended {
            Ok(_) => Ok(()),
            // The wait ended by its time limit, or its execution did.
            Err(error)
                if matches!(
                    error.code(),
                    Some("TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken")
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(port_error("the wait for a deployment", error)),
        }
    }
}
