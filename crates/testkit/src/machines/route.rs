//! Choice, Retry and Catch of the state machines.

use perch_app::close_release::CloseInput;
use perch_app::ports::PortError;
use perch_app::restore_traffic::RollbackInput;
use perch_app::step::{StepError, StepInput, StepOutput};
use perch_core::decide::Next;
use perch_core::names::ReleaseId;
use perch_core::phase::RollbackCause;

use super::execution::{Answer, WAIT_SECONDS};
use super::state::State;

/// How often and how patiently a state is tried again.
pub(super) struct Retry {
    pub(super) attempts: u32,
    interval: f64,
    rate: f64,
    longest: f64,
}

const NEVER: Retry = Retry { attempts: 0, interval: 0.0, rate: 1.0, longest: 0.0 };

impl Retry {
    /// Seconds before the attempt after this many retries.
    #[allow(clippy::cast_possible_truncation, reason = "at most `longest` seconds")]
    pub(super) fn wait(&self, retries: u32) -> i64 {
        let wait = self.interval * self.rate.powi(retries.cast_signed());
        wait.min(self.longest) as i64
    }
}

/// The name of the error that the machines match, as `perch-aws` reports it.
pub(super) fn error_type(error: &StepError) -> &'static str {
    match error {
        StepError::Port(PortError::Unavailable { .. }) => "Unavailable",
        StepError::Port(PortError::Conflict { .. }) | StepError::NotAsSet { .. } => "Conflict",
        StepError::Port(PortError::Denied { .. }) => "Denied",
        StepError::Illegal(_) => "Illegal",
        StepError::Port(PortError::NotFound { .. } | PortError::Invalid { .. })
        | StepError::UnknownRelease(_)
        | StepError::Incomplete { .. } => "Invalid",
    }
}

/// The state's `Retry` for an error.
pub(super) fn retry(state: &State, error: &str) -> Retry {
    let retry = |attempts, interval, rate, longest| Retry { attempts, interval, rate, longest };
    match state {
        State::Prepare(_)
        | State::Shift(_)
        | State::Judge(_)
        | State::Promote(_)
        | State::Follow(_) => match error {
            "Unavailable" | "Conflict" => retry(6, 1.0, 2.0, 20.0),
            _ => NEVER,
        },
        State::Smoke(_) => match error {
            "Unavailable" | "Conflict" => retry(3, 1.0, 2.0, 20.0),
            _ => NEVER,
        },
        State::Restore(_) | State::RestoreReplicas(_) | State::StopDeployment(_) => match error {
            "Illegal" | "Invalid" => NEVER,
            _ => retry(20, 1.0, 1.5, 60.0),
        },
        State::StartRollback(_) | State::Close(_) => retry(8, 1.0, 2.0, 30.0),
        State::RecordStuck(_) => retry(10, 2.0, 2.0, 60.0),
        State::Await(_)
        | State::Waits(_)
        | State::StopCanaryDeploy(_)
        | State::Ended
        | State::Stuck
        | State::Stopped
        | State::Failed(_) => NEVER,
    }
}

/// Where an error leads that is not retried (any more).
pub(super) fn caught(state: &State, name: &ReleaseId, error: &StepError) -> State {
    let text = format!("{}: {error}", error_type(error));
    match state {
        State::Prepare(_)
        | State::Smoke(_)
        | State::Shift(_)
        | State::Judge(_)
        | State::Promote(_)
        | State::Follow(_) => {
            let cause = Some(RollbackCause::Error { error: text });
            State::StartRollback(RollbackInput { release_id: name.clone(), cause })
        }
        State::Restore(input) => {
            let release_id = input.release_id.clone();
            State::RecordStuck(CloseInput { release_id, fence: 0, failure: Some(text) })
        }
        State::RestoreReplicas(input) | State::StopDeployment(input) => {
            let release_id = input.release_id.clone();
            State::RecordStuck(CloseInput { release_id, fence: 0, failure: Some(text) })
        }
        State::StopCanaryDeploy(input) => State::Close(input.clone()),
        State::Await(input) | State::Waits(input) => State::Follow(input.round.step.clone()),
        State::StartRollback(_) | State::Close(_) | State::RecordStuck(_) => State::Failed(text),
        State::Ended | State::Stuck | State::Stopped | State::Failed(_) => state.clone(),
    }
}

/// Where an answer leads, and how many seconds later.
pub(super) fn after(state: &State, answer: Answer) -> (State, i64) {
    let output = match answer {
        Answer::Step(output) => output,
        Answer::Stop(input) => return (State::Close(input), 0),
        // What the function answers counts for nothing: the token does.
        Answer::Kept => {
            let State::Await(input) = state else { return (State::Ended, 0) };
            return (State::Waits(input.clone()), WAIT_SECONDS);
        }
        Answer::Closed if matches!(state, State::RecordStuck(_)) => return (State::Stuck, 0),
        Answer::Started | Answer::Closed => return (State::Ended, 0),
    };
    let StepOutput { release_id, fence, .. } = output.clone();
    if matches!(state, State::Restore(_) | State::RestoreReplicas(_) | State::StopDeployment(_))
        && output.next == Next::End.name()
    {
        return (State::Ended, 0);
    }
    if output.next == "Restore" {
        let step = StepInput { release_id, fence };
        return (State::RestoreReplicas(step), i64::try_from(output.wait_seconds).unwrap());
    }
    if output.next == "Unwind" {
        let step = StepInput { release_id, fence };
        return (State::StopDeployment(step), i64::try_from(output.wait_seconds).unwrap());
    }
    let is_round = matches!(state, State::RestoreReplicas(_) | State::StopDeployment(_));
    if is_round && output.next == Next::Rollback.name() {
        return (State::Restore(RollbackInput { release_id, cause: None }), 0);
    }
    if matches!(state, State::RestoreReplicas(_)) {
        return (State::Close(CloseInput { release_id, fence, failure: None }), 0);
    }
    if matches!(state, State::Restore(_) | State::StopDeployment(_)) {
        return (State::StopCanaryDeploy(CloseInput { release_id, fence, failure: None }), 0);
    }
    if output.next == "Await" {
        return (State::Await(StepInput { release_id, fence }.into()), 0);
    }
    (dispatch(&output), i64::try_from(output.wait_seconds).unwrap())
}

/// canary-deploy: `Dispatch`.
fn dispatch(output: &StepOutput) -> State {
    let StepOutput { release_id, fence, .. } = output.clone();
    let step = StepInput { release_id: release_id.clone(), fence };
    match output.next.as_str() {
        "Prepare" => State::Prepare(step),
        "Smoke" => State::Smoke(step),
        "Shift" => State::Shift(step),
        "Judge" => State::Judge(step),
        "Promote" => State::Promote(step),
        "Follow" => State::Follow(step),
        "Rollback" => State::StartRollback(RollbackInput { release_id, cause: None }),
        "Close" => State::Close(CloseInput { release_id, fence, failure: None }),
        "End" => State::Ended,
        other => {
            let cause = Some(RollbackCause::Error { error: format!("UnknownNext: next: {other}") });
            State::StartRollback(RollbackInput { release_id, cause })
        }
    }
}
