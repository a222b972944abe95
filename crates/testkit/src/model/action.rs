//! What can happen next.

/// One thing that can happen in a state; the numbers are places in its lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// An event comes.
    Deliver(usize),
    /// An event that came already comes again.
    DeliverAgain(usize),
    /// A task makes its next call.
    Call(usize),
    /// A task makes its next call, and its function dies before it learns the answer.
    Crash(usize),
    /// The next call of a task is answered as unavailable, without an effect.
    Refuse(usize),
    /// The next call of a task takes effect, and is answered as unavailable.
    LoseAnswer(usize),
    /// An execution is lost as a whole; a function that it waits for is lost with it.
    Kill(usize),
    /// Who waits for a task's function gives up and tries again; the function goes on.
    Abandon(usize),
    /// A deployment moves on: to its next weight, to its end, or because its hook has no answer.
    Move(usize),
}
