//! Releases that a person starts: `perch release start`, and `perch rollback --to`.

use jiff::Timestamp;
use perch_app::artifact_name::resolve;
use perch_app::order::{self, OrderError, Starts};
use perch_app::ports::{
    ListReleases, LoadRelease, PortError, ReadAlias, ReadFunction, ReadModels, ReadServices,
    ResolveTag, StartExecution,
};
use perch_core::names::{AlarmName, ReleaseId, Version};
use perch_core::release::{Driver, Release};

use super::decide::say;
use crate::args::decisions::Decision;
use crate::args::model::Rollback as ModelRollback;
use crate::args::release::Start;
use crate::console::Console;
use crate::failure::Missing;

/// `perch release start TARGET --artifact A --reason TEXT`
pub(super) async fn start<E: StartExecution>(
    store: &impl Starts,
    images: &impl ResolveTag,
    executions: impl AsyncFnOnce() -> Result<E, PortError>,
    args: &Start,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let Decision { target: name, word } = &args.decision;
    let target =
        store.target(name).await?.ok_or_else(|| OrderError::UnknownTarget(name.clone()))?;
    let wanted = order::Start {
        target: name.clone(),
        artifact: resolve(images, &target, &args.artifact).await?,
        by: word.by.clone(),
        reason: word.reason.clone(),
        overrides: args.override_alarm.clone(),
        allow_quarantined: args.allow_quarantined,
        way_back: false,
    };
    let id = order::start(store, &executions().await?, &wanted, now).await?;
    let release = started(store, id).await?;
    say(
        console,
        &release,
        &format!(
            "{} of {} started: {}",
            release.id,
            release.artifact,
            plan(&release, &wanted.overrides)
        ),
    )
}

/// `perch rollback TARGET --to VERSION --reason TEXT`
pub(super) async fn go_back_to<E: StartExecution>(
    store: &impl Starts,
    moving: (&(impl ReadAlias + ReadFunction), &impl ReadServices),
    executions: impl AsyncFnOnce() -> Result<E, PortError>,
    (args, version): (&Decision, &Version),
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let word = (args.word.by.as_str(), args.word.reason.as_str());
    let executions = executions().await?;
    let to = (&args.target, version);
    let id = order::go_back_to(store, moving, &executions, to, word, now).await?;
    let release = started(store, id).await?;
    let text = format!(
        "{} started: all traffic of {} goes to version {version} at once, without guards and \
         watch",
        release.id, release.plan.driver
    );
    say(console, &release, &text)
}

/// `perch model rollback TARGET [--to VERSION] --reason TEXT`
pub(super) async fn go_back_to_model<E: StartExecution>(
    store: &(impl Starts + ListReleases),
    models: &impl ReadModels,
    executions: impl AsyncFnOnce() -> Result<E, PortError>,
    args: &ModelRollback,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let Decision { target, word } = &args.decision;
    let (to, word) = ((target, args.to.as_ref()), (word.by.as_str(), word.reason.as_str()));
    let executions = executions().await?;
    let id = order::go_back_to_model(store, models, &executions, to, word, now).await?;
    let release = started(store, id).await?;
    let Release { id, artifact, plan, .. } = &release;
    let what = match &plan.driver {
        Driver::Alias(_) => format!("all traffic of {} goes to {artifact} at once", plan.driver),
        Driver::Service(_) => format!("all traffic of {} goes to {artifact} at once", plan.driver),
        Driver::Servers(_) => {
            format!("every replica goes to {artifact} at once, and the cache with them")
        }
    };
    let text = format!("{id} started: {what}, without guards and watch");
    say(console, &release, &text)
}

async fn started(store: &impl LoadRelease, id: ReleaseId) -> anyhow::Result<Release> {
    Ok(store.release(&id).await?.ok_or(Missing::Release(id))?)
}

/// The plan in a line: `10% for 5m, 50% for 5m, 100%, watched for 10m`.
fn plan(release: &Release, overrides: &[AlarmName]) -> String {
    let plan = &release.plan;
    let steps = plan.steps.iter().map(|step| format!("{} for {}, ", step.weight, step.bake));
    let mut text = format!("{}100%, watched for {}", steps.collect::<String>(), plan.watch);
    if !overrides.is_empty() {
        let names: Vec<&str> = overrides.iter().map(AlarmName::as_str).collect();
        text += &format!("; may start in ALARM: {}", names.join(", "));
    }
    text
}
