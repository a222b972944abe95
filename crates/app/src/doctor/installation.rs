//! Checks of the whole installation: its table, its sweep, a stop of all.

use std::time::Duration;

use jiff::Timestamp;

use super::{Finding, InstallationFacts, Outcome, sweep_now};
use crate::dead_letters::DeadLetter;
use crate::ports::SweepRun;

/// The sweep runs every 5 minutes (`template.yaml`, `ReconcileFunction`): after three that did not
/// come, none does.
const SWEEP_LATE: Duration = Duration::from_secs(900);

/// Lines of a failed run that are shown.
const SHOWN: usize = 3;

pub(super) fn check(facts: &InstallationFacts, now: Timestamp) -> Vec<Finding> {
    let found = |check, result, text: String| Finding::of(None, check, result, text);
    let mut findings = vec![match &facts.targets {
        Ok(1) => found("table", Outcome::Ok, "reachable".to_owned()),
        Ok(count) => found("table", Outcome::Ok, format!("reachable, {count} targets")),
        Err(why) => found("table", Outcome::Problem, format!("can't be read: {why}"))
            .command(format!("aws cloudformation describe-stacks --stack-name {}", facts.stack)),
    }];
    findings.push(match &facts.runs {
        Ok(runs) => sweep(facts, runs.first(), now),
        Err(why) => {
            found("sweep", Outcome::Warning, format!("its runs could not be looked at: {why}"))
        }
    });
    findings.push(match &facts.stop {
        Ok(None) => found("stop of all", Outcome::Ok, "none".to_owned()),
        Ok(Some(stop)) => {
            let text = format!("all targets are {stop}. Nothing starts and nothing goes up");
            found("stop of all", Outcome::Warning, text).command("perch resume --all --reason TEXT")
        }
        Err(why) => {
            found("stop of all", Outcome::Warning, format!("could not be looked at: {why}"))
        }
    });
    findings.push(match &facts.letters {
        Ok(letters) => lost(letters),
        Err(why) => {
            found("dead letters", Outcome::Warning, format!("could not be looked at: {why}"))
        }
    });
    findings
}

fn lost(letters: &[DeadLetter]) -> Finding {
    let found = |result, text: String| Finding::of(None, "dead letters", result, text);
    let Some(oldest) = letters.first() else { return found(Outcome::Ok, "none".to_owned()) };
    let count = match letters.len() {
        1 => "one event".to_owned(),
        count => format!("{count} events"),
    };
    let text = format!(
        "{count} got lost, the first at {:.0}: {}: {}. Mend the cause, then send them again",
        oldest.at, oldest.subject, oldest.error
    );
    found(Outcome::Warning, text)
        .command("perch dead-letters list")
        .command("perch dead-letters redrive --all")
}

fn sweep(facts: &InstallationFacts, newest: Option<&SweepRun>, now: Timestamp) -> Finding {
    let found = |result, text: String| Finding::of(None, "sweep", result, text);
    let look = format!("aws logs tail /aws/lambda/{}-reconcile --since 1h", facts.stack);
    let Some(run) = newest else {
        let text = "has not run in the last 30 days: nothing finds lost events and releases";
        return found(Outcome::Problem, text.to_owned())
            .command(sweep_now(&facts.stack))
            .command(look);
    };
    let late = run.at.saturating_add(SWEEP_LATE).is_ok_and(|late| now > late);
    if late {
        let text = format!(
            "ran last at {:.0}, and runs every 5 minutes: nothing finds lost events and releases",
            run.at
        );
        return found(Outcome::Problem, text).command(sweep_now(&facts.stack)).command(look);
    }
    if !run.failed.is_empty() {
        let shown: Vec<&str> = run.failed.iter().take(SHOWN).map(String::as_str).collect();
        let more = run.failed.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let text = format!("its run of {:.0} could not do all: {}{more}", run.at, shown.join("; "));
        return found(Outcome::Warning, text).command(look);
    }
    let targets = if run.looked_at == 1 { "target" } else { "targets" };
    let looked = format!("ran at {:.0}, looked at {} {targets}", run.at, run.looked_at);
    if run.more {
        let text = format!("{looked}, and had no time for the rest; the next run goes on");
        return found(Outcome::Warning, text).command(sweep_now(&facts.stack));
    }
    found(Outcome::Ok, looked)
}
