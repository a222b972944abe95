//! The adapters against real servers, each a child process on a free port.

mod cache;
mod child;
mod mlserver;
mod perch;
mod redis_server;
mod tensorflow;
mod triton;
mod webhook;
mod world;
