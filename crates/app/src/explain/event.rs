//! What became of an event.

use perch_core::names::TargetName;

use super::{Answer, Facts, Reason, TargetFacts, kind, release, start};
use crate::ports::{EventTrace, Note};

pub(super) fn answers(facts: &Facts, id: &str) -> Vec<Answer> {
    facts
        .traces
        .iter()
        .filter(|trace| trace.event == id)
        .map(|trace| of_trace(facts, trace))
        .collect()
}

fn of_trace(facts: &Facts, trace: &EventTrace) -> Answer {
    if let Some(id) = &trace.release {
        return match facts.release(id) {
            Some(release) => release::answer(facts, release),
            None => Answer::of(
                Reason::Noted,
                format!("{} started release {id}", trace.subject),
                "its record does not exist any more",
            )
            .at(trace.at),
        };
    }
    let note = Note {
        at: trace.at,
        target: trace.target.clone(),
        event: trace.event.clone(),
        subject: trace.subject.clone(),
        text: trace.why.clone().unwrap_or_default(),
    };
    let target = trace.target.as_ref().and_then(|name| facts.target(name));
    of_note(&note, target)
}

/// What a note says, what became of it since, and what to do.
pub(super) fn of_note(note: &Note, target: Option<&TargetFacts>) -> Answer {
    let reason = kind::of(&note.text);
    let waiting = target.and_then(|target| waits(target, note));
    if let Some(answer) = waiting {
        return answer;
    }
    let waited = matches!(reason, Reason::WaitsForRelease | Reason::WaitsForStop);
    let what = match reason {
        Reason::NothingToGuard => format!("{} rolled nothing back", note.subject),
        _ if waited => format!("{} waited, and does not any more", note.subject),
        _ => format!("{} started no release", note.subject),
    };
    let mut answer = Answer::of(reason, what, note.text.clone()).at(note.at);
    answer.target.clone_from(&note.target);
    for line in advice(reason, note, target) {
        answer = answer.todo(line);
    }
    answer
}

/// The artifact of the note, if it waits still.
fn waits(target: &TargetFacts, note: &Note) -> Option<Answer> {
    let head = target.standing.head.as_ref()?;
    let waiting = head.waiting.as_ref().filter(|waiting| waiting.event == note.event)?;
    (waiting.artifact.to_string() == note.subject).then(|| waiting_answer(target))?
}

/// What waits for the target, and for what.
pub(super) fn waiting_answer(target: &TargetFacts) -> Option<Answer> {
    let (name, head) = (target.name(), target.standing.head.as_ref()?);
    let waiting = head.waiting.as_ref()?;
    let what = format!("{} waits", waiting.artifact);
    let answer = match (&head.active, target.stop()) {
        (_, Some(stop)) => Answer::of(
            Reason::WaitsForStop,
            what,
            format!(
                "{} {stop}",
                if head.stopped.is_some() { "the target is" } else { "all targets are" }
            ),
        )
        .todo(format!("perch resume {} --reason TEXT", target.stop_scope())),
        (Some(active), None) => {
            let phase = target.active.as_ref().map(|release| release.phase.name());
            let phase = phase.map(|phase| format!(", in phase {phase}")).unwrap_or_default();
            let why =
                format!("release {active} holds the target{phase}; the newest that waits is next");
            Answer::of(Reason::WaitsForRelease, what, why)
                .todo(format!("perch watch {name}"))
                .todo(format!("perch abort {name} --reason TEXT"))
        }
        (None, None) => Answer::of(
            Reason::Waits,
            what,
            "nothing keeps it: the next sweep, within 15 minutes, starts its release",
        )
        .todo("perch doctor"),
    };
    Some(answer.target(name).at(waiting.pushed_at))
}

fn advice(reason: Reason, note: &Note, target: Option<&TargetFacts>) -> Vec<String> {
    let name = note.target.as_ref();
    let apply = || "perch apply -f FILE".to_owned();
    let again = |name: &TargetName| {
        let artifact = tag_of(&note.subject);
        format!("perch release start {name} --artifact {artifact} --reason TEXT")
    };
    match (reason, name) {
        (Reason::NoTarget, _) => vec![apply()],
        (Reason::NoGlob, Some(name)) => vec![apply(), again(name)],
        (Reason::Older | Reason::Refused | Reason::Skipped, Some(name)) => vec![again(name)],
        (Reason::Quarantined, Some(name)) => {
            let known =
                note.text.split_once("already: ").and_then(|(_, rest)| rest.split(',').next());
            let show = known.map(|id| format!("perch release {id}"));
            let artifact = tag_of(&note.subject);
            let again = format!(
                "perch release start {name} --artifact {artifact} --allow-quarantined --reason TEXT"
            );
            show.into_iter().chain([again]).collect()
        }
        (Reason::Noted, Some(_)) => {
            let known =
                note.text.split_once("already: ").and_then(|(_, rest)| rest.split(',').next());
            known.map(|id| format!("perch release {id}")).into_iter().collect()
        }
        (Reason::WaitsForRelease | Reason::WaitsForStop, Some(name)) => {
            let newest = target.and_then(|target| target.newest.as_ref());
            let newest = newest.map(|release| format!("perch release {}", release.id));
            newest.into_iter().chain([format!("perch explain {name}")]).collect()
        }
        _ => Vec::new(),
    }
}

/// The artifact as `--artifact` takes it, from how notes name it: `repository:tag (digest)`.
fn tag_of(subject: &str) -> &str {
    match subject.split_once(" (") {
        Some((name, _)) if !name.starts_with("s3://") => name,
        _ => "ARTIFACT",
    }
}

/// Starts the release of the target's missed image.
pub(super) fn missed(target: &TargetFacts) -> Option<String> {
    target.missed.as_ref().map(|pushed| start(target.name(), &pushed.artifact, ""))
}
