//! Starts releases of the images that ECR announces.

mod handler;

use handler::Handler;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use perch_aws::config::Env;
use perch_aws::executions::{Executions, Machines};
use perch_aws::store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    perch_aws::runtime::start_logging();
    let mut env = Env::default();
    let table = env.required("PERCH_TABLE");
    let canary_deploy = env.required("PERCH_CANARY_DEPLOY_ARN");
    let rollback = env.required("PERCH_ROLLBACK_ARN");
    let (table, canary_deploy, rollback) = env.finish((table, canary_deploy, rollback))?;
    let machines = Machines { canary_deploy, rollback, ..Machines::default() };
    let sdk = perch_aws::sdk_config().await;
    let handler =
        Handler { store: Table::new(&sdk, table), executions: Executions::new(&sdk, machines) };
    run(service_fn(|event: LambdaEvent<_>| handler.handle(event.payload))).await
}
