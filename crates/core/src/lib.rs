#![doc = include_str!("../README.md")]
#![warn(clippy::wildcard_enum_match_arm)]

pub mod artifact;
pub mod decide;
pub mod deployment;
pub mod digest;
pub mod head;
pub mod journal;
pub mod judge;
pub mod lifecycle;
pub mod manifest;
pub mod names;
pub mod outgoing;
pub mod percent;
pub mod phase;
pub mod pointer;
pub mod release;
pub mod reload;
pub mod smoke;
pub mod span;
pub mod stamp;
pub mod stop;
pub mod sweep;
pub mod target;
pub mod weight;
