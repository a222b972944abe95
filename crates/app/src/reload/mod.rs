//! A model on its servers: reading them, bringing them over in rounds, and bringing them back.
//!
//! A round does the next step of every replica that is under way and answers whether to come back. What
//! the next step is follows from what the replica reports, so a round may be repeated.

mod batch;
mod cache;
mod fleet;
mod judge;
mod model;
mod prepare;
mod replica;
mod restore;
mod rounds;
mod snapshot;
mod tidy;
mod verify;

pub use fleet::{FleetInput, FleetOutput, look, read};
pub use judge::unexpected;
pub use prepare::{PrepareInput, run as prepare};
pub use restore::run as restore;
pub use rounds::run as reload;
pub use verify::{Finding, Verified, verify};

use crate::ports::{ReadModels, ServeModel, SwitchCache};

/// What reaches servers, caches and the models' files.
#[derive(Debug)]
pub struct Reach<'a, S, C, M> {
    /// Model servers.
    pub servers: &'a S,
    /// Caches.
    pub cache: &'a C,
    /// The files of models.
    pub models: &'a M,
}

impl<S, C, M> Clone for Reach<'_, S, C, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, C, M> Copy for Reach<'_, S, C, M> {}

impl<'a, S: ServeModel, C: SwitchCache, M: ReadModels> Reach<'a, S, C, M> {
    /// All of them.
    pub fn new(servers: &'a S, cache: &'a C, models: &'a M) -> Self {
        Self { servers, cache, models }
    }
}
