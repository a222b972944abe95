//! What is on the event bus is a contract: the published files are what the code makes, fit the schema,
//! and the schema only ever grows.
//!
//! `UPDATE_EXPECT=1 cargo test -p perch-tests --test events_out` writes `events/out` and
//! `schemas/event.v1.json` anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "events_out/contract.rs"]
mod contract;
#[path = "events_out/story.rs"]
mod story;
