//! A headline classifier as a Lambda image function: the sample service of Perch.
//!
//! Only the wiring is here. The library decides and publishes metrics, `fault` spoils some answers of a
//! broken image, `assets` reads the image's files, `handler` maps an invocation to a reply.

mod assets;
mod fault;
mod handler;

use std::time::Instant;

use anyhow::Context as _;
use lambda_runtime::{Config, LambdaEvent, run, service_fn, tracing};
use news_classifier::emf::Metrics;
use serde_json::Value;

use crate::assets::Assets;
use crate::handler::{Reply, Service};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let started = Instant::now();
    tracing::init_default_subscriber();
    let program = std::env::current_exe().context("cannot find the program's own path")?;
    let service = Service::new(Assets::beside(&program)?, started);
    let lambda = Config::from_env();
    let metrics = Metrics::new("NewsClassifier", lambda.function_name, lambda.version);
    run(service_fn(async |event: LambdaEvent<Value>| {
        let request = metrics.request();
        let answer = service.answer(&event.payload, &event.context.request_id).await;
        let unsure = answer.as_ref().is_ok_and(Reply::is_unsure);
        request.publish(answer.is_err(), &[("LowConfidence", u64::from(unsure))]);
        answer
    }))
    .await
}
