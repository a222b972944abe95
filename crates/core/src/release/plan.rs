//! What a release follows: steps, judge, guards, and what is read for them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Driver;
use crate::artifact::Lane;
use crate::names::AlarmName;
use crate::span::Span;
use crate::target::{AlarmAtStart, Cache, JudgeRule, Rule, SmokeTests, Step, Target};
use crate::weight::Weight;

/// Buckets that the bakes of a plan may have. They are in the release's item, and an item of `DynamoDB`
/// has at most 400 KB (Developer Guide, "Quotas"); a bucket takes about 0.5 KB.
const MOST_BUCKETS: u64 = 360;

/// How long a request behind a load balancer takes at most before it is counted: its idle time-out (Elastic
/// Load Balancing, "Edit attributes for your Application Load Balancer", default).
pub const LONGEST_REQUEST: Duration = Duration::from_secs(60);

/// What a release follows, as the target file said when it started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What moves.
    pub driver: Driver,
    /// The cache in front of the model, for a release of a model.
    #[serde(default)]
    pub cache: Option<Cache>,
    /// What the canary has to answer before its first traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke: Option<SmokeTests>,
    /// The steps before full traffic.
    pub steps: Vec<Step>,
    /// How the canary is judged.
    pub judge: JudgeRule,
    /// The alarms that roll it back.
    pub guards: Vec<AlarmName>,
    /// What happens when a guard is in ALARM at the start.
    #[serde(default)]
    pub alarm_at_start: AlarmAtStart,
    /// How long it is watched after promotion.
    pub watch: Span,
}

impl Plan {
    /// The plan that follows from a target for artifacts of a lane; nothing where the target has nothing
    /// that takes them.
    pub fn of(target: &Target, lane: Lane) -> Option<Self> {
        let driver = Driver::of(target, lane)?;
        let smoke = match driver {
            Driver::Alias(_) | Driver::Service(_) => target.smoke.clone(),
            // The golden requests of its manifest are asked on each replica.
            Driver::Servers(_) => None,
        };
        let plan = Self {
            driver,
            cache: None,
            smoke,
            steps: target.rollout.steps(),
            judge: target.judge.clone(),
            guards: target.guards.clone(),
            alarm_at_start: target.alarm_at_start,
            watch: target.watch,
        };
        Some(match lane {
            Lane::Code => plan,
            Lane::Model => plan.for_model(target),
        })
    }

    fn for_model(self, target: &Target) -> Self {
        let own = target.model_release.clone();
        Self {
            cache: target.cache.clone(),
            steps: own.rollout.map_or(self.steps, |rollout| rollout.steps()),
            judge: own.judge.unwrap_or(self.judge),
            guards: own.guards.unwrap_or(self.guards),
            watch: own.watch.unwrap_or(self.watch),
            ..self
        }
    }

    /// Whether the smoke tests come between the canary's publication and its first shift. A driver that
    /// moves the weights itself has a moment of its own for them.
    pub fn smokes_before_the_shift(&self) -> bool {
        self.smoke.is_some() && self.driver.canary_has_an_address()
    }

