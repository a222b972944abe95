//! Reads what answers rest on: the target, the event, the release or the artifact of that name.

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::target::Target;

use super::{Facts, Found, Subject, TargetFacts};
use crate::artifact_name::ArtifactName;
use crate::ports::{
    FindTargets, ImageName, KeepNote, KeepRuns, ListNotices, ListReleases, ListSources,
    LoadArtifact, LoadRelease, LoadStanding, LoadTarget, PortError, ResolveTag, TraceEvent,
};

/// Notes and notices of a target that are read.
const NOTES: usize = 50;

/// The table as explanations need it.
pub trait Store:
    TraceEvent
    + FindTargets
    + LoadTarget
    + LoadStanding
    + LoadRelease
    + LoadArtifact
    + ListReleases
    + ListNotices
    + KeepNote
    + KeepRuns
    + Sync
{
}

impl<T> Store for T where
    T: TraceEvent
        + FindTargets
        + LoadTarget
        + LoadStanding
        + LoadRelease
        + LoadArtifact
        + ListReleases
        + ListNotices
        + KeepNote
        + KeepRuns
        + Sync
{
}

/// What knows images: by name, and the newest of a source.
#[derive(Debug, Clone, Copy)]
pub struct Registry<'a, T, L> {
    /// By name.
    pub tags: &'a T,
    /// The newest.
    pub sources: &'a L,
}

/// The facts about whatever has this name: a target, an event, a release or an artifact, in this
/// order.
///
/// # Errors
/// [`PortError`] when the table can't be read. What a registry does not tell is told as unknown.
pub async fn gather(
    store: &impl Store,
    registry: Registry<'_, impl ResolveTag, impl ListSources>,
    asked: &str,
    now: Timestamp,
) -> Result<Facts, PortError> {
    let mut facts = Facts {
        subject: Subject::Unknown(asked.to_owned()),
        now,
        artifact: None,
        targets: Vec::new(),
        traces: Vec::new(),
        releases: Vec::new(),
        runs: store.runs(3).await?,
    };
    if let Ok(name) = asked.parse::<TargetName>()
        && let Some(target) = store.target(&name).await?
    {
        facts.subject = Subject::Target(name);
        let mut about = about(store, target).await?;
        about.missed = missed(store, registry.sources, &about.target).await?;
        facts.targets.push(about);
        return Ok(facts);
    }
    facts.traces = store.traces(asked).await?;
    if !facts.traces.is_empty() {
        facts.subject = Subject::Event(asked.to_owned());
        of_event(store, &mut facts).await?;
        return Ok(facts);
    }
    if let Ok(id) = asked.parse::<ReleaseId>()
        && let Some(release) = store.release(&id).await?
    {
        facts.subject = Subject::Release(id);
        if let Some(target) = store.target(&release.target).await? {
            facts.targets.push(about(store, target).await?);
        }
        facts.releases.push(release);
        return Ok(facts);
    }
    if let Ok(name) = asked.parse::<ArtifactName>() {
        of_artifact(store, registry.tags, &name, &mut facts).await?;
    }
    Ok(facts)
}

async fn about(store: &impl Store, target: Target) -> Result<TargetFacts, PortError> {
    let name = &target.name;
    let standing = store.standing(name).await?;
    let active = match standing.head.as_ref().and_then(|head| head.active.as_ref()) {
        Some(id) => store.release(id).await?,
        None => None,
    };
    Ok(TargetFacts {
        newest: store.releases(Some(name), 1).await?.into_iter().next(),
        notes: store.notes(Some(name), NOTES).await?,
        notices: store.notices(Some(name), NOTES).await?,
        missed: None,
        known: None,
        target,
        standing,
        active,
    })
}

/// The newest image of the target's source, if the target never had a release of it.
async fn missed(
    store: &impl Store,
    sources: &impl ListSources,
    target: &Target,
) -> Result<Option<perch_core::sweep::Pushed>, PortError> {
    let Some(source) = &target.sources.image else { return Ok(None) };
    // A registry that can't be read keeps nobody from the other answers.
    let Ok(Some(pushed)) = sources.newest_image(source).await else { return Ok(None) };
    let known = store.artifact(&target.name, &pushed.artifact).await?;
    Ok(known.is_none().then_some(pushed))
}

