//! What bounds a model.

/// How much may still go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Events that come again.
    pub repeats: u8,
    /// Functions that die, at any point between two calls.
    pub crashes: u8,
    /// Calls that are answered as unavailable, before or after their effect.
    pub failures: u8,
    /// Executions that are lost as a whole, until the sweep finds out.
    pub kills: u8,
    /// Callers that give up on a function which goes on.
    pub orphans: u8,
    /// How often the fence may be raised: two rollbacks can take it from each other many times.
    pub fences: u64,
}
