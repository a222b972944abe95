//! `perch watch`: a live view on a terminal, lines elsewhere.

mod draw;
mod follow;
mod live;
mod next;
mod plain;
mod plan;
mod screen;

#[cfg(test)]
pub(crate) use self::{follow::Followed, screen::Screen};
#[cfg(test)]
mod tests;

use std::time::Duration;

use perch_app::ports::{ListReleases, LoadRelease, LoadStanding, LoadTarget, ReadJournal};

use crate::args::{Format, Watch};
use crate::console::Console;
use crate::failure::Missing;

/// The table is read this often.
const LOOK: Duration = Duration::from_secs(1);

/// Follows releases as the options say; the exit code.
pub(crate) async fn run(
    store: &(impl LoadTarget + LoadStanding + LoadRelease + ReadJournal + ListReleases),
    args: &Watch,
    console: &mut Console<'_>,
) -> anyhow::Result<u8> {
    if let Some(name) = &args.target {
        store.target(name).await?.ok_or_else(|| Missing::Target(name.clone()))?;
    }
    let on_terminal = console.look.width.is_some() && console.format == Format::Table;
    if on_terminal && !args.plain {
        let live = live::Live {
            only: args.target.clone(),
            until_end: args.until_end,
            timeout: args.timeout,
            colour: console.look.colour,
        };
        return live.run(store).await;
    }
    let targets = match &args.target {
        Some(name) => vec![name.clone()],
        None => store.targets().await?.into_iter().map(|target| target.name).collect(),
    };
    plain::Lines::new(targets, args.until_end).run(store, console, LOOK, args.timeout).await
}
