//! Rules over what a release follows: judge and rollout, which a target may give for models apart.

use std::borrow::Cow;

use super::check::{MetricResolution, Problem};
use super::evidence_check::{percentile_problems, synthetic_problems};
use super::{JudgeRule, LatencyRule, Rule, Step, Strictness, Target};
use crate::artifact::Lane;
use crate::judge::sequential::Signal;
use crate::release::{Driver, Plan};
use crate::span::Span;
use crate::weight::Weight;

/// Periods below one minute that CloudWatch accepts for high-resolution metrics and that Perch
/// looks at (API Reference, `MetricStat`, `Period`).
const FINE_INTERVALS: [u64; 4] = [5, 10, 20, 30];

/// Minutes of bakes that the rule `sequential` needs at least: two are warm-up for the promotion.
const LEAST_BLOCKS: usize = 3;

/// Custom signals at most: they share a fifth of the allowed false alarms.
const MOST_SIGNALS: usize = 4;

/// What the judges, the rollouts and the deadline of a target break, each at its place.
pub(super) fn release_problems(target: &Target, resolution: MetricResolution) -> Vec<Problem> {
    let code = Said::of_code(target);
    let models = Said::of_models(target);
    let mut found = code.number_problems(resolution);
    // Without a function what stands at the top is followed by models only, as far as they do.
    if code.plan.is_some() || models.is_none() {
        found.extend(code.problems(target));
    }
    if let Some(models) = models {
        found.extend(models.number_problems(resolution));
        found.extend(models.problems(target));
    }
    // What both follow is said once.
    let mut once = Vec::with_capacity(found.len());
    for problem in found {
        if !once.contains(&problem) {
            once.push(problem);
        }
    }
    once
}

/// What releases of a lane follow, and where the file says it.
struct Said<'a> {
    judge: &'a JudgeRule,
    steps: Vec<Step>,
    plan: Option<Plan>,
    judge_at: &'static str,
    rollout_at: &'static str,
}

impl<'a> Said<'a> {
    fn of_code(target: &'a Target) -> Self {
        Self {
            judge: &target.judge,
            steps: target.rollout.steps(),
            plan: Plan::of(target, Lane::Code),
            judge_at: "judge",
            rollout_at: "rollout",
        }
    }

    /// `None` where the target takes no models.
    fn of_models(target: &'a Target) -> Option<Self> {
        let own = &target.model_release;
        target.sources.model.as_ref()?;
        let plan = Driver::of(target, Lane::Model).and_then(|_| Plan::of(target, Lane::Model))?;
        Some(Self {
            judge: own.judge.as_ref().unwrap_or(&target.judge),
            steps: plan.steps.clone(),
            plan: Some(plan),
            judge_at: own.judge.as_ref().map_or("judge", |_| "modelRelease.judge"),
            rollout_at: own.rollout.as_ref().map_or("rollout", |_| "modelRelease.rollout"),
        })
    }

