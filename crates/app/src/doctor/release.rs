//! Checks of the release in flight, and of the artifact that waits.

use std::time::Duration;

use jiff::Timestamp;
use perch_core::phase::Phase;
use perch_core::release::{Order, Release};
use perch_core::sweep::GRACE;

use super::{Finding, TargetFacts, sweep_now};
use crate::ports::Route;
use crate::reconcile::ACTIVE;
use crate::stuck;

/// The sweep takes up a release whose step is late by [`GRACE`], within this time.
const SWEEP: Duration = Duration::from_secs(2 * ACTIVE.as_secs());

const CHECK: &str = "release";

pub(super) fn check(facts: &TargetFacts, now: Timestamp) -> Vec<Finding> {
    // The stop's check says that the head could not be read.
    let Ok(standing) = &facts.standing else { return Vec::new() };
    let Some(head) = &standing.head else {
        return vec![Finding::ok(facts, CHECK, "none yet")];
    };
    let mut found = Vec::new();
    match (&head.active, &facts.active) {
        (None, _) => found.push(Finding::ok(facts, CHECK, "nothing is in flight")),
        (Some(_), Err(why)) => found.push(Finding::unseen(facts, CHECK, why)),
        (Some(id), Ok(None)) => {
            let text = format!("{id} holds the target and does not exist; the next sweep frees it");
            found.push(Finding::problem(facts, CHECK, text).command(sweep_now(&facts.stack)));
        }
        (Some(id), Ok(Some(release)))
            if head.fence > release.fence
                && !release.phase.is_final()
                && !is_late(release, GRACE, now) =>
        {
            let text = format!("{id} is being rolled back");
            found.push(Finding::ok(facts, CHECK, text));
        }
        (Some(_), Ok(Some(release))) => found.push(in_flight(facts, release, now)),
    }
    if let Some(waiting) = &head.waiting {
        let artifact = &waiting.artifact;
        found.push(match (&head.active, &standing.stop) {
            (None, None) => {
                let text = format!(
                    "{artifact} waits, and nothing keeps it: the next sweep starts its release"
                );
                Finding::warning(facts, "waiting", text).command(sweep_now(&facts.stack))
            }
            (Some(active), _) => {
                Finding::ok(facts, "waiting", format!("{artifact} comes after {active}"))
            }
            (None, Some(_)) => {
                Finding::ok(facts, "waiting", format!("{artifact} comes after the stop"))
            }
        });
    }
    found
}

fn in_flight(facts: &TargetFacts, release: &Release, now: Timestamp) -> Finding {
    let (id, phase, weight) = (&release.id, release.phase.name(), release.weight());
    if let Phase::Stuck { why, .. } = &release.phase {
        return stuck(facts, release, why);
    }
    if is_late(release, GRACE, now) {
        let text = format!(
            "{id} is in phase {phase}, and its next step was due at {:.0}: its execution is lost",
            release.due
        );
        return if is_late(release, GRACE + SWEEP, now) {
            let text = format!("{text}, and the sweep has not started another");
            Finding::problem(facts, CHECK, text)
                .command(sweep_now(&facts.stack))
                .command(format!("perch rollback {} --reason TEXT", release.target))
        } else {
            let text = format!("{text}. The next sweep starts another");
            Finding::warning(facts, CHECK, text).command(sweep_now(&facts.stack))
        };
    }
    if let Some(Order::Hold { by, reason }) = &release.order {
        let text = format!(
            "{id} is held at {weight} by {by}: {reason}. The deadline rolls it back at {:.0}",
            release.deadline
        );
        let target = &release.target;
        return Finding::warning(facts, CHECK, text)
            .command(format!("perch continue {target} --reason TEXT"))
            .command(format!("perch abort {target} --reason TEXT"));
    }
    Finding::ok(facts, CHECK, format!("{id} is in phase {phase} at {weight}"))
}

/// Whether the release's next step is late by more than this.
fn is_late(release: &Release, grace: Duration, now: Timestamp) -> bool {
    release.due.saturating_add(grace).is_ok_and(|late| now > late)
}

/// The commands of the message that paged, and whether the first has been done already.
fn stuck(facts: &TargetFacts, release: &Release, why: &str) -> Finding {
    let commands = stuck::Commands::of(release);
    let route = facts.alias.as_ref().ok().and_then(Option::as_ref).map(|alias| &alias.route);
    let back = release.ledger.as_ref().map(|ledger| Route::all_on(&ledger.baseline));
    // The reason repeats the commands, which come below.
    let why = why.split(". Put it right with").next().unwrap_or(why);
    let (text, restore) = match (route, back, commands.restore) {
        (Some(found), Some(back), _) if *found == back => {
            let text = format!(
                "{} is Stuck: {why}. The alias was put right since: it sends {found}. What is left \
                 to do:",
                release.id
            );
            (text, None)
        }
        (Some(found), Some(back), restore) => {
            let text = format!(
                "{} is Stuck: {why}. The alias sends {found} and should send {back}",
                release.id
            );
            (text, restore)
        }
        (_, _, restore) => (format!("{} is Stuck: {why}", release.id), restore),
    };
    let mut finding = Finding::problem(facts, CHECK, text);
    finding.commands.extend(restore);
    finding.command(commands.close)
}
