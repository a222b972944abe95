//! Whether replicas serve what the release set: looked at before every judgement.

use jiff::Timestamp;
use perch_core::decide::Event;
use perch_core::head::Ledger;
use perch_core::names::Version;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Release, placed, share};
use perch_core::reload::{Fleet, LeftOut, Seen};

/// What to do about a replica that serves something else than the release set.
///
/// Nothing while all serve what they should. One that does not answer is for the judge to see; people are
/// paged about it at the end of the watch.
pub fn unexpected(release: &Release, fleet: &Fleet, now: Timestamp) -> Option<Event> {
    let (ledger, canary) = (release.ledger.as_ref()?, release.canary.as_ref()?);
    let snapshot = ledger.servers()?;
    let all = snapshot.replicas.len();
    let mut silent = Vec::new();
    let carry = match release.phase {
        Phase::Watching { .. } => all,
        _ => placed(release.weight(), all),
    };
    for (place, replica) in snapshot.replicas.iter().enumerate() {
        let left_out = release.reload.as_ref().is_some_and(|reload| reload.leaves_out(replica));
        let state = fleet.replicas.iter().find(|seen| seen.replica == *replica);
        if left_out {
            continue;
        }
        let Some(state) = state.and_then(|seen: &Seen| seen.state.as_ref()) else {
            let why = "it does not answer at the end of the watch".to_owned();
            silent.push(LeftOut { replica: replica.name.clone(), serves: None, why });
            continue;
        };
        let expected = if place < carry { canary } else { &ledger.baseline };
        match &state.active {
            Some(found) if found == expected => {}
            Some(found) if place >= carry && snapshot.others.contains(found) => {}
            Some(found) if !is_ours(ledger, canary, found) => {
                let found = format!("{} serves {found}", replica.name);
                return Some(Event::TakenOver { found });
            }
            found => {
                let found = found.as_ref().map_or("no model".to_owned(), |v| format!("model {v}"));
                let error = format!("{} serves {found} instead of {expected}", replica.name);
                return Some(Event::RollbackRequested(RollbackCause::Error { error }));
            }
        }
    }
    // Who does not answer now may come back with another model, when nobody looks any more.
    let over = matches!(release.phase, Phase::Watching { until, .. } if now >= until);
    (over && !silent.is_empty()).then(|| Event::ReplicasReloaded {
        replicas: Vec::new(),
        weight: share(all.saturating_sub(silent.len()), all),
        left_out: silent,
    })
}

fn is_ours(ledger: &Ledger, canary: &Version, found: &Version) -> bool {
    let others = ledger.servers().map(|of| of.others.as_slice()).unwrap_or_default();
    *found == ledger.baseline || found == canary || others.contains(found)
}
