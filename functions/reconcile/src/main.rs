//! Looks at every target that is due and mends what events and executions left behind.

mod handler;

use handler::Handler;
use lambda_runtime::{Error, run, service_fn};
use perch_aws::config::Env;
use perch_aws::executions::{Executions, Machines};
use perch_aws::images::Images;
use perch_aws::lambda::Functions;
use perch_aws::services::Services;
use perch_aws::store::Table;
use perch_aws::uploads::Uploads;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    perch_aws::runtime::start_logging();
    let mut env = Env::default();
    let table = env.required("PERCH_TABLE");
    let canary_deploy = env.required("PERCH_CANARY_DEPLOY_ARN");
    let rollback = env.required("PERCH_ROLLBACK_ARN");
    let model_reload = env.required("PERCH_MODEL_RELOAD_ARN");
    let on_model_upload = env.required("PERCH_ON_MODEL_UPLOAD");
    let machines = Machines { canary_deploy, model_reload, rollback };
    let (table, machines) = env.finish((table, machines))?;
    let sdk = perch_aws::sdk_config().await;
    let handler = Handler {
        store: Table::new(&sdk, table),
        lambda: Functions::new(&sdk),
        services: Services::new(&sdk, String::new()),
        images: Images::new(&sdk),
        uploads: Uploads::new(&sdk, on_model_upload.parse()?),
        executions: Executions::new(&sdk, machines),
    };
    run(service_fn(|event| handler.handle(event))).await
}
