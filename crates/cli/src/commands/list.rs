//! Commands that only read: targets, releases, one release, notes.

use jiff::Timestamp;
use perch_app::ports::{
    KeepNote, ListReleases, LoadRelease, LoadStanding, LoadTarget, PortError, ReadJournal,
};
use perch_app::view::ReleaseView;
use perch_core::judge::Judging;
use perch_core::names::ReleaseId;
use perch_core::target::Target;
use serde::Serialize;

use crate::args;
use crate::console::Console;
use crate::failure::Missing;
use crate::render::{self, TargetView};

/// `perch targets [NAME]`
pub(super) async fn targets(
    store: &(impl LoadTarget + LoadStanding + LoadRelease),
    args: &args::Targets,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    if let Some(name) = &args.name {
        let target = store.target(name).await?;
        let target = target.ok_or_else(|| Missing::Target(name.clone()))?;
        let view = with_head(store, target).await?;
        return console.show(&view, |look| render::target(&view, look));
    }
    let mut views = Vec::new();
    for target in store.targets().await? {
        views.push(with_head(store, target).await?);
    }
    console.show(&views, |look| render::targets(&views, look))
}

async fn with_head(
    store: &(impl LoadStanding + LoadRelease),
    target: Target,
) -> Result<TargetView, PortError> {
    let standing = store.standing(&target.name).await?;
    let active = match standing.head.as_ref().and_then(|head| head.active.as_ref()) {
        Some(id) => store.release(id).await?,
        None => None,
    };
    let active = active.map(|release| ReleaseView::of(&release, Vec::new()));
    Ok(TargetView::of(target, active, standing))
}

/// `perch releases [--target T] [--limit N]`
pub(super) async fn releases(
    store: &(impl LoadTarget + ListReleases),
    args: &args::Releases,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let found = store.releases(args.target.as_ref(), usize::from(args.limit)).await?;
    if let (true, Some(name)) = (found.is_empty(), &args.target) {
        store.target(name).await?.ok_or_else(|| Missing::Target(name.clone()))?;
    }
    let views: Vec<_> = found.iter().map(|r| ReleaseView::of(r, Vec::new())).collect();
    console.show(&views, |look| render::releases(&views, now, look))
}

/// `perch release ID`
pub(super) async fn release(
    store: &(impl LoadRelease + ReadJournal),
    id: &ReleaseId,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let release = store.release(id).await?;
    let release = release.ok_or_else(|| Missing::Release(id.clone()))?;
    let view = ReleaseView::of(&release, store.journal(id, 0).await?);
    let quantile = release.plan.judge.latency.quantile;
    console.show(&view, |look| render::release(&view, quantile, now, look))
}

/// What a release is judged by, besides what is known of it otherwise.
#[derive(Debug, Serialize)]
struct WithJudging<'a> {
    #[serde(flatten)]
    view: &'a ReleaseView,
    judging: &'a Option<Judging>,
}

/// `perch release ID --evidence`
pub(super) async fn evidence(
    store: &(impl LoadRelease + ReadJournal),
    id: &ReleaseId,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let release = store.release(id).await?;
    let release = release.ok_or_else(|| Missing::Release(id.clone()))?;
    let view = ReleaseView::of(&release, store.journal(id, 0).await?);
    let value = WithJudging { view: &view, judging: &release.judging };
    console.show(&value, |look| render::evidence::evidence(&release, &view, look))
}

/// `perch journal [TARGET]`
pub(super) async fn journal(
    store: &(impl LoadTarget + KeepNote),
    args: &args::Journal,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let notes = store.notes(args.target.as_ref(), usize::from(args.limit)).await?;
    if let (true, Some(name)) = (notes.is_empty(), &args.target) {
        store.target(name).await?.ok_or_else(|| Missing::Target(name.clone()))?;
    }
    console.show(&notes, |look| render::notes(&notes, look))
}
