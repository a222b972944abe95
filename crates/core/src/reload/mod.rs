//! A model on its servers: what replicas and caches report, and what is to be done about it.
//!
//! Pure: how servers and caches are spoken to is left to adapters.

mod fleet;
mod next;
mod progress;

pub use fleet::{Fleet, Load, Loaded, Memory, ModelFile, ModelFiles, Replica, ReplicaState, Seen};
pub use next::{Toward, toward};
pub use progress::{Begun, LeftOut, ModelFacts, Reload};
