//! Puts journal entries and notices on the event bus, from the table's stream.

mod handler;

use handler::Handler;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use perch_aws::bus::Bus;
use perch_aws::config::Env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    perch_aws::runtime::start_logging();
    let mut env = Env::default();
    let bus = env.required("PERCH_BUS");
    let bus = env.finish(bus)?;
    let sdk = perch_aws::sdk_config().await;
    let handler = Handler { bus: Bus::new(&sdk, bus) };
    run(service_fn(|event: LambdaEvent<_>| handler.handle(event.payload))).await
}
