//! A person goes back to a model that served before.

use jiff::Timestamp;
use perch_core::artifact::{Artifact, Lane};
use perch_core::manifest::Found;
use perch_core::names::{ReleaseId, TargetName, Version};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::ModelSource;

use super::{OrderError, Start, Starts, start};
use crate::ports::{ListReleases, PortError, ReadModels, StartExecution};

/// Releases among which the model before is looked for.
const LOOK_BACK: usize = 50;

/// Starts the release of a model version, or of the one that served before the present one.
///
/// It goes to all replicas as fast as they load it, without guards and watch, because nothing automatic
/// may take a person's way back away.
///
/// # Errors
/// [`OrderError`] when a stop stands, a release holds the target, or the version is not known.
pub async fn go_back_to_model(
    store: &(impl Starts + ListReleases),
    models: &impl ReadModels,
    executions: &impl StartExecution,
    (target, version): (&TargetName, Option<&Version>),
    (by, reason): (&str, &str),
    now: Timestamp,
) -> Result<ReleaseId, OrderError> {
    let known = store.target(target).await?;
    let known = known.ok_or_else(|| OrderError::UnknownTarget(target.clone()))?;
    let no_models = || OrderError::NoModels(target.clone());
    let source = known.sources.model.as_ref().ok_or_else(no_models)?;
    let releases = store.releases(Some(target), LOOK_BACK).await?;
    let version = match version {
        Some(version) => version.clone(),
        None => before(&releases).ok_or_else(|| OrderError::NoModelBefore(target.clone()))?,
    };
    let artifact = match released(&releases, &version) {
        Some(artifact) => artifact,
        None => uploaded(models, source, &version).await?.ok_or_else(|| {
            let (target, version) = (target.clone(), version.clone());
            OrderError::UnknownModel { target, version }
        })?,
    };
    let wanted = Start {
        target: target.clone(),
        artifact,
        by: by.to_owned(),
        reason: reason.to_owned(),
        overrides: Vec::new(),
        allow_quarantined: true,
        way_back: true,
    };
    start(store, executions, &wanted, now).await
}

/// What served before the model that was promoted last.
fn before(releases: &[Release]) -> Option<Version> {
    let mut promoted = releases.iter().filter(|release| {
        release.artifact.lane() == Lane::Model && matches!(release.phase, Phase::Promoted)
    });
    promoted.next()?.ledger.as_ref()?.model()
}

/// The artifact of a version that had a release.
fn released(releases: &[Release], version: &Version) -> Option<Artifact> {
    releases.iter().map(|release| &release.artifact).find(|artifact| is(artifact, version)).cloned()
}

fn is(artifact: &Artifact, wanted: &Version) -> bool {
    matches!(artifact, Artifact::Model { version, .. } if version == wanted)
}

/// The artifact of a version that was uploaded.
async fn uploaded(
    models: &impl ReadModels,
    source: &ModelSource,
    version: &Version,
) -> Result<Option<Artifact>, PortError> {
    let key = source.key(version.as_str(), "manifest.json");
    Ok(match models.object(&source.bucket, &key).await? {
        Found::Object(stored) => Some(Artifact::Model {
            bucket: source.bucket.clone(),
            key,
            object: stored.version_id,
            version: version.clone(),
        }),
        Found::Deleted | Found::Nothing => None,
    })
}
