//! Reads the facts. A port that fails leaves its fact unseen; the other checks go on.

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::digest::Digest;
use perch_core::names::{RepositoryName, TargetName, Version};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::Target;

use super::{InUse, InstallationFacts, Look, Risk, Role, TargetFacts, WayBack, at_risk};
use crate::dead_letters;
use crate::ports::{
    AliasState, FindImage, ImageState, KeepRuns, Lifecycle, ListReleases, LoadRelease,
    LoadStanding, LoadTarget, PortError, Queue, ReadAlarms, ReadAlias, ReadFunction, ReadLifecycle,
    ReceiveLetters, StopLine,
};

/// Promoted releases whose images a person may go back to.
const PROMOTED: usize = 3;

/// Releases among which those are looked for.
const LOOK_BACK: usize = 20;

/// What facts are read with.
#[derive(Debug, Clone, Copy)]
pub struct Ports<'a, S, L, A, I, R> {
    /// The installation's stack, after which its functions are named.
    pub stack: &'a str,
    /// The table.
    pub store: &'a S,
    /// Lambda.
    pub lambda: &'a L,
    /// Alarms.
    pub alarms: &'a A,
    /// Looks for images.
    pub images: &'a I,
    /// Reads lifecycle policies.
    pub registry: &'a R,
}

/// The table as the checks need it.
pub trait Store:
    LoadTarget + LoadStanding + LoadRelease + ListReleases + KeepRuns + StopLine + Sync
{
}

impl<T> Store for T where
    T: LoadTarget + LoadStanding + LoadRelease + ListReleases + KeepRuns + StopLine + Sync
{
}

/// The facts of the installation, and its targets: all of them, or the one that is named, if it
/// exists.
pub async fn installation<S: Store, L, A, I, R>(
    ports: &Ports<'_, S, L, A, I, R>,
    letters: Result<impl ReceiveLetters, PortError>,
    only: Option<&TargetName>,
) -> (InstallationFacts, Vec<Target>) {
    let letters = match letters {
        Ok(letters) => dead_letters::list(&letters, &Queue::ALL).await,
        Err(error) => Err(error),
    };
    let store = ports.store;
    let targets = match only {
        None => store.targets().await,
        Some(name) => store.target(name).await.map(|target| target.into_iter().collect()),
    };
    let facts = InstallationFacts {
        stack: ports.stack.to_owned(),
        targets: targets.as_ref().map(Vec::len).map_err(|error| super::Unseen(error.to_string())),
        runs: store.runs(1).await.map_err(Into::into),
        stop: store.stop_of_all().await.map_err(Into::into),
        letters: letters.map_err(Into::into),
    };
    (facts, targets.unwrap_or_default())
}

