//! Which call fails, how, and on which side of its effect.

use perch_app::ports::PortError;

/// A failure of one or several calls. Without more it is `Unavailable`, once, before the effect.
#[derive(Debug, Clone)]
pub struct Fault {
    which: Which,
    after: bool,
    failure: Failure,
    left: u32,
}

#[derive(Debug, Clone)]
enum Which {
    Number(usize),
    Name(&'static str),
}

/// What the caller is told, as [`PortError`] names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It does not exist.
    NotFound,
    /// Someone else changed it first.
    Conflict,
    /// The permission is missing.
    Denied,
    /// The request can't be carried out.
    Invalid,
    /// A time-out or a server error.
    Unavailable,
}

impl Fault {
    /// The call with this number in the log, from 0.
    pub fn call(number: usize) -> Self {
        Self { which: Which::Number(number), ..Self::of("") }
    }

    /// The next call of this name.
    pub fn of(name: &'static str) -> Self {
        Self { which: Which::Name(name), after: false, failure: Failure::Unavailable, left: 1 }
    }

    /// Fails after the effect: a time-out of a call that went through.
    pub fn after(self) -> Self {
        Self { after: true, ..self }
    }

    /// Fails with this.
    pub fn with(self, failure: Failure) -> Self {
        Self { failure, ..self }
    }

    /// Fails this many calls.
    pub fn times(self, left: u32) -> Self {
        Self { left, ..self }
    }

    /// Fails every such call.
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }

    pub(super) fn is_after(&self) -> bool {
        self.after
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.left == 0
    }

    /// Whether this call is to fail; counts down.
    pub(super) fn meets(&mut self, number: usize, name: &str) -> bool {
        let met = match self.which {
            Which::Number(wanted) => wanted == number,
            Which::Name(wanted) => wanted == name,
        };
        let fails = met && self.left > 0;
        self.left -= u32::from(fails);
        fails
    }

    pub(super) fn error(&self, name: &str) -> PortError {
        let what = name.to_owned();
        let message = "made to fail".to_owned();
        match self.failure {
            Failure::NotFound => PortError::NotFound { what },
            Failure::Conflict => PortError::Conflict {
                what,
                expected: "it unchanged".to_owned(),
                found: "another".to_owned(),
            },
            Failure::Denied => PortError::Denied { what, message },
            Failure::Invalid => PortError::Invalid { what, message },
            Failure::Unavailable => PortError::Unavailable { what, source: message.into() },
        }
    }
}
