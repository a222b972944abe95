//! Rules over more than one field of a target file.

use super::deployment_check::deployment_problems;
use super::evidence_check::{percentile_problems, synthetic_problems};
use super::models_check::model_problems;
use super::smoke_check::smoke_problems;
use super::{LatencyRule, Rule, Strictness, Target};
use crate::artifact::Lane;
use crate::judge::sequential::Signal;
use crate::release::Plan;
use crate::span::Span;
use crate::weight::Weight;

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
        let sources = &self.sources;
        if sources.image.is_none() && sources.package.is_none() && sources.model.is_none() {
            problem("sources", "sources is empty: give `image`, `package` or `model`".into());
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
        for (field, message) in self.judge_problems() {
            problem(field, message);
        }
        for (field, message) in deployment_problems(self, resolution) {
            problem(field, message);
        }
        for (field, message) in model_problems(self).into_iter().chain(smoke_problems(self)) {
            problem(field, message);
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

/// Minutes of bakes that the rule `sequential` needs at least: two are warm-up for the promotion.
const LEAST_BLOCKS: usize = 3;

/// Custom signals at most: they share a fifth of the allowed false alarms.
const MOST_SIGNALS: usize = 4;

impl Target {
    /// What does not fit in the settings of the rule `sequential`.
    fn judge_problems(&self) -> Vec<(&'static str, String)> {
        let (judge, mut found) = (&self.judge, Vec::new());
        let mut problem = |field, message: String| found.push((field, message));
        if judge.rule == Rule::Thresholds {
            for (field, given) in [
                ("judge.preset", judge.preset != Strictness::Normal),
                ("judge.overrides", !judge.overrides.is_empty()),
                ("judge.lowTraffic", !judge.low_traffic.is_empty()),
                ("judge.metrics", judge.metrics.is_some()),
                ("judge.signals", !judge.signals.is_empty()),
            ] {
                if given {
                    problem(
                        field,
                        format!("{field} applies to `rule: sequential` only: remove it"),
                    );
                }
            }
            return found;
        }
        let usual = LatencyRule::default();
        if judge.latency.max_increase != usual.max_increase {
            let text = "judge.latency.maxIncrease applies to `rule: thresholds` only; the rule \
                        `sequential` compares slow requests by evidence: remove it, or write `rule: \
                        thresholds`";
            problem("judge.latency.maxIncrease", text.into());
        }
        let lane = if self.service.lambda.is_some() { Lane::Code } else { Lane::Model };
        let Some(plan) = Plan::of(self, lane) else { return found };
        let (bucket, block) = (plan.bucket_seconds(), plan.block_seconds());
        let blocks = plan.buckets() / ((block / bucket).max(1) as usize);
        let looked_at = plan.steps.iter().all(|step| step.bake >= judge.interval);
        if !plan.steps.is_empty() && looked_at && blocks < LEAST_BLOCKS {
            problem(
                "rollout",
                format!(
                    "the bakes have {blocks} periods of {block} s, and evidence for a promotion needs \
                     {LEAST_BLOCKS}: bake longer, or write `rule: thresholds`"
                ),
            );
        }
        if let Some(synthetic) = &judge.low_traffic.synthetic {
            synthetic_problems(synthetic, &mut problem);
        }
        if let Some(metrics) = &judge.metrics {
            percentile_problems(judge, metrics, &mut problem);
        }
        if let Some(metrics) = &judge.metrics
            && ![10, 60].contains(&metrics.bucket.as_secs())
        {
            problem("judge.metrics.bucket", format!("{} is neither 10s nor 60s", metrics.bucket));
        }
        if judge.metrics.is_none() && !judge.signals.is_empty() {
            problem(
                "judge.signals",
                "signals need `judge.metrics`, the namespace that the service publishes to".into(),
            );
        }
        if judge.signals.len() > MOST_SIGNALS {
            let count = judge.signals.len();
            problem("judge.signals", format!("{count} signals are too many: use {MOST_SIGNALS}"));
        }
        for (place, signal) in judge.signals.iter().enumerate() {
            let own = Signal::from(signal.name.clone());
            let known = !matches!(own, Signal::Custom(_)) || signal.name.is_empty();
            let twice = judge.signals[..place].iter().any(|other| other.name == signal.name);
            if known || twice {
                let name = &signal.name;
                problem("judge.signals", format!("the name `{name}` is taken: choose another"));
            }
        }
        let limits = [
            ("judge.overrides.errorLimit", judge.overrides.error_limit, 100.0),
            ("judge.overrides.falseAlarms", judge.overrides.false_alarms, 10.0),
        ];
        for (field, value, most) in limits {
            if let Some(value) = value.filter(|v| v.percent() <= 0.0 || v.percent() > most) {
                problem(field, format!("{value} is not above 0% and up to {most}%"));
            }
        }
        let last = plan.steps.last().map(|step| step.weight);
        if let (Some(raised), Some(last)) = (judge.low_traffic.raise_weight, last)
            && (raised <= last || raised == Weight::FULL)
        {
            problem(
                "judge.lowTraffic.raiseWeight",
                format!("{raised} is not above the last step's {last} and below 100%"),
            );
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
    use crate::target::JudgeRule;

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
    fn settings_of_the_other_rule_and_impossible_ones_are_named() {
        let json =
            |value: serde_json::Value| -> JudgeRule { serde_json::from_value(value).unwrap() };
        let metrics = serde_json::json!({ "namespace": "News", "bucket": "10s" });
        let signal = |name: &str| serde_json::json!({ "name": name, "count": "a", "total": "b" });
        for (judge, expected) in [
            (serde_json::json!({}), vec![]),
            (serde_json::json!({ "rule": "thresholds" }), vec![]),
            (
                serde_json::json!({ "rule": "thresholds", "preset": "strict", "metrics": metrics }),
                vec!["judge.preset", "judge.metrics"],
            ),
            (serde_json::json!({ "metrics": metrics, "signals": [signal("unsure")] }), vec![]),
            (serde_json::json!({ "signals": [signal("unsure")] }), vec!["judge.signals"]),
            (
                serde_json::json!({ "metrics": metrics, "signals": [signal("p99")] }),
                vec!["judge.signals"],
            ),
            (
                serde_json::json!({ "metrics": metrics, "signals": [signal("a"), signal("a")] }),
                vec!["judge.signals"],
            ),
            (
                serde_json::json!({ "metrics": { "namespace": "News", "bucket": "30s" } }),
                vec!["judge.metrics.bucket"],
            ),
            (
                serde_json::json!({ "overrides": { "errorLimit": "0%", "falseAlarms": "20%" } }),
                vec!["judge.overrides.errorLimit", "judge.overrides.falseAlarms"],
            ),
            (
                serde_json::json!({ "lowTraffic": { "raiseWeight": "10%" } }),
                vec!["judge.lowTraffic.raiseWeight"],
            ),
        ] {
            let mut target = target(&[]);
            target.judge = json(judge.clone());
            assert_eq!(fields(&target, MetricResolution::Minute), expected, "{judge}");
        }
        let brief = target(&[("/rollout/steps/0/bake", "2m".into())]);
        assert_eq!(fields(&brief, MetricResolution::Minute), ["rollout"]);
    }

    #[test]
    fn tag_globs_admit_what_they_match() {
        let source = target(&[]).sources.image.unwrap();
        assert!(source.admits("v1.2.3") && !source.admits("dev") && !source.admits(""));
    }
}
