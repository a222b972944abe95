//! People's decisions about the release in flight: roll back, abort, promote.

use jiff::Timestamp;
use perch_app::order::{self, OrderError};
use perch_app::ports::{
    CommitRelease, LoadHead, LoadRelease, LoadTarget, PortError, StartExecution,
};
use perch_app::view::ReleaseView;
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::args::Decision;
use crate::console::Console;
use crate::failure::PastAbort;

/// `perch rollback TARGET --reason TEXT`
pub(super) async fn rollback<E: StartExecution>(
    store: &(impl LoadTarget + LoadHead + LoadRelease),
    executions: impl AsyncFnOnce() -> Result<E, PortError>,
    args: &Decision,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    order::active(store, &args.target).await?;
    let release = start(store, &executions().await?, args).await?;
    say(console, &release, &format!("rollback of {} started: {}", release.id, way_back(&release)))
}

/// `perch abort TARGET --reason TEXT`: the same, only before promotion.
pub(super) async fn abort<E: StartExecution>(
    store: &(impl LoadTarget + LoadHead + LoadRelease),
    executions: impl AsyncFnOnce() -> Result<E, PortError>,
    args: &Decision,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let release = order::active(store, &args.target).await?;
    if let Phase::Promoting | Phase::Watching { .. } = release.phase {
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
    store: &(impl LoadTarget + LoadHead + LoadRelease + CommitRelease),
    args: &Decision,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let release = order::promote(store, &args.target, &args.by, &args.reason, now).await?;
    let text = format!(
        "promotion of {} ordered: the next look skips the rest of the bakes, unless it finds the \
         canary failing",
        release.id
    );
    say(console, &release, &text)
}

async fn start(
    store: &(impl LoadTarget + LoadHead + LoadRelease),
    executions: &impl StartExecution,
    args: &Decision,
) -> Result<Release, OrderError> {
    order::roll_back(store, executions, &args.target, &args.by, &args.reason).await
}

fn baseline(release: &Release) -> String {
    release.ledger.as_ref().map_or_else(|| "unknown".to_owned(), |l| l.baseline.to_string())
}

/// What the rollback does from here.
fn way_back(release: &Release) -> String {
    let alias = &release.plan.lambda.alias;
    match (&release.phase, &release.ledger) {
        (Phase::RollingBack { .. }, _) => "it is rolling back already".to_owned(),
        (_, None) => format!("no traffic of alias {alias} was moved yet"),
        (_, Some(ledger)) => {
            format!("all traffic of alias {alias} goes back to version {}", ledger.baseline)
        }
    }
}

fn say(console: &mut Console<'_>, release: &Release, text: &str) -> anyhow::Result<()> {
    let view = ReleaseView::of(release, Vec::new());
    let follow = format!("follow it: perch watch {}", release.target);
    console.show(&view, |_| format!("{text}\n{follow}"))
}
