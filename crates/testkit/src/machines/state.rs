//! The states of the machines, each with its input.

use perch_app::close_release::CloseInput;
use perch_app::deployment::follow::FollowInput;
use perch_app::restore_traffic::RollbackInput;
use perch_app::step::StepInput;

/// A state of a machine, with its input.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// canary-deploy: `PrepareCanary`
    Prepare(StepInput),
    /// canary-deploy: `RunSmokeTests`
    Smoke(StepInput),
    /// canary-deploy: `ShiftWeight`
    Shift(StepInput),
    /// canary-deploy: `JudgeCanary`
    Judge(StepInput),
    /// canary-deploy: `PromoteCanary`
    Promote(StepInput),
    /// canary-deploy: `FollowDeployment`
    Follow(StepInput),
    /// canary-deploy: `AwaitDeployment`, whose function keeps the task token
    Await(FollowInput),
    /// The same, until the token ends the wait or its time limit does
    Waits(FollowInput),
    /// canary-deploy: `RollBack`
    StartRollback(RollbackInput),
    /// rollback: `RestoreTraffic`
    Restore(RollbackInput),
    /// rollback: `RestoreReplicas`
    RestoreReplicas(StepInput),
    /// rollback: `StopDeployment`
    StopDeployment(StepInput),
    /// rollback: `StopCanaryDeploy`
    StopCanaryDeploy(CloseInput),
    /// Both: `CloseRelease`
    Close(CloseInput),
    /// rollback: `RecordStuck`
    RecordStuck(CloseInput),
    /// Both: `Ended`
    Ended,
    /// rollback: `Stuck`
    Stuck,
    /// The execution was stopped by the rollback.
    Stopped,
    /// A state without a catch failed, with this.
    Failed(String),
}

impl State {
    /// The name of the state, as the state machines have it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Prepare(_) => "PrepareCanary",
            State::Smoke(_) => "RunSmokeTests",
            State::Shift(_) => "ShiftWeight",
            State::Judge(_) => "JudgeCanary",
            State::Promote(_) => "PromoteCanary",
            State::Follow(_) => "FollowDeployment",
            State::Await(_) | State::Waits(_) => "AwaitDeployment",
            State::StartRollback(_) => "RollBack",
            State::Restore(_) => "RestoreTraffic",
            State::StopCanaryDeploy(_) => "StopCanaryDeploy",
            State::RestoreReplicas(_) => "RestoreReplicas",
            State::StopDeployment(_) => "StopDeployment",
            State::Close(_) => "CloseRelease",
            State::RecordStuck(_) => "RecordStuck",
            State::Ended => "Ended",
            State::Stuck => "Stuck",
            State::Stopped => "Stopped",
            State::Failed(_) => "Failed",
        }
    }

    /// Whether the execution is over.
    pub fn is_end(&self) -> bool {
        matches!(self, State::Ended | State::Stuck | State::Stopped | State::Failed(_))
    }
}
