//! `perch stop` and `perch resume`.

use jiff::Timestamp;
use perch_app::announce::Answer;
use perch_app::order;
use perch_app::ports::{
    KeepNote, LoadHead, LoadRelease, LoadStanding, LoadTarget, PlanRelease, PortError,
    StartExecution, StopLine, WaitForTurn,
};
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Release;
use perch_core::stop::Stop;
use serde::Serialize;

use crate::args::decisions::Line;
use crate::console::Console;
use crate::failure::NoStop;

/// A stop that stands, or that was ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    /// The target; all without it.
    target: Option<&'a TargetName>,
    /// The stop that stands now.
    stopped: Option<Stop>,
    /// The release that started now, after a resume.
    started: Option<ReleaseId>,
}

/// `perch stop TARGET|--all --reason TEXT`
pub(super) async fn stop(
    store: &(impl LoadTarget + LoadStanding + LoadRelease + StopLine),
    args: &Line,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let target = args.target.as_ref();
    let (by, reason) = (args.word.by.as_str(), args.word.reason.as_str());
    let stop = order::stop(store, target, by, reason, now).await?;
    let old = stop.at != now;
    let mut text = format!("{} {stop}", if old { already(target) } else { is(target) });
    if let Some(release) = in_flight(store, target).await? {
        text += &format!(
            "\n{} is in phase {} at {}: it gets no more traffic; rollbacks go on",
            release.id,
            release.phase.name(),
            release.weight()
        );
    }
    let scope = target.map_or_else(|| "--all".to_owned(), ToString::to_string);
    text += &format!("\nnew artifacts wait until: perch resume {scope} --reason TEXT");
    console.show(&Said { target, stopped: Some(stop), started: None }, |_| text)
}

fn scope(target: Option<&TargetName>) -> String {
    target.map_or_else(|| "all targets".to_owned(), |target| format!("target {target}"))
}

fn is(target: Option<&TargetName>) -> String {
    format!("{} {}", scope(target), if target.is_some() { "is" } else { "are" })
}

fn already(target: Option<&TargetName>) -> String {
    format!("nothing was changed: {} already", is(target))
}

async fn in_flight(
    store: &(impl LoadStanding + LoadRelease),
    target: Option<&TargetName>,
) -> Result<Option<Release>, PortError> {
    let Some(target) = target else { return Ok(None) };
    match store.standing(target).await?.head.and_then(|head| head.active) {
        Some(active) => store.release(&active).await,
        None => Ok(None),
    }
}

/// `perch resume TARGET|--all --reason TEXT`
pub(super) async fn resume<E: StartExecution>(
    store: &(
         impl LoadTarget
         + LoadHead
         + LoadStanding
         + LoadRelease
         + PlanRelease
         + WaitForTurn
         + KeepNote
         + StopLine
     ),
    executions: impl AsyncFnOnce() -> Result<E, PortError>,
    args: &Line,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let target = args.target.as_ref();
    let word = (args.word.by.as_str(), args.word.reason.as_str());
    let resumed = order::resume(store, &executions().await?, target, word, now).await?;
    let of_all = store.stop_of_all().await?;
    let Some(waited) = resumed else {
        return Err(NoStop { target: target.cloned(), of_all }.into());
    };
    let mut text = format!("the stop of {} has ended", scope(target));
    let mut started = None;
    match (&waited, target) {
        (Some(Answer::Started(id)), Some(target)) => {
            started = Some(id.clone());
            text += &format!("\n{id}, which waited, started\nfollow it: perch watch {target}");
        }
        (Some(Answer::Waits { behind }), _) => text += &format!("\nwhat waits goes on: {behind}"),
        (Some(Answer::Ignored(why)), _) => text += &format!("\nwhat waited has no turn: {why}"),
        (Some(Answer::Started(_)), None) | (None, Some(_)) => {}
        (None, None) => text += "\nwhat waits starts within 15 minutes, with the next sweep",
    }
    if let (Some(stop), Some(_)) = (&of_all, target) {
        text += &format!(
            "\nall targets are {stop}, and that goes on until: perch resume --all --reason TEXT"
        );
    }
    console.show(&Said { target, stopped: of_all.filter(|_| target.is_some()), started }, |_| text)
}
