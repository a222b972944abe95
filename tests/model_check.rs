//! The protocol under every order of calls, deliveries, crashes and failures, within bounds.
//!
//! What runs is the use cases of `perch-app` over the ports of `perch-testkit`; stateright walks
//! through every state that can be reached. See `crates/testkit/src/model`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is for people")]

#[path = "model_check/checked.rs"]
mod checked;
#[path = "model_check/driven.rs"]
mod driven;
#[path = "model_check/mutations.rs"]
mod mutations;
#[path = "model_check/mutations_driven.rs"]
mod mutations_driven;
#[path = "model_check/promises.rs"]
mod promises;
#[path = "model_check/scenarios.rs"]
mod scenarios;
