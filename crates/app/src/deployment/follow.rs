//! Asks for a deployment and follows it: the intent first, then the deployment, then looks at the alias
//! until the weight is there that the release waits for.
//!
//! CodeDeploy takes no client token. The intent is durable before the call, and a repeated step looks for
//! a deployment that names the release before it asks for one. Who takes the fence in between finds the
//! intent, and waits until no call of ours can be under way (see [`super::unwind`]).

use std::time::Duration;

use jiff::Timestamp;
use perch_core::decide::{Event, Next, look_again, resume};
use perch_core::deployment::{Deployment, Schedule};
use perch_core::names::AlarmName;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_core::target::CodeDeploy;
use perch_core::weight::Weight;
use serde::{Deserialize, Serialize};

use super::gate::{Gate, pass};
use super::route::weight_on;
use crate::move_alias::{is_held, way};
use crate::ports::{
    AliasState, CommitRelease, Deploy, Deploying, LoadHead, LoadRelease, LoadStanding, PortError,
    Progress, ReadAlias, ReadDeployments, Route, Standing, StopDeployment,
};
use crate::step::{StepError, StepInput, StepOutput, alias_of, held, keep, missing, settle};
use crate::take_ledger::unfit;

/// Seconds before looking again whether a stop or a hold was ended.
const HELD: u64 = 30;

/// What the state machine hands over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowInput {
    /// The release and its fence.
    #[serde(flatten)]
    pub step: StepInput,
    /// Where the machine waits for the deployment's end: the token that ends the wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl From<StepInput> for FollowInput {
    fn from(step: StepInput) -> Self {
        Self { step, token: None }
    }
}

