//! What became of an artifact.

use perch_core::artifact::Artifact;

use super::{Answer, Facts, Found, Reason, TargetFacts, event, kind, release, start};

pub(super) fn answers(facts: &Facts, name: &str) -> Vec<Answer> {
    let Some(found) = &facts.artifact else { return Vec::new() };
    if facts.targets.is_empty() {
        let why = "no target takes artifacts from its source: name it under `sources` in a target \
                   file and apply it";
        let answer = Answer::of(Reason::NoTarget, format!("{name} starts no release"), why);
        return vec![answer.todo("perch targets").todo("perch apply -f FILE")];
    }
    facts.targets.iter().map(|target| of_target(facts, target, found, name)).collect()
}

fn of_target(facts: &Facts, target: &TargetFacts, found: &Found, name: &str) -> Answer {
    let Some(artifact) = &found.artifact else {
        return missing(target, found, name);
    };
    if let Some(answer) = on_its_way(facts, target, artifact) {
        return answer;
    }
    let noted = |subject: &str| subject == artifact.to_string() || names(subject, artifact);
    if let Some(note) = target.notes.iter().find(|note| noted(&note.subject)) {
        // What waited and was forgotten is told as the newest note about it.
        if !matches!(kind::of(&note.text), Reason::WaitsForRelease | Reason::WaitsForStop) {
            return event::of_note(note, Some(target));
        }
    }
    never_seen(facts, target, found, artifact)
}

/// Its release, its place in the queue, or that it serves.
fn on_its_way(facts: &Facts, target: &TargetFacts, artifact: &Artifact) -> Option<Answer> {
    let same = |other: &Artifact| other.identity() == artifact.identity();
    let head = target.standing.head.as_ref();
    if head.and_then(|head| head.waiting.as_ref()).is_some_and(|waiting| same(&waiting.artifact)) {
        return event::waiting_answer(target);
    }
    if let Some(serving) = head.and_then(|head| head.serving.as_ref()).filter(|s| same(&s.artifact))
    {
        let what = format!("{} serves", serving.artifact);
        let why = format!("release {} promoted it as version {}", serving.release, serving.version);
        let answer = Answer::of(Reason::Serves, what, why).target(target.name());
        return Some(answer.todo(format!("perch release {}", serving.release)));
    }
    let known = target.known.as_ref()?;
    let record = facts.release(&known.release)?;
    Some(release::answer(facts, record))
}

/// Notes name an image by repository, tag and the first digits of its digest.
fn names(subject: &str, artifact: &Artifact) -> bool {
    match artifact {
        Artifact::Image { repository, digest, .. } => {
            subject.starts_with(repository.as_str()) && subject.contains(digest.short())
        }
        Artifact::Model { .. } => subject == artifact.to_string(),
        Artifact::Package { .. } | Artifact::Version { .. } => false,
    }
}

fn missing(target: &TargetFacts, found: &Found, name: &str) -> Answer {
    let repository = target.target.sources.image.as_ref().map(|image| image.repository.to_string());
    let repository = repository.unwrap_or_default();
    let answer = match &found.unseen {
        Some(why) => Answer::of(
            Reason::NoArtifact,
            format!("{name} could not be looked up"),
            format!("repository {repository} can't be read: {why}"),
        ),
        None => Answer::of(
            Reason::NoArtifact,
            format!("{name} does not exist"),
            format!(
                "repository {repository} of this account and region has no such image: it was not \
                 pushed, was pushed elsewhere, or was deleted"
            ),
        ),
    };
    answer.target(target.name()).todo(format!(
        "aws ecr describe-images --repository-name {repository} --query \
         'sort_by(imageDetails,&imagePushedAt)[].imageTags'"
    ))
}

/// Nothing was written down about it: why no release started, from what is known of the target.
fn never_seen(facts: &Facts, target: &TargetFacts, found: &Found, artifact: &Artifact) -> Answer {
    let (name, head) = (target.name(), target.standing.head.as_ref());
    let pushed = found.image.as_ref().map(|image| image.pushed_at);
    let told = |reason, why: String| {
        let answer = Answer::of(reason, format!("{artifact} started no release"), why).target(name);
        match pushed {
            Some(at) => answer.at(at),
            None => answer,
        }
    };
    if let Some(why) = not_admitted(target, found, artifact) {
        let reason = if why.contains("has no tag") { Reason::Untagged } else { Reason::NoGlob };
        return told(reason, why).todo("perch apply -f FILE").todo(start(name, artifact, ""));
    }
    let again = start(name, artifact, "");
    if let (Some(at), Some(horizon)) = (pushed, head.and_then(|head| head.horizon))
        && at < horizon
    {
        let why = format!(
            "it was pushed at {at:.0}, before what was promoted last ({horizon:.0}), and the newest \
             wins"
        );
        return told(Reason::Older, why).todo(again);
    }
    let seen = head.and_then(|head| head.seen);
    let why = match (pushed, seen) {
        (Some(at), Some(seen)) if at <= seen => format!(
            "no event of it reached Perch, and the sweep looks only for what was pushed after \
             {seen:.0}"
        ),
        (Some(_), _) => {
            format!("no event of it reached Perch; {}", super::target::until_sweep(facts))
        }
        (None, _) => {
            "no event of it reached Perch: does the bucket send its events to EventBridge, \
                      and is the object's version the newest?"
                .to_owned()
        }
    };
    told(Reason::NeverSeen, why).todo(again).todo("perch dead-letters list")
}

fn not_admitted(target: &TargetFacts, found: &Found, artifact: &Artifact) -> Option<String> {
    let sources = &target.target.sources;
    match artifact {
        Artifact::Image { .. } => {
            let (source, image) = (sources.image.as_ref()?, found.image.as_ref()?);
            if image.tags.is_empty() {
                return Some("it has no tag; only tagged pushes start a release".to_owned());
            }
            let taken = image.tags.iter().any(|tag| source.admits(tag));
            (!taken).then(|| {
                let (tags, globs) = (image.tags.join(", "), source.tags.join(", "));
                format!("its tags ({tags}) match none of the target's globs: {globs}")
            })
        }
        Artifact::Package { key, .. } => {
            let source = sources.package.as_ref()?;
            (!source.admits(key)).then(|| {
                format!("key {key} matches none of the target's globs: {}", source.keys.join(", "))
            })
        }
        Artifact::Model { .. } | Artifact::Version { .. } => None,
    }
}
