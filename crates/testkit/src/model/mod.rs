//! The protocol as a model for a checker: every order of port calls, deliveries, crashes and failures.
//!
//! A state is a world, the tasks under way, the events that may still come, and what may still go
//! wrong. An action makes one port call of one task, or delivers an event. The tasks are the use
//! cases themselves; the executions route, retry and catch as the state machines do.
//!
//! Time stands where a task's own waits put it: each execution has its own clock, so that every
//! delay of one against another is covered. So has a deployment that moves traffic by itself: its moves
//! are actions like the calls are. [`State::broken`] names the promises of the design that
//! a state breaks.

mod action;
mod bounds;
mod deployments;
mod driven;
mod event;
mod fingerprint;
mod rest;
mod rules;
mod state;
mod task;

pub use action::Action;
pub use bounds::Bounds;
pub use event::Event;
pub use rules::Broken;
pub use state::State;
