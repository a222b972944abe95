//! Tells people about journal entries and notices, from the table's stream.

mod handler;

use handler::Handler;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use perch_aws::config::Env;
use perch_aws::slack::Slack;
use perch_aws::store::Table;
use perch_aws::topic::Topic;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    perch_aws::runtime::start_logging();
    let mut env = Env::default();
    let table = env.required("PERCH_TABLE");
    let topic = env.required("PERCH_TOPIC_ARN");
    let (table, topic) = env.finish((table, topic))?;
    let sdk = perch_aws::sdk_config().await;
    let handler = Handler {
        store: Table::new(&sdk, table),
        topic: Topic::new(&sdk, topic),
        slack: Slack::new(&sdk)?,
    };
    run(service_fn(|event: LambdaEvent<_>| handler.handle(event.payload))).await
}
