//! The use cases over the in-memory world, a file for each; then several at once, and whole releases
//! through the state machines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests count as tests"
)]

mod announce;
mod announce_model;
mod apply_target;
mod by_hand;
mod close_release;
mod code_deploy;
mod dead_letters;
mod doctor;
mod explain;
mod interleaved;
mod judge_canary;
mod judge_evidence;
mod line;
mod looks;
mod model_on_lambda;
mod notices;
mod notify;
mod on_alarm;
mod order;
mod pause;
mod platform;
mod prepare_canary;
mod promote_canary;
mod publish_events;
mod reconcile;
mod reconcile_uploads;
mod reload;
mod replace;
mod restore_traffic;
mod services;
mod shift_weight;
mod smoke;
mod stage;
mod synthetic;
mod taken_over;
mod taken_over_deployment;
mod whole_release;
