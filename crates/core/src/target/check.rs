//! Rules over more than one field of a target file.

use std::borrow::Cow;

use super::Target;
use super::deployment_check::deployment_problems;
use super::models_check::model_problems;
use super::release_check::release_problems;
use super::service_check::service_problems;
use super::smoke_check::smoke_problems;

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
    /// The path of the field, such as `modelRelease.judge.interval`.
    pub field: Cow<'static, str>,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Target {
    /// Every rule over more than one field that the target breaks.
    pub fn problems(&self, resolution: MetricResolution) -> Vec<Problem> {
        let mut found = self.source_problems();
        found.extend(
            service_problems(self)
                .into_iter()
                .map(|(field, message)| Problem { field: field.into(), message }),
        );
        found.extend(release_problems(self, resolution));
        found.extend(model_problems(self));
        let more = deployment_problems(self, resolution).into_iter().chain(smoke_problems(self));
        found.extend(more.map(|(field, message)| Problem { field: field.into(), message }));
        found
    }

    fn source_problems(&self) -> Vec<Problem> {
        let (sources, mut found) = (&self.sources, Vec::new());
        let mut problem = |field: &'static str, message: &str| {
            found.push(Problem { field: field.into(), message: message.into() });
        };
        if sources.image.is_none() && sources.package.is_none() && sources.model.is_none() {
            problem("sources", "sources is empty: give `image`, `package` or `model`");
        }
        if sources.image.is_some() && sources.package.is_some() {
            problem(
                "sources",
                "a Lambda function is either an image or a zip function: give `image` or \
                 `package`, not both",
            );
        }
        if sources.image.as_ref().is_some_and(|s| s.tags.iter().all(|t| t.is_empty())) {
            problem("sources.image.tags", "no tag glob is given: write [\"*\"] for all tags");
        }
        if sources.package.as_ref().is_some_and(|s| s.keys.iter().all(|k| k.is_empty())) {
            problem("sources.package.keys", "no key glob is given: write [\"*\"] for all");
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Lane;
    use crate::span::Span;
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

    fn fields(target: &Target, resolution: MetricResolution) -> Vec<Cow<'static, str>> {
        target.problems(resolution).into_iter().map(|problem| problem.field).collect()
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

    /// The target, which takes models too and says this of their releases.
    fn with_models(said: serde_json::Value) -> Target {
        let mut json = serde_json::to_value(target(&[])).unwrap();
        json["sources"]["model"] = serde_json::json!({ "bucket": "models", "prefix": "news" });
        json["modelRelease"] = said;
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_models_follow_is_held_to_the_same_rules_at_its_own_place() {
        let steps =
            |bake: &str| serde_json::json!({ "steps": [{ "weight": "10%", "bake": bake }] });
        let own = |judge: serde_json::Value| serde_json::json!({ "judge": judge });
        for (said, expected) in [
            (serde_json::json!({}), vec![]),
            (serde_json::json!({ "rollout": steps("5m"), "judge": {} }), vec![]),
            (own(serde_json::json!({ "interval": "7s" })), vec!["modelRelease.judge.interval"]),
            (own(serde_json::json!({ "minRequests": 0 })), vec!["modelRelease.judge.minRequests"]),
            (
                own(serde_json::json!({ "errorRate": { "max": "100%" } })),
                vec!["modelRelease.judge.errorRate.max"],
            ),
            (
                own(serde_json::json!({ "rule": "thresholds", "preset": "strict" })),
                vec!["modelRelease.judge.preset"],
            ),
            (
                own(serde_json::json!({ "metrics": { "namespace": "News", "bucket": "30s" } })),
                vec!["modelRelease.judge.metrics.bucket"],
            ),
            (
                own(
                    serde_json::json!({ "signals": [{ "name": "a", "count": "b", "total": "c" }] }),
                ),
                vec!["modelRelease.judge.signals"],
            ),
            (
                own(serde_json::json!({ "latency": { "warmUp": "5m" } })),
                vec!["modelRelease.judge.latency.warmUp"],
            ),
            // The interval of the one is above the bake of the other.
            (own(serde_json::json!({ "interval": "10m" })), vec!["rollout"]),
            (serde_json::json!({ "rollout": steps("30s") }), vec!["modelRelease.rollout"]),
            (serde_json::json!({ "rollout": steps("2m") }), vec!["modelRelease.rollout"]),
        ] {
            let target = with_models(said.clone());
            assert_eq!(fields(&target, MetricResolution::Minute), expected, "{said}");
        }
        let mut late = with_models(serde_json::json!({ "rollout": steps("2h") }));
        assert_eq!(late.deadline(Lane::Code), Span::minutes(75));
        assert_eq!(late.deadline(Lane::Model), Span::minutes(7 * 60));
        late.deadline = Some(Span::minutes(60));
        assert_eq!(fields(&late, MetricResolution::Minute), ["deadline"]);
        // What nothing follows is no fault of what does not fit together.
        let mut servers = serde_json::to_value(with_models(serde_json::json!({
            "rollout": steps("5m"), "judge": { "metrics": { "namespace": "News" } },
        })))
        .unwrap();
        servers["service"] = serde_json::json!({ "modelServers": {
            "protocol": "perch", "model": "news", "replicas": { "static": ["http://a:1"] },
        } });
        servers["sources"].as_object_mut().unwrap().remove("image");
        servers["rollout"] = steps("1m");
        let servers: Target = serde_json::from_value(servers).unwrap();
        assert_eq!(fields(&servers, MetricResolution::Minute), [""; 0]);
    }

    #[test]
    fn a_fault_that_images_and_models_share_is_said_once() {
        let mut both =
            with_models(serde_json::json!({ "rollout": { "preset": "LambdaAllAtOnce" } }));
        both.judge.min_requests = 0;
        assert_eq!(fields(&both, MetricResolution::Minute), ["judge.minRequests"]);
    }

    #[test]
    fn tag_globs_admit_what_they_match() {
        let source = target(&[]).sources.image.unwrap();
        assert!(source.admits("v1.2.3") && !source.admits("dev") && !source.admits(""));
    }
}
