//! Secrets, by the reference that a target file has.

use std::future::Future;

use perch_core::names::SecretRef;

use super::PortError;

/// Reads a secret. What comes back is never logged and never put into an error.
pub trait ReadSecret: Sync {
    /// The secret as it is now: one that was rotated comes back new.
    fn secret(&self, secret: &SecretRef) -> impl Future<Output = Result<String, PortError>> + Send;
}
