//! The sum of many simulations, for people.

use std::time::Duration;

use perch_core::artifact::Lane;
use perch_core::release::Driver;
use perch_core::target::Target;
use perch_testkit::sim::{Report, Script};

/// What a seed has decided, a line each.
pub(crate) fn story(script: &Script) -> String {
    let mut lines = vec![format!("{:?}", script.weather)];
    for target in &script.targets {
        let steps = target.rollout.steps();
        let steps: Vec<String> =
            steps.iter().map(|step| format!("{} for {}", step.weight, step.bake)).collect();
        lines.push(format!(
            "{} by {}: {}{steps:?}, watch {}, guards {:?}, {:?}, {:?}, {:?}, deadline {}",
            target.name,
            mover(target),
            match (target.smoke.is_some(), script.pausing.contains(&target.name)) {
                (true, true) => "smoke tests, pauses, ",
                (true, false) => "smoke tests, ",
                (false, true) => "pauses, ",
                (false, false) => "",
            },
            target.watch,
            target.guards,
            target.judge.no_data,
            target.while_releasing,
            target.alarm_at_start,
            target.deadline(Lane::Code)
        ));
    }
    let behaviours = script.behaviours.iter();
    lines.extend(behaviours.map(|((name, code), is)| format!("{name} {:.8}: {is:?}", &code[7..])));
    lines.extend(script.deeds.iter().map(|(when, deed)| format!("{when:?}: {deed:?}")));
    lines.join("\n")
}

/// What all seeds went through together.
pub(crate) fn table(seeds: u64, sum: &Report, took: Duration) -> String {
    let mut lines = vec![format!("{seeds} seeds in {:.1} s", took.as_secs_f64())];
    let mut row = |name: &str, count: u64| lines.push(format!("  {name:<36}{count:>12}"));
    row("violations", sum.violations.len() as u64);
    row("releases", sum.releases);
    for (phase, count) in &sum.ends {
        row(&format!("  ended {phase}"), *count);
    }
    for ((driver, phase), count) in &sum.drivers {
        row(&format!("  by {driver}: {phase}"), *count);
    }
    row("deployments, rollbacks included", sum.deployments);
    row("port calls", sum.calls);
    row("  with others in flight", sum.contended);
    row("most functions in flight", sum.most_in_flight);
    row("events and entries delivered", sum.deliveries);
    row("messages on the topic", sum.messages);
    row("simulated hours", sum.hours);
    row("helped by people", sum.helped);
    row("faults", sum.mishaps.values().sum());
    for (mishap, count) in &sum.mishaps {
        row(&format!("  {}", mishap.text()), *count);
    }
    for (woken, count) in &sum.waits {
        row(&format!("waits for a deployment, {woken:?}"), *count);
    }
    row("deeds", sum.deeds.values().sum());
    for (deed, count) in &sum.deeds {
        row(&format!("  {deed}"), *count);
    }
    lines.join("\n")
}

fn mover(target: &Target) -> String {
    let driver = Driver::of(target, Lane::Code);
    let Some(driver) = driver else { return "nothing".to_owned() };
    driver.mover().map_or_else(|| driver.to_string(), |mover| format!("{mover} for {driver}"))
}
