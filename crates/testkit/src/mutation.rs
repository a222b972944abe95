//! Ports that are wrong on purpose: what checks the promises has to find each.

/// A condition of the protocol that a port leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A transition is written whoever has the target's fence.
    FenceUnchecked,
    /// An alias is moved whatever its revision.
    RevisionIgnored,
    /// The head learns the ledger only once the canary has traffic.
    LedgerLate,
    /// An artifact that had its release is released again.
    DedupeRemoved,
    /// A deployment that was asked for is not found again.
    DeploymentsHidden,
    /// A service whose release is being promoted is read with all traffic on the canary.
    ReadBackGone,
    /// A deployment does not wait for its hook.
    HookSkipped,
    /// Functions outlive their time-out.
    NoTimeOut,
}
