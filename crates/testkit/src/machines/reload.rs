//! What the states of model-reload do, and the round of a rollback.

use jiff::Timestamp;
use perch_app::close_release;
use perch_app::judge_canary::{self, JudgeInput};
use perch_app::ports::{Machine, StartExecution};
use perch_app::reload::{self, FleetInput, PrepareInput, Reach};
use perch_app::step::{StepError, StepInput};
use perch_core::reload::Fleet;

use super::execution::{Answer, Execution};
use super::state::State;
use crate::world::World;

impl Execution {
    /// Runs the function of the state, and before it the one that reads the replicas where the machine
    /// does.
    pub(super) async fn invoke_reload(
        &self,
        world: &World,
        now: Timestamp,
    ) -> Result<Answer, StepError> {
        let World { store, lambda, services, metrics, alarms, executions, fleet, uploads, .. } =
            world;
        let reach = Reach::new(fleet, fleet, uploads);
        Ok(match &self.state {
            State::Prepare(step) => {
                let input = PrepareInput { step: step.clone(), fleet: read(world, step).await? };
                let watching = (alarms, metrics);
                Answer::Step(reload::prepare(store, uploads, watching, &input, now).await?)
            }
            State::Shift(input) | State::Promote(input) => {
                Answer::Step(reload::reload(store, reach, input, now).await?)
            }
            State::Judge(step) => {
                let input =
                    JudgeInput { step: step.clone(), fleet: Some(read(world, step).await?) };
                let watching = (metrics, alarms);
                let moving = (lambda, services, &world.deployments);
                Answer::Step(judge_canary::run_with(store, moving, watching, &input, now).await?)
            }
            State::StartRollback(input) => {
                let name = &input.release_id;
                let input = serde_json::to_value(input).unwrap();
                executions.start(Machine::Rollback, name, &input).await?;
                Answer::Started
            }
            State::RestoreReplicas(input) => {
                Answer::Step(reload::restore(store, reach, &self.round(input), now).await?)
            }
            State::Close(input) => {
                let step = StepInput { release_id: input.release_id.clone(), fence: input.fence };
                // TidyReplicas: nothing there can fail the release.
                reload::reload(store, reach, &step, now).await.ok();
                close_release::run(store, executions, input, now).await?;
                Answer::Closed
            }
            State::RecordStuck(input) => {
                close_release::run(store, executions, input, now).await?;
                Answer::Closed
            }
            State::Smoke(_)
            | State::Restore(_)
            | State::Follow(_)
            | State::Await(_)
            | State::Waits(_)
            | State::StopDeployment(_)
            | State::StopCanaryDeploy(_)
            | State::Ended
            | State::Stuck
            | State::Stopped
            | State::Failed(_) => Answer::Closed,
        })
    }
}

/// `ReadReplicas`
async fn read(world: &World, step: &StepInput) -> Result<Fleet, StepError> {
    let (release_id, fence) = (step.release_id.clone(), step.fence);
    let input = FleetInput::Release { release_id, fence };
    let found =
        reload::read(&world.store, &world.fleet, (&world.fleet, &world.fleet), &input).await?;
    Ok(found.fleet)
}
