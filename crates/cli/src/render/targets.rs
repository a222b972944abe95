//! The list of targets, and one target in full.

use std::time::Duration;

use comfy_table::{Attribute, Cell, Color};
use perch_app::ports::Standing;
use perch_app::view::ReleaseView;
use perch_core::artifact::Lane;
use perch_core::head::{Serving, Waiting};
use perch_core::release::{Order, Plan};
use perch_core::stop::Stop;
use perch_core::target::{AlarmAtStart, Rollout, Service, Sources, Target, WhileReleasing};
use serde::Serialize;

use super::text::{length, stamp};
use super::{block, finish, header, standing, table};
use crate::console::Look;

/// A target with what goes on: the fields of its file, and those of its head that people ask for.
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
    /// What was promoted last.
    pub(crate) serving: Option<Serving>,
    /// What was promoted last on the model servers.
    pub(crate) model_serving: Option<Serving>,
    /// The stop that holds for the target: its own, or that of all.
    pub(crate) stopped: Option<Stop>,
    /// What the alias was found to send, where that is not what was promoted last.
    pub(crate) drift: Option<String>,
}

impl TargetView {
    /// The view of a target as it stands.
    pub(crate) fn of(target: Target, active: Option<ReleaseView>, standing: Standing) -> Self {
        let Standing { head, stop: stopped } = standing;
        let (waiting, serving, model_serving, drift) = match head {
            Some(head) => (head.waiting, head.serving, head.model_serving, head.drift),
            None => (None, None, None, None),
        };
        Self { target, active, waiting, serving, model_serving, stopped, drift }
    }
}

/// Targets, one line each.
pub(crate) fn targets(targets: &[TargetView], look: Look) -> String {
    if targets.is_empty() {
        return "no targets yet; write one with `perch apply -f target.yaml`".to_owned();
    }
    let mut table = table(look);
    let with_models = targets.iter().any(|view| view.target.sources.model.is_some());
    table.set_header(if with_models {
        header(["TARGET", "SERVICE", "SOURCE", "ROLLOUT", "MODEL", "NOW"])
    } else {
        header(["TARGET", "SERVICE", "SOURCE", "ROLLOUT", "NOW"])
    });
    for view in targets {
        let target = &view.target;
        let mut row = vec![
            Cell::new(&target.name),
            Cell::new(service(&target.service)),
            Cell::new(source(&target.sources)),
            Cell::new(short_rollout(&target.rollout)),
        ];
        row.extend(with_models.then(|| model(view)));
        row.push(now(view));
        table.add_row(row);
    }
    finish(table)
}

/// The release in flight, and in few words what keeps it or the next one.
fn now(view: &TargetView) -> Cell {
    let mut more = String::new();
    if let Some(Order::Hold { .. }) = view.active.as_ref().and_then(|a| a.order.as_ref()) {
        more += ", held";
    }
    if view.stopped.is_some() {
        more += ", stopped";
    }
    if view.drift.is_some() {
        more += ", drift";
    }
    match &view.active {
        None if more.is_empty() => Cell::new("idle").add_attribute(Attribute::Dim),
        None => Cell::new(format!("idle{more}")).fg(Color::Yellow),
        Some(active) => standing(active, &more),
    }
}

fn service(service: &Service) -> String {
    let lambda = service.lambda.as_ref().map(|of| format!("{}:{}", of.function, of.alias));
    let servers = service.model_servers.as_ref().map(|of| format!("model {}", of.model));
    lambda.into_iter().chain(servers).collect::<Vec<_>>().join(" ")
}

/// The model version that was promoted last.
fn model(view: &TargetView) -> Cell {
    match (&view.model_serving, &view.target.sources.model) {
        (Some(serving), _) => Cell::new(&serving.version),
        (None, Some(_)) => Cell::new("none yet").add_attribute(Attribute::Dim),
        (None, None) => Cell::new(""),
    }
}

