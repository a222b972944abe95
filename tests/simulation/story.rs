//! What a seed decides: the targets, the artifacts, what happens to them, and the weather.

use std::collections::{BTreeMap, BTreeSet};

use perch_core::artifact::Artifact;
use perch_testkit::image;
use perch_testkit::sim::{Behaviour, Deed, Dice, Foreign, Script, Weather, When, Wish, one_of};

use crate::targets;

/// Seconds over which the script is spread.
const LENGTH: i64 = 1800;

/// The phases that other things like to happen in.
const PHASES: [&str; 7] =
    ["Preparing", "Shifting", "Baking", "Promoting", "Watching", "RollingBack", "Promoted"];

/// What people want, and in how many stories one does, per target.
const WISHES: [(Wish, u64); 10] = [
    (Wish::Promote, 5),
    (Wish::Hold, 10),
    (Wish::Continue, 10),
    (Wish::RollBack, 4),
    (Wish::RollBack, 12),
    (Wish::BackTo(1), 12),
    (Wish::BackTo(2), 16),
    (Wish::Stop, 25),
    (Wish::StopAll, 40),
    (Wish::ResumeAll, 40),
];

/// The story of the numbers that the dice will show.
pub(crate) fn roll(dice: &mut dyn Dice) -> Script {
    let targets = targets::roll(dice);
    let mut script = Script {
        targets,
        pausing: BTreeSet::new(),
        behaviours: BTreeMap::new(),
        deeds: Vec::new(),
        weather: weather(dice),
    };
    let lossy = script.weather.mishaps > 0;
    for place in 0..script.targets.len() {
        pushes(&mut script, place, lossy, dice);
        uploads(&mut script, place, lossy, dice);
        people(&mut script, place, dice);
    }
    for target in script.targets.iter().filter(|target| targets::is_native(target)) {
        if dice.once_in(2) {
            script.pausing.insert(target.name.clone());
        }
    }
    script
}

fn weather(dice: &mut dyn Dice) -> Weather {
    if dice.once_in(8) {
        return Weather::fair();
    }
    Weather {
        clears_at: dice.between(300, 3 * LENGTH),
        mishap_one_in: one_of(dice, &[5, 12, 30, 80]),
        mishaps: one_of(dice, &[2, 6, 15]),
        slow_one_in: one_of(dice, &[0, 25, 100, 400]),
        stream_delay: one_of(dice, &[500, 20_000, 300_000]),
        stream_twice_one_in: one_of(dice, &[0, 3, 20]),
    }
}

/// The artifacts that are pushed, and how good they are.
fn pushes(script: &mut Script, place: usize, lossy: bool, dice: &mut dyn Dice) {
    let target = script.targets[place].clone();
    let Some(source) = &target.sources.image else {
        return;
    };
    let count = one_of(dice, &[1, 1, 2, 3, 5]);
    for number in 0..count {
        let (hex, tag) = [('b', "v2"), ('c', "v3"), ('d', "v4"), ('e', "v5"), ('f', "v6")][number];
        let Artifact::Image { digest, .. } = image(hex, tag) else {
            continue;
        };
        let behaviour = match dice.below(10) {
            0 => Behaviour::Failing,
            1 => Behaviour::Unfit,
            2 => Behaviour::Slow,
            3 => Behaviour::Silent,
            4 => Behaviour::TurnsBad(dice.between(0, 200)),
            _ => Behaviour::Healthy,
        };
        // A function or a service has the name of its target.
        let name = target.name.to_string();
        script.behaviours.insert((name, digest.to_string()), behaviour);
        let repository = source.repository.clone();
        let artifact = Artifact::Image { repository, digest, tag: Some(tag.to_owned()) };
        let delays = delays(lossy, dice);
        // The first push starts the story; others come at any time, or close to each other.
        let when = match dice.below(3) {
            _ if number == 0 => When::At(dice.between(1, 30)),
            0 => When::At(dice.between(1, 60)),
            _ => When::At(dice.between(1, LENGTH)),
        };
        script.deeds.push((when, Deed::Push(artifact, delays)));
    }
}

/// When the event of something comes: soon, and in stories where things get lost also late, twice or
/// never.
fn delays(lossy: bool, dice: &mut dyn Dice) -> Vec<i64> {
    let mut delays = vec![dice.between(50, 3000)];
    if lossy && dice.once_in(8) {
        delays.clear();
    }
    if lossy && dice.once_in(3) {
        delays.push(dice.between(0, 5000));
    }
    if lossy && dice.once_in(4) {
        delays.push(dice.between(0, 600_000));
    }
    delays
}

/// The models that are uploaded for a target that takes them.
fn uploads(script: &mut Script, place: usize, lossy: bool, dice: &mut dyn Dice) {
    let target = &script.targets[place];
    if target.sources.model.is_none() {
        return;
    }
    let name = target.name.clone();
    // Names do not sort by time: the tenth comes before the second.
    for version in ["v8", "v9", "v10", "v11"].iter().take(one_of(dice, &[1, 2, 4])) {
        let (when, delays) = (When::At(dice.between(1, LENGTH)), delays(lossy, dice));
        let version = version.parse().unwrap();
        script.deeds.push((when, Deed::Upload(name.clone(), version, delays)));
    }
}

/// What people and other tools do, and alarms without a reason.
fn people(script: &mut Script, place: usize, dice: &mut dyn Dice) {
    let target = script.targets[place].clone();
    let name = target.name.clone();
    let ask = |script: &mut Script, wish, when| {
        script.deeds.push((when, Deed::Ask(name.clone(), wish)));
    };
    for (wish, one_in) in WISHES {
        if dice.once_in(one_in) {
            ask(script, wish, moment(dice));
        }
    }
    if dice.once_in(12) {
        let begin = dice.between(0, LENGTH);
        ask(script, Wish::Stop, When::At(begin));
        ask(script, Wish::Resume, When::At(begin + dice.between(1, LENGTH)));
    }
    if let (Some(guard), true) = (target.guards.first(), dice.once_in(4)) {
        let delays = [dice.between(10, 2000), dice.between(10, 100_000)];
        let delays = delays[..usize::try_from(dice.between(1, 2)).unwrap()].to_vec();
        let alarm = Deed::FalseAlarm(guard.clone(), dice.between(10, 300), delays);
        script.deeds.push((moment(dice), alarm));
    }
    if dice.once_in(8) {
        let to = one_of(dice, &[Foreign::First, Foreign::Newest, Foreign::Split(20)]);
        script.deeds.push((moment(dice), Deed::MoveAlias(name.clone(), to)));
    }
    if dice.once_in(12) {
        script.deeds.push((moment(dice), Deed::SetCode(name.clone())));
    }
    if targets::moves_itself(&target) && dice.once_in(6) {
        script.deeds.push((moment(dice), Deed::StopDeployment(name.clone())));
    }
    if script.weather.mishaps > 0 && dice.once_in(8) {
        script.deeds.push((moment(dice), Deed::Kill(name)));
    }
    if script.weather.mishaps > 0 && dice.once_in(6) {
        script.deeds.push((moment(dice), Deed::Jump(dice.between(-300, 300))));
    }
}

/// Any time, in the midst of calls, or when something changes.
fn moment(dice: &mut dyn Dice) -> When {
    match dice.below(4) {
        0 => When::At(dice.between(0, LENGTH)),
        1 => When::Call(dice.below(150)),
        _ => {
            let nth = u32::try_from(dice.below(3)).unwrap();
            When::Phase(one_of(dice, &PHASES), nth, dice.between(0, 400))
        }
    }
}
