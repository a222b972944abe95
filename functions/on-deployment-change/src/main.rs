//! Carries on with a release whose deployment ended.

mod handler;

use handler::Handler;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use perch_aws::codedeploy::Deployments;
use perch_aws::config::Env;
use perch_aws::executions::{Executions, Machines};
use perch_aws::store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    perch_aws::runtime::start_logging();
    let mut env = Env::default();
    let table = env.required("PERCH_TABLE");
    let rollback = env.required("PERCH_ROLLBACK_ARN");
    let (table, rollback) = env.finish((table, rollback))?;
    let machines = Machines { rollback, ..Machines::default() };
    let sdk = perch_aws::sdk_config().await;
    let handler = Handler {
        store: Table::new(&sdk, table),
        deployments: Deployments::new(&sdk),
        executions: Executions::new(&sdk, machines),
    };
    run(service_fn(|event: LambdaEvent<_>| handler.handle(event.payload))).await
}
