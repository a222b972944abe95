//! What Perch calls of the deployments in memory.

use jiff::Timestamp;
use perch_app::deployment::hook::{Answer, Hook};
use perch_app::ports::{
    AnswerHook, ContinueDeployment, Deploy, Deploying, DeploymentState, Pause, PortError, Progress,
    ReadDeployments, StopDeployment,
};
use perch_core::deployment::Rollback;
use perch_core::names::DeploymentId;
use perch_core::release::Mover;

use super::{Hooked, Made, MemoryDeployments, Service};
use crate::mutation::Mutation;

impl Deploy for MemoryDeployments {
    async fn create(&self, deploying: Deploying<'_>) -> Result<DeploymentId, PortError> {
        let create = || self.change(|service| service.create(deploying));
        self.calls.port("create_deployment", create).await
    }
}

impl ReadDeployments for MemoryDeployments {
    async fn deployment(&self, id: &DeploymentId) -> Result<DeploymentState, PortError> {
        let look = || {
            let found = |service: &Service| {
                service.made.iter().find(|made| made.id == *id).map(Made::state)
            };
            self.read(found).ok_or_else(|| PortError::NotFound { what: format!("deployment {id}") })
        };
        self.calls.port("deployment", look).await
    }

    async fn find(
        &self,
        deploying: &Deploying<'_>,
        _since: Timestamp,
    ) -> Result<Option<DeploymentState>, PortError> {
        let name = deploying.mover.to_string();
        let of = |made: &&Made| {
            made.mover == name
                && made.purpose == deploying.purpose
                && made.release.as_ref() == Some(deploying.release)
        };
        let gone = || PortError::NotFound { what: name.clone() };
        let look = || {
            self.read(|service| {
                let is_hidden = service.mutation == Some(Mutation::DeploymentsHidden);
                let found = || service.made.iter().find(of).filter(|_| !is_hidden);
                service.groups.map(|_| found().map(Made::state))
            })
            .ok_or_else(gone)
        };
        self.calls.port("find_deployment", look).await
    }

    async fn under_way(&self, mover: Mover<'_>) -> Result<Option<DeploymentState>, PortError> {
        let look = || {
            let gone = || PortError::NotFound { what: mover.to_string() };
            self.read(|service| service.groups.map(|_| service.under_way(mover).map(Made::state)))
                .ok_or_else(gone)
        };
        self.calls.port("deployment_under_way", look).await
    }
}

impl AnswerHook for MemoryDeployments {
    async fn answer(&self, hook: &Hook, answer: Answer) -> Result<(), PortError> {
        let put = || {
            self.change(|service| {
                let now = service.now;
                let asked = service.made.iter_mut().find(|made| made.id == hook.deployment);
                match (asked, answer) {
                    (Some(made), Answer::Succeeded) if made.hook == Hooked::Asked => {
                        made.hook = Hooked::Passed(now);
                    }
                    (Some(made), Answer::Failed) if made.hook == Hooked::Asked => {
                        let id = made.id.clone();
                        service.stop(&id, &format!("a hook of deployment {id} failed"));
                    }
                    _ => {}
                }
            });
            Ok(())
        };
        self.calls.port("answer_hook", put).await
    }
}

impl ContinueDeployment for MemoryDeployments {
    async fn go_on(&self, id: &DeploymentId, pause: &Pause) -> Result<(), PortError> {
        let go_on = || {
            self.change(|service| {
                let made = service.made.iter_mut().find(|made| made.id == *id);
                let running = made.filter(|made| made.progress == Progress::Running);
                let pausing = running.and_then(|made| made.pausing.as_mut());
                service.continued = pausing.is_some_and(|pausing| pausing.go_on(pause));
            });
            Ok(())
        };
        self.calls.port("continue_deployment", go_on).await
    }
}

impl StopDeployment for MemoryDeployments {
    async fn stop(&self, id: &DeploymentId, rollback: Rollback) -> Result<(), PortError> {
        let why = format!("deployment {id} was stopped");
        let stop = || {
            self.change(|service| match rollback {
                Rollback::ToBaseline => {
                    service.stop(id, &why);
                    Ok(())
                }
                Rollback::LeaveAsFound if service.is_native(id) => {
                    let message = "ECS stops its deployments with rollback alone".to_owned();
                    Err(PortError::Invalid { what: format!("deployment {id}"), message })
                }
                Rollback::LeaveAsFound => {
                    service.end(id, &why);
                    Ok(())
                }
            })
        };
        self.calls.port("stop_deployment", stop).await
    }
}
