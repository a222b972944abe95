//! Requests that Perch sends itself where callers send too few: how many at a look, and which events.
//!
//! The counts of a settled minute hold what earlier looks have sent. That is taken off again: callers are
//! filled up to the rate of the rule, and a filled minute does not end the filling.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evidence::{Judging, Observed};
use crate::span::Span;
use crate::target::Synthetic;

/// Requests that one look sends at most. They are sent within the function's time-out, next to the look
/// itself, and they come to the service within seconds.
pub const MOST_PER_LOOK: u32 = 50;

/// What a release has sent so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentRequests {
    /// All requests of the release.
    pub total: u64,
    /// Those that are in the newest settled minute or later, oldest first.
    #[serde(default)]
    pub recent: Vec<SentBatch>,
}

/// What one look has sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentBatch {
    /// When.
    pub at: Timestamp,
    /// How many requests were accepted.
    pub requests: u32,
}

impl SentRequests {
    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many requests a look has to send, with a look at each interval.
    ///
    /// Before the first minute is settled, the history says what callers send.
    pub fn missing(&self, rule: &Synthetic, judging: &Judging, interval: Span) -> u32 {
        let callers = self.of_callers(judging).unwrap_or_else(|| expected(judging));
        let a_minute = (f64::from(rule.per_minute) - callers).max(0.0);
        let a_look = a_minute * interval.as_millis() / 60_000.0;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and MOST_PER_LOOK"
        )]
        let missing = a_look.ceil().min(f64::from(MOST_PER_LOOK)) as u32;
        missing
    }

    /// The next events, each in its turn.
    pub fn turn<'a>(&self, rule: &'a Synthetic, requests: u32) -> Vec<&'a Value> {
        let turns = u64::try_from(rule.events.len()).unwrap_or(1).max(1);
        let first = usize::try_from(self.total % turns).unwrap_or(0);
        rule.events.iter().cycle().skip(first).take(requests as usize).collect()
    }

    /// Writes down what a look has sent, and forgets what no later look needs.
    pub fn add(&mut self, requests: u32, judging: &Judging, now: Timestamp) {
        self.total += u64::from(requests);
        if let Some(first) = newest_minute(judging).and_then(<[Observed]>::first) {
            self.recent.retain(|batch| batch.at >= first.at);
        }
        if requests > 0 {
            self.recent.push(SentBatch { at: now, requests });
        }
    }

    /// Requests a minute in the newest settled minute, without those that were sent in it.
    fn of_callers(&self, judging: &Judging) -> Option<f64> {
        let minute = newest_minute(judging)?;
        let (first, last) = (minute.first()?, minute.last()?);
        let bucket = judging.basis.bucket_seconds;
        let end = last.at.saturating_add(Duration::from_secs(u64::from(bucket))).ok()?;
        let all: f64 = minute.iter().map(|o| requests_of(&o.bucket)).sum();
        let sent = self.recent.iter().filter(|batch| first.at <= batch.at && batch.at < end);
        let sent: f64 = sent.map(|batch| f64::from(batch.requests)).sum();
        let seconds = minute.iter().map(|_| f64::from(bucket)).sum::<f64>();
        Some((all - sent).max(0.0) * 60.0 / seconds)
    }
}

fn requests_of(bucket: &super::sequential::Bucket) -> f64 {
    bucket.canary.requests + bucket.baseline.requests
}

/// The buckets of the newest settled minute, or the newest bucket where that is longer; none before.
fn newest_minute(judging: &Judging) -> Option<&[Observed]> {
    let buckets = (60 / judging.basis.bucket_seconds.max(1)).max(1) as usize;
    let first = judging.observed.len().checked_sub(buckets)?;
    judging.observed.get(first..)
}

