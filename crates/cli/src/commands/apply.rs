//! `perch apply -f FILE...`

use std::io::Read;

use anyhow::Context as _;
use jiff::Timestamp;
use perch_app::apply_target::{self, Change};
use perch_app::deployment::group;
use perch_app::doctor::{self, Ports};
use perch_app::ports::{
    FindImage, LoadTarget, PortError, ReadAlarms, ReadAlias, ReadFunction, ReadGroups,
    ReadLifecycle, ReadServices, SaveTarget, TargetChange,
};
use perch_core::names::TargetName;
use perch_core::target::{MetricResolution, Target};
use serde::Serialize;

use super::diff::{self, Difference};
use crate::args;
use crate::console::Console;
use crate::target_file::{self, Source};

/// What the files say, checked.
pub(super) struct Wanted {
    targets: Vec<Target>,
    resolution: MetricResolution,
    dry_run: bool,
}

impl Wanted {
    /// Reads and checks every file.
    pub(super) fn read(args: &args::Apply, stdin: &mut impl Read) -> anyhow::Result<Self> {
        let sources: Vec<Source> =
            args.files.iter().map(|file| source(file, stdin)).collect::<anyhow::Result<_>>()?;
        let fine = args.resolution.trim() == "1";
        let resolution = if fine { MetricResolution::Second } else { MetricResolution::Minute };
        let targets = target_file::read(&sources, resolution)?;
        Ok(Self { targets, resolution, dry_run: args.dry_run })
    }
}

/// A file, or standard input.
pub(super) fn source(file: &str, stdin: &mut impl Read) -> anyhow::Result<Source> {
    if file == "-" {
        let mut text = String::new();
        stdin.read_to_string(&mut text).context("can't read standard input")?;
        return Ok(Source { name: "stdin".to_owned(), text });
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("can't read {file}"))?;
    Ok(Source { name: file.to_owned(), text })
}

/// What became of one target, or would.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Applied {
    target: TargetName,
    change: &'static str,
    dry_run: bool,
    fields: Vec<Difference>,
    index: Vec<Difference>,
    warnings: Vec<String>,
}

/// Plans every target before the first is written.
pub(super) async fn run<S, L, A, I, R>(
    (ports, services, groups): (&Ports<'_, S, L, A, I, R>, &impl ReadServices, &impl ReadGroups),
    wanted: &Wanted,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()>
where
    S: LoadTarget + SaveTarget,
    L: ReadAlias + ReadFunction,
    A: ReadAlarms,
    I: FindImage,
    R: ReadLifecycle,
{
    let store = ports.store;
    let mut plans = Vec::new();
    for target in &wanted.targets {
        let change = apply_target::plan(store, target.clone(), wanted.resolution).await?;
        // Warnings are a courtesy: a person who may not read the function may still apply.
        let checked = apply_target::warnings((ports.lambda, services), ports.alarms, target).await;
        let mut warnings = or_said(checked, "service and guards");
        let unfit = group::unfit(groups, target).await.map(|unfit| unfit.map(|of| of.to_string()));
        warnings.extend(or_said(unfit.map(Vec::from_iter), "the deployment group"));
        warnings.extend(or_said(keeps_image(ports, target, now).await, "the lifecycle policy"));
        plans.push((change, warnings));
    }
    let mut applied = Vec::new();
    for (change, warnings) in plans {
        if !wanted.dry_run {
            apply_target::run(store, &change, now)
                .await
                .with_context(|| format!("target {} was not applied", change.after.name))?;
        }
        applied.push(Applied::of(change, warnings, wanted.dry_run));
    }
    console.show(&applied, |_| applied.iter().map(Applied::text).collect::<Vec<_>>().join("\n\n"))
}

/// What was warned of, or that it could not be checked.
fn or_said(checked: Result<Vec<String>, PortError>, what: &str) -> Vec<String> {
    checked.unwrap_or_else(|error| vec![format!("could not check {what}: {error}")])
}

/// Rules of the repository that take the image away which serves now.
async fn keeps_image<S, L, A, I, R>(
    ports: &Ports<'_, S, L, A, I, R>,
    target: &Target,
    now: Timestamp,
) -> Result<Vec<String>, PortError>
where
    L: ReadAlias + ReadFunction,
    I: FindImage,
    R: ReadLifecycle,
{
    let risks = doctor::serving_at_risk(ports, target, now).await?;
    Ok(risks.into_iter().map(|risk| risk.text).collect())
}

impl Applied {
    fn of(change: Change, warnings: Vec<String>, dry_run: bool) -> Self {
        let before = change.before.as_ref();
        Self {
            fields: diff::fields(before, &change.after),
            index: diff::index(before, &change.after),
            target: change.after.name,
            change: match change.kind {
                TargetChange::Create => "created",
                TargetChange::Update => "updated",
                TargetChange::None => "unchanged",
            },
            dry_run,
            warnings,
        }
    }

    fn text(&self) -> String {
        let mut lines = vec![match (self.dry_run, self.change) {
            (false, change) => format!("target {} {change}", self.target),
            (true, "unchanged") => format!("target {} would be left unchanged", self.target),
            (true, change) => format!("target {} would be {change}", self.target),
        }];
        // A new target's fields are what the file says; a dry run shows them all the same.
        if self.dry_run || self.change == "updated" {
            lines.extend(self.fields.iter().map(|field| format!("  {}", field.line())));
            if !self.index.is_empty() {
                lines.push("  found by:".to_owned());
                lines.extend(self.index.iter().map(|item| format!("  {}", item.line())));
            }
        }
        lines.extend(self.warnings.iter().map(|warning| format!("  warning: {warning}")));
        if self.dry_run {
            lines.push("  nothing was written".to_owned());
        }
        lines.join("\n")
    }
}