    /// The steps that so many replicas can carry: each weight becomes the share of the replicas that is
    /// nearest to it, at least one and never all; steps that come out alike are one, with the bakes of
    /// both. A single replica carries none.
    pub fn steps_on(&self, replicas: usize) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        if replicas < 2 {
            return steps;
        }
        for step in &self.steps {
            let weight = share(placed(step.weight, replicas), replicas);
            match steps.last_mut() {
                Some(last) if last.weight == weight => last.bake = last.bake.and(step.bake),
                _ => steps.push(Step { weight, bake: step.bake }),
            }
        }
        steps
    }

    /// The length of the periods that are read, in seconds: the service's own, or a minute, or the
    /// interval where it is shorter; more minutes where the plan would have too many of them.
    pub fn bucket_seconds(&self) -> u32 {
        let own = self.judge.metrics.as_ref().map(|metrics| metrics.bucket.as_secs());
        let seconds = own.unwrap_or(self.judge.interval.as_secs()).clamp(1, 60);
        let bakes: u64 = self.steps.iter().map(|step| step.bake.as_secs()).sum();
        let least = bakes / MOST_BUCKETS;
        let seconds = if least > seconds { least.div_ceil(60) * 60 } else { seconds };
        u32::try_from(seconds).unwrap_or(60)
    }

    /// The length of a block of evidence in seconds: a minute where the service publishes finer metrics
    /// itself, else a bucket. With looks below a minute, which only a local stack takes, a bucket too.
    pub fn block_seconds(&self) -> u32 {
        let minutes = self.judge.interval.as_secs() >= 60;
        let least = if self.judge.metrics.is_some() && minutes { 60 } else { 1 };
        self.bucket_seconds().max(least)
    }

    /// The time for which a step is judged: its bake. Where the driver moves by itself, the last one
    /// ends early by two looks and the time in which late readings come: the verdict has to be there before
    /// all traffic moves.
    pub fn judged_bake(&self, step: usize) -> Duration {
        let bake = self.step(step).map_or(Duration::ZERO, |step| step.bake.duration());
        if self.driver.moves_itself() && step + 1 == self.steps.len() {
            return bake.saturating_sub(self.head_start());
        }
        bake
    }

    /// How long before a driver's last move the judged part of a bake ends: its last readings have to come,
    /// and be looked at, and who stops the driver needs a look's time, too.
    pub fn head_start(&self) -> Duration {
        let late = self.judge.settle.map_or_else(|| self.usual_settle(), Span::duration);
        2 * self.judge.interval.duration() + late
    }

    /// How long readings take to come where the target file does not say.
    fn usual_settle(&self) -> Duration {
        let bucket = Duration::from_secs(u64::from(self.bucket_seconds()));
        match (self.judge.rule, &self.driver) {
            (Rule::Thresholds, _) => bucket / 2,
            (Rule::Sequential, Driver::Service(_)) => LONGEST_REQUEST + bucket / 2,
            (Rule::Sequential, Driver::Alias(_) | Driver::Servers(_)) => bucket,
        }
    }

    /// The buckets that a step's bake has, at least one.
    pub fn buckets_of(&self, step: usize) -> usize {
        let bake = self.judged_bake(step).as_secs();
        usize::try_from(bake / u64::from(self.bucket_seconds())).unwrap_or(usize::MAX).max(1)
    }

    /// The buckets that all bakes of the plan have.
    pub fn buckets(&self) -> usize {
        (0..self.steps.len()).map(|step| self.buckets_of(step)).sum()
    }

    /// The step at a place of the plan; after the last one the step that only low traffic leads to.
    pub fn step(&self, place: usize) -> Option<Step> {
        if place == self.steps.len() {
            return self.raised();
        }
        self.steps.get(place).copied()
    }

    /// The step with a higher weight that follows the last bake where that ended with too few requests.
    fn raised(&self) -> Option<Step> {
        let last = self.steps.last()?;
        let weight = self.judge.low_traffic.raise_weight.filter(|weight| *weight > last.weight)?;
        let bake = self.judge.low_traffic.extend.unwrap_or(last.bake);
        Some(Step { weight, bake })
    }

    /// The time from the first shift in which latency is not compared.
    pub fn warm_up(&self) -> Duration {
        let (rule, first) = (&self.judge, self.steps.first());
        let bake = first.map_or(Duration::ZERO, |step| step.bake.duration());
        let interval = rule.interval.duration();
        let usual = if bake > interval { interval } else { Duration::ZERO };
        rule.latency.warm_up.map_or(usual, Span::duration)
    }

    /// A person goes back to a version that served before: all traffic at once. No smoke test, no guard
    /// and no watch stands against that, because automation never moves past a person's decision.
    pub fn at_once(target: &Target, lane: Lane) -> Option<Self> {
        let plan = Self::of(target, lane)?;
        Some(Self {
            smoke: None,
            steps: Vec::new(),
            guards: Vec::new(),
            watch: Span::seconds(0),
            ..plan
        })
    }
}

/// How many of so many replicas have this weight: the nearest number, at least one and never all, except
/// for the weights of none and of all.
pub fn placed(weight: Weight, replicas: usize) -> usize {
    match weight {
        Weight::ZERO => 0,
        Weight::FULL => replicas,
        weight => {
            let nearest = (usize::from(weight.percent()) * replicas + 50) / 100;
            nearest.clamp(1, replicas.saturating_sub(1).max(1))
        }
    }
}

/// The share that some of so many replicas have, in whole percent, rounded.
pub fn share(some: usize, replicas: usize) -> Weight {
    let percent = (some * 100 + replicas / 2).checked_div(replicas).unwrap_or(0);
    u8::try_from(percent).ok().and_then(|percent| Weight::new(percent).ok()).unwrap_or(Weight::FULL)
}
