//! The adapters against recorded requests: each test says what AWS answers and compares the whole
//! request that was sent. Nothing here reaches a network but loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bus;
mod cloudwatch;
mod codedeploy;
mod diagnostic;
mod evidence;
mod executions;
mod images;
mod lambda;
mod lambda_model;
mod lambda_smoke;
mod letters;
mod lifecycle;
mod models;
mod records;
mod replicas;
mod requests;
mod samples;
mod service_deployments;
mod services;
mod slack;
mod store_follow;
mod store_head;
mod store_heard;
mod store_line;
mod store_notes;
mod store_plan;
mod store_reads;
mod store_releases;
mod store_sweep;
mod store_targets;
mod store_waiting;
mod support;
mod topic;
mod uploads;
