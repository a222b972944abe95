//! Asks for a deployment and follows it: the intent first, then the deployment, then looks at the
//! traffic until the weight is there that the release waits for.
//!
//! Who takes the fence between the intent and the deployment finds the intent, and waits until no call of
//! ours can be under way (see [`super::unwind`]).

use std::time::Duration;

use jiff::Timestamp;
use perch_core::decide::{Event, Next, look_again, resume};
use perch_core::deployment::{Deployment, GATES, Passage, Purpose, passage};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Driver, Release};
use perch_core::stop::Stop;
use perch_core::weight::Weight;
use serde::{Deserialize, Serialize};

use super::ask::{Asked, ask, known, tests_in_a_hook};
use super::begin;
use super::seen::{Seen, seen};
use super::taken::let_go;
use crate::ports::{
    CommitRelease, ContinueDeployment, Deploy, DeploymentState, FindImage, LoadHead, LoadRelease,
    LoadStanding, PortError, Progress, ReadAlarms, ReadAlias, ReadDeployments, ReadEvidence,
    ReadServices, RegisterTask, Standing, StopDeployment,
};
use crate::step::{RoundInput, StepError, StepOutput, held, keep, settle};

/// Seconds before looking again whether a stop or a hold was ended.
const HELD: u64 = 30;

/// What the state machine hands over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowInput {
    /// The release, its fence, and when the state was entered.
    #[serde(flatten)]
    pub round: RoundInput,
    /// Where the machine waits for the deployment's end: the token that ends the wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl<R: Into<RoundInput>> From<R> for FollowInput {
    fn from(round: R) -> Self {
        Self { round: round.into(), token: None }
    }
}

