//! Brings replicas over to the canary, a round at each call: those of a step, then the rest.

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::head::{Ledger, ServersSnapshot};
use perch_core::names::Version;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Release, placed, share};
use perch_core::reload::{Begun, LeftOut, Reload, Replica, Seen};
use perch_core::target::{Complete, ModelServers};

use super::batch::{Round, pause, round};
use super::cache::point;
use super::model::Model;
use super::replica::{Goal, Held};
use super::{Reach, fleet, tidy};
use crate::move_alias::way;
use crate::ports::{
    CommitRelease, LoadHead, LoadRelease, LoadStanding, ReadModels, ServeModel, SwitchCache,
};
use crate::step::{StepError, StepInput, StepOutput, held, keep, missing, settle, settle_all};

/// How long to wait before looking again whether a stop or a hold was ended, in seconds.
const HELD: u64 = 30;

/// Does the next round of the release.
///
/// # Errors
/// [`StepError`] when a port failed; a repeated call goes on where this one ended.
pub async fn run<S: ServeModel, C: SwitchCache, M: ReadModels>(
    store: &(impl LoadRelease + LoadStanding + LoadHead + CommitRelease + Sync),
    reach: Reach<'_, S, C, M>,
    input: &StepInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let Some(release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let again: fn(u64) -> Next = match release.phase {
        Phase::Shifting { .. } => |after_seconds| Next::Shift { after_seconds },
        Phase::Promoting { .. } => |after_seconds| Next::Promote { after_seconds },
        Phase::Promoted => {
            tidy::run(store, reach, &release).await?;
            return Ok(input.then(Next::Close));
        }
        _ => return Ok(input.then(resume(&release, now))),
    };
    let standing = store.standing(&release.target).await?;
    if !standing.is_held_by(&release) {
        return Ok(input.then(Next::End));
    }
    if now >= release.deadline {
        let cause = RollbackCause::Deadline { deadline: release.deadline };
        return settle(store, input, release, &Event::RollbackRequested(cause), None, now).await;
    }
    if release.is_kept_from_traffic(standing.stop.as_ref()) {
        return Ok(input.then(again(HELD)));
    }
    let part = Part::of(&release)?;
    let under_way = part.under_way();
    let came = if under_way.is_empty() {
        Round::default()
    } else {
        let model = Model::of(reach.models, &release.artifact);
        let known = part.known();
        let goal = Goal {
            port: reach.servers,
            servers: part.servers,
            version: &part.canary,
            bytes: part.reload.facts.bytes,
            model: &model,
            fence: &Held { store, release: &release },
            known: &known,
        };
        round(&goal, &under_way, part.reload, now).await
    };
    if let Some(event) = part.end(&came) {
        return settle(store, input, release, &event, None, now).await;
    }
    let (mut rest, mut begun) = (part.rest(&came), came.begun);
    let mut events = part.progress(&came.arrived, came.failed);
    let promotes = rest == 0 && matches!(release.phase, Phase::Promoting { .. });
    let lost = match promotes {
        true => part.lost(reach.servers).await,
        false => Vec::new(),
    };
    for name in &lost {
        begun.insert(name.clone(), Begun { at: now, attempts: 0 });
    }
    rest += lost.len();
    if promotes && lost.is_empty() {
        if let (Some(cache), false) = (&release.plan.cache, part.reload.cache_settled) {
            let front = (cache, &part.servers.model);
            let from = part.snapshot.generation.as_deref();
            events.extend(point(reach.cache, front, from, &part.canary).await?);
        }
        events.push(Event::AliasPromoted);
    }
    let mut release = release;
    let next = again(pause(&begun, now));
    let changed = release.reload.as_ref().is_some_and(|reload| reload.begun != begun);
    if let Some(reload) = &mut release.reload {
        reload.begun = begun;
        reload.done.retain(|name| !lost.contains(name));
    }
    match events.is_empty() {
        true if !changed => Ok(input.then(next)),
        true => keep(store, input, release, next, now).await,
        false if rest > 0 => {
            settle_all(store, input, release, &events, now).await?;
            Ok(input.then(next))
        }
        false => settle_all(store, input, release, &events, now).await,
    }
}

/// The part of a release that a round works on.
struct Part<'a> {
    release: &'a Release,
    servers: &'a ModelServers,
    ledger: &'a Ledger,
    snapshot: &'a ServersSnapshot,
    reload: &'a Reload,
    canary: Version,
}

