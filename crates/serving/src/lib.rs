#![doc = include_str!("../README.md")]

mod cache;
mod grpc;
mod http;
mod open_inference;
mod perch;
mod servers;
mod smoke;
pub mod tensorflow;

pub use cache::Caches;
pub use servers::Servers;
pub use smoke::SmokeClient;