/// Does the next step of following: each call does one of them and says when to come back. `minute` is
/// the length of a minute of a deployment: 60 s, except on a local stack whose clock is faster.
///
/// # Errors
/// [`StepError`] when a port failed; a repeated call goes on.
pub async fn run(
    store: &(impl LoadRelease + LoadStanding + LoadHead + CommitRelease),
    (lambda, services): (&impl ReadAlias, &(impl ReadServices + RegisterTask)),
    deployments: &(impl Deploy + ReadDeployments + StopDeployment + ContinueDeployment),
    looks: (&impl FindImage, &impl ReadAlarms, &impl ReadEvidence),
    input: &FollowInput,
    (minute, now): (Duration, Timestamp),
) -> Result<StepOutput, StepError> {
    let FollowInput { round, token } = input;
    let input = &round.step;
    let Some(mut release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    if let (Some(token), Some(deployment)) = (token, &mut release.deployment) {
        deployment.token = Some(token.clone());
        return keep(store, input, release, Next::Await, now).await;
    }
    let (weight, there) = match &release.phase {
        Phase::Pending | Phase::Preparing
            if matches!(release.plan.driver, Driver::Service(_))
                || release.phase == Phase::Pending =>
        {
            let ports = (lambda, services, deployments, looks);
            let begun = begin::run(ports, &mut release, now).await?;
            return match begun {
                begin::Step::Event(event) => settle(store, input, release, &event, None, now).await,
                begin::Step::Again(next) => Ok(input.then(next)),
            };
        }
        Phase::Shifting { weight, .. } => (*weight, Event::WeightShifted),
        Phase::Promoting { .. } => (Weight::FULL, Event::AliasPromoted),
        // The judge found something there that is not the release's.
        Phase::Baking { .. } | Phase::Watching { .. } => {
            return let_go(store, (lambda, services), deployments, round, release, now).await;
        }
        _ => return Ok(input.then(resume(&release, now))),
    };
    // How far it is before where the traffic goes: it may end between the two, and then all of it moved.
    let state = match release.deployment_id() {
        Some(id) => Some(deployments.deployment(id).await?),
        None => None,
    };
    // What serves before the fence: who takes the fence later moves it later, too.
    let found = seen((lambda, services), &release).await?;
    let standing = store.standing(&release.target).await?;
    if !standing.is_held_by(&release) {
        return Ok(input.then(Next::End));
    }
    let step = match (&release.deployment, &state) {
        (_, Some(state)) => {
            let at = found.weight;
            match look(&release, found, (weight, there), state) {
                Step::Wait(next) if now < release.deadline => {
                    let stop = standing.stop.as_ref();
                    Step::Wait(
                        at_gate(deployments, &release, state, (at, stop)).await?.unwrap_or(next),
                    )
                }
                step => step,
            }
        }
        (None, None) => intend(&release, found, &standing),
        (Some(Deployment { asked_at, .. }), None) => {
            start(deployments, &release, (found, &standing), (*asked_at, minute)).await?
        }
    };
    match step {
        Step::Event(event) => settle(store, input, release, &event, None, now).await,
        Step::LetGo => let_go(store, (lambda, services), deployments, round, release, now).await,
        Step::Wait(_) if now >= release.deadline => {
            let cause = RollbackCause::Deadline { deadline: release.deadline };
            settle(store, input, release, &Event::RollbackRequested(cause), None, now).await
        }
        Step::Intend => {
            // An intent that is there already stands: what came of it has to be found.
            let intent = release.deployment.unwrap_or_else(|| Deployment::asked_at(now));
            let deployment = Some(Deployment { settles_at: None, ..intent });
            let release = Release { deployment, ..release };
            keep(store, input, release, Next::Follow { after_seconds: 0 }, now).await
        }
        Step::Wait(next) => keep(store, input, release, next, now).await,
    }
}

enum Step {
    Event(Box<Event>),
    /// Someone else moved the traffic, and a deployment of the release may be there.
    LetGo,
    Intend,
    Wait(Next),
}

impl Step {
    fn event(event: Event) -> Self {
        Step::Event(Box::new(event))
    }

    fn failed(error: String) -> Self {
        Step::event(Event::RollbackRequested(RollbackCause::Error { error }))
    }

    fn taken_over(found: Seen) -> Self {
        Step::event(Event::TakenOver { found: found.text })
    }
}

/// Before the first traffic: it has to be as the ledger says, and nobody may hold the release.
fn intend(release: &Release, found: Seen, standing: &Standing) -> Step {
    if !found.is_baseline() {
        return Step::taken_over(found);
    }
    if release.is_kept_from_traffic(standing.stop.as_ref()) {
        return Step::Wait(Next::Follow { after_seconds: HELD });
    }
    Step::Intend
}

/// The deployment that was asked for already, or a new one.
async fn start(
    deployments: &(impl Deploy + ReadDeployments + StopDeployment),
    release: &Release,
    (found, standing): (Seen, &Standing),
    asked: (Timestamp, Duration),
) -> Result<Step, StepError> {
    // What moved the traffic may be the deployment that an earlier try asked for; and a stop or a hold
    // may have come since the intent.
    let held = release.is_kept_from_traffic(standing.stop.as_ref());
    // Someone else had moved the traffic, and put it back: no step asks while that settles.
    let settles = release.deployment.as_ref().is_some_and(|of| of.settles_at.is_some());
    if (held || settles || !found.is_baseline())
        && known(deployments, release, Purpose::Canary, asked.0).await?.is_none()
    {
        if !found.is_baseline() {
            return Ok(Step::LetGo);
        }
        if settles {
            return Ok(Step::Intend);
        }
        return Ok(Step::Wait(Next::Follow { after_seconds: HELD }));
    }
    Ok(match ask(deployments, release, Purpose::Canary, asked).await? {
        Asked::Started(id, how) => Step::event(Event::DeploymentStarted { id, how }),
        Asked::Again(after_seconds) => Step::Wait(Next::Follow { after_seconds }),
        Asked::Refused(why) => Step::failed(why),
    })
}

/// Has a deployment go on that pauses at a gate, where the release is as far; what comes before that. A call
/// that is lost needs nobody to repeat it: the next look finds the deployment paused still.
async fn at_gate(
    deployments: &impl ContinueDeployment,
    release: &Release,
    state: &DeploymentState,
    (at, stop): (Option<Weight>, Option<&Stop>),
) -> Result<Option<Next>, PortError> {
    let gates = || state.pauses.iter().filter(|pause| GATES.contains(&pause.stage.as_str()));
    if gates().next().is_none() {
        return Ok(None);
    }
    match passage(release, &state.id, at, stop) {
        Passage::Tests => return Ok(Some(Next::Smoke)),
        Passage::Shut | Passage::Back => return Ok(None),
        Passage::Open => {}
    }
    for pause in gates() {
        deployments.go_on(&state.id, pause).await?;
    }
    Ok(None)
}

/// How far the deployment is, by where the traffic goes.
fn look(
    release: &Release,
    found: Seen,
    (weight, there): (Weight, Event),
    state: &DeploymentState,
) -> Step {
    let Some(at) = found.weight else { return Step::LetGo };
    if let Some(why) = state.failure() {
        let cause = RollbackCause::Platform { why: why.to_owned() };
        return Step::event(Event::RollbackRequested(cause));
    }
    if at > Weight::ZERO && tests_in_a_hook(release) && !release.has_passed_smoke_tests() {
        return Step::failed(format!(
            "{at} of traffic came before the smoke tests: no hook of the deployment did them"
        ));
    }
    if at == weight {
        // On Lambda the last hook has to agree. On ECS a deployment goes on for as long as the tasks of
        // the baseline are kept: a time in which the way back is the shortest.
        let is_last = weight == Weight::FULL && state.progress == Progress::Running;
        return match &release.plan.driver {
            Driver::Alias(_) if is_last => Step::Wait(look_again(release)),
            _ => Step::event(there),
        };
    }
    if at > weight {
        return Step::event(Event::WeightFound { weight: at });
    }
    if state.progress == Progress::Succeeded {
        return Step::taken_over(found);
    }
    Step::Wait(look_again(release))
}
