//! `perch dead-letters list`, `show` and `redrive`.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use perch_app::dead_letters::{self, Ports, RedriveError, Sent, Wanted};
use perch_app::ports::{
    CallFunction, DeleteLetter, ListNotices, ListReleases, LoadTarget, Queue, ReadJournal,
    ReceiveLetters,
};

use crate::args::letters as args;
use crate::console::Console;
use crate::failure::{Missing, NotRedriven};
use crate::render::{self, LetterInFull, LetterView};

/// `perch dead-letters list [--queue QUEUE]`
pub(super) async fn list(
    letters: &impl ReceiveLetters,
    args: &args::List,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let queues = args.queue.map_or(Queue::ALL.to_vec(), |queue| vec![queue.into()]);
    let found = dead_letters::list(letters, &queues).await?;
    let views: Vec<_> = found.into_iter().map(|letter| LetterView::of(letter, now)).collect();
    console.show(&views, |look| render::letters(&views, look))
}

/// `perch dead-letters show ID`
pub(super) async fn show(
    letters: &impl ReceiveLetters,
    args: &args::Show,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let found = dead_letters::find(letters, &args.id).await?;
    let letter = found.ok_or_else(|| Missing::Letter(args.id.clone()))?;
    let view = LetterInFull::of(letter, now);
    console.show(&view, |look| render::letter(&view, look))
}

/// `perch dead-letters redrive ID...`, or `--all`
pub(super) async fn redrive<L, F, S>(
    ports: &Ports<'_, L, F, S>,
    args: &args::Redrive,
    console: &mut Console<'_>,
) -> anyhow::Result<()>
where
    L: ReceiveLetters + DeleteLetter,
    F: CallFunction,
    S: LoadTarget + ListReleases + ReadJournal + ListNotices,
{
    let wanted = if args.all { Wanted::All } else { Wanted::Ids(args.ids.clone()) };
    let outcomes = match dead_letters::run(ports, &wanted, args.dry_run).await {
        Ok(outcomes) => outcomes,
        Err(RedriveError::Port(error)) => return Err(error.into()),
        Err(unknown) => return Err(unknown.into()),
    };
    console.show(&outcomes, |look| render::outcomes(&outcomes, look))?;
    let not = outcomes.iter().filter(|outcome| outcome.result == Sent::NotRedriven).count();
    if not > 0 {
        return Err(NotRedriven { not, of: outcomes.len(), dry_run: args.dry_run }.into());
    }
    Ok(())
}
