//! Failures that users of other release tools reported, played on Perch from beginning to end.
//!
//! `docs/conformance.md` says for each what happened there and what happens here; a test holds the page
//! to the tests. Names begin with the tool and the number of its issue.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "conformance/argo_analysis.rs"]
mod argo_analysis;
#[path = "conformance/argo_rollouts.rs"]
mod argo_rollouts;
#[path = "conformance/aws_samples.rs"]
mod aws_samples;
#[path = "conformance/codedeploy_and_sam.rs"]
mod codedeploy_and_sam;
#[path = "conformance/ecs_and_sagemaker.rs"]
mod ecs_and_sagemaker;
#[path = "conformance/ecs_services.rs"]
mod ecs_services;
#[path = "conformance/events.rs"]
mod events;
#[path = "conformance/flagger.rs"]
mod flagger;
#[path = "conformance/model_servers.rs"]
mod model_servers;
#[path = "conformance/page.rs"]
mod page;
#[path = "conformance/pipecd.rs"]
mod pipecd;
#[path = "conformance/scene.rs"]
mod scene;
