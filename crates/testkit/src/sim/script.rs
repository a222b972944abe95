//! What a simulation is about: the world, what happens in it besides Perch, and the weather.

use std::collections::{BTreeMap, BTreeSet};

use perch_core::artifact::Artifact;
use perch_core::names::{AlarmName, TargetName, Version};
use perch_core::target::Target;

/// Everything that is decided before the first step.
#[derive(Debug, Clone)]
pub struct Script {
    /// The targets; each has its own function or service.
    pub targets: Vec<Target>,
    /// Those with an ECS service whose deployments pause before each shift.
    pub pausing: BTreeSet<TargetName>,
    /// How versions behave that are built from an artifact, by function or service and identity.
    /// Others are healthy.
    pub behaviours: BTreeMap<(String, String), Behaviour>,
    /// What happens, and when.
    pub deeds: Vec<(When, Deed)>,
    /// What goes wrong.
    pub weather: Weather,
}

/// How a version answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Without errors, fast.
    Healthy,
    /// Every second request fails.
    Failing,
    /// The same, and smoke tests find out.
    Unfit,
    /// Ten times slower than others.
    Slow,
    /// Nobody asks it anything.
    Silent,
    /// Healthy until it has had all traffic for so many seconds, failing from then on.
    TurnsBad(i64),
}

/// When something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So many seconds after the start.
    At(i64),
    /// At this port call, counted over the whole world: in the midst of whatever runs then.
    Call(u64),
    /// When a release enters this phase for the so many-th time, counted from 0, and so many
    /// milliseconds later.
    Phase(&'static str, u32, i64),
}

/// What happens besides Perch's own work.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// An artifact is pushed; the event is delivered after each of these delays in milliseconds.
    /// None: it is lost.
    Push(Artifact, Vec<i64>),
    /// A model of this version is uploaded for a target that takes models; the event of its manifest is
    /// delivered after each of these delays in milliseconds. None: it is lost.
    Upload(TargetName, Version, Vec<i64>),
    /// An alarm goes off for no reason, for so many seconds; its event comes after these delays.
    FalseAlarm(AlarmName, i64, Vec<i64>),
    /// A person wants something of a target.
    Ask(TargetName, Wish),
    /// Someone else moves the traffic: to a split, or to a version alone. Where a deployment moves it,
    /// by a deployment of their own.
    MoveAlias(TargetName, Foreign),
    /// Someone else stops the deployment that runs for the target.
    StopDeployment(TargetName),
    /// Someone else sets the function's unpublished code, or registers a task definition.
    SetCode(TargetName),
    /// The clocks jump by so many seconds.
    Jump(i64),
    /// Every execution that works for the target is ended outright.
    Kill(TargetName),
}

/// What a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The release promoted now.
    Promote,
    /// The release held at its weight.
    Hold,
    /// The release to go on to its next step.
    Continue,
    /// The release rolled back.
    RollBack,
    /// All traffic on this version, which served before.
    BackTo(u32),
    /// Nothing to go up for the target.
    Stop,
    /// The end of that.
    Resume,
    /// Nothing to go up at all.
    StopAll,
    /// The end of that.
    ResumeAll,
}

/// Where someone else moves an alias to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// The first version alone.
    First,
    /// The newest version alone.
    Newest,
    /// The first version, with this share on the newest.
    Split(u8),
}

/// What goes wrong with calls, functions and deliveries, until it clears up.
#[derive(Debug, Clone)]
pub struct Weather {
    /// It clears up after so many seconds; then nothing goes wrong any more.
    pub clears_at: i64,
    /// One call in so many goes wrong; 0: none.
    pub mishap_one_in: u64,
    /// At most so many do.
    pub mishaps: u32,
    /// One call in so many takes seconds; 0: none.
    pub slow_one_in: u64,
    /// The longest delay of a journal entry's notification, in milliseconds.
    pub stream_delay: i64,
    /// One notification in so many is delivered twice; 0: none.
    pub stream_twice_one_in: u64,
}

impl Weather {
    /// Nothing goes wrong.
    pub fn fair() -> Self {
        Self {
            clears_at: 0,
            mishap_one_in: 0,
            mishaps: 0,
            slow_one_in: 0,
            stream_delay: 500,
            stream_twice_one_in: 0,
        }
    }
}
