#![doc = include_str!("../README.md")]

pub mod bus;
pub mod cloudwatch;
pub mod codedeploy;
pub mod config;
pub mod diagnostic;
mod error;
pub mod events;
pub mod executions;
pub mod hooks;
pub mod images;
pub mod lambda;
pub mod letters;
mod lifecycle;
pub mod models;
pub mod replicas;
pub mod runtime;
pub mod secrets;
pub mod services;
pub mod slack;
pub mod store;
pub mod tags;
pub mod topic;
pub mod uploads;

pub use aws_config::SdkConfig;
pub use runtime::sdk_config;
