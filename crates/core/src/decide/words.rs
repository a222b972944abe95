//! What the journal says of a decision, for each kind of driver.

use crate::artifact::Artifact;
use crate::head::{Ledger, Snapshot};
use crate::journal::What;
use crate::release::{Driver, Release, placed};
use crate::reload::LeftOut;
use crate::weight::Weight;

/// What served before.
pub(super) fn snapshot_text(ledger: &Ledger) -> String {
    match &ledger.snapshot {
        Snapshot::Alias(alias) => {
            format!("version {} has all traffic of {}", ledger.baseline, alias.lambda.alias)
        }
        Snapshot::Service(of) => {
            format!("{}:{} has all traffic of {}", of.family, ledger.baseline, of.service)
        }
        Snapshot::Servers(servers) => {
            let cache = servers.generation.as_ref();
            let cache =
                cache.map(|found| format!("; cache generation {found}")).unwrap_or_default();
            format!("{} replicas serve model {}{cache}", servers.replicas.len(), ledger.baseline)
        }
    }
}

/// What the unpublished code is. A model runs with the code that served before.
pub(super) fn code_set(release: &Release, code: &str) -> String {
    match (&release.artifact, &release.ledger) {
        (Artifact::Model { .. }, Some(ledger)) => {
            format!(
                "{} runs with the code of version {}, {code}",
                release.artifact, ledger.baseline
            )
        }
        _ => format!("{} is code {code}", release.artifact),
    }
}

/// What was read back at the weight of a step.
pub(super) fn shifted(release: &Release, weight: Weight) -> String {
    let servers = release.ledger.as_ref().and_then(Ledger::servers);
    match (servers, &release.canary) {
        (Some(servers), Some(canary)) => {
            let count = placed(weight, servers.replicas.len());
            let names: Vec<&str> =
                servers.replicas.iter().take(count).map(|replica| replica.name.as_str()).collect();
            format!(
                "{count} of {} replicas serve model {canary}: {}",
                servers.replicas.len(),
                names.join(", ")
            )
        }
        _ => format!("{weight} of traffic on the canary"),
    }
}

/// What was read back of a batch.
pub(super) fn reloaded(
    replicas: &[String],
    left_out: &[LeftOut],
    weight: Weight,
) -> Vec<(What, String)> {
    let mut entries = Vec::new();
    if !replicas.is_empty() || left_out.is_empty() {
        let text = format!("{}; {weight} of the replicas serve the new model", replicas.join(", "));
        entries.push((What::ReplicasReloaded, text));
    }
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        entries.push((What::ReplicasLeftOut, names.join("; ")));
    }
    entries
}

/// What was read back at the promotion.
pub(super) fn promoted(release: &Release) -> String {
    let left_out = release.reload.as_ref().map_or(0, |reload| reload.left_out.len());
    match (release.ledger.as_ref().and_then(Ledger::servers), &release.canary) {
        (Some(servers), Some(canary)) => {
            let all = servers.replicas.len();
            format!("{} of {all} replicas serve model {canary}", all - left_out.min(all))
        }
        _ => "all traffic on the canary".to_owned(),
    }
}

/// What someone else moved, and where to.
pub(super) fn moved(release: &Release, found: &str) -> String {
    match &release.plan.driver {
        Driver::Alias(lambda) => {
            format!(
                "someone else moved alias {} of {}: it sends {found}",
                lambda.alias, lambda.function
            )
        }
        Driver::Service(service) => format!("someone else deployed to {service}: it has {found}"),
        Driver::Servers(servers) => {
            format!("someone else changed model {} on its servers: {found}", servers.model)
        }
    }
}

/// What to do about something that someone else moved.
pub(super) fn taken_over(release: &Release, found: &str) -> String {
    let what = moved(release, found);
    format!(
        "{what}, which this release did not set. Perch leaves it as it is and no longer guards it; \
         `perch doctor {}` says how to go on",
        release.target
    )
}
