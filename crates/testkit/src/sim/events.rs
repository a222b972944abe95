//! What reaches Perch from outside: pushes, alarms, people, other tools, and the stream.

use perch_app::announce::Announcement;
use perch_app::announce_model::Uploaded;
use perch_app::on_alarm::Alarm;
use perch_app::ports::Route;
use perch_core::artifact::Artifact;
use perch_core::journal::JournalEntry;
use perch_core::names::{AlarmName, ReleaseId, TargetName, Version};
use perch_core::target::Target;
use perch_core::weight::Weight;

use super::breach::Breach;
use super::flight::{Event, Task};
use super::script::{Behaviour, Deed, Foreign, Wish};
use super::{Entry, Sim, truth};
use crate::services::Registered;

/// A guard's period: it goes off, or is quiet again, so many milliseconds after its reason.
const GUARD: (i64, i64) = (60_000, 90_000);

impl Sim<'_> {
    pub(super) fn deed(&mut self, deed: Deed) {
        self.note(|| format!("{deed:?}"));
        *self.report.deeds.entry(deed.name()).or_default() += 1;
        match deed {
            Deed::Push(artifact, delays) => {
                let event = format!("event-{}", self.numbers);
                // ECR's events have whole seconds.
                let pushed_at = self.stamp(self.clock / 1000 * 1000);
                self.world.registry.push(artifact.clone(), pushed_at);
                self.pushes.push((artifact.clone(), pushed_at));
                let push = Announcement { artifact, event, pushed_at };
                self.deliver(&Event::Push(push), &delays);
            }
            Deed::Upload(target, version, delays) => self.upload(&target, &version, &delays),
            Deed::FalseAlarm(alarm, seconds, delays) => {
                self.alarm(&alarm, &delays);
                self.put(seconds * 1000, Entry::Evaluate(alarm));
            }
            Deed::Ask(target, wish) => self.put(0, Entry::Invoke(Task::Person(target, wish, 0))),
            Deed::Kill(target) => self.kill(&target),
            Deed::MoveAlias(target, to) => self.move_alias(&target, to),
            Deed::SetCode(target) => self.set_code(&target),
            Deed::StopDeployment(target) => self.stop_deployment(&target),
            Deed::Jump(seconds) => (self.jump, self.jumped) = (seconds * 1000, true),
        }
    }

    pub(super) fn deliver(&mut self, event: &Event, delays: &[i64]) {
        for delay in delays {
            self.put(*delay, Entry::Invoke(Task::Event(event.clone(), 0)));
        }
    }

    fn upload(&mut self, target: &TargetName, version: &Version, delays: &[i64]) {
        let source = self.target(target).and_then(|target| target.sources.model);
        let Some(source) = source else { return };
        // So have S3's.
        let at = self.stamp(self.clock / 1000 * 1000);
        let artifact = self.world.uploads.push(&source, version, at);
        self.pushes.push((artifact.clone(), at));
        let Artifact::Model { bucket, key, object, .. } = artifact else { return };
        let (object, event) = (Some(object), format!("event-{}", self.numbers));
        let uploaded = Uploaded { bucket, key, object, event, at, missed: false };
        self.deliver(&Event::Upload(uploaded), delays);
    }

    /// Takes up models that the sweep announced.
    pub(super) fn adopt_uploads(&mut self) {
        for uploaded in self.world.uploads.announced().into_iter().skip(self.announced) {
            self.announced += 1;
            let delay = self.dice.between(50, 3000);
            self.deliver(&Event::Upload(uploaded), &[delay]);
        }
    }

    /// Ends every execution that works for the target; functions in flight go on.
    fn kill(&mut self, target: &TargetName) {
        let of = |id: &ReleaseId| {
            self.world.store.read(|i| i.releases.get(id).is_some_and(|r| r.target == *target))
        };
        let running = self.executions.iter().enumerate();
        let killed: Vec<usize> = running
            .filter(|(_, execution)| execution.release().is_some_and(|id| of(&id)))
            .map(|(place, _)| place)
            .collect();
        for place in killed {
            self.end(place);
        }
    }

    fn alarm(&mut self, name: &AlarmName, delays: &[i64]) {
        self.world.alarms.set(name.as_str(), true);
        let event = format!("alarm-{}", self.numbers);
        let reason = "threshold crossed".to_owned();
        let alarm = Alarm { event, name: name.clone(), reason, at: self.time() };
        self.deliver(&Event::Alarm(alarm), delays);
    }

    /// CloudWatch looks at what the alarm watches.
    pub(super) fn evaluate(&mut self, alarm: &AlarmName) {
        let known = self.world.alarms.is_in_alarm(alarm);
        let found = truth::is_alarming(&self.world, &self.script, &self.alone, self.clock, alarm);
        if found && !known {
            self.note(|| format!("{alarm} goes off"));
            let delays = self.event_delays();
            self.alarm(alarm, &delays);
        }
        if known && !found {
            self.note(|| format!("{alarm} is quiet"));
            self.world.alarms.set(alarm.as_str(), false);
        }
    }

    /// When an alarm's event comes: usually at once, in a storm also late, twice or never.
    pub(super) fn event_delays(&mut self) -> Vec<i64> {
        let soon = self.dice.between(50, 3000);
        if !self.stormy() {
            return vec![soon];
        }
        match self.dice.below(8) {
            0 => Vec::new(),
            1 => vec![soon, self.dice.between(50, 240_000)],
            2 => vec![self.dice.between(1000, 240_000)],
            _ => vec![soon],
        }
    }

    /// Traffic was moved: what the guards watch may have changed.
    pub(super) fn traffic_moved(&mut self) {
        truth::look_at_traffic(&self.world, &self.script, &mut self.alone, self.clock);
        let targets: Vec<Target> = self.script.targets.clone();
        for target in &targets {
            let turns = self.turns_bad_after(target);
            for alarm in &target.guards {
                let after = self.dice.between(GUARD.0, GUARD.1);
                self.put(after, Entry::Evaluate(alarm.clone()));
                if let Some(later) = turns {
                    self.put(later + after, Entry::Evaluate(alarm.clone()));
                }
            }
        }
    }

    fn turns_bad_after(&self, target: &Target) -> Option<i64> {
        let own = truth::name(target);
        let of = self.script.behaviours.iter().filter(|((name, _), _)| *name == own);
        of.filter_map(|(_, behaviour)| match behaviour {
            Behaviour::TurnsBad(seconds) => Some(seconds * 1000),
            _ => None,
        })
        .max()
    }

    pub(super) fn target(&self, name: &TargetName) -> Option<Target> {
        self.script.targets.iter().find(|target| target.name == *name).cloned()
    }

    fn move_alias(&mut self, name: &TargetName, to: Foreign) {
        let Some(target) = self.target(name) else {
            return;
        };
        let lambda = match &target.service.lambda {
            Some(lambda) if lambda.code_deploy.is_none() || !matches!(to, Foreign::Split(_)) => {
                lambda
            }
            Some(_) | None => return self.deploy_by_others(&target, to),
        };
        let newest = self.world.lambda.read(|a| a.functions[&lambda.function].versions.len());
        let newest = newest.to_string().parse().expect("a number is a version");
        let first = "1".parse().expect("a number is a version");
        let route = match to {
            Foreign::First => Route::all_on(&first),
            Foreign::Newest => Route::all_on(&newest),
            Foreign::Split(_) if newest == first => Route::all_on(&first),
            Foreign::Split(percent) => {
                let share = Weight::new(percent).expect("a share is at most 100");
                Route { primary: first, split: Some((newest, share)) }
            }
        };
        self.world.lambda.move_alias(lambda, &route);
        self.ghosts.moved_by_others(&self.world, &target);
        self.traffic_moved();
    }

    fn set_code(&mut self, name: &TargetName) {
        let Some(target) = self.target(name) else {
            return;
        };
        if let Some(service) = &target.service.ecs {
            let image = format!("registry/news@{}", crate::build::digest('0'));
            let others = Registered { image, release: None, is_active: true };
            return self.world.services.change(service, |known| known.revisions.push(others));
        }
        let function = &target.service.lambda.as_ref().expect("it is a function else").function;
        let code = crate::build::digest('0').to_string();
        // Refused while another update is in progress: then someone else just did not.
        if self.world.lambda.change(|account| account.update_code(function, &code)).is_ok() {
            self.ghosts.foreign.insert(target.name);
        }
    }

    /// The journal of the release grew: the stream will hand it on.
    pub(super) fn outbox(&mut self, release: &ReleaseId) {
        let stream = self.streams.entry(release.clone()).or_default();
        if !stream.busy {
            stream.busy = true;
            let delay = self.dice.between(50, self.script.weather.stream_delay);
            self.put(delay, Entry::Stream(release.clone()));
        }
    }

    /// The stream hands on the next entry of the journal, in order.
    pub(super) fn stream(&mut self, release: &ReleaseId) {
        let stream = self.streams.entry(release.clone()).or_default();
        let next = (release.clone(), stream.told + 1);
        let entry = self.world.store.read(|items| items.journal.get(&next).cloned());
        match entry {
            Some(entry) => self.invoke(Task::Entry(Box::new(entry))),
            None => stream.busy = false,
        }
    }

    /// A journal entry was told, or is to be told again.
    pub(super) fn told(&mut self, entry: &JournalEntry, told: bool) {
        let told = told || self.breach == Some(Breach::StreamForgets);
        let again = self.stormy_twice();
        let until = if told && !again { entry.seq } else { entry.seq - 1 };
        if let Some(stream) = self.streams.get_mut(&entry.release) {
            stream.told = stream.told.max(until);
        }
        let delay = if told { 20 } else { 2000 };
        self.put(delay, Entry::Stream(entry.release.clone()));
    }

    fn stormy_twice(&mut self) -> bool {
        self.stormy() && self.dice.once_in(self.script.weather.stream_twice_one_in)
    }
}

impl Deed {
    /// What it is, as a table names it.
    pub fn name(&self) -> &'static str {
        match self {
            Deed::Push(_, delays) => match delays.len() {
                0 => "push, event lost",
                1 => "push",
                _ => "push, event repeated",
            },
            Deed::Upload(_, _, delays) => match delays.len() {
                0 => "model uploaded, event lost",
                1 => "model uploaded",
                _ => "model uploaded, event repeated",
            },
            Deed::FalseAlarm(..) => "false alarm",
            Deed::Ask(_, wish) => match wish {
                Wish::Promote => "person promotes",
                Wish::Hold => "person holds",
                Wish::Continue => "person goes on",
                Wish::RollBack => "person aborts",
                Wish::BackTo(_) => "person goes back to a version",
                Wish::Stop | Wish::StopAll => "person stops the line",
                Wish::Resume | Wish::ResumeAll => "person resumes the line",
            },
            Deed::Kill(_) => "executions killed",
            Deed::MoveAlias(..) => "traffic moved by others",
            Deed::SetCode(_) => "code set by others",
            Deed::StopDeployment(_) => "deployment stopped by others",
            Deed::Jump(_) => "clocks jump",
        }
    }
}
