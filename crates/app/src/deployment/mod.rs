//! Releases whose traffic CodeDeploy moves: it is asked once, followed while it goes its way, and
//! stopped when the release goes back.

pub mod changed;
pub mod follow;
mod gate;
mod route;
pub mod unwind;

pub(crate) use route::unexpected;
