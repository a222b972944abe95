//! `perch dead-letters`: what can be typed after it.

use clap::{Args, Subcommand, ValueEnum};
use perch_app::ports::Queue;

/// Look at events that got lost, and send them again
#[derive(Debug, Args)]
#[command(after_help = "\
Events get lost in two ways. The queue `undelivered` has what EventBridge could
not deliver, the queue `failed` what a function could not process. Both keep an
event for 14 days.

Examples:
  perch dead-letters list
  perch dead-letters show 19dd0b57-b21e-4ac1-bd88-01bbb068cb78
  perch dead-letters redrive --all --dry-run")]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(List),
    Show(Show),
    Redrive(Redrive),
}

/// List dead letters, oldest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  perch dead-letters list
  perch dead-letters list --queue failed
  perch dead-letters list -o json | jq -r '.[] | select(.attempts > 3) | .id'")]
pub(crate) struct List {
    /// Only of this queue
    #[arg(short, long, value_enum)]
    pub(crate) queue: Option<Which>,
}

/// Show a dead letter with its event
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  perch dead-letters show 19dd0b57-b21e-4ac1-bd88-01bbb068cb78
  perch dead-letters show 19dd0b57-b21e-4ac1-bd88-01bbb068cb78 -o json")]
pub(crate) struct Show {
    /// Its id, as in `perch dead-letters list`
    pub(crate) id: String,
}

/// Send the events of dead letters again
#[derive(Debug, Args)]
#[command(after_help = "\
Mend the cause first. Then the function that should have had the event gets it,
and the letter is deleted as soon as the event is accepted. An event that fails
again comes back as a new letter. An event has one effect, however often it is
sent.

A letter about notifications does not have them: those of its time are sent
again, and some of them may have been sent before.

Exits with code 1 when a letter was not redriven, and says which and why.

Examples:
  perch dead-letters redrive 19dd0b57-b21e-4ac1-bd88-01bbb068cb78
  perch dead-letters redrive --all --dry-run    say what would be done
  perch dead-letters redrive --all")]
pub(crate) struct Redrive {
    /// Ids, as in `perch dead-letters list`
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// All letters of both queues
    #[arg(long)]
    pub(crate) all: bool,
    /// Say what would be done and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A queue.
//
// Doc comments on the values would make every help text a page longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    Undelivered,
    Failed,
}

impl From<Which> for Queue {
    fn from(which: Which) -> Self {
        match which {
            Which::Undelivered => Queue::Undelivered,
            Which::Failed => Queue::Failed,
        }
    }
}
