//! Which versions of a target served before: what a person can go back to.

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::names::{ReleaseId, Version};
use perch_core::phase::Phase;
use perch_core::release::Release;
use serde::Serialize;

/// A version that had all traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Served {
    /// The version.
    pub version: Version,
    /// What it was built from, where a release tells.
    pub artifact: Option<Artifact>,
    /// The release that promoted it; none for what served before the first one.
    pub release: Option<ReleaseId>,
    /// When that release ended.
    pub promoted_at: Option<Timestamp>,
}

/// The versions that served, the newest first, from releases in that order. Each is named once, where
/// it served last.
pub fn before(releases: &[Release], serving: Option<&Version>) -> Vec<Served> {
    let mut found: Vec<Served> = Vec::new();
    for release in releases {
        if let (Phase::Promoted, Some(version)) = (&release.phase, &release.canary) {
            found.push(Served {
                version: version.clone(),
                // A way back names the version; the release that built it comes further down.
                artifact: Some(release.artifact.clone()).filter(|a| !a.is_version()),
                release: Some(release.id.clone()),
                promoted_at: release.ended_at,
            });
        }
        found.extend(release.ledger.as_ref().map(|ledger| Served {
            version: ledger.baseline.clone(),
            artifact: None,
            release: None,
            promoted_at: None,
        }));
    }
    let mut once: Vec<Served> = Vec::new();
    for served in found.into_iter().filter(|served| Some(&served.version) != serving) {
        match once.iter_mut().find(|known| known.version == served.version) {
            None => once.push(served),
            Some(known) => {
                known.artifact = known.artifact.take().or(served.artifact);
                known.release = known.release.take().or(served.release);
                known.promoted_at = known.promoted_at.or(served.promoted_at);
            }
        }
    }
    once
}

impl std::fmt::Display for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "version {}", self.version)?;
        match (&self.artifact, self.promoted_at) {
            (Some(artifact), Some(at)) => write!(f, ", {artifact}, promoted {at:.0}"),
            (Some(artifact), None) => write!(f, ", {artifact}"),
            (None, Some(at)) => write!(f, ", promoted {at:.0}"),
            (None, None) => Ok(()),
        }
    }
}