/// The facts of a target.
pub async fn target<S, L, A, I, R>(ports: &Ports<'_, S, L, A, I, R>, target: &Target) -> TargetFacts
where
    S: Store,
    L: ReadAlias + ReadFunction,
    A: ReadAlarms,
    I: FindImage,
    R: ReadLifecycle,
{
    let Ports { store, lambda, alarms, .. } = ports;
    let standing = store.standing(&target.name).await;
    let active = match standing.as_ref().ok().and_then(|s| s.head.as_ref()?.active.as_ref()) {
        Some(id) => store.release(id).await,
        None => Ok(None),
    };
    let (alias, provisioned) = match &target.service.lambda {
        None => (Ok(None), Ok(false)),
        Some(service) => {
            let alias = found(lambda.alias(service).await);
            let provisioned = match &alias {
                Ok(None) => Ok(false),
                Ok(Some(_)) | Err(_) => lambda.has_provisioned_concurrency(service).await,
            };
            (alias, provisioned)
        }
    };
    let active: Look<_> = active.map_err(Into::into);
    let alias: Look<_> = alias.map_err(Into::into);
    let (way_back, mut in_use) =
        versions(ports, target, alias.as_ref().ok(), active.as_ref().ok()).await;
    let releases = store.releases(Some(&target.name), LOOK_BACK).await.unwrap_or_default();
    for release in releases.iter().filter(|r| matches!(r.phase, Phase::Promoted)).take(PROMOTED) {
        in_use.extend(released(release, Role::Served));
    }
    let in_use = once(in_use);
    TargetFacts {
        stack: ports.stack.to_owned(),
        target: target.clone(),
        standing: standing.map_err(Into::into),
        active,
        alias,
        provisioned: provisioned.map_err(Into::into),
        way_back,
        guards: alarms.alarms(&target.all_guards()).await.map_err(Into::into),
        lifecycles: lifecycles(ports.registry, &in_use).await,
        in_use,
    }
}

/// The rules that take the image away which serves a target now.
///
/// # Errors
/// [`PortError`] when something could not be looked at.
pub async fn serving_at_risk<S, L, A, I, R>(
    ports: &Ports<'_, S, L, A, I, R>,
    target: &Target,
    now: Timestamp,
) -> Result<Vec<Risk>, PortError>
where
    L: ReadAlias + ReadFunction,
    I: FindImage,
    R: ReadLifecycle,
{
    let Some(service) = &target.service.lambda else { return Ok(Vec::new()) };
    let Some(alias) = found(ports.lambda.alias(service).await)? else {
        return Ok(Vec::new());
    };
    let mut in_use = Vec::new();
    look(ports, target, &alias.route.primary, Role::Serves, &mut in_use).await?;
    let Some(image) = in_use.first() else { return Ok(Vec::new()) };
    let lifecycle = ports.registry.lifecycle(&image.repository).await?;
    Ok(lifecycle.map_or_else(Vec::new, |found| at_risk(&image.repository, &found, &in_use, now)))
}

/// The version to go back to, and the images of what serves, of the way back and of the canary.
async fn versions<S, L: ReadFunction, A, I: FindImage, R>(
    ports: &Ports<'_, S, L, A, I, R>,
    target: &Target,
    alias: Option<&Option<AliasState>>,
    active: Option<&Option<Release>>,
) -> (Look<Option<WayBack>>, Vec<InUse>) {
    let active = active.and_then(Option::as_ref);
    let serving = alias.and_then(Option::as_ref).map(|alias| &alias.route.primary);
    let ledger = active.and_then(|release| release.ledger.as_ref());
    let ledger = ledger.filter(|ledger| ledger.alias().is_some());
    let mut in_use: Vec<InUse> = Vec::new();
    in_use.extend(active.and_then(|release| released(release, Role::Canary)));
    let back = ledger.map(|ledger| &ledger.baseline);
    let mut way_back = Ok(None);
    if let Some(version) = back.or(serving) {
        let role = if back.is_some() { Role::WayBack } else { Role::Serves };
        way_back = look(ports, target, version, role, &mut in_use).await.map(Some);
    }
    if let (Some(_), Some(version)) = (back, serving.filter(|serving| back != Some(serving))) {
        // What can't be seen of it is not the way back's fault.
        let _ = look(ports, target, version, Role::Serves, &mut in_use).await;
    }
    (way_back.map_err(Into::into), in_use)
}

/// A version and its image, which counts as in use where it can be seen.
async fn look<S, L: ReadFunction, A, I: FindImage, R>(
    ports: &Ports<'_, S, L, A, I, R>,
    target: &Target,
    version: &Version,
    role: Role,
    in_use: &mut Vec<InUse>,
) -> Result<WayBack, PortError> {
    let state = match &target.service.lambda {
        Some(service) => found(ports.lambda.version(&service.function, version).await)?,
        None => None,
    };
    let mut image = None;
    if let Some(uri) = state.as_ref().and_then(|state| state.image.as_deref()) {
        let seen = ports.images.image(uri).await?;
        image = Some(seen);
        if seen != ImageState::Unknown {
            in_use.extend(place(uri).map(|(repository, digest)| InUse {
                repository,
                digest,
                role,
            }));
        }
    }
    Ok(WayBack { version: version.clone(), state, image })
}

/// Repository and digest of `registry/repository@digest`.
fn place(uri: &str) -> Option<(RepositoryName, Digest)> {
    let (repository, digest) = uri.split_once('/')?.1.split_once('@')?;
    Some((repository.parse().ok()?, digest.parse().ok()?))
}

fn released(release: &Release, role: Role) -> Option<InUse> {
    match &release.artifact {
        Artifact::Image { repository, digest, .. } => {
            Some(InUse { repository: repository.clone(), digest: digest.clone(), role })
        }
        Artifact::Package { .. } | Artifact::Model { .. } | Artifact::Version { .. } => None,
    }
}

/// Each image once, in the role that matters most: the first.
fn once(all: Vec<InUse>) -> Vec<InUse> {
    let mut kept: Vec<InUse> = Vec::new();
    for image in all {
        if kept.iter().all(|known| known.digest != image.digest) {
            kept.push(image);
        }
    }
    kept
}

async fn lifecycles(
    registry: &impl ReadLifecycle,
    in_use: &[InUse],
) -> Vec<(RepositoryName, Look<Option<Lifecycle>>)> {
    let mut read: Vec<(RepositoryName, Look<Option<Lifecycle>>)> = Vec::new();
    for image in in_use {
        if read.iter().all(|(known, _)| *known != image.repository) {
            let lifecycle = registry.lifecycle(&image.repository).await;
            read.push((image.repository.clone(), lifecycle.map_err(Into::into)));
        }
    }
    read
}

/// What does not exist is an answer, too.
fn found<T>(result: Result<T, PortError>) -> Result<Option<T>, PortError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(PortError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
