//! How a release stands or ended.

use perch_core::artifact::Artifact;
use perch_core::phase::Phase;
use perch_core::release::{Order, Release};
use perch_core::weight::Weight;

use super::{Answer, Facts, Reason, start};
use crate::stuck;

/// What became of a release, and what to do about it.
pub(super) fn answer(facts: &Facts, release: &Release) -> Answer {
    let (id, target, artifact) = (&release.id, &release.target, &release.artifact);
    let told = |reason, what: &str, why: String| {
        Answer::of(reason, format!("release {id} of {artifact} {what}"), why)
            .target(target)
            .at(release.ended_at.unwrap_or(release.started_at))
    };
    let show = format!("perch release {id}");
    match &release.phase {
        Phase::Promoted => told(
            Reason::Promoted,
            "was promoted",
            "it passed its plan, and no guard or look of the watch spoke against it".to_owned(),
        )
        .todo(show),
        Phase::RolledBack { cause } => {
            let answer = told(
                Reason::Quarantined,
                "was rolled back",
                format!("{cause}. The artifact is quarantined: it is not tried again by itself"),
            );
            let answer = answer.todo(show);
            match artifact {
                Artifact::Version { .. } => answer,
                _ => answer.todo(start(target, artifact, " --allow-quarantined")),
            }
        }
        Phase::Rejected { why } if why.contains(" is in ALARM already") => {
            // The reason ends with the command, which comes below.
            let (why, alarm) = alarm(why);
            let answer = told(Reason::AlarmAtStart, "was rejected before any traffic moved", why);
            let option = format!(" --override-alarm '{alarm}'");
            answer.todo(start(target, artifact, &option)).todo(start(target, artifact, ""))
        }
        Phase::Rejected { why } => {
            let answer =
                told(Reason::Rejected, "was rejected before any traffic moved", why.clone());
            let answer = answer.todo(format!("perch doctor {target}"));
            if artifact.is_version() { answer } else { answer.todo(start(target, artifact, "")) }
        }
        Phase::Superseded { by: Some(by) } => told(
            Reason::Superseded,
            "made room for a newer one",
            format!("release {by} took its place; its own artifact is not quarantined"),
        )
        .todo(format!("perch release {by}")),
        Phase::Superseded { by: None } => told(
            Reason::TakenOver,
            "ended without touching the alias",
            "somebody else moved the alias, and Perch never moves past that".to_owned(),
        )
        .todo(format!("perch doctor {target}"))
        .todo(show),
        Phase::Stuck { why, .. } => {
            let commands = stuck::Commands::of(release);
            let why = why.split(". Put it right with").next().unwrap_or(why).to_owned();
            let mut answer = told(Reason::Stuck, "is Stuck and holds the target", why);
            answer.todo.extend(commands.restore);
            answer.todo(commands.close).todo(format!("perch doctor {target}"))
        }
        Phase::Pending
        | Phase::Preparing
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Promoting { .. }
        | Phase::Watching { .. }
        | Phase::RollingBack { .. } => in_flight(facts, release),
    }
}

/// The sentence without its command, and the alarm that it names.
fn alarm(why: &str) -> (String, &str) {
    let sentence = why.split(". If this is the fix").next().unwrap_or(why);
    let name = why.strip_prefix("guard ").and_then(|rest| rest.split(" is in ALARM").next());
    (format!("{sentence} (alarmAtStart: block)"), name.unwrap_or("ALARM"))
}

fn in_flight(facts: &Facts, release: &Release) -> Answer {
    let Release { id, target, artifact, .. } = release;
    let stopped = facts.target(target).and_then(|facts| Some((facts.stop()?, facts.stop_scope())));
    let what = format!(
        "release {id} of {artifact} is in phase {}{}",
        release.phase.name(),
        match release.weight() {
            Weight::ZERO => String::new(),
            weight => format!(" at {weight}"),
        }
    );
    let of = |why: String| {
        Answer::of(Reason::InFlight, what.clone(), why).target(target).at(release.started_at)
    };
    let deadline = format!("The deadline rolls it back at {:.0}", release.deadline);
    let goes_up = release.phase.is_replaceable();
    match (stopped, &release.order) {
        (Some((stop, scope)), _) if goes_up => {
            of(format!("it gets no more traffic: {stop}. {deadline}"))
                .todo(format!("perch resume {scope} --reason TEXT"))
                .todo(format!("perch abort {target} --reason TEXT"))
        }
        (_, Some(Order::Hold { by, reason })) if goes_up => {
            of(format!("it is held by {by}: {reason}. {deadline}"))
                .todo(format!("perch continue {target} --reason TEXT"))
                .todo(format!("perch abort {target} --reason TEXT"))
        }
        _ => {
            let verdict = release.verdict.as_ref();
            let why = verdict.map_or_else(|| "no look yet".to_owned(), ToString::to_string);
            of(why).todo(format!("perch watch {target}"))
        }
    }
}