/// Does the next step of following: each call does one of them and says when to come back. `minute` is
/// the length of a minute of CodeDeploy: 60 s, except on a local stack whose clock is faster.
///
/// # Errors
/// [`StepError`] when a port failed; a repeated call goes on.
pub async fn run(
    store: &(impl LoadRelease + LoadStanding + LoadHead + CommitRelease),
    lambda: &impl ReadAlias,
    deployments: &(impl Deploy + ReadDeployments + StopDeployment),
    input: &FollowInput,
    (minute, now): (Duration, Timestamp),
) -> Result<StepOutput, StepError> {
    let FollowInput { step: input, token } = input;
    let Some(mut release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    if let (Some(token), Some(deployment)) = (token, &mut release.deployment) {
        deployment.token = Some(token.clone());
        return keep(store, input, release, Next::Await, now).await;
    }
    let group = release.plan.driver.code_deploy().cloned();
    let group = group.ok_or_else(|| missing(&release, "deployment group"))?;
    let (weight, there) = match &release.phase {
        Phase::Pending => {
            let (event, next) = start(lambda, deployments, &group, &release, now).await?;
            return match event {
                Some(event) => settle(store, input, release, &event, None, now).await,
                None => Ok(input.then(next)),
            };
        }
        Phase::Shifting { weight, .. } => (*weight, Event::WeightShifted),
        Phase::Promoting { .. } => (Weight::FULL, Event::AliasPromoted),
        _ => return Ok(input.then(resume(&release, now))),
    };
    // What serves before the fence: who takes the fence later moves it later, too.
    let alias = lambda.alias(alias_of(&release)?).await?;
    let standing = store.standing(&release.target).await?;
    if !standing.is_held_by(&release) {
        return Ok(input.then(Next::End));
    }
    let step = match &release.deployment {
        None => intend(&release, &alias, &standing)?,
        Some(Deployment { id: None, asked_at, .. }) => {
            ask(deployments, &group, &release, &alias, (*asked_at, minute)).await?
        }
        Some(Deployment { id: Some(id), .. }) => {
            let state = deployments.deployment(id).await?;
            look(&release, &alias, (weight, there), &state.progress)?
        }
    };
    match step {
        Step::Event(event) => settle(store, input, release, &event, None, now).await,
        Step::Wait(_) if now >= release.deadline => {
            let cause = RollbackCause::Deadline { deadline: release.deadline };
            settle(store, input, release, &Event::RollbackRequested(cause), None, now).await
        }
        Step::Intend => {
            let deployment = Some(Deployment::asked_at(now));
            let release = Release { deployment, ..release };
            keep(store, input, release, Next::Follow { after_seconds: 0 }, now).await
        }
        Step::Wait(next) => keep(store, input, release, next, now).await,
    }
}

enum Step {
    Event(Box<Event>),
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

    fn taken_over(route: &Route) -> Self {
        Step::event(Event::TakenOver { found: route.to_string() })
    }
}

/// Before the ledger: a split alias may be someone else's deployment, which the target has a rule for.
async fn start(
    lambda: &impl ReadAlias,
    deployments: &(impl ReadDeployments + StopDeployment),
    group: &CodeDeploy,
    release: &Release,
    now: Timestamp,
) -> Result<(Option<Event>, Next), StepError> {
    let refused = |why| (Some(Event::Refused { why }), Next::Close);
    Ok(match pass(deployments, group).await? {
        Gate::Free => {
            let service = alias_of(release)?;
            match unfit(service, &lambda.alias(service).await?) {
                Some(why) => refused(why),
                None => (None, Next::Prepare { after_seconds: 0 }),
            }
        }
        Gate::Refused(why) => refused(why),
        Gate::Wait(_) if now >= release.deadline => {
            refused(format!("{group} was busy until {:.0}", release.deadline))
        }
        Gate::Wait(after_seconds) => (None, Next::Prepare { after_seconds }),
    })
}

/// Before the first traffic: the alias has to be as the ledger says, and nobody may hold the release.
fn intend(release: &Release, alias: &AliasState, standing: &Standing) -> Result<Step, StepError> {
    let (ledger, _) = way(release)?;
    if alias.route != Route::all_on(&ledger.baseline) {
        return Ok(Step::taken_over(&alias.route));
    }
    if is_held(release, standing) {
        return Ok(Step::Wait(Next::Follow { after_seconds: HELD }));
    }
    Ok(Step::Intend)
}

/// The deployment that was asked for already, or a new one.
async fn ask(
    deployments: &(impl Deploy + ReadDeployments + StopDeployment),
    group: &CodeDeploy,
    release: &Release,
    alias: &AliasState,
    (asked_at, minute): (Timestamp, Duration),
) -> Result<Step, StepError> {
    let (ledger, canary) = way(release)?;
    let schedule = match Schedule::of(&release.plan.steps, minute) {
        Ok(schedule) => schedule,
        Err(error) => return Ok(Step::failed(error.to_string())),
    };
    let started = |id| {
        let how = format!("in {group}, {}", schedule.lambda_config());
        Step::event(Event::DeploymentStarted { id, how })
    };
    if let Some(found) = deployments.find(group, &release.id, asked_at).await? {
        return Ok(started(found.id));
    }
    if alias.route != Route::all_on(&ledger.baseline) {
        return Ok(Step::taken_over(&alias.route));
    }
    let counts = |alarm: &&AlarmName| !release.ignored_guards.contains(alarm);
    let guards: Vec<AlarmName> = release.plan.guards.iter().filter(counts).cloned().collect();
    let deploying = Deploying {
        group,
        lambda: alias_of(release)?,
        release: &release.id,
        from: &ledger.baseline,
        to: &canary,
        schedule,
        alarms: Some(guards.as_slice()).filter(|_| !release.ignored_guards.is_empty()),
    };
    match deployments.create(deploying).await {
        Ok(id) => Ok(started(id)),
        Err(PortError::Conflict { .. }) => Ok(match pass(deployments, group).await? {
            Gate::Free => Step::Wait(Next::Follow { after_seconds: 1 }),
            Gate::Wait(after_seconds) => Step::Wait(Next::Follow { after_seconds }),
            Gate::Refused(why) => Step::failed(why),
        }),
        Err(
            error @ (PortError::NotFound { .. }
            | PortError::Denied { .. }
            | PortError::Invalid { .. }),
        ) => Ok(Step::failed(error.to_string())),
        Err(error @ PortError::Unavailable { .. }) => Err(error.into()),
    }
}

/// How far the deployment is, by what the alias sends.
fn look(
    release: &Release,
    alias: &AliasState,
    (weight, there): (Weight, Event),
    progress: &Progress,
) -> Result<Step, StepError> {
    let (ledger, canary) = way(release)?;
    if let Progress::Over { why } = progress {
        return Ok(Step::failed(why.clone()));
    }
    let Some(found) = weight_on(&alias.route, ledger, &canary) else {
        return Ok(Step::taken_over(&alias.route));
    };
    Ok(if found == weight {
        match (weight, progress) {
            // Its last hook has to agree.
            (Weight::FULL, Progress::Running) => Step::Wait(look_again(release)),
            _ => Step::event(there),
        }
    } else if found > weight {
        Step::event(Event::WeightFound { weight: found })
    } else if *progress == Progress::Succeeded {
        Step::taken_over(&alias.route)
    } else {
        Step::Wait(look_again(release))
    })
}
