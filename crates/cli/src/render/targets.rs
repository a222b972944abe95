//! The list of targets, and one target in full.

use comfy_table::{Attribute, Cell};
use perch_app::view::ReleaseView;
use perch_core::head::Waiting;
use perch_core::target::{Rollout, Sources, Target};
use serde::Serialize;

use super::text::stamp;
use super::{block, finish, header, standing, table};
use crate::console::Look;

/// A target with what goes on: the fields of its file, and two more.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TargetView {
    /// The target as applied.
    #[serde(flatten)]
    pub(crate) target: Target,
    /// The release in flight.
    pub(crate) active: Option<ReleaseView>,
    /// The artifact that waits for its end.
    pub(crate) waiting: Option<Waiting>,
}

/// Targets, one line each.
pub(crate) fn targets(targets: &[TargetView], look: Look) -> String {
    if targets.is_empty() {
        return "no targets yet; write one with `perch apply -f target.yaml`".to_owned();
    }
    let mut table = table(look);
    table.set_header(header(["TARGET", "LAMBDA", "SOURCE", "ROLLOUT", "NOW"]));
    for view in targets {
        let target = &view.target;
        let lambda = &target.service.lambda;
        table.add_row([
            Cell::new(&target.name),
            Cell::new(format!("{}:{}", lambda.function, lambda.alias)),
            Cell::new(source(&target.sources)),
            Cell::new(short_rollout(&target.rollout)),
            now(view),
        ]);
    }
    finish(table)
}

fn now(view: &TargetView) -> Cell {
    match &view.active {
        None => Cell::new("idle").add_attribute(Attribute::Dim),
        Some(active) => standing(active),
    }
}

fn source(sources: &Sources) -> String {
    let image = sources.image.as_ref().map(|s| format!("{}:{}", s.repository, s.tags.join(",")));
    let package =
        sources.package.as_ref().map(|s| format!("s3://{}/{}", s.bucket, s.keys.join(",")));
    image.into_iter().chain(package).collect::<Vec<_>>().join(" ")
}

fn short_rollout(rollout: &Rollout) -> String {
    let steps = rollout.steps();
    let weights: Vec<_> = steps.iter().map(|step| step.weight.to_string()).collect();
    match weights.as_slice() {
        [] => "100%".to_owned(),
        [first, .., last] if weights.len() > 3 => format!("{first} .. {last} 100%"),
        weights => format!("{} 100%", weights.join(" ")),
    }
}

/// A target in full.
pub(crate) fn target(view: &TargetView, look: Look) -> String {
    let target = &view.target;
    let (lambda, judge) = (&target.service.lambda, &target.judge);
    let guards: Vec<_> = target.guards.iter().map(ToString::to_string).collect();
    let mut rows = vec![
        ("target", Cell::new(&target.name).add_attribute(Attribute::Bold)),
        ("lambda", Cell::new(format!("{}, alias {}", lambda.function, lambda.alias))),
        ("source", Cell::new(source(&target.sources))),
        ("rollout", Cell::new(rollout(&target.rollout))),
        (
            "judge",
            Cell::new(format!(
                "errors up to {}; {} up to {} above the baseline's{}\nat least {} requests; looks \
                 every {}; without data: {}",
                judge.error_rate.max,
                judge.latency.quantile,
                judge.latency.max_increase,
                tolerance(target),
                judge.min_requests,
                judge.interval,
                match judge.no_data {
                    perch_core::target::NoData::Hold => "hold",
                    perch_core::target::NoData::Fail => "fail",
                },
            )),
        ),
        ("guards", Cell::new(if guards.is_empty() { "none".into() } else { guards.join("\n") })),
        ("watch", Cell::new(format!("{} after promotion", target.watch))),
        ("deadline", Cell::new(format!("{} from start to promotion", target.deadline()))),
    ];
    if let Some(slack) = &target.notify.slack {
        rows.push(("slack", Cell::new(format!("webhook in {}", slack.webhook))));
    }
    rows.push(("now", now(view)));
    rows.extend(view.active.as_ref().map(|active| ("release", Cell::new(&active.id))));
    rows.extend(view.waiting.as_ref().map(|waiting| {
        let pushed = stamp(waiting.pushed_at);
        ("waiting", Cell::new(format!("{}, pushed {pushed}", waiting.artifact)))
    }));
    block(look, rows)
}

fn rollout(rollout: &Rollout) -> String {
    let steps = rollout.steps();
    let steps: Vec<_> = steps.iter().map(|s| format!("{} for {}", s.weight, s.bake)).collect();
    let preset = match rollout {
        Rollout::Preset(preset) => format!("{preset:?}: "),
        Rollout::Steps(_) => String::new(),
    };
    format!(
        "{preset}{}",
        steps.into_iter().chain(["100%".to_owned()]).collect::<Vec<_>>().join(", ")
    )
}

fn tolerance(target: &Target) -> String {
    match target.judge.latency.tolerance {
        zero if zero.as_millis() == 0.0 => String::new(),
        tolerance => format!(" or {tolerance}"),
    }
}
