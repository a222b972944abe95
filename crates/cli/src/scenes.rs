//! Situations for tests: releases that ran through the real use cases on in-memory ports.

pub(crate) mod judged;

use perch_app::announce;
use perch_core::journal::What;
use perch_core::judge::Arm;
use perch_core::names::ReleaseId;
use perch_testkit::{Machines, World, announcement, at, run, target};

use crate::watch::{Followed, Screen};

/// A release of image v2 to target `news-classifier`.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) machines: Machines,
    pub(crate) id: ReleaseId,
}

pub(crate) fn arm(requests: u64, errors: u64, latency_ms: f64) -> Arm {
    Arm { requests, errors, latency_ms: Some(latency_ms) }
}

impl Scene {
    /// The image was pushed; nothing has run since.
    pub(crate) fn pushed() -> Self {
        let guards = ["news-classifier-errors", "news-classifier-throttles"];
        let target = target().named("news-classifier").guarded_by(&guards);
        let target = target.steps(&[(10, 300), (50, 300)]).build();
        let world = World::with(&target);
        let event = announcement().build();
        run(announce::run(&world.store, &world.executions, &event, at(0))).unwrap();
        let found = world.store.read(|items| items.releases.keys().next().cloned());
        Self { machines: Machines::new(at(2)), id: found.unwrap(), world }
    }

    /// The target was applied; nothing was ever pushed.
    pub(crate) fn new_target() -> Self {
        let world = World::with(&target().named("news-classifier").build());
        Self { machines: Machines::new(at(2)), id: "none".parse().unwrap(), world }
    }

    /// Runs until the judge looked once more, at these readings.
    pub(crate) fn look(&mut self, canary: Arm, baseline: Arm) -> &mut Self {
        self.world.metrics.set("2", canary);
        self.world.metrics.set("1", baseline);
        self.world.metrics.set_total(canary);
        let looks = |world: &World| {
            let journal = world.journal(&self.id);
            journal.iter().filter(|entry| entry.what == What::BakeJudged).count()
        };
        let before = looks(&self.world);
        run(self.machines.run_until(&self.world, |world| looks(world) > before));
        self
    }

    /// Runs until nothing runs any more.
    pub(crate) fn finish(&mut self) -> &mut Self {
        run(self.machines.run(&self.world));
        self
    }

    /// Baking at 50 %, with three looks that saw requests at 10 % and two at 50 %.
    ///
    /// The first look of a bake comes before its first minute is settled, and the second may.
    pub(crate) fn baking() -> Self {
        let mut scene = Self::pushed();
        scene.look(Arm::default(), Arm::default());
        scene.look(Arm::default(), Arm::default());
        scene.look(arm(104, 0, 61.0), arm(931, 1, 58.2));
        scene.look(arm(211, 1, 64.4), arm(1873, 2, 58.9));
        scene.look(arm(316, 2, 62.9), arm(2850, 4, 58.4));
        scene.look(Arm::default(), Arm::default());
        scene.look(Arm::default(), Arm::default());
        scene.look(arm(520, 2, 66.1), arm(531, 1, 60.3));
        scene.look(arm(1043, 3, 65.2), arm(1050, 3, 59.9));
        scene
    }

    /// Rolled back at 10 %, because of errors.
    pub(crate) fn rolled_back() -> Self {
        let mut scene = Self::pushed();
        scene.look(Arm::default(), Arm::default());
        scene.look(Arm::default(), Arm::default());
        scene.look(arm(104, 1, 61.0), arm(931, 1, 58.2));
        scene.look(arm(207, 31, 64.4), arm(1804, 2, 58.9)).finish();
        scene
    }

    /// The live view of it, this many seconds after the last thing that happened.
    pub(crate) fn screen(&self, seconds: i64) -> Screen {
        let mut followed = Followed::new("news-classifier".parse().unwrap());
        run(followed.refresh(&self.world.store)).unwrap();
        let last = followed.journal.last().map_or(at(0), |entry| entry.at);
        Screen {
            now: last.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap(),
            targets: vec![followed],
            selected: 0,
            trouble: None,
            colour: false,
        }
    }
}