/// The requests a minute that the history lets expect of callers.
fn expected(judging: &Judging) -> f64 {
    let basis = &judging.basis;
    if basis.share <= 0.0 || basis.block_seconds == 0 {
        return 0.0;
    }
    basis.requests / basis.share * 60.0 / f64::from(basis.block_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::sequential::{Basis, Bucket, Counts, Series};
    use crate::weight::Weight;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn rule(per_minute: u32) -> Synthetic {
        Synthetic { per_minute, events: vec!["a".into(), "b".into(), "c".into()] }
    }

    /// A history of this many requests a minute, and these requests in the buckets since.
    fn judging(history: f64, bucket_seconds: u32, requests: &[f64]) -> Judging {
        let (n, e) = ([history; 60], [0.0; 60]);
        let series = Series { requests: &n, events: &e, of_traffic: 1.0 };
        let observed = requests.iter().enumerate().map(|(place, requests)| {
            let arm = |share| Counts { requests: requests * share, ..Counts::default() };
            Observed {
                at: at(i64::try_from(place).unwrap() * i64::from(bucket_seconds)),
                weight: Weight::new(10).unwrap(),
                latency_ms: [None; 2],
                bucket: Bucket { canary: arm(0.1), baseline: arm(0.9), custom: Vec::new() },
            }
        });
        Judging {
            basis: Basis::new(bucket_seconds, 15, 0.1, &series),
            settle_seconds: 33,
            observed: observed.collect(),
        }
    }

    #[test]
    fn callers_are_filled_up_to_the_rate_and_not_beyond_the_look() {
        let minute = Span::seconds(60);
        for (history, settled, per_minute, interval, missing) in [
            (0.0, &[][..], 30, minute, 30),
            (20.0, &[], 30, minute, 10),
            (20.0, &[5.0], 30, minute, 25),
            (20.0, &[5.0, 40.0], 30, minute, 0),
            (20.0, &[40.0, 29.5], 30, minute, 1),
            (0.0, &[0.0], 300, minute, MOST_PER_LOOK),
            (0.0, &[0.0], 20, Span::seconds(120), 40),
            (0.0, &[0.0], 300, Span::seconds(10), 50),
            (0.0, &[0.0], 30, Span::seconds(10), 5),
        ] {
            let found = SentRequests::default().missing(
                &rule(per_minute),
                &judging(history, 60, settled),
                interval,
            );
            assert_eq!(found, missing, "{history} {settled:?} {per_minute} {interval}");
        }
    }

    #[test]
    fn a_minute_of_short_buckets_is_one_minute() {
        let fine = |requests: &[f64]| judging(12.0, 10, requests);
        let missing = |judging: &Judging| {
            SentRequests::default().missing(&rule(30), judging, Span::seconds(60))
        };
        // The newest six count; five are no minute yet.
        assert_eq!(missing(&fine(&[9.0, 1.0, 2.0, 3.0, 1.0, 2.0, 1.0])), 20);
        assert_eq!(missing(&fine(&[1.0; 5])), 18);
        assert_eq!(missing(&judging(0.0, 120, &[20.0])), 20);
    }

    #[test]
    fn what_was_sent_is_not_taken_for_callers() {
        let minute = Span::seconds(60);
        let (rule, mut sent, mut seen) = (rule(30), SentRequests::default(), Vec::new());
        // Callers send 10 a minute; a look in each minute fills it up, and sees it a minute later.
        for look in 0..8_u32 {
            let judging = judging(10.0, 60, &seen);
            let missing = sent.missing(&rule, &judging, minute);
            assert_eq!(missing, 20, "look {look}");
            sent.add(missing, &judging, at(i64::from(look) * 60 + 5));
            seen.push(10.0 + f64::from(missing));
        }
        assert_eq!(sent.total, 160);
        assert!(sent.recent.len() <= 3, "{:?}", sent.recent);
    }

    #[test]
    fn events_go_on_where_the_look_before_ended() {
        let (rule, judging) = (rule(30), judging(0.0, 60, &[]));
        let mut sent = SentRequests::default();
        assert_eq!(sent.turn(&rule, 4), ["a", "b", "c", "a"]);
        sent.add(4, &judging, at(0));
        assert_eq!(sent.turn(&rule, 3), ["b", "c", "a"]);
        assert_eq!(sent.turn(&rule, 0), [""; 0]);
    }
}
