//! The reasons of a verdict as people read them.

use std::fmt;

use super::health::Health;
use super::reason::Reason;
use super::sequential::Missing;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::GuardInAlarm { alarm } => write!(f, "guard {alarm} is in ALARM"),
            Reason::GuardMissing { alarm } => write!(f, "guard {alarm} does not exist any more"),
            Reason::TargetsUnhealthy { health: Health { healthy, of }, least } => {
                write!(f, "{healthy} of {of} targets of the canary are healthy ({least} needed)")
            }
            Reason::NoLatency => f.write_str("no latency after the warm-up yet"),
            Reason::ErrorsAbove { errors, requests, max } => {
                write!(
                    f,
                    "{errors} of {requests} canary requests failed ({:.1}%, limit {max})",
                    share(*errors, *requests)
                )
            }
            Reason::LatencyAbove { quantile, canary_ms, baseline_ms, limit_ms } => write!(
                f,
                "canary {quantile} {canary_ms:.1} ms against {baseline_ms:.1} ms of the baseline \
                 (limit {limit_ms:.1} ms)"
            ),
            Reason::TooFewRequests { found, needed } => {
                write!(f, "{found} of {needed} canary requests needed")
            }
            Reason::TooFewBaselineRequests { found, needed } => {
                write!(f, "{found} of {needed} baseline requests needed to compare latency")
            }
            Reason::Proven { what, canary, baseline, odds, tail } => {
                let (side, other) = (rate(*canary), rate(*baseline));
                write!(
                    f,
                    "{what}: {} of {} canary requests ({side}) against {} of {} of the baseline \
                     ({other}); evidence {}",
                    count(canary.0),
                    count(canary.1),
                    count(baseline.0),
                    count(baseline.1),
                    odds_text(*odds),
                )?;
                tail.map_or(Ok(()), |tail| write!(f, ", chance {tail:.1e} at the last look"))
            }
            Reason::Catastrophe => f.write_str("at least half of the canary's requests failed"),
            Reason::Promised { errors, requests, tolerance, quantiles, tolerance_ms, minutes } => {
                write!(
                    f,
                    "{} of {} canary requests failed; shown in {minutes:.1} minutes: errors at most \
                     2 times the baseline's + {:.2} points",
                    count(*errors),
                    count(*requests),
                    100.0 * tolerance
                )?;
                if quantiles.is_empty() {
                    return Ok(());
                }
                let or = if *tolerance_ms > 0.0 {
                    format!(" or {tolerance_ms:.0} ms")
                } else {
                    String::new()
                };
                write!(f, ", at most 1.2 times{or} slower at {}", quantiles.join(", "))
            }
            Reason::NothingAgainst { requests } => {
                write!(f, "nothing speaks against the canary after {} requests", count(*requests))
            }
            Reason::LeansAgainst { odds } => {
                write!(f, "the evidence leans against the canary ({})", odds_text(*odds))
            }
            Reason::Settled { settled, planned, bucket_seconds, against, promise } => {
                let unit = if *bucket_seconds == 60 {
                    "minutes".to_owned()
                } else {
                    format!("periods of {bucket_seconds} s")
                };
                write!(f, "{settled} of {planned} {unit} are settled")?;
                if *settled == 0 {
                    return Ok(());
                }
                let (against, promise) = (odds_text(*against), odds_text(*promise));
                write!(f, "; evidence against the canary {against}, for it {promise}")
            }
            Reason::Undecided { missing } => f.write_str(match missing {
                Missing::NoCanaryData => "no request reached the canary",
                Missing::NoTraffic => "there was no traffic",
                Missing::LowTraffic => "too few requests to tell",
                Missing::Noisy => "the errors are too noisy to tell",
                Missing::Borderline => "the evidence is enough for neither",
            }),
            Reason::NoHistory => f.write_str(
                "the baseline had fewer than 100 requests in the day before the start, so nothing can \
                 be promised of latency; `perch promote` goes on without",
            ),
            Reason::Planned { found, planned } => {
                let (found, planned) = (count(*found), planned.round());
                write!(f, "{found} canary requests came; {planned} were planned at the first weight")
            }
            Reason::ErrorsWithin { errors, requests, max } => {
                write!(f, "{errors} of {requests} canary requests failed (limit {max})")
            }
            Reason::LatencyWithin { quantile, canary_ms, baseline_ms } => write!(
                f,
                "canary {quantile} {canary_ms:.1} ms against {baseline_ms:.1} ms of the baseline"
            ),
        }
    }
}

/// A count as people read it: whole, unless it is not.
fn count(count: f64) -> String {
    if count.fract() == 0.0 { format!("{count:.0}") } else { format!("{count:.1}") }
}

fn rate((part, whole): (f64, f64)) -> String {
    let percent = if whole > 0.0 { 100.0 * part / whole } else { 0.0 };
    if percent >= 1.0 { format!("{percent:.1}%") } else { format!("{percent:.2}%") }
}

/// Odds as people read them.
fn odds_text(odds: f64) -> String {
    if odds >= 1e6 {
        "more than a million to one".to_owned()
    } else if odds >= 10.0 {
        format!("{odds:.0} to one")
    } else if odds >= 0.1 {
        format!("{odds:.1} to one")
    } else {
        "below 0.1 to one".to_owned()
    }
}

#[allow(clippy::cast_precision_loss, reason = "request counts are far below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
