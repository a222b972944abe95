//! A headline classifier as a Lambda image function: the sample service of Perch.
//!
//! Only the wiring is here. `classifier` decides, `fault` spoils some answers of a broken image,
//! `assets` reads the image's files, `handler` maps an invocation to a reply.

mod assets;
mod classifier;
mod fault;
mod handler;

use std::time::Instant;

use anyhow::Context as _;
use lambda_runtime::{LambdaEvent, run, service_fn, tracing};
use serde_json::Value;

use crate::assets::Assets;
use crate::handler::Service;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let started = Instant::now();
    tracing::init_default_subscriber();
    let program = std::env::current_exe().context("cannot find the program's own path")?;
    let service = Service::new(Assets::beside(&program)?, started);
    run(service_fn(async |event: LambdaEvent<Value>| {
        service.answer(&event.payload, &event.context.request_id).await
    }))
    .await
}
