//! A scene: one target that serves image a, everything that can happen to it, and one clock.
//!
//! Both state machines run over the in-memory world. After every state the rules that always hold are
//! checked; `rest` also checks those that hold when nothing runs any more.

use std::collections::BTreeSet;
use std::time::Duration;

use perch_app::announce::{self, Announcement, Answer};
use perch_app::on_alarm::{self, Alarm};
use perch_app::order::{self, OrderError, Start};
use perch_app::ports::{Message, Route};
use perch_app::{notify, reconcile};
use perch_core::judge::Arm;
use perch_core::names::ReleaseId;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_core::target::{Lambda, Target};
use perch_testkit::build::TargetBuilder;
use perch_testkit::invariants::{broken_always, broken_at_rest, late, twice_released, unproven};
use perch_testkit::{Machines, World, announcement, at, digest, healthy, image, target};

/// More states than a scene needs: one that goes on beyond hangs.
const STATES: usize = 5_000;

/// How much later than its deadline a release may end: the retries of a step and of a rollback.
const SLACK: Duration = Duration::from_secs(300);

/// How often the stream delivers a record again that could not be handled.
const DELIVERIES: usize = 10;

/// A world, its clock, and the target that the scene is about.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) machines: Machines,
    pub(crate) target: Target,
    /// What the stream of the table has delivered: journal entries, and the number of notices.
    delivered: (BTreeSet<(ReleaseId, u64)>, usize),
}

impl Scene {
    /// The usual target; every version answers well.
    pub(crate) fn usual() -> Self {
        Self::of(target())
    }

    /// The target as built so far; every version answers well.
    pub(crate) fn of(target: TargetBuilder) -> Self {
        Self::with(target.build())
    }

    /// This target; every version answers well.
    pub(crate) fn with(target: Target) -> Self {
        let world = World::with(&target);
        for version in 1..30 {
            world.metrics.set(&version.to_string(), healthy());
        }
        world.metrics.set_total(healthy());
        let machines = Machines::new(at(0));
        Self { world, machines, target, delivered: (BTreeSet::new(), 0) }
    }

    pub(crate) fn lambda(&self) -> &Lambda {
        self.target.service.lambda.as_ref().unwrap()
    }

    /// An image is pushed; its event is on the way.
    pub(crate) fn pushed(&mut self, hex: char) -> Announcement {
        self.machines.wait(1);
        let (now, artifact) = (self.machines.now(), image(hex, &format!("v{hex}")));
        self.world.registry.push(artifact.clone(), now);
        let seconds = now.duration_since(at(0)).as_secs();
        let event = format!("push-{hex}-{seconds}");
        announcement().of(artifact).event(&event).pushed_at(seconds).build()
    }

    /// The event arrives.
    pub(crate) async fn deliver(&self, event: &Announcement) -> Answer {
        let World { store, executions, .. } = &self.world;
        let answers = announce::run(store, executions, event, self.machines.now()).await;
        answers.unwrap().remove(0).1
    }

    /// An image is pushed and its event arrives.
    pub(crate) async fn push(&mut self, hex: char) -> Answer {
        let event = self.pushed(hex);
        self.deliver(&event).await
    }

    /// The guard `errors` goes into ALARM.
    pub(crate) fn goes_red(&self) -> Alarm {
        self.world.alarms.set("errors", true);
        let now = self.machines.now();
        Alarm {
            event: format!("alarm-{now}"),
            name: "errors".parse().unwrap(),
            reason: "threshold crossed".to_owned(),
            at: now,
        }
    }

