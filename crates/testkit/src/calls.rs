//! The log of port calls, failures on demand, and the pause before each call.
//!
//! Every port goes through `Calls::port`. A call is counted when it takes effect, not when it is
//! announced, so the log is the order in which effects happened.

mod fault;
mod paused;
mod replay;
mod schedule;

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use perch_app::ports::PortError;

pub use fault::{Failure, Fault};
pub use paused::{Paused, run};
pub use replay::{Answer, Recorded};
pub use schedule::{Schedule, interleave};

/// The calls of all ports of one world.
#[derive(Debug, Default)]
pub struct Calls {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<&'static str>,
    announced: Option<&'static str>,
    faults: Vec<Fault>,
    replay: Option<replay::Replay>,
}

impl Calls {
    /// The names of the calls so far, oldest first.
    pub fn log(&self) -> Vec<&'static str> {
        self.state.lock().unwrap().log.clone()
    }

    /// How many calls there were.
    pub fn total(&self) -> usize {
        self.state.lock().unwrap().log.len()
    }

    /// How many calls of this name there were.
    pub fn count(&self, name: &str) -> usize {
        self.state.lock().unwrap().log.iter().filter(|called| **called == name).count()
    }

    /// Starts the log and its count anew, and drops failures that have not come yet.
    pub fn clear(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    /// Makes calls fail.
    pub fn inject(&self, fault: Fault) {
        self.state.lock().unwrap().faults.push(fault);
    }

    /// Whether every failure that was asked for has come.
    pub fn faults_are_used_up(&self) -> bool {
        self.state.lock().unwrap().faults.iter().all(Fault::is_used_up)
    }

    /// Makes one call: waits for one poll, then has the effect, or fails before or after it.
    pub(crate) async fn port<T: Answer>(
        &self,
        name: &'static str,
        effect: impl FnOnce() -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        if self.is_replaying() {
            return self.next_of_replay(name, effect).await;
        }
        Turn { calls: self, name, announced: false }.await;
        match self.count_call(name) {
            None => effect(),
            Some(fault) if fault.is_after() => {
                effect()?;
                Err(fault.error(name))
            }
            Some(fault) => Err(fault.error(name)),
        }
    }

    fn count_call(&self, name: &'static str) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let number = state.log.len();
        state.log.push(name);
        state.announced = None;
        state.faults.iter_mut().find_map(|fault| fault.meets(number, name).then(|| fault.clone()))
    }

    /// The call that was announced last and has not taken effect.
    pub(crate) fn announced(&self) -> Option<&'static str> {
        self.state.lock().unwrap().announced
    }
}

/// Ready at the second poll, so that every call is a point where others can come between.
struct Turn<'a> {
    calls: &'a Calls,
    name: &'static str,
    announced: bool,
}

impl Future for Turn<'_> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.announced {
            return Poll::Ready(());
        }
        self.announced = true;
        self.calls.state.lock().unwrap().announced = Some(self.name);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
