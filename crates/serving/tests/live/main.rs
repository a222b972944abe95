//! The adapters against real servers, each a child process on a free port.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "measured times")]

mod cache;
mod child;
mod mlserver;
mod perch;
mod redis_server;
mod smoke;
mod snippets;
mod tensorflow;
mod triton;
mod webhook;
mod world;
