//! A use case that is run again from its start: known calls are answered as before, one is new.
//!
//! Futures can't be copied, but what a use case has learned can: the answers of its calls so far.
//! Running it again with these answers brings it to the same place, since it depends on nothing else.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use perch_app::ports::PortError;

use super::{Calls, Fault};

/// What a port can answer.
pub trait Answer: Clone + Debug + Send + Sync + 'static {}

impl<T: Clone + Debug + Send + Sync + 'static> Answer for T {}

/// The answer of one call.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The call.
    pub name: &'static str,
    /// The whole answer as text: equal answers have equal texts.
    pub text: Arc<str>,
    answer: Arc<dyn Any + Send + Sync>,
}

impl Recorded {
    fn of<T: Answer>(name: &'static str, answer: &Result<T, PortError>) -> Self {
        let answer = copy(answer);
        Self { name, text: format!("{answer:?}").into(), answer: Arc::new(answer) }
    }

    fn again<T: Answer>(&self, name: &'static str) -> Result<T, PortError> {
        let same = self.answer.downcast_ref().filter(|_| self.name == name);
        copy(same.unwrap_or_else(|| panic!("{} before, {name} now: not repeatable", self.name)))
    }
}

/// A port's answer once more. The source of an error becomes its text.
fn copy<T: Clone>(answer: &Result<T, PortError>) -> Result<T, PortError> {
    let error = match answer {
        Ok(value) => return Ok(value.clone()),
        Err(error) => error,
    };
    Err(match error {
        PortError::NotFound { what } => PortError::NotFound { what: what.clone() },
        PortError::Conflict { what, expected, found } => PortError::Conflict {
            what: what.clone(),
            expected: expected.clone(),
            found: found.clone(),
        },
        PortError::Denied { what, message } => {
            PortError::Denied { what: what.clone(), message: message.clone() }
        }
        PortError::Invalid { what, message } => {
            PortError::Invalid { what: what.clone(), message: message.clone() }
        }
        PortError::Unavailable { what, source } => {
            PortError::Unavailable { what: what.clone(), source: source.to_string().into() }
        }
    })
}

/// One more call of a use case that was run before.
#[derive(Debug)]
pub(super) struct Replay {
    answers: Vec<Recorded>,
    place: usize,
    /// The call that is new, once it was made.
    made: Option<&'static str>,
    fault: Option<Fault>,
    free: &'static [&'static str],
}

enum Turn {
    Known(Recorded),
    New(Option<Fault>),
    Later,
}

impl Calls {
    /// From now on calls are answered from `answers`; one more is made, and meets the fault. Calls
    /// that are `free` are made in passing.
    pub(crate) fn replay(
        &self,
        answers: Vec<Recorded>,
        free: &'static [&'static str],
        fault: Option<Fault>,
    ) {
        let replay = Replay { answers, place: 0, made: None, fault, free };
        self.state.lock().unwrap().replay = Some(replay);
    }

    /// Ends the replay: every answer so far, and the call that was new.
    pub(crate) fn replayed(&self) -> (Vec<Recorded>, Option<&'static str>) {
        let replay = self.state.lock().unwrap().replay.take();
        replay.map(|replay| (replay.answers, replay.made)).unwrap_or_default()
    }

    pub(super) fn is_replaying(&self) -> bool {
        self.state.lock().unwrap().replay.is_some()
    }

    pub(super) async fn next_of_replay<T: Answer>(
        &self,
        name: &'static str,
        effect: impl FnOnce() -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let fault = match self.turn(name) {
            Turn::Known(recorded) => return recorded.again(name),
            Turn::Later => std::future::pending().await,
            Turn::New(fault) => fault,
        };
        let answer = match fault {
            None => effect(),
            Some(fault) => {
                if fault.is_after() {
                    drop(effect());
                }
                Err(fault.error(name))
            }
        };
        let recorded = Recorded::of(name, &answer);
        if let Some(replay) = &mut self.state.lock().unwrap().replay {
            replay.answers.push(recorded);
            replay.place += 1;
        }
        answer
    }

    fn turn(&self, name: &'static str) -> Turn {
        let mut state = self.state.lock().unwrap();
        let Some(replay) = &mut state.replay else {
            return Turn::New(None);
        };
        if let Some(known) = replay.answers.get(replay.place) {
            replay.place += 1;
            return Turn::Known(known.clone());
        }
        if replay.free.contains(&name) {
            return Turn::New(None);
        }
        if replay.made.is_some() {
            return Turn::Later;
        }
        replay.made = Some(name);
        Turn::New(replay.fault.take())
    }
}
