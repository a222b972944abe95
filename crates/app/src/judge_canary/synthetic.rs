//! Requests of Perch's own, sent to the alias after a look while callers send too few.

use std::error::Error;

use jiff::Timestamp;
use perch_core::decide::{Event, Next, decide};
use perch_core::phase::Phase;
use perch_core::release::{Order, Release};

use crate::ports::{SendRequests, Sent};
use crate::step::StepError;

/// Sends what is missing, and answers how many requests were accepted.
///
/// Only while the bake goes on after the look, and neither a stop nor a hold stands: then the release waits
/// for a person, and evidence has time. A failure is logged and is no failure of the look. A look that is
/// repeated because its commit was lost sends again.
pub(super) async fn fill(
    lambda: &impl SendRequests,
    release: &mut Release,
    event: &Event,
    now: Timestamp,
) -> Result<u32, StepError> {
    let plan = &release.plan;
    let (Phase::Baking { .. }, Some(judging), Some(rule), Some(alias)) =
        (&release.phase, &release.judging, &plan.judge.low_traffic.synthetic, plan.driver.alias())
    else {
        return Ok(0);
    };
    let stopped = matches!(event, Event::Judged { stop: Some(_), .. });
    let held = matches!(release.order, Some(Order::Hold { .. }));
    let goes_on = matches!(decide(release, event, now)?.next, Next::Judge { .. });
    if stopped || held || !goes_on {
        return Ok(0);
    }
    let missing = release.synthetic.missing(rule, judging, plan.judge.interval);
    if missing == 0 {
        return Ok(0);
    }
    let events = release.synthetic.turn(rule, missing);
    let Sent { accepted, failure } = lambda.send(alias, &events).await;
    if let Some(failure) = &failure {
        let failure: &dyn Error = failure;
        tracing::warn!(
            release.id = %release.id,
            target.name = %release.target,
            accepted,
            missing,
            failure,
            "not all synthetic requests were sent"
        );
    }
    release.synthetic.add(accepted, judging, now);
    Ok(accepted)
}
