//! What does not fit in the settings of synthetic requests and of percentiles. Fields are named as below
//! the judge.

use super::evidence_rule::LATENCY;
use super::{JudgeRule, OwnMetrics, Synthetic};

/// Synthetic requests a minute at most: a stand-in for callers, and no load test.
const MOST_PER_MINUTE: u32 = 300;

/// Events of synthetic requests at most.
const MOST_EVENTS: usize = 20;

/// Bytes of an event as JSON. The release's item holds them all next to its buckets, and an item of
/// `DynamoDB` has at most 400 KB (Developer Guide, "Quotas").
const MOST_EVENT_BYTES: usize = 6 * 1024;

/// The canary's slow requests that only the promotion may read: the most that there can be. See
/// [`canary_slow`](crate::judge::brackets::canary_slow).
const FOR_THE_PROMOTION: usize = 2;

/// Whether synthetic requests can be sent as they are described.
pub(super) fn synthetic_problems(synthetic: &Synthetic, problem: &mut impl FnMut(&str, String)) {
    let Synthetic { per_minute, events } = synthetic;
    if !(1..=MOST_PER_MINUTE).contains(per_minute) {
        let text = format!("{per_minute} requests a minute: use 1 to {MOST_PER_MINUTE}");
        problem("lowTraffic.synthetic.perMinute", text);
    }
    let field = "lowTraffic.synthetic.events";
    if !(1..=MOST_EVENTS).contains(&events.len()) {
        problem(field, format!("{} events: give 1 to {MOST_EVENTS}", events.len()));
    }
    for (place, event) in events.iter().enumerate() {
        let bytes = event.to_string().len();
        if bytes > MOST_EVENT_BYTES {
            let text = format!(
                "events[{place}] has {bytes} bytes as JSON: use {MOST_EVENT_BYTES} at most"
            );
            problem(field, text);
        }
    }
}

/// Whether percentiles can be read, and are enough for the preset.
pub(super) fn percentile_problems(
    judge: &JudgeRule,
    metrics: &OwnMetrics,
    problem: &mut impl FnMut(&str, String),
) {
    let Some(percentiles) = &metrics.percentiles else { return };
    let field = "metrics.percentiles";
    let names = percentiles.names();
    if names.contains(&"") || names.iter().enumerate().any(|(at, name)| names[..at].contains(name))
    {
        problem(field, "p90, p95, p98 and p99 are four metrics: give each its own name".into());
    }
    if metrics.latency != LATENCY {
        let text = "is not read next to `percentiles`: remove one of them";
        problem("metrics.latency", format!("`{}` {text}", metrics.latency));
    }
    let method = judge.method();
    if [method.slow_from, method.gate_slow].contains(&FOR_THE_PROMOTION) {
        let text = "percentiles do not fit `preset: lenient`: it rolls back on a number of slow \
                    requests that percentiles bound from above only; use `normal` or `strict`, or \
                    publish one value per request";
        problem(field, text.into());
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::{Value, json};

    use crate::target::{MetricResolution, Target};

    fn problems(judge: Value) -> Vec<(Cow<'static, str>, String)> {
        let target: Target = serde_json::from_value(json!({
            "apiVersion": "perch/v1", "kind": "Target", "name": "news",
            "service": { "lambda": { "function": "news", "alias": "live" } },
            "sources": { "image": { "repository": "news", "tags": ["v*"] } },
            "rollout": { "steps": [{ "weight": "10%", "bake": "5m" }] },
            "judge": judge,
        }))
        .unwrap();
        let found = target.problems(MetricResolution::Minute).into_iter();
        found.map(|problem| (problem.field, problem.message)).collect()
    }

    fn expect(judge: Value, expected: &[(&str, &str)]) {
        let found = problems(judge.clone());
        assert_eq!(found.len(), expected.len(), "{judge}: {found:?}");
        for ((field, message), (expected, words)) in found.iter().zip(expected) {
            assert_eq!(field, expected, "{judge}");
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn synthetic_requests_that_cannot_be_sent_are_named() {
        let (rate, events) =
            ("judge.lowTraffic.synthetic.perMinute", "judge.lowTraffic.synthetic.events");
        let synthetic = |per_minute: u32, events: Vec<Value>| json!({ "lowTraffic": { "synthetic": { "perMinute": per_minute, "events": events } } });
        // Two quotes around the text.
        let sized = |bytes: usize| json!("x".repeat(bytes - 2));
        expect(synthetic(1, vec![sized(6144)]), &[]);
        expect(synthetic(300, vec![json!({ "text": "late goal" }); 20]), &[]);
        expect(synthetic(0, vec![json!({})]), &[(rate, "0 requests a minute: use 1 to 300")]);
        expect(synthetic(301, vec![json!({})]), &[(rate, "301 requests a minute")]);
        expect(synthetic(30, vec![]), &[(events, "0 events: give 1 to 20")]);
        expect(synthetic(30, vec![json!(1); 21]), &[(events, "21 events")]);
        let long = vec![json!({}), sized(6145)];
        expect(synthetic(30, long), &[(events, "events[1] has 6145 bytes as JSON: use 6144")]);
        let mut other = synthetic(30, vec![json!({})]);
        other["rule"] = "thresholds".into();
        expect(other, &[("judge.lowTraffic", "`rule: sequential` only")]);
    }

    #[test]
    fn percentiles_fit_presets_that_need_a_lower_bound_only() {
        let percentiles = json!({ "p90": "P90", "p95": "P95", "p98": "P98", "p99": "P99" });
        let field = "judge.metrics.percentiles";
        for preset in ["normal", "strict", "published", "lenient"] {
            let judge = json!({
                "preset": preset,
                "metrics": { "namespace": "News", "percentiles": percentiles },
            });
            let lenient = [(field, "`preset: lenient`")];
            expect(judge, if preset == "lenient" { &lenient } else { &[] });
        }
        let same = json!({ "p90": "P90", "p95": "P95", "p98": "P98", "p99": "P98" });
        expect(
            json!({ "metrics": { "namespace": "News", "percentiles": same } }),
            &[(field, "four metrics")],
        );
        expect(
            json!({ "metrics": { "namespace": "News", "latency": "Took", "percentiles": percentiles } }),
            &[("judge.metrics.latency", "`Took` is not read")],
        );
    }
}