    /// A field of the judge, as the file names it.
    fn judge_field(&self, field: &str) -> Cow<'static, str> {
        format!("{}.{field}", self.judge_at).into()
    }

    /// Numbers of the judge that mean nothing by themselves.
    fn number_problems(&self, resolution: MetricResolution) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut problem = |field: &str, message: String| {
            found.push(Problem { field: self.judge_field(field), message });
        };
        if let Some(message) = interval_problem(self.judge.interval, resolution) {
            problem("interval", message);
        }
        if self.judge.min_requests == 0 {
            let text = "minRequests is 0: no data would promote; use 1 or more";
            problem("minRequests", text.into());
        }
        if self.judge.error_rate.max.percent() >= 100.0 {
            let text = "an error limit of 100% or more never fails; use less";
            problem("errorRate.max", text.into());
        }
        found
    }

    /// What does not fit together.
    fn problems(&self, target: &Target) -> Vec<Problem> {
        let mut found = self.bake_problems();
        for (field, message) in self.judge_problems() {
            found.push(Problem { field: field.into(), message });
        }
        found.extend(self.deadline_problem(target));
        found
    }

    fn bake_problems(&self) -> Vec<Problem> {
        let (judge, interval_at) = (self.judge, self.judge_field("interval"));
        let short = self.steps.iter().filter(|step| step.bake < judge.interval).map(|step| {
            let interval = judge.interval;
            let message = format!(
                "the bake of {} at {} is shorter than {interval_at} {interval}: the judge would not \
                 look; bake for {interval} or longer",
                step.bake, step.weight
            );
            Problem { field: self.rollout_at.into(), message }
        });
        let mut found: Vec<Problem> = short.collect();
        if let (Some(warm_up), Some(first)) = (judge.latency.warm_up, self.steps.first())
            && warm_up >= first.bake
        {
            let message = format!(
                "a warm-up of {warm_up} leaves nothing of the first bake of {}: latency would never \
                 be compared; make it shorter",
                first.bake
            );
            found.push(Problem { field: self.judge_field("latency.warmUp"), message });
        }
        found
    }

    fn deadline_problem(&self, target: &Target) -> Option<Problem> {
        let deadline = target.deadline?;
        let bakes: u64 = self.steps.iter().map(|step| step.bake.as_secs()).sum();
        (deadline.as_secs() <= bakes).then(|| {
            let (sum, at) = (Span::seconds(bakes), self.rollout_at);
            let message =
                format!("deadline {deadline} is not above the bakes' sum of {sum} in {at}");
            Problem { field: "deadline".into(), message }
        })
    }

    /// What does not fit in the settings of the rule `sequential`.
    fn judge_problems(&self) -> Vec<(String, String)> {
        let (judge, at, mut found) = (self.judge, self.judge_at, Vec::new());
        let mut problem = |field: &str, message: String| {
            found.push((format!("{at}.{field}"), message));
        };
        if judge.rule == Rule::Thresholds {
            for (field, given) in [
                ("preset", judge.preset != Strictness::Normal),
                ("overrides", !judge.overrides.is_empty()),
                ("lowTraffic", !judge.low_traffic.is_empty()),
                ("metrics", judge.metrics.is_some()),
                ("signals", !judge.signals.is_empty()),
            ] {
                if given {
                    let text =
                        format!("{at}.{field} applies to `rule: sequential` only: remove it");
                    problem(field, text);
                }
            }
            return found;
        }
        if judge.latency.max_increase != LatencyRule::default().max_increase {
            let text = format!(
                "{at}.latency.maxIncrease applies to `rule: thresholds` only; the rule `sequential` \
                 compares slow requests by evidence: remove it, or write `rule: thresholds`"
            );
            problem("latency.maxIncrease", text);
        }
        let Some(plan) = &self.plan else { return found };
        if let Some(synthetic) = &judge.low_traffic.synthetic {
            synthetic_problems(synthetic, &mut problem);
        }
        if let Some(metrics) = &judge.metrics {
            percentile_problems(judge, metrics, &mut problem);
            if ![10, 60].contains(&metrics.bucket.as_secs()) {
                problem("metrics.bucket", format!("{} is neither 10s nor 60s", metrics.bucket));
            }
        }
        signal_problems(judge, at, &mut problem);
        for (field, value, most) in [
            ("overrides.errorLimit", judge.overrides.error_limit, 100.0),
            ("overrides.falseAlarms", judge.overrides.false_alarms, 10.0),
        ] {
            if let Some(value) = value.filter(|v| v.percent() <= 0.0 || v.percent() > most) {
                problem(field, format!("{value} is not above 0% and up to {most}%"));
            }
        }
        let last = plan.steps.last().map(|step| step.weight);
        if let (Some(raised), Some(last)) = (judge.low_traffic.raise_weight, last)
            && (raised <= last || raised == Weight::FULL)
        {
            let text = format!("{raised} is not above the last step's {last} and below 100%");
            problem("lowTraffic.raiseWeight", text);
        }
        found.extend(self.block_problem(plan));
        found
    }

    /// Evidence for a promotion needs a few periods.
    fn block_problem(&self, plan: &Plan) -> Option<(String, String)> {
        let (bucket, block) = (plan.bucket_seconds(), plan.block_seconds());
        let blocks = plan.buckets() / ((block / bucket).max(1) as usize);
        let looked_at = plan.steps.iter().all(|step| step.bake >= self.judge.interval);
        (!plan.steps.is_empty() && looked_at && blocks < LEAST_BLOCKS).then(|| {
            let text = format!(
                "the bakes have {blocks} periods of {block} s, and evidence for a promotion needs \
                 {LEAST_BLOCKS}: bake longer, or write `rule: thresholds`"
            );
            (self.rollout_at.to_owned(), text)
        })
    }
}

fn signal_problems(judge: &JudgeRule, at: &str, problem: &mut impl FnMut(&str, String)) {
    let signals = &judge.signals;
    if judge.metrics.is_none() && !signals.is_empty() {
        let text =
            format!("signals need `{at}.metrics`, the namespace that the service publishes to");
        problem("signals", text);
    }
    if signals.len() > MOST_SIGNALS {
        let text = format!("{} signals are too many: use {MOST_SIGNALS}", signals.len());
        problem("signals", text);
    }
    for (place, signal) in signals.iter().enumerate() {
        let own = Signal::from(signal.name.clone());
        let known = !matches!(own, Signal::Custom(_)) || signal.name.is_empty();
        let twice = signals[..place].iter().any(|other| other.name == signal.name);
        if known || twice {
            problem("signals", format!("the name `{}` is taken: choose another", signal.name));
        }
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