    /// The event of an alarm arrives.
    pub(crate) async fn ring(&self, alarm: &Alarm) -> Vec<on_alarm::Answer> {
        let World { store, lambda, executions, .. } = &self.world;
        let answers = on_alarm::run(store, lambda, executions, alarm).await.unwrap();
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// What the canary of an image answers from now on.
    pub(crate) fn answers(&self, hex: char, arm: Arm) {
        let canary = self.release_of(hex).canary.expect("it has a canary");
        self.world.metrics.set(canary.as_str(), arm);
        self.world.metrics.set_total(arm);
    }

    /// A person asks for the rollback of what is in flight.
    pub(crate) async fn abort(&self) -> Result<Release, OrderError> {
        let World { store, executions, .. } = &self.world;
        order::roll_back(store, executions, &self.target.name, "kim", "looks odd").await
    }

    /// A person goes back to a version.
    pub(crate) async fn go_back_to(&self, version: &str) -> Result<ReleaseId, OrderError> {
        let World { store, lambda, executions, .. } = &self.world;
        let (name, version) = (&self.target.name, version.parse().unwrap());
        let (to, who) = ((name, &version), ("kim", "back to what worked"));
        order::go_back_to(
            store,
            (lambda, &self.world.services),
            executions,
            to,
            who,
            self.machines.now(),
        )
        .await
    }

    /// What a person orders who wants an image released.
    pub(crate) fn start_of(&self, hex: char) -> Start {
        Start {
            target: self.target.name.clone(),
            artifact: image(hex, &format!("v{hex}")),
            by: "kim".to_owned(),
            reason: "needed now".to_owned(),
            overrides: Vec::new(),
            allow_quarantined: false,
            way_back: false,
        }
    }

    pub(crate) async fn start(&mut self, wanted: &Start) -> Result<ReleaseId, OrderError> {
        self.machines.wait(1);
        let World { store, executions, .. } = &self.world;
        order::start(store, executions, wanted, self.machines.now()).await
    }

    /// The scheduled sweep, after this many seconds; what it did.
    pub(crate) async fn sweep_after(&mut self, seconds: i64) -> Vec<String> {
        self.machines.wait(seconds);
        let World { store, lambda, registry, uploads, executions, .. } = &self.world;
        let (now, sources) = (self.machines.now(), (registry, uploads));
        let run =
            reconcile::run(store, (lambda, &self.world.services), sources, executions, now, || {
                true
            })
            .await
            .unwrap();
        assert_eq!(run.failed, [""; 0]);
        run.did
    }

    /// Runs one state; whether there was one.
    pub(crate) async fn step(&mut self) -> bool {
        let ran = self.machines.step(&self.world).await;
        assert_eq!(broken_always(&self.world), [""; 0], "{:?}", self.world.calls.log());
        ran
    }

    /// Runs until the newest release of an image is in this phase.
    pub(crate) async fn until(&mut self, hex: char, phase: &str) {
        for _ in 0..STATES {
            if self.phase(hex) == phase {
                return;
            }
            assert!(self.step().await, "{hex} ended {} before {phase}", self.phase(hex));
        }
        panic!("{hex} is never {phase}");
    }

    /// Runs until the canary of an image bakes at this weight.
    pub(crate) async fn until_at(&mut self, hex: char, percent: u8) {
        for _ in 0..STATES {
            let release = self.release_of(hex);
            if matches!(release.phase, Phase::Baking { weight, .. } if weight.percent() == percent)
            {
                return;
            }
            assert!(self.step().await, "{hex} ended {} before {percent} %", self.phase(hex));
        }
        panic!("{hex} never has {percent} %");
    }

    /// Runs for this long; something has to run all the while.
    pub(crate) async fn run_for(&mut self, seconds: i64) {
        let end = self.seconds() + seconds;
        while self.seconds() < end {
            assert!(self.step().await, "nothing runs after {} seconds", self.seconds());
        }
    }

    /// Runs until nothing runs any more.
    pub(crate) async fn go_on(&mut self) {
        for _ in 0..STATES {
            if !self.step().await {
                return;
            }
        }
        panic!("still running after {STATES} states");
    }

    /// Runs until nothing runs any more; everything is as it must be then.
    pub(crate) async fn rest(&mut self) {
        self.go_on().await;
        let world = &self.world;
        let promises = [late(world, SLACK), twice_released(world), unproven(world)].concat();
        let broken = [broken_at_rest(world), promises].concat();
        assert_eq!(broken, [""; 0], "{:?}", world.calls.log());
    }

    /// The newest release of an image.
    pub(crate) fn release_of(&self, hex: char) -> Release {
        let identity = digest(hex).to_string();
        self.world.store.read(|items| {
            let of = items.releases.values().filter(|r| r.artifact.identity() == identity);
            of.max_by_key(|r| (r.started_at, r.fence)).expect("it has a release").clone()
        })
    }

    /// How many releases there are.
    pub(crate) fn releases(&self) -> usize {
        self.world.store.read(|items| items.releases.len())
    }

    pub(crate) fn phase(&self, hex: char) -> &'static str {
        self.release_of(hex).phase.name()
    }