fn source(sources: &Sources) -> String {
    let image = sources.image.as_ref().map(|s| format!("{}:{}", s.repository, s.tags.join(",")));
    let package =
        sources.package.as_ref().map(|s| format!("s3://{}/{}", s.bucket, s.keys.join(",")));
    let model = sources.model.as_ref().map(|s| format!("s3://{}/{}/", s.bucket, s.prefix));
    image.into_iter().chain(package).chain(model).collect::<Vec<_>>().join(" ")
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

/// How long releases may take; models apart where that differs.
fn deadline(target: &Target) -> String {
    let [code, models] = [Lane::Code, Lane::Model].map(|lane| target.deadline(lane));
    let text = "from start to promotion";
    match (&target.service.lambda, &target.sources.model) {
        (None, Some(_)) => format!("{models} {text}"),
        (Some(_), Some(_)) if models != code => format!("{code} {text}; {models} of a model"),
        _ => format!("{code} {text}"),
    }
}

/// A target in full.
pub(crate) fn target(view: &TargetView, look: Look) -> String {
    let target = &view.target;
    let judge = &target.judge;
    let guards: Vec<_> = target.guards.iter().map(ToString::to_string).collect();
    let mut rows = vec![
        ("target", Cell::new(&target.name).add_attribute(Attribute::Bold)),
        ("service", Cell::new(service(&target.service))),
        ("source", Cell::new(source(&target.sources))),
        ("rollout", Cell::new(rollout(&target.rollout))),
        (
            "judge",
            Cell::new(format!(
                "errors up to {}; {} up to {} above the baseline's{}\nat least {} requests; looks \
                 every {}; without data: {}{}",
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
                warm_up(target),
            )),
        ),
        ("guards", Cell::new(if guards.is_empty() { "none".into() } else { guards.join("\n") })),
        ("policies", Cell::new(policies(target))),
        ("watch", Cell::new(format!("{} after promotion", target.watch))),
        ("deadline", Cell::new(deadline(target))),
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
    rows.extend(view.serving.as_ref().map(|serving| {
        let text = format!("{}, version {}", serving.artifact, serving.version);
        ("serving", Cell::new(format!("{text}\npromoted by {}", serving.release)))
    }));
    rows.extend(view.drift.as_ref().map(|found| {
        let text = format!("the alias sends {found}: see `perch doctor {}`", target.name);
        ("drift", Cell::new(text).fg(Color::Yellow))
    }));
    rows.extend(
        view.stopped.as_ref().map(|stop| ("stopped", Cell::new(by(stop)).fg(Color::Yellow))),
    );
    block(look, rows)
}

/// Who stopped it, when and why.
pub(crate) fn by(stop: &Stop) -> String {
    format!("by {} at {}: {}", stop.by, stamp(stop.at), stop.reason)
}

/// What happens when events meet.
fn policies(target: &Target) -> String {
    let newer = match target.while_releasing {
        WhileReleasing::Replace => "replaces the release",
        WhileReleasing::Queue => "waits for the release",
        WhileReleasing::Reject => "is not released",
    };
    let alarm = match target.alarm_at_start {
        AlarmAtStart::Block => "rejects the release",
        AlarmAtStart::IgnoreUntilOk => "does not count until OK",
    };
    format!("newer artifact while releasing: {newer}\nguard in ALARM at the start: {alarm}")
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

/// The time in which a new version's latency does not count, where there is one.
fn warm_up(target: &Target) -> String {
    let time = Plan::of(target, Lane::Code).map_or(Duration::ZERO, |plan| plan.warm_up());
    match time {
        zero if zero.is_zero() => String::new(),
        time => format!("\nlatency counts from {} after the first shift", length(time)),
    }
}

fn tolerance(target: &Target) -> String {
    match target.judge.latency.tolerance {
        zero if zero.as_millis() == 0.0 => String::new(),
        tolerance => format!(" or {tolerance}"),
    }
}
