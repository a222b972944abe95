//! Looks at the canary and decides.

mod handler;

use handler::Handler;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use perch_aws::cloudwatch::CloudWatch;
use perch_aws::codedeploy::Deployments;
use perch_aws::config::Env;
use perch_aws::lambda::Functions;
use perch_aws::services::Services;
use perch_aws::store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    perch_aws::runtime::start_logging();
    let mut env = Env::default();
    let table = env.required("PERCH_TABLE");
    let table = env.finish(table)?;
    let sdk = perch_aws::sdk_config().await;
    let handler = Handler {
        store: Table::new(&sdk, table),
        lambda: Functions::new(&sdk),
        services: Services::new(&sdk, String::new()),
        deployments: Deployments::new(&sdk),
        cloudwatch: CloudWatch::new(&sdk),
    };
    run(service_fn(|event: LambdaEvent<_>| handler.handle(event.payload))).await
}
