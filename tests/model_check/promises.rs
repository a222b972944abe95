//! What holds in every state of each scenario.

use perch_core::target::WhileReleasing;
use perch_testkit::build::ReleaseBuilder;
use perch_testkit::model::Event::{
    self, Answers, Continue, Hold, LateSweep, Promote, Resume, Stop,
};
use perch_testkit::model::{Bounds, State};
use perch_testkit::{World, failing, silent};

use crate::checked::walk;
use crate::scenarios::{
    CRASH, FAILURE, KILL, NONE, ORPHAN, REPEAT, TWO_RELEASES, alarm, amid, baking, fresh, moved,
    newer, news, older, push, rollback, smoke_tested, unannounced, under, watching,
};

/// A start, what may come and go wrong, and a number of states that the walk has at least.
type Scenario = (&'static str, World, Vec<Event>, Bounds, usize);

/// Every promise holds in every state, and every way comes to rest.
fn hold(scenarios: Vec<Scenario>) {
    for (name, world, events, bounds, at_least) in scenarios {
        let found = walk(State::new(world, events, bounds));
        println!("{name}: {found}");
        assert!(found.broken.is_empty(), "{name}:\n{}", found.ways_to_broken());
        assert!(!found.has_circle, "{name}: a way leads in a circle");
        assert!(found.states >= at_least, "{name}: only {} states", found.states);
    }
}

#[test]
fn one_push_and_whatever_goes_wrong() {
    hold(vec![
        ("a function dies", fresh(), vec![push()], CRASH, 900),
        ("a call fails", fresh(), vec![push()], FAILURE, 900),
        ("a function goes on without its caller", fresh(), vec![push()], ORPHAN, 3_500),
        ("the event comes twice", fresh(), vec![push()], REPEAT, 1_000),
        ("the canary fails", baking(), vec![Answers("2", failing())], CRASH, 150),
    ]);
}

#[test]
fn smoke_tests_and_whatever_goes_wrong() {
    let (fit, unfit) = (|| smoke_tested(true), || smoke_tested(false));
    hold(vec![
        ("smoke tests and a crash", fit(), vec![push()], CRASH, 1_200),
        ("smoke tests and a failure", fit(), vec![push()], FAILURE, 1_200),
        ("smoke tests go on without their caller", fit(), vec![push()], ORPHAN, 4_000),
        ("a rollback while they run", unfit(), vec![push(), rollback()], NONE, 300),
        ("smoke tests that fail, and a crash", unfit(), vec![push()], CRASH, 250),
        ("smoke tests that fail without a caller", unfit(), vec![push()], ORPHAN, 600),
        ("a newer one than what fails", unfit(), vec![push(), newer()], TWO_RELEASES, 900),
        ("a lost execution", unfit(), vec![push(), LateSweep], KILL, 100),
    ]);
}

#[test]
fn an_alarm_at_any_time() {
    hold(vec![
        ("an alarm", fresh(), vec![push(), alarm()], NONE, 800),
        ("an alarm and a crash", watching(), vec![alarm()], CRASH, 4_000),
        ("an alarm and a failure", watching(), vec![alarm()], FAILURE, 5_500),
        ("an alarm twice", watching(), vec![alarm()], REPEAT, 4_500),
        ("an alarm whose function goes on", watching(), vec![alarm()], ORPHAN, 7_000),
        ("an alarm and the same artifact", baking(), vec![push(), alarm()], NONE, 1_500),
    ]);
}

#[test]
fn people_and_an_alarm_at_once() {
    hold(vec![
        ("an alarm and an abort", watching(), vec![alarm(), rollback()], NONE, 25_000),
        ("an abort and a crash", watching(), vec![rollback()], CRASH, 5_000),
        ("a promotion and a crash", baking(), vec![Promote(news())], CRASH, 800),
        ("no data", baking(), vec![Answers("2", silent()), Promote(news())], NONE, 10_000),
        ("a hold", baking(), vec![Hold(news()), Continue(news())], NONE, 8_000),
        ("a stop", fresh(), vec![push(), Stop(news()), Resume(news())], NONE, 1_500),
        ("someone moves the alias", baking(), vec![moved(), alarm()], NONE, 1_500),
    ]);
}

#[test]
fn two_artifacts_in_any_order() {
    let promoting = || amid(ReleaseBuilder::promoting);
    let (queue, reject) = (under(WhileReleasing::Queue), under(WhileReleasing::Reject));
    hold(vec![
        ("a queue", queue, vec![push(), newer()], TWO_RELEASES, 1_000),
        ("rejection", reject, vec![push(), newer()], TWO_RELEASES, 900),
        ("replacement", baking(), vec![newer()], TWO_RELEASES, 35_000),
        ("replacement too late", promoting(), vec![newer()], TWO_RELEASES, 450),
        ("a newer one and an alarm", watching(), vec![newer(), alarm()], TWO_RELEASES, 15_000),
        ("an older one and an alarm", watching(), vec![older(), alarm()], TWO_RELEASES, 1_000),
    ]);
}

#[test]
fn lost_work_and_the_sweep() {
    hold(vec![
        ("a sweep at any time", fresh(), vec![push(), Event::Sweep], NONE, 4_000),
        ("a lost event", fresh(), vec![unannounced(), LateSweep], NONE, 50),
        ("a lost event meanwhile", watching(), vec![unannounced(), LateSweep], TWO_RELEASES, 50),
        ("a lost execution", baking(), vec![LateSweep], KILL, 150),
        ("a lost rollback", watching(), vec![alarm(), LateSweep], KILL, 2_000),
    ]);
}