impl<'a> Part<'a> {
    fn of(release: &'a Release) -> Result<Self, StepError> {
        let (ledger, canary) = way(release)?;
        let lacks = |what| missing(release, what);
        let servers = release.plan.driver.servers().ok_or_else(|| lacks("model servers"))?;
        let snapshot = ledger.servers().ok_or_else(|| lacks("replicas"))?;
        let reload = release.reload.as_ref().ok_or_else(|| lacks("model"))?;
        Ok(Self { release, servers, ledger, snapshot, reload, canary })
    }

    /// The replicas that have to serve the canary at the end of the phase.
    fn goal(&self) -> usize {
        placed(self.release.phase.highest_weight(), self.snapshot.replicas.len())
    }

    /// Those that are under way or have their turn: no more than a batch where the canary was judged.
    fn under_way(&self) -> Vec<&'a Replica> {
        let open = |replica: &&Replica| {
            !self.reload.done.contains(&replica.name) && !self.reload.leaves_out(replica)
        };
        let open = self.snapshot.replicas.iter().take(self.goal()).filter(open);
        match self.release.phase {
            Phase::Promoting { .. } => open.take(self.servers.batch.max(1) as usize).collect(),
            _ => open.collect(),
        }
    }

    /// Versions that a replica may serve.
    fn known(&self) -> Vec<Version> {
        let mut known = vec![self.ledger.baseline.clone(), self.canary.clone()];
        known.extend(self.snapshot.others.iter().cloned());
        known
    }

    /// How many replicas are left after a round.
    fn rest(&self, came: &Round) -> usize {
        let left = self.reload.left_out.len() + came.failed.len();
        let done = self.reload.done.len() + came.arrived.len();
        self.goal().saturating_sub(done + left)
    }

    /// What ends the part: something that nobody here set, wrong answers, or too many failures.
    fn end(&self, came: &Round) -> Option<Event> {
        if let Some(found) = &came.foreign {
            return Some(Event::TakenOver { found: found.clone() });
        }
        if let Some((replica, differences)) = came.golden.clone() {
            let cause = RollbackCause::Golden { replica, differences };
            return Some(Event::RollbackRequested(cause));
        }
        let failed = came.failed.first()?;
        let left_out = self.reload.left_out.len() + came.failed.len();
        let serve = self.snapshot.replicas.len().saturating_sub(left_out);
        let goes_on = match self.servers.complete {
            Complete::All => false,
            Complete::AtLeast(least) => {
                matches!(self.release.phase, Phase::Promoting { .. }) && serve >= least as usize
            }
        };
        (!goes_on).then(|| {
            let error = format!("{}: {}", failed.replica, failed.why);
            Event::RollbackRequested(RollbackCause::Error { error })
        })
    }

    /// Replicas that went over and serve something else since, or do not answer: they are brought over
    /// again. Nothing is promoted before every replica was read back.
    async fn lost(&self, port: &impl ServeModel) -> Vec<String> {
        let done = |replica: &&Replica| self.reload.done.contains(&replica.name);
        let done: Vec<Replica> = self.snapshot.replicas.iter().filter(done).cloned().collect();
        let found = fleet::states(port, self.servers, &done).await;
        let serves = |seen: &Seen| seen.state.as_ref().and_then(|state| state.active.clone());
        let lost = found.iter().filter(|seen| serves(seen).as_ref() != Some(&self.canary));
        lost.map(|seen| seen.replica.name.clone()).collect()
    }

    /// What the journal has to know of a round.
    fn progress(&self, arrived: &[String], failed: Vec<LeftOut>) -> Vec<Event> {
        match self.release.phase {
            Phase::Shifting { .. } if arrived.len() + self.reload.done.len() >= self.goal() => {
                vec![Event::WeightShifted]
            }
            Phase::Promoting { .. } if !arrived.is_empty() || !failed.is_empty() => {
                let serve = self.reload.done.len() + arrived.len();
                let weight = share(serve, self.snapshot.replicas.len());
                let replicas = arrived.to_vec();
                vec![Event::ReplicasReloaded { replicas, left_out: failed, weight }]
            }
            _ => Vec::new(),
        }
    }
}