async fn of_event(store: &impl Store, facts: &mut Facts) -> Result<(), PortError> {
    for trace in facts.traces.clone() {
        if let Some(id) = &trace.release {
            facts.releases.extend(store.release(id).await?);
        }
        if let Some(name) = &trace.target
            && let Some(target) = store.target(name).await?
        {
            facts.targets.push(about(store, target).await?);
        }
    }
    Ok(())
}

async fn of_artifact(
    store: &impl Store,
    tags: &impl ResolveTag,
    name: &ArtifactName,
    facts: &mut Facts,
) -> Result<(), PortError> {
    let found = match name {
        ArtifactName::Package { bucket, key, version } => {
            let (bucket, key, version) = (bucket.clone(), key.clone(), version.clone());
            let artifact = Some(Artifact::Package { bucket, key, version });
            Some(Found { artifact, image: None, unseen: None })
        }
        ArtifactName::Image { repository: Some(repository), name } => {
            Some(image(tags, repository, name).await)
        }
        // A tag alone says nothing; a digest is the same in whichever repository it is.
        ArtifactName::Image { repository: None, name: ImageName::Tag(_) } => return Ok(()),
        ArtifactName::Image { repository: None, name: ImageName::Digest(_) } => None,
    };
    facts.subject = Subject::Artifact(name.to_string());
    let candidates = candidates(store, name).await?;
    let mut whole = found;
    for target in candidates {
        let own = match (&whole, name, &target.sources.image) {
            (None, ArtifactName::Image { name, .. }, Some(source)) => {
                image(tags, &source.repository, name).await
            }
            _ => whole.clone().unwrap_or(Found { artifact: None, image: None, unseen: None }),
        };
        let known = match &own.artifact {
            Some(artifact) => store.artifact(&target.name, artifact).await?,
            None => None,
        };
        // A bare digest concerns the targets that know it, or whose repository has it.
        if whole.is_none() && own.artifact.is_none() {
            continue;
        }
        whole = Some(own);
        if let Some(known) = &known {
            facts.releases.extend(store.release(&known.release).await?);
        }
        let mut about = about(store, target).await?;
        about.known = known;
        facts.targets.push(about);
    }
    if whole.is_none() {
        facts.subject = Subject::Unknown(name.to_string());
    }
    facts.artifact = whole;
    Ok(())
}

/// The targets that take artifacts from the source; all that take images for a bare digest.
async fn candidates(store: &impl Store, name: &ArtifactName) -> Result<Vec<Target>, PortError> {
    let source = match name {
        ArtifactName::Image { repository: None, .. } => {
            let targets = store.targets().await?;
            return Ok(targets.into_iter().filter(|t| t.sources.image.is_some()).collect());
        }
        ArtifactName::Image { repository: Some(repository), .. } => Artifact::Image {
            repository: repository.clone(),
            digest: NO_DIGEST.parse().unwrap_or_else(|_| unreachable!("{NO_DIGEST}")),
            tag: None,
        },
        ArtifactName::Package { bucket, key, version } => {
            Artifact::Package { bucket: bucket.clone(), key: key.clone(), version: version.clone() }
        }
    };
    let mut targets = Vec::new();
    for found in store.by_source(&source).await? {
        targets.extend(store.target(&found.target).await?);
    }
    Ok(targets)
}

/// Targets are found by the repository alone.
const NO_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

async fn image(
    tags: &impl ResolveTag,
    repository: &perch_core::names::RepositoryName,
    name: &ImageName,
) -> Found {
    match tags.resolve(repository, name).await {
        Ok(image) => {
            let artifact = image.as_ref().map(|image| Artifact::Image {
                repository: repository.clone(),
                digest: image.digest.clone(),
                tag: match name {
                    ImageName::Tag(tag) => Some(tag.clone()),
                    ImageName::Digest(_) => image.tags.first().cloned(),
                },
            });
            Found { artifact, image, unseen: None }
        }
        Err(PortError::NotFound { .. }) => Found { artifact: None, image: None, unseen: None },
        Err(error) => Found { artifact: None, image: None, unseen: Some(error.to_string()) },
    }
}
