//! Rules over more than one field of a target file.

use super::Target;
use crate::span::Span;

/// The finest resolution of the metrics that a target is judged by.
///
/// `AWS/Lambda` metrics have one-minute resolution (Lambda Developer Guide, "Types of metrics for
/// Lambda functions"); a local stack can publish them by the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricResolution {
    /// One value per minute.
    Minute,
    /// One value per second.
    Second,
}

/// A rule that a target file breaks, with the field it concerns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The path of the field, such as `judge.interval`.
    pub field: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Periods below one minute that CloudWatch accepts for high-resolution metrics and that Perch
/// looks at (API Reference, `MetricStat`, `Period`).
const FINE_INTERVALS: [u64; 4] = [5, 10, 20, 30];

impl Target {
    /// Every rule over more than one field that the target breaks.
    pub fn problems(&self, resolution: MetricResolution) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut problem = |field, message: String| found.push(Problem { field, message });
        if self.sources.image.is_none() && self.sources.package.is_none() {
            problem("sources", "sources is empty: give `image` or `package`".into());
        }
        if self.sources.image.is_some() && self.sources.package.is_some() {
            problem(
                "sources",
                "a Lambda function is either an image or a zip function: give `image` or \
                 `package`, not both"
                    .into(),
            );
        }
        if self.sources.image.as_ref().is_some_and(|s| s.tags.iter().all(|t| t.is_empty())) {
            problem(
                "sources.image.tags",
                "no tag glob is given: write [\"*\"] for all tags".into(),
            );
        }
        if self.sources.package.as_ref().is_some_and(|s| s.keys.iter().all(|k| k.is_empty())) {
            problem("sources.package.keys", "no key glob is given: write [\"*\"] for all".into());
        }
        if let Some(message) = interval_problem(self.judge.interval, resolution) {
            problem("judge.interval", message);
        }
        if self.judge.min_requests == 0 {
            problem(
                "judge.minRequests",
                "minRequests is 0: no data would promote; use 1 or more".into(),
            );
        }
        if self.judge.error_rate.max.percent() >= 100.0 {
            problem(
                "judge.errorRate.max",
                "an error limit of 100% or more never fails; use less".into(),
            );
        }
        for step in self.rollout.steps() {
            if step.bake < self.judge.interval {
                problem(
                    "rollout",
                    format!(
                        "the bake of {} at {} is shorter than judge.interval {}: the judge would \
                         not look; bake for {} or longer",
                        step.bake, step.weight, self.judge.interval, self.judge.interval
                    ),
                );
            }
        }
        let warm_up = self.judge.latency.warm_up;
        if let (Some(warm_up), Some(first)) = (warm_up, self.rollout.steps().first())
            && warm_up >= first.bake
        {
            problem(
                "judge.latency.warmUp",
                format!(
                    "a warm-up of {warm_up} leaves nothing of the first bake of {}: latency would \
                     never be compared; make it shorter",
                    first.bake
                ),
            );
        }
        if let Some(deadline) = self.deadline {
            let bakes: u64 = self.rollout.steps().iter().map(|s| s.bake.as_secs()).sum();
            if deadline.as_secs() <= bakes {
                problem(
                    "deadline",
                    format!(
                        "deadline {deadline} is not above the bakes' sum of {}",
                        Span::seconds(bakes)
                    ),
                );
            }
        }
        found
    }
}

fn interval_problem(interval: Span, resolution: MetricResolution) -> Option<String> {
    let seconds = interval.as_secs();
    let whole_minutes =
        seconds > 0 && seconds.is_multiple_of(60) && interval.duration().subsec_nanos() == 0;
    let fine = interval == Span::seconds(seconds) && FINE_INTERVALS.contains(&seconds);
    if whole_minutes {
        return None;
    }
    match (fine, resolution) {
        (true, MetricResolution::Second) => None,
        (true, MetricResolution::Minute) => Some(format!(
            "interval {interval} is below 60s, and AWS/Lambda metrics have one value per minute: \
             write 60s or a whole number of minutes"
        )),
        (false, MetricResolution::Minute) => Some(format!(
            "interval {interval} is not a whole number of minutes: write 60s, 2m, ..."
        )),
        (false, MetricResolution::Second) => Some(format!(
            "interval {interval} is neither 5s, 10s, 20s or 30s nor a whole number of minutes"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(changes: &[(&str, serde_json::Value)]) -> Target {
        let mut json = serde_json::json!({
            "apiVersion": "perch/v1", "kind": "Target", "name": "news",
            "service": { "lambda": { "function": "news", "alias": "live" } },
            "sources": { "image": { "repository": "news", "tags": ["v*"] } },
            "rollout": { "steps": [{ "weight": "10%", "bake": "5m" }] },
        });
        for (path, value) in changes {
            *json.pointer_mut(path).unwrap() = value.clone();
        }
        serde_json::from_value(json).unwrap()
    }

    fn fields(target: &Target, resolution: MetricResolution) -> Vec<&'static str> {
        target.problems(resolution).iter().map(|p| p.field).collect()
    }

    #[test]
    fn a_plain_target_has_no_problem() {
        assert_eq!(fields(&target(&[]), MetricResolution::Minute), [""; 0]);
    }

    #[test]
    fn looks_below_a_minute_need_fine_metrics() {
        let mut fast = target(&[]);
        fast.judge.interval = Span::seconds(10);
        assert_eq!(fields(&fast, MetricResolution::Minute), ["judge.interval"]);
        assert_eq!(fields(&fast, MetricResolution::Second), [""; 0]);
        fast.judge.interval = Span::seconds(7);
        assert_eq!(fields(&fast, MetricResolution::Second), ["judge.interval"]);
        fast.judge.interval = Span::seconds(90);
        assert_eq!(fields(&fast, MetricResolution::Minute), ["judge.interval"]);
    }

    #[test]
    fn combinations_that_make_no_sense_are_named() {
        let none = target(&[("/sources", serde_json::json!({}))]);
        assert_eq!(fields(&none, MetricResolution::Minute), ["sources"]);
        let short = target(&[("/rollout/steps/0/bake", "30s".into())]);
        assert_eq!(fields(&short, MetricResolution::Minute), ["rollout"]);
        let mut late = target(&[]);
        late.deadline = Some(Span::minutes(5));
        assert_eq!(fields(&late, MetricResolution::Minute), ["deadline"]);
    }

    #[test]
    fn tag_globs_admit_what_they_match() {
        let source = target(&[]).sources.image.unwrap();
        assert!(source.admits("v1.2.3") && !source.admits("dev") && !source.admits(""));
    }
}
