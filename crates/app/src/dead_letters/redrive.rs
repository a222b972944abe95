//! Sends the events of dead letters again. A letter is deleted only when its event was accepted, so
//! whatever fails in between, the event is in a queue, with its function, or both; every use case is
//! safe to run twice.

use std::time::Duration;

use perch_core::names::FunctionName;
use serde::Serialize;

use super::look::{collect, give_back};
use super::retell::Retelling;
use super::{DeadLetter, Remedy, read};
use crate::ports::{
    CallFunction, DeleteLetter, Letter, ListNotices, ListReleases, LoadTarget, PortError, Queue,
    ReadJournal, ReceiveLetters,
};

/// How long letters are kept from others while they are sent again, should this process die: long
/// enough for hundreds of letters, short enough that the next try need not wait.
const HOLD: Duration = Duration::from_secs(300);

/// Which letters to send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of both queues.
    All,
    /// Those of these ids.
    Ids(Vec<String>),
}

/// What became of a letter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The letter.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// Whether it was sent again.
    pub result: Sent,
    /// What happened, or why it did not.
    pub text: String,
}

/// Whether a letter was sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Sent {
    /// Its event was accepted and it was deleted.
    Redriven,
    /// A dry run: it would have been tried.
    WouldBeRedriven,
    /// It still lies in its queue.
    NotRedriven,
}

/// Why nothing was sent again.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// Some of the letters were not found.
    #[error(
        "no dead letter has the id {}; nothing was redriven. `perch dead-letters list` lists them; \
         one that another `perch dead-letters` works on is hidden for up to {} minutes",
        .0.join(", "), HOLD.as_secs() / 60
    )]
    Unknown(Vec<String>),
    /// The queues could not be read.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// What redriving needs of the installation.
pub struct Ports<'a, L, F, S> {
    /// The queues.
    pub letters: &'a L,
    /// The functions.
    pub functions: &'a F,
    /// The journal.
    pub store: &'a S,
    /// The installation's stack, whose name its functions begin with.
    pub stack: &'a str,
}

/// Sends letters again, oldest first. Outcomes come for every letter wanted; a dry run only says what
/// would be done.
///
/// # Errors
/// [`RedriveError`] when nothing was sent: an id is unknown, or the queues can't be read.
pub async fn run<L, F, S>(
    ports: &Ports<'_, L, F, S>,
    wanted: &Wanted,
    dry_run: bool,
) -> Result<Vec<Outcome>, RedriveError>
where
    L: ReceiveLetters + DeleteLetter,
    F: CallFunction,
    S: LoadTarget + ListReleases + ReadJournal + ListNotices,
{
    let is_wanted = |letter: &Letter| match wanted {
        Wanted::All => true,
        Wanted::Ids(ids) => ids.contains(&letter.id),
    };
    let all_found = |held: &[Letter]| match wanted {
        Wanted::All => false,
        Wanted::Ids(ids) => ids.iter().all(|id| held.iter().any(|letter| letter.id == *id)),
    };
    let held = collect(ports.letters, &Queue::ALL, HOLD, all_found).await?;
    if let (Wanted::Ids(ids), false) = (wanted, all_found(&held)) {
        give_back(ports.letters, &held).await;
        let known = |id: &&String| held.iter().any(|letter| letter.id == **id);
        return Err(RedriveError::Unknown(ids.iter().filter(|id| !known(id)).cloned().collect()));
    }
    let (picked, others): (Vec<Letter>, Vec<Letter>) = held.into_iter().partition(is_wanted);
    give_back(ports.letters, &others).await;
    let mut sending = Sending { ports, retelling: Retelling::new(ports.store), stopped: false };
    let (mut outcomes, mut kept) = (Vec::with_capacity(picked.len()), Vec::new());
    for letter in picked {
        let outcome = sending.one(&letter, dry_run).await;
        if outcome.result != Sent::Redriven {
            kept.push(letter);
        }
        outcomes.push(outcome);
    }
    give_back(ports.letters, &kept).await;
    Ok(outcomes)
}

struct Sending<'a, L, F, S> {
    ports: &'a Ports<'a, L, F, S>,
    retelling: Retelling<'a, S>,
    /// Whether a failure came that the next letter would meet as well.
    stopped: bool,
}

impl<L, F, S> Sending<'_, L, F, S>
where
    L: ReceiveLetters + DeleteLetter,
    F: CallFunction,
    S: LoadTarget + ListReleases + ReadJournal + ListNotices,
{
    async fn one(&mut self, letter: &Letter, dry_run: bool) -> Outcome {
        let read = read(letter);
        let (result, text) = if self.stopped {
            (Sent::NotRedriven, "not tried after the failure before it".to_owned())
        } else {
            match self.send(&read, dry_run).await {
                Ok(text) if dry_run => (Sent::WouldBeRedriven, text),
                Ok(text) => self.delete(letter, text).await,
                Err(NotSent::Refused(why)) => (Sent::NotRedriven, why),
                Err(NotSent::Port(error)) => {
                    self.stopped = is_general(&error);
                    (Sent::NotRedriven, chain(&error))
                }
            }
        };
        Outcome { letter: read, result, text }
    }

    /// Sends the event, or says what sending it would do.
    async fn send(&mut self, letter: &DeadLetter, dry_run: bool) -> Result<String, NotSent> {
        match &letter.remedy {
            Remedy::None { why } => Err(NotSent::Refused(format!("it can't be redriven: {why}"))),
            Remedy::HandOver { function, event } => {
                self.check(function)?;
                if dry_run {
                    return Ok(format!("{function} would get the event"));
                }
                self.ports.functions.hand_over(function, event).await?;
                Ok(format!("{function} has the event"))
            }
            Remedy::TellAgain { function, batch } => {
                self.check(function)?;
                let all = self.retelling.of(*batch).await?;
                if all.is_empty() {
                    let why = "the table has nothing of that time that people are told about";
                    return Err(NotSent::Refused(why.to_owned()));
                }
                let count = match all.len() {
                    1 => "1 notification".to_owned(),
                    count => format!("{count} notifications"),
                };
                if dry_run {
                    return Ok(format!("{function} would send {count} of that time again"));
                }
                self.retelling.tell(self.ports.functions, function, &all).await?;
                Ok(format!("{function} sent {count} of that time again"))
            }
        }
    }

    /// Whoever can write into a queue must not choose what a person's rights are used on.
    fn check(&self, function: &FunctionName) -> Result<(), NotSent> {
        let stack = self.ports.stack;
        let own = function.as_str().strip_prefix(stack).is_some_and(|rest| rest.starts_with('-'));
        if own {
            return Ok(());
        }
        Err(NotSent::Refused(format!("{function} is no function of stack {stack}: not called")))
    }

    async fn delete(&mut self, letter: &Letter, text: String) -> (Sent, String) {
        match self.ports.letters.delete(letter).await {
            Ok(()) => (Sent::Redriven, text),
            Err(error) => {
                self.stopped = is_general(&error);
                let why = chain(&error);
                let text = format!(
                    "{text}, but the letter could not be deleted: {why}; redriving it again does no harm"
                );
                (Sent::NotRedriven, text)
            }
        }
    }
}

enum NotSent {
    Refused(String),
    Port(PortError),
}

impl From<PortError> for NotSent {
    fn from(error: PortError) -> Self {
        NotSent::Port(error)
    }
}

/// Whether the next letter would fail in the same way.
fn is_general(error: &PortError) -> bool {
    match error {
        PortError::Unavailable { .. } | PortError::Denied { .. } => true,
        PortError::NotFound { .. } | PortError::Conflict { .. } | PortError::Invalid { .. } => {
            false
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
