//! Deployments without a clock: each makes its next move when it is told to, so that a checker can put
//! it between any two calls.

use perch_app::ports::{Progress, Route};
use perch_core::names::DeploymentId;
use perch_core::weight::Weight;

use super::MemoryDeployments;
use super::made::{Hooked, Made};
use crate::lambda::MemoryLambda;
use crate::services::MemoryServices;

/// Minutes after which every schedule of a test is through.
const MINUTES: u64 = 2880;

impl Made {
    /// Whether it can make a move; one whose hook was asked waits for the answer.
    pub(crate) fn can_move(&self) -> bool {
        self.progress == Progress::Running && self.hook != Hooked::Asked
    }

    /// Whether it may still give a version more traffic.
    pub(crate) fn still_moves(&self) -> bool {
        self.progress == Progress::Running && self.reached < Weight::FULL
    }

    /// The traffic that it gave its version so far.
    pub(crate) fn reached(&self) -> Weight {
        self.reached
    }

    /// What it does next: the next weight of its schedule, and at last its end. The tasks of the former
    /// baseline are kept for a while, so on ECS the end is a move of its own.
    fn next_move(&mut self, traffic: (&MemoryLambda, &MemoryServices)) {
        if self.reached < Weight::FULL {
            let later = (0..=MINUTES).map(|minute| self.schedule.weight_at(minute));
            let next = later.into_iter().find(|weight| *weight > self.reached);
            self.send(traffic, next.unwrap_or(Weight::FULL));
            self.full_at = (self.reached == Weight::FULL).then_some(self.started);
            if self.reached < Weight::FULL || self.kept_seconds() > 0 {
                return;
            }
        }
        self.progress = Progress::Succeeded;
    }
}

impl MemoryDeployments {
    /// Where the traffic is once this deployment was taken back.
    pub(crate) fn returns_to(&self, id: &DeploymentId) -> Option<Route> {
        self.read(|known| {
            known.made.iter().find(|made| made.id == *id).map(|made| &made.from).map(Route::all_on)
        })
    }

    /// The deployment at this place makes its next move, or gives up waiting for its hook.
    pub(crate) fn move_on(&self, place: usize, traffic: (&MemoryLambda, &MemoryServices)) {
        self.change(|service| match service.made[place].hook {
            Hooked::Asked => {
                let id = service.made[place].id.clone();
                service.stop(&id, &format!("a hook of deployment {id} did not answer in time"));
            }
            Hooked::Not | Hooked::Passed(_) => service.made[place].next_move(traffic),
        });
    }
}
