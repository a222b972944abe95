//! People's decisions about the release in flight: roll back, abort, promote, hold, continue.

use jiff::Timestamp;
use perch_app::order::{self, OrderError};
use perch_app::ports::{
    CommitRelease, ListReleases, LoadHead, LoadRelease, LoadStanding, LoadTarget, PortError,
    StartExecution, TakeFence,
};
use perch_app::served;
use perch_app::view::ReleaseView;
use perch_core::names::TargetName;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::weight::Weight;

use crate::args::decisions::Decision;
use crate::console::Console;
use crate::failure::{NothingToRollBack, PastAbort};

/// Releases that are looked through for versions that served before.
const LOOK_BACK: usize = 50;

/// `perch rollback TARGET --reason TEXT`
pub(super) async fn rollback<E: StartExecution>(
    store: &(impl LoadTarget + LoadHead + LoadRelease + TakeFence + ListReleases),
    executions: impl AsyncFnOnce() -> Result<E, PortError>,
    args: &Decision,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    match order::active(store, &args.target).await {
        Err(OrderError::NothingInFlight(target)) => {
            return Err(nothing(store, target).await?.into());
        }
        found => found?,
    };
    let release = start(store, &executions().await?, args).await?;
    say(console, &release, &format!("rollback of {} started: {}", release.id, way_back(&release)))
}

async fn nothing(
    store: &(impl LoadHead + ListReleases),
    target: TargetName,
) -> Result<NothingToRollBack, PortError> {
    let serving = store.head(&target).await?.and_then(|head| head.serving);
    let releases = store.releases(Some(&target), LOOK_BACK).await?;
    let before = served::before(&releases, serving.as_ref().map(|serving| &serving.version));
    Ok(NothingToRollBack { target, serving, before })
}

/// `perch abort TARGET --reason TEXT`: the same, only before promotion.
pub(super) async fn abort<E: StartExecution>(
    store: &(impl LoadTarget + LoadHead + LoadRelease + TakeFence),
    executions: impl AsyncFnOnce() -> Result<E, PortError>,
    args: &Decision,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let release = order::active(store, &args.target).await?;
    if let Phase::Promoting { .. } | Phase::Watching { .. } = release.phase {
        return Err(PastAbort {
            baseline: baseline(&release),
            phase: release.phase.name(),
            target: release.target,
            release: release.id,
        }
        .into());
    }
    let release = start(store, &executions().await?, args).await?;
    let text =
        format!("{} is being aborted before its promotion: {}", release.id, way_back(&release));
    say(console, &release, &text)
}

/// `perch promote TARGET --reason TEXT`
pub(super) async fn promote(
    store: &(impl LoadTarget + LoadHead + LoadStanding + LoadRelease + CommitRelease),
    args: &Decision,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let word = &args.word;
    let release = order::promote(store, &args.target, &word.by, &word.reason, now).await?;
    let text = format!(
        "promotion of {} ordered: the next look skips the rest of the bakes, unless it finds the \
         canary failing",
        release.id
    );
    say(console, &release, &text)
}

/// `perch hold TARGET --reason TEXT`
pub(super) async fn hold(
    store: &(impl LoadTarget + LoadHead + LoadRelease + CommitRelease),
    args: &Decision,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let word = &args.word;
    let release = order::hold(store, &args.target, &word.by, &word.reason, now).await?;
    let text = format!(
        "{} is held {}; judge and guards go on, and the deadline rolls it back at {:.0}\n\
         go on: perch continue {target} --reason TEXT, or perch promote {target} --reason TEXT",
        release.id,
        held_at(&release),
        release.deadline,
        target = release.target,
    );
    say(console, &release, &text)
}

/// `perch continue TARGET --reason TEXT`
pub(super) async fn continue_now(
    store: &(impl LoadTarget + LoadHead + LoadStanding + LoadRelease + CommitRelease),
    args: &Decision,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let word = &args.word;
    let release = order::continue_now(store, &args.target, &word.by, &word.reason, now).await?;
    let text =
        format!("{} goes on with its next look, unless that finds the canary failing", release.id);
    say(console, &release, &text)
}

async fn start(
    store: &(impl LoadTarget + LoadHead + LoadRelease + TakeFence),
    executions: &impl StartExecution,
    args: &Decision,
) -> Result<Release, OrderError> {
    order::roll_back(store, executions, &args.target, &args.word.by, &args.word.reason).await
}

fn baseline(release: &Release) -> String {
    release.ledger.as_ref().map_or_else(|| "unknown".to_owned(), |l| l.baseline.to_string())
}

/// Where a hold keeps a release: a canary without traffic gets none, another stays where it bakes.
fn held_at(release: &Release) -> String {
    match &release.phase {
        Phase::Shifting { weight, from, .. } if *from > Weight::ZERO => format!("at {weight}"),
        Phase::Baking { weight, .. } => format!("at {weight}"),
        _ => "before its first traffic".to_owned(),
    }
}

/// What the rollback does from here.
fn way_back(release: &Release) -> String {
    let driver = &release.plan.driver;
    match (&release.phase, &release.ledger) {
        (Phase::RollingBack { .. }, _) => "it is rolling back already".to_owned(),
        (phase, _) if phase.is_over() => format!("it ended meanwhile, as {}", phase.name()),
        (_, None) => format!("no traffic of {driver} was moved yet"),
        (_, Some(ledger)) => {
            format!("all traffic of {driver} goes back to version {}", ledger.baseline)
        }
    }
}

/// Prints what was decided, and how to follow it.
pub(super) fn say(console: &mut Console<'_>, release: &Release, text: &str) -> anyhow::Result<()> {
    let view = ReleaseView::of(release, Vec::new());
    let follow = format!("follow it: perch watch {}", release.target);
    console.show(&view, |_| format!("{text}\n{follow}"))
}
