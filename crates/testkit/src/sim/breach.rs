//! Ports that are broken on purpose: a simulation that can't find them would prove nothing.

use std::collections::{BTreeMap, BTreeSet};

use perch_core::head::Fence;
use perch_core::names::{FunctionName, ReleaseId, TargetName};
use perch_core::phase::Phase;
use perch_core::stop::Stop;

use super::flight::{Flight, Task};
use crate::deployments::{Hooked, Made};
use crate::services::Cluster;
use crate::world::World;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// The store lets a stale execution read and write as if it held the fence.
    FenceUnchecked,
    /// Lambda takes an alias update with any revision.
    RevisionIgnored,
    /// The head learns of the ledger only with the first bake.
    LedgerLate,
    /// The store forgets which artifacts had their release.
    DedupeGone,
    /// The store forgets what was promoted last.
    HorizonForgotten,
    /// The store does not tell of stops.
    StopHidden,
    /// Metrics are always fine.
    JudgeBlind,
    /// Smoke tests are always answered as expected.
    SmokeBlind,
    /// The stream takes a failed notification for one that was told.
    StreamForgets,
    /// The sweep never runs.
    SweepGone,
    /// The table takes every model for one that its target has heard of.
    AllHeardOf,
    /// CodeDeploy and ECS do not find deployments again.
    DeploymentsHidden,
    /// A service is always read with all traffic where it has the most of it.
    SplitHidden,
    /// Deployments do not wait for their hooks.
    HookSkipped,
    /// Deployments do not pause where they should.
    PauseSkipped,
}

impl Breach {
    /// Every one.
    pub const ALL: [Breach; 15] = [
        Breach::FenceUnchecked,
        Breach::RevisionIgnored,
        Breach::LedgerLate,
        Breach::DedupeGone,
        Breach::HorizonForgotten,
        Breach::StopHidden,
        Breach::JudgeBlind,
        Breach::SmokeBlind,
        Breach::StreamForgets,
        Breach::SweepGone,
        Breach::AllHeardOf,
        Breach::DeploymentsHidden,
        Breach::SplitHidden,
        Breach::HookSkipped,
        Breach::PauseSkipped,
    ];

    /// Makes the next call of the flight see a broken world.
    pub(super) fn before(self, world: &World, flight: &Flight) -> Undo {
        let call = flight.next_call;
        match self {
            Breach::FenceUnchecked if ["head", "standing", "commit"].contains(&call) => {
                pretend_to_hold(world, flight)
            }
            Breach::RevisionIgnored if call == "shift" => Undo::Revisions(revisions(world)),
            Breach::DedupeGone if call == "plan" => {
                world.store.change(|items| items.artifacts.clear());
                Undo::Nothing
            }
            Breach::HorizonForgotten if ["head", "plan"].contains(&call) => {
                world.store.change(|items| {
                    items.heads.values_mut().for_each(|head| head.horizon = None);
                });
                Undo::Nothing
            }
            Breach::SmokeBlind if call == "invoke" => {
                Undo::Unfit(world.lambda.change(|account| std::mem::take(&mut account.unfit)))
            }
            Breach::AllHeardOf if call == "heard" => {
                let keys = world.uploads.keys();
                world.store.change(|items| items.hear_all(&keys));
                Undo::Nothing
            }
            Breach::DeploymentsHidden if call == "find_deployment" => {
                Undo::Made(world.deployments.change(|known| std::mem::take(&mut known.made)))
            }
            Breach::SplitHidden if call == "service" => {
                let cluster = world.services.read(Clone::clone);
                for running in cluster.services.keys() {
                    world.services.hide_split(running);
                }
                Undo::Services(cluster)
            }
            Breach::StopHidden if ["standing", "plan"].contains(&call) => hide_stops(world),
            _ => Undo::Nothing,
        }
    }

    /// Breaks what the call has written.
    pub(super) fn after(self, world: &World, call: &str) {
        if self == Breach::HookSkipped && call == "create_deployment" {
            world.deployments.change(|known| {
                known.made.iter_mut().for_each(|made| made.hook = Hooked::Not);
            });
        }
        if self == Breach::PauseSkipped && call == "create_deployment" {
            world.deployments.change(|known| {
                known.made.iter_mut().for_each(|made| made.pausing = None);
            });
        }
        if self == Breach::LedgerLate && call == "commit" {
            world.store.change(|items| {
                for head in items.heads.values_mut() {
                    let release = head.active.as_ref().and_then(|id| items.releases.get(id));
                    let early = |phase: &Phase| {
                        matches!(phase, Phase::Preparing | Phase::Shifting { step: 0, .. })
                    };
                    if release.is_some_and(|release| early(&release.phase)) {
                        head.ledger = None;
                    }
                }
            });
        }
    }
}

/// How the world was before it was made to look broken.
pub(super) enum Undo {
    Nothing,
    Head(TargetName, Fence, Option<ReleaseId>, Fence),
    Revisions(BTreeMap<(FunctionName, String), u64>),
    Unfit(BTreeSet<(String, String)>),
    Stops(Vec<(TargetName, Stop)>, Option<Stop>),
    Made(Vec<Made>),
    Services(Cluster),
}

impl Undo {
    /// Puts back what the call has not changed itself.
    pub(super) fn undo(self, world: &World) {
        match self {
            Undo::Nothing => {}
            Undo::Head(target, fence, active, pretended) => world.store.change(|items| {
                if let Some(head) = items.heads.get_mut(&target)
                    && head.fence == pretended
                {
                    (head.fence, head.active) = (fence, active);
                }
            }),
            Undo::Revisions(known) => world.lambda.change(|account| {
                for (of, function) in &mut account.functions {
                    for (name, alias) in &mut function.aliases {
                        if let Some(known) = known.get(&(of.clone(), name.clone())) {
                            alias.revision = *known;
                        }
                    }
                }
            }),
            Undo::Made(known) => world.deployments.change(|service| service.made = known),
            Undo::Services(known) => world.services.put_back(known),
            Undo::Unfit(known) => world.lambda.change(|account| account.unfit = known),
            Undo::Stops(own, all) => world.store.change(|items| {
                items.stop_of_all = all;
                for (target, stop) in own {
                    if let Some(head) = items.heads.get_mut(&target) {
                        head.stopped = Some(stop);
                    }
                }
            }),
        }
    }
}

fn revisions(world: &World) -> BTreeMap<(FunctionName, String), u64> {
    world.lambda.read(|account| {
        let aliases = account.functions.iter().flat_map(|(of, function)| {
            let aliases = function.aliases.iter();
            aliases.map(|(name, alias)| ((of.clone(), name.clone()), alias.revision))
        });
        aliases.collect()
    })
}

fn pretend_to_hold(world: &World, flight: &Flight) -> Undo {
    let (true, Some(fence), Task::State(_)) = (flight.is_step, flight.fence, &flight.task) else {
        return Undo::Nothing;
    };
    let Some(target) = flight.target.clone() else { return Undo::Nothing };
    world.store.change(|items| {
        let Some(head) = items.heads.get_mut(&target) else { return Undo::Nothing };
        let undo = Undo::Head(target, head.fence, head.active.clone(), fence);
        (head.fence, head.active) = (fence, flight.release.clone());
        undo
    })
}

fn hide_stops(world: &World) -> Undo {
    world.store.change(|items| {
        let all = items.stop_of_all.take();
        let own = items.heads.values_mut().filter_map(|head| {
            let stop = head.stopped.take()?;
            Some((head.target.clone(), stop))
        });
        Undo::Stops(own.collect(), all)
    })
}
