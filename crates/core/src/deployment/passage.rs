//! Whether a deployment may go on at a stage that waits for Perch.

use crate::names::DeploymentId;
use crate::phase::Phase;
use crate::release::Release;
use crate::stop::Stop;
use crate::weight::Weight;

/// The stages of a service deployment of ECS before production traffic moves. At all others there is
/// nothing to decide.
pub const GATES: [&str; 2] = ["POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT"];

/// The gate before every shift; the other one comes once.
pub const BEFORE_EACH_SHIFT: &str = GATES[1];

/// Whether it may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It may.
    Open,
    /// Once the smoke tests have passed.
    Tests,
    /// Not yet.
    Shut,
    /// Never: the baseline comes back.
    Back,
}

/// Whether a deployment may go on at a gate: by the release that it is for as it stands, by where its
/// traffic goes, and by the stop that stands for its target.
///
/// `at` is the canary's weight by the load balancer; it counts while a step is waited for.
pub fn passage(
    release: &Release,
    deployment: &DeploymentId,
    at: Option<Weight>,
    stop: Option<&Stop>,
) -> Passage {
    let tested = || {
        if release.is_kept_from_traffic(stop) {
            return Passage::Shut;
        }
        if release.has_passed_smoke_tests() { Passage::Open } else { Passage::Tests }
    };
    match &release.phase {
        // It is there already, and Perch has not looked yet: the next step is not this one.
        Phase::Shifting { weight, .. } if at.is_none_or(|at| at >= *weight) => Passage::Shut,
        Phase::Shifting { .. } | Phase::Promoting { .. } => tested(),
        Phase::Baking { .. } => Passage::Shut,
        Phase::Watching { .. } | Phase::Promoted => Passage::Open,
        // The revision that is tagged with a release also comes back as somebody's baseline.
        Phase::RolledBack { .. } | Phase::Superseded { .. }
            if release.deployment_id().is_some_and(|own| own != deployment) =>
        {
            Passage::Open
        }
        Phase::Pending
        | Phase::Preparing
        | Phase::RollingBack { .. }
        | Phase::RolledBack { .. }
        | Phase::Rejected { .. }
        | Phase::Superseded { .. }
        | Phase::Stuck { .. } => Passage::Back,
    }
}
