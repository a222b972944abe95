//! A use case that stops before a chosen port call, while others go on.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::Calls;

/// A future that goes on only when the test says so.
pub struct Paused<'a, T> {
    calls: &'a Calls,
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
}

impl<'a, T> Paused<'a, T> {
    /// Holds the future before its first call.
    pub fn new(calls: &'a Calls, future: impl Future<Output = T> + 'a) -> Self {
        Self { calls, future: Box::pin(future) }
    }

    /// Goes on to just before the next call of this name, which has not taken effect then.
    ///
    /// # Panics
    /// When the future ends without such a call.
    pub fn before(mut self, name: &str) -> Self {
        loop {
            assert!(self.step().is_none(), "it ended without a call of {name}");
            if self.calls.announced() == Some(name) {
                return self;
            }
        }
    }

    /// Goes on by one call; the outcome once there is one.
    pub fn step(&mut self) -> Option<T> {
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    /// Goes on to the end.
    pub fn finish(mut self) -> T {
        loop {
            if let Some(outcome) = self.step() {
                return outcome;
            }
        }
    }
}

/// Runs a future of in-memory ports to its end, without a runtime.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            return outcome;
        }
    }
}
