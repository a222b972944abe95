//! Has a deployment begin, and sees how far it is.

mod handler;

use handler::Handler;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use perch_aws::cloudwatch::CloudWatch;
use perch_aws::codedeploy::{Deployments, minute};
use perch_aws::config::Env;
use perch_aws::images::Images;
use perch_aws::lambda::Functions;
use perch_aws::services::Services;
use perch_aws::store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    perch_aws::runtime::start_logging();
    let mut env = Env::default();
    let (table, seconds) = (env.required("PERCH_TABLE"), env.required("PERCH_MINUTE_SECONDS"));
    let (registry, hook) = (env.required("PERCH_REGISTRY"), env.required("PERCH_HOOK"));
    let (table, seconds, registry, hook) = env.finish((table, seconds, registry, hook))?;
    let sdk = perch_aws::sdk_config().await;
    let handler = Handler {
        store: Table::new(&sdk, table),
        lambda: Functions::new(&sdk),
        services: Services::new(&sdk, registry),
        deployments: Deployments::new(&sdk).with_hook(hook),
        images: Images::new(&sdk),
        cloudwatch: CloudWatch::new(&sdk),
        minute: minute(&seconds)?,
    };
    run(service_fn(|event: LambdaEvent<_>| handler.handle(event.payload))).await
}
