//! Why nothing happens to a target.

use std::time::Duration;

use perch_core::head::Head;
use perch_core::phase::Phase;

use super::{Answer, Facts, Reason, TargetFacts, event, release};

/// Notes about events that are told, the newest.
const NOTES: usize = 3;

/// The sweep looks at a target without a release this often (`reconcile::IDLE`).
const SWEEP: Duration = crate::reconcile::IDLE;

pub(super) fn answers(facts: &Facts, target: &TargetFacts) -> Vec<Answer> {
    let head = target.standing.head.as_ref();
    let mut told = Vec::new();
    told.extend(target.active.as_ref().map(|active| release::answer(facts, active)));
    // What is said of a release that could go up includes the stop that keeps it.
    if target.active.as_ref().is_none_or(|active| !active.phase.is_replaceable()) {
        told.extend(stopped(target));
    }
    told.extend(event::waiting_answer(target));
    told.extend(head.and_then(|head| drift(target, head)));
    if target.active.is_none() {
        told.extend(
            target
                .newest
                .as_ref()
                .filter(|r| went_wrong(&r.phase))
                .map(|newest| release::answer(facts, newest)),
        );
    }
    told.extend(missed(facts, target));
    told.extend(notes(target));
    told.extend(sweep(facts, target));
    if told.is_empty() {
        told.push(idle(target, head));
    }
    told
}

fn stopped(target: &TargetFacts) -> Option<Answer> {
    let stop = target.stop()?;
    let scope = target.stop_scope();
    let what = if scope == "--all" { "all targets are stopped" } else { "the target is stopped" };
    let why = format!("{stop}. Nothing starts and nothing goes up");
    let answer = Answer::of(Reason::Stopped, what, why).target(target.name()).at(stop.at);
    Some(answer.todo(format!("perch resume {scope} --reason TEXT")))
}

fn drift(target: &TargetFacts, head: &Head) -> Option<Answer> {
    let (found, serving) = (head.drift.as_ref()?, head.serving.as_ref()?);
    let name = target.name();
    let what = format!("the alias sends {found}, and not what was promoted last");
    let why = format!(
        "somebody moved it: release {} promoted version {}. The next release starts from what serves \
         then, unless it is a split",
        serving.release, serving.version
    );
    let answer = Answer::of(Reason::Drift, what, why).target(name);
    let told = target
        .notices
        .iter()
        .find(|notice| notice.what == perch_core::journal::Happened::DriftFound);
    let answer = match told {
        Some(notice) => answer.at(notice.at),
        None => answer,
    };
    let back = format!("perch rollback {name} --to {} --reason TEXT", serving.version);
    Some(answer.todo(back).todo(format!("perch doctor {name}")))
}

fn went_wrong(phase: &Phase) -> bool {
    match phase {
        Phase::RolledBack { .. }
        | Phase::Rejected { .. }
        | Phase::Superseded { .. }
        | Phase::Stuck { .. } => true,
        Phase::Pending
        | Phase::Preparing
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Promoting { .. }
        | Phase::Watching { .. }
        | Phase::RollingBack { .. }
        | Phase::Promoted => false,
    }
}

/// The newest image of the source, where the target never had a release of it and nothing was noted.
fn missed(facts: &Facts, target: &TargetFacts) -> Option<Answer> {
    let pushed = target.missed.as_ref()?;
    let head = target.standing.head.as_ref()?;
    let subject = pushed.artifact.to_string();
    let noted = target.notes.iter().any(|note| note.subject == subject);
    let waits =
        head.waiting.as_ref().is_some_and(|w| w.artifact.identity() == pushed.artifact.identity());
    if noted || waits || !head.admits(pushed.artifact.lane(), pushed.at) {
        return None;
    }
    let what = format!("{subject} was pushed and started no release");
    let why = match head.seen.filter(|seen| pushed.at <= *seen) {
        Some(seen) => format!(
            "no event of it reached Perch, and the sweep looks only for what was pushed after \
             {seen:.0}, when the target or its sources were applied"
        ),
        None => format!("no event of it reached Perch; {}", until_sweep(facts)),
    };
    let mut answer = Answer::of(Reason::NeverSeen, what, why).target(target.name()).at(pushed.at);
    answer.todo.extend(event::missed(target));
    Some(answer)
}

/// When the sweep finds what no event announced.
pub(super) fn until_sweep(facts: &Facts) -> String {
    match facts.runs.first() {
        None => "the sweep that finds such a push has not run: `perch doctor`".to_owned(),
        Some(run) if run.at.saturating_add(SWEEP).is_ok_and(|late| facts.now > late) => {
            format!("the sweep that finds such a push ran last at {:.0}: `perch doctor`", run.at)
        }
        Some(_) => "the sweep finds such a push within 15 minutes".to_owned(),
    }
}

/// The newest notes since the newest release started, about artifacts that don't wait any more.
fn notes(target: &TargetFacts) -> Vec<Answer> {
    let since = target.newest.as_ref().map(|release| release.started_at);
    let head = target.standing.head.as_ref();
    let waiting = head.and_then(|head| head.waiting.as_ref()).map(|waiting| &waiting.event);
    let newer = target.notes.iter().filter(|note| since.is_none_or(|since| note.at >= since));
    let newer = newer.filter(|note| Some(&note.event) != waiting);
    // An event that waited and started the newest release is that release.
    let event = target.newest.as_ref().map(|release| release.cause.id());
    let newer = newer.filter(|note| Some(&note.event) != event.as_ref());
    newer.take(NOTES).map(|note| event::of_note(note, Some(target))).collect()
}

/// What the sweep could not do for the target, and whether it runs at all.
fn sweep(facts: &Facts, target: &TargetFacts) -> Option<Answer> {
    let run = facts.runs.first()?;
    let prefix = format!("{}: ", target.name());
    let failed = run.failed.iter().find_map(|line| line.strip_prefix(&prefix))?;
    let what = format!("the sweep could not look at the target in its run of {:.0}", run.at);
    let answer = Answer::of(Reason::Sweep, what, failed).target(target.name()).at(run.at);
    Some(answer.todo(format!("perch doctor {}", target.name())))
}

fn idle(target: &TargetFacts, head: Option<&Head>) -> Answer {
    let name = target.name();
    let what = match head.and_then(|head| head.serving.as_ref()) {
        Some(serving) => format!(
            "{} serves, as version {}, promoted by {}",
            serving.artifact, serving.version, serving.release
        ),
        None => "nothing was released yet".to_owned(),
    };
    let source = &target.target.sources;
    let image = source.image.as_ref().map(|image| {
        format!("repository {} with a tag that matches {}", image.repository, image.tags.join(", "))
    });
    let package = source.package.as_ref().map(|package| {
        format!("bucket {} with a key that matches {}", package.bucket, package.keys.join(", "))
    });
    let source = image.or(package).unwrap_or_default();
    let why = format!("nothing newer came: a release starts with a push to {source}");
    let answer = Answer::of(Reason::Idle, what, why).target(name);
    answer.todo(format!("perch doctor {name}"))
}