    /// Why the newest release of an image went back.
    pub(crate) fn cause(&self, hex: char) -> RollbackCause {
        match self.release_of(hex).phase {
            Phase::RolledBack { cause } | Phase::RollingBack { cause, .. } => cause,
            other => panic!("{hex} did not go back: {other:?}"),
        }
    }

    /// Why the newest release of an image never started.
    pub(crate) fn refusal(&self, hex: char) -> String {
        match self.release_of(hex).phase {
            Phase::Rejected { why } => why,
            other => panic!("{hex} was not rejected: {other:?}"),
        }
    }

    /// Which image has all traffic.
    pub(crate) fn serves(&self) -> char {
        let route = self.world.route(self.lambda());
        assert_eq!(route.split, None, "{route}");
        let place = route.primary.as_str().parse::<usize>().unwrap() - 1;
        self.world.lambda.read(|account| {
            let function = &account.functions[&self.lambda().function];
            let code = &function.versions[place].as_ref().expect("it exists").code;
            code.strip_prefix("sha256:").unwrap().chars().next().unwrap()
        })
    }

    /// Every route that callers met: `1`, `1+2@10`, `2`.
    pub(crate) fn routes(&self) -> Vec<String> {
        let mut shown: Vec<String> =
            self.world.lambda.routes(self.lambda()).iter().map(shown).collect();
        shown.dedup();
        shown
    }

    /// How often Perch asked Lambda to change something.
    pub(crate) fn writes(&self) -> usize {
        let calls = &self.world.calls;
        ["update_code", "publish", "shift"].iter().map(|name| calls.count(name)).sum()
    }

    /// The stream delivers what it has not yet; everything that people were told, oldest first.
    pub(crate) async fn told(&mut self) -> Vec<Message> {
        let World { store, topic, slack, .. } = &self.world;
        let (entries, notices) = store.read(|items| {
            let mut entries: Vec<_> = items.journal.values().cloned().collect();
            entries.sort_by_key(|entry| (entry.at, entry.seq));
            (entries, items.notices[self.delivered.1..].to_vec())
        });
        for entry in entries {
            if self.delivered.0.insert((entry.release.clone(), entry.seq)) {
                let mut delivery = notify::run(store, topic, slack, &entry).await;
                for _ in 0..DELIVERIES {
                    if delivery.is_err() {
                        delivery = notify::run(store, topic, slack, &entry).await;
                    }
                }
                delivery.unwrap();
            }
        }
        for notice in notices {
            self.delivered.1 += 1;
            notify::notice::run(store, topic, slack, &notice).await.unwrap();
        }
        topic.messages()
    }

    /// The subjects of what people were told.
    pub(crate) async fn subjects(&mut self) -> Vec<String> {
        self.told().await.into_iter().map(|message| message.subject).collect()
    }

    /// The notes about events that led to nothing.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.world.store.read(|items| items.notes.values().map(|n| n.text.clone()).collect())
    }

    /// Seconds since the start of the scene.
    pub(crate) fn seconds(&self) -> i64 {
        self.machines.now().duration_since(at(0)).as_secs()
    }
}

fn shown(route: &Route) -> String {
    match &route.split {
        None => route.primary.to_string(),
        Some((second, weight)) => format!("{}+{second}@{}", route.primary, weight.percent()),
    }
}
