#![doc = include_str!("../README.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a defect in a test's set-up stops the test"
)]

pub mod build;
pub mod bus;
pub mod calls;
pub mod deployments;
pub mod executions;
pub mod fleet;
pub mod invariants;
pub mod lambda;
pub mod letters;
pub mod machines;
pub mod model;
pub mod models;
pub mod mutation;
pub mod people;
pub mod registry;
pub mod scene;
pub mod services;
pub mod sim;
pub mod store;
pub mod uploads;
pub mod watching;
pub mod web;
pub mod world;

pub use build::{TargetBuilder, announcement, at, digest, image, release, target};
pub use bus::MemoryBus;
pub use calls::{Calls, Failure, Fault, Paused, Schedule, interleave, run};
pub use deployments::MemoryDeployments;
pub use executions::MemoryExecutions;
pub use fleet::MemoryFleet;
pub use lambda::MemoryLambda;
pub use letters::{MemoryCalls, MemoryLetters};
pub use machines::Machines;
pub use models::MemoryModels;
pub use mutation::Mutation;
pub use people::{MemorySlack, MemoryTopic};
pub use registry::MemoryRegistry;
pub use services::MemoryServices;
pub use store::MemoryStore;
pub use uploads::MemoryUploads;
pub use watching::{MemoryAlarms, MemoryMetrics, failing, healthy, silent, slow};
pub use web::MemoryWeb;
pub use world::World;
