//! Checks the models that S3 announces and starts their releases.

mod handler;

use handler::Handler;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use perch_aws::config::Env;
use perch_aws::executions::{Executions, Machines};
use perch_aws::models::Models;
use perch_aws::store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    perch_aws::runtime::start_logging();
    let mut env = Env::default();
    let table = env.required("PERCH_TABLE");
    let canary_deploy = env.required("PERCH_CANARY_DEPLOY_ARN");
    let model_reload = env.required("PERCH_MODEL_RELOAD_ARN");
    let rollback = env.required("PERCH_ROLLBACK_ARN");
    let (table, canary_deploy, model_reload, rollback) =
        env.finish((table, canary_deploy, model_reload, rollback))?;
    let machines = Machines { canary_deploy, model_reload, rollback };
    let sdk = perch_aws::sdk_config().await;
    let (store, models) = (Table::new(&sdk, table), Models::new(&sdk));
    let handler = Handler { store, models, executions: Executions::new(&sdk, machines) };
    run(service_fn(|event: LambdaEvent<_>| handler.handle(event.payload))).await
}
