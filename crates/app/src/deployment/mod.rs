//! Releases whose traffic CodeDeploy or ECS moves: it is asked once, followed while it goes its way, and
//! stopped when the release goes back.

mod ask;
mod begin;
pub mod changed;
pub mod follow;
mod gate;
pub mod group;
pub mod hook;
mod seen;
pub mod stage;
mod taken;
pub mod unwind;

pub(crate) use seen::unexpected;
