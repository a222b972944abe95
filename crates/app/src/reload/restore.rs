//! Brings every replica and the cache back to the baseline, a round at each call.
//!
//! The baseline is still loaded where it served, so this takes seconds. A replica that lost it loads it
//! anew. What can't be brought back ends the release as Stuck, which pages.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use perch_core::decide::{Event, Next, resume};
use perch_core::head::ServersSnapshot;
use perch_core::names::Version;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::reload::{Reload, Replica};
use perch_core::target::ModelServers;

use super::batch::{Round, pause, round};
use super::cache::point;
use super::model::Model;
use super::replica::{Goal, Held};
use super::{Reach, tidy};
use crate::ports::{
    CommitRelease, LoadHead, LoadRelease, LoadStanding, PortError, ReadModels, ServeModel,
    SwitchCache,
};
use crate::settling::{is_settled, settles_at};
use crate::step::{RoundInput, StepError, StepOutput, held, keep, missing, robbed, settle_all};

/// Seconds between two looks while a round that was under way may still act. Traffic is back by then.
const SETTLING: u64 = 5;

/// Does the next round of a rollback.
///
/// # Errors
/// [`StepError::NotAsSet`] when a replica can't be brought back in time; the state machine ends the
/// release as Stuck then. [`StepError`] when a port failed; a repeated call goes on.
pub async fn run<S: ServeModel, C: SwitchCache, M: ReadModels>(
    store: &(impl LoadRelease + LoadStanding + LoadHead + CommitRelease + Sync),
    reach: Reach<'_, S, C, M>,
    round: &RoundInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let input = &round.step;
    let Some(mut release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let (Phase::RollingBack { .. }, Some(servers)) =
        (&release.phase, release.plan.driver.servers().cloned())
    else {
        return Ok(input.then(resume(&release, now)));
    };
    let standing = store.standing(&release.target).await?;
    if !standing.is_held_by(&release) {
        return Ok(input.then(robbed(standing.head.as_ref(), &release)));
    }
    let ledger = release.ledger.clone().ok_or_else(|| missing(&release, "ledger"))?;
    let snapshot = ledger.servers().ok_or_else(|| missing(&release, "replicas"))?;
    let reload = release.reload.clone().ok_or_else(|| missing(&release, "model"))?;
    let restoring = Restoring { release: &release, servers: &servers, snapshot, reload: &reload };
    let (came, cache) = futures_util::future::join(
        restoring.replicas(store, reach, &ledger.baseline, now),
        restoring.cache(reach.cache, &ledger.baseline),
    )
    .await;
    let mut events: Vec<Event> = Vec::new();
    if let Some(found) = came.foreign {
        events.push(Event::TakenOver { found });
        return settle_all(store, input, release, &events, now).await;
    }
    if let Some(failed) = came.failed.first() {
        return Err(StepError::NotAsSet {
            what: format!("replica {} ({})", failed.replica, failed.why),
            expected: ledger.baseline.to_string(),
            found: failed.serves.as_ref().map_or("nothing".to_owned(), ToString::to_string),
        });
    }
    let settles_at = reload.racing.then(|| settles_at(reload.settles_at, round, now));
    let settled = settles_at.is_none_or(|end| is_settled(end, round, now));
    let is_back = came.begun.is_empty();
    let is_done = is_back && settled;
    match cache {
        Ok(event) => events.extend(event),
        // The replicas go on; the cache is tried again with the next round.
        Err(error) if !is_back => tracing::warn!(%error, "The cache was not switched back yet"),
        Err(error) => return Err(error.into()),
    }
    if is_done {
        if let Some(canary) = release.canary.as_ref().filter(|canary| **canary != ledger.baseline) {
            let gone = BTreeSet::from([canary]);
            for replica in &snapshot.replicas {
                tidy::unload(reach.servers, &servers, replica, &gone).await;
            }
        }
        events.push(Event::TrafficRestored);
        return settle_all(store, input, release, &events, now).await;
    }
    let pause = if is_back { SETTLING } else { pause(&came.begun, now) };
    let next = Next::Restore { after_seconds: pause };
    if let Some(reload) = &mut release.reload {
        (reload.begun, reload.settles_at) = (came.begun, settles_at);
    }
    if events.is_empty() {
        return keep(store, input, release, next, now).await;
    }
    settle_all(store, input, release, &events, now).await?;
    Ok(input.then(next))
}

struct Restoring<'a> {
    release: &'a Release,
    servers: &'a ModelServers,
    snapshot: &'a ServersSnapshot,
    reload: &'a Reload,
}

impl Restoring<'_> {
    /// All replicas at once, those that went over last first: callers wait.
    async fn replicas<S: ServeModel, C: SwitchCache, M: ReadModels>(
        &self,
        store: &(impl LoadHead + Sync),
        reach: Reach<'_, S, C, M>,
        baseline: &Version,
        now: Timestamp,
    ) -> Round {
        let servers = ModelServers {
            max_concurrency: u32::try_from(self.snapshot.replicas.len()).unwrap_or(100),
            ..self.servers.clone()
        };
        let mut known = vec![baseline.clone()];
        known.extend(self.release.canary.clone());
        known.extend(self.snapshot.others.iter().cloned());
        let backwards: Vec<&Replica> =
            self.snapshot.replicas.iter().rev().filter(|r| !self.is_lost(r, now)).collect();
        let model = Model::before(reach.models, &self.release.artifact, baseline);
        let goal = Goal {
            port: reach.servers,
            servers: &servers,
            version: baseline,
            // It served there before, beside another model.
            bytes: 0,
            model: &model,
            fence: &Held { store, release: self.release },
            known: &known,
        };
        round(&goal, &backwards, self.reload, now).await
    }

    /// A replica that was left out and does not answer can't serve the wrong model to anyone.
    fn is_lost(&self, replica: &Replica, now: Timestamp) -> bool {
        let begun = self.reload.begun.get(&replica.name);
        let waited = begun.map_or(SignedDuration::ZERO, |begun| now.duration_since(begun.at));
        self.reload.leaves_out(replica) && waited > SignedDuration::from_secs(30)
    }

    async fn cache(
        &self,
        port: &impl SwitchCache,
        baseline: &Version,
    ) -> Result<Option<Event>, PortError> {
        let (Some(cache), Some(canary)) = (&self.release.plan.cache, &self.release.canary) else {
            return Ok(None);
        };
        if self.reload.cache_settled {
            return Ok(None);
        }
        let model = &self.servers.model;
        let found = match port.generation(cache, model).await {
            Ok(found) => found,
            // Whether that is a reason to stop is for `point` to say.
            Err(_) => Some(canary.to_string()),
        };
        // Before the promotion the pointer is as it was.
        if found.as_deref() != Some(canary.as_str()) {
            return Ok(None);
        }
        point(port, (cache, model), Some(canary.as_str()), baseline).await
    }
}
