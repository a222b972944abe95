//! The AWS side of an installation: the only module that names an adapter.

use perch_app::ports::PortError;
use perch_aws::SdkConfig;
use perch_aws::cloudwatch::CloudWatch;
use perch_aws::executions::Executions;
use perch_aws::lambda::Functions;
use perch_aws::letters::{DeadLetterQueues, FunctionCalls};
use perch_aws::store::Table;

/// One installation of Perch.
pub(crate) struct Installation {
    pub(crate) store: Table,
    sdk: SdkConfig,
    stack: String,
}

impl Installation {
    /// The installation of this stack, in the region and account that the environment names.
    pub(crate) async fn connect(stack: &str) -> Self {
        let sdk = perch_aws::sdk_config().await;
        Self { store: Table::new(&sdk, stack.to_owned()), sdk, stack: stack.to_owned() }
    }

    /// What reads aliases, and what reads alarms.
    pub(crate) fn services(&self) -> (Functions, CloudWatch) {
        (Functions::new(&self.sdk), CloudWatch::new(&self.sdk))
    }

    /// The queues of dead letters, and the functions that take their events again.
    pub(crate) async fn dead_letters(
        &self,
    ) -> Result<(DeadLetterQueues, FunctionCalls), PortError> {
        let queues = DeadLetterQueues::of(&self.sdk, &self.stack).await?;
        Ok((queues, FunctionCalls::new(&self.sdk)))
    }

    /// The stack's state machines.
    pub(crate) async fn executions(&self) -> Result<Executions, PortError> {
        Executions::beside(&self.sdk, &self.store, &self.stack).await
    }
}
