//! What a release's judgement rests on: fixed before its start, and said before anything else.

use perch_core::judge::Judging;
use perch_core::judge::sequential::{Basis, GROWTH, Method, QUANTILES};
use perch_core::release::Release;

use super::text::{count, fine_percent, odds};

/// The numbers that a release is judged by.
pub(crate) fn method(release: &Release) -> Method {
    let rule = &release.plan.judge;
    rule.method()
}

/// What was fixed before the start, as names and sentences.
pub(crate) fn basis(release: &Release, judging: &Judging) -> Vec<(&'static str, String)> {
    let (method, basis) = (method(release), &judging.basis);
    let preset = format!("{:?}", release.plan.judge.preset).to_lowercase();
    let mut rows = vec![
        ("rule", format!("sequential, preset {preset}")),
        ("history", history(basis)),
        ("plan", plan(basis, &method)),
        ("tolerance", tolerance(basis, &method)),
        ("slow", slow(basis, &method)),
        ("dispersion", dispersion(basis, &method)),
    ];
    for custom in &basis.custom {
        let text = format!(
            "{}: {} of the baseline's, {} counted in a block of the canary, dispersion {:.2}",
            custom.name,
            fine_percent(custom.rate),
            count(custom.total.round()),
            Basis::custom_prior(&method, custom)
        );
        rows.push(("signal", text));
    }
    let settled = format!("a bucket counts {} s after its end", judging.settle_seconds);
    rows.push(("settled", settled));
    rows.push(("limits", limits(&method)));
    rows.push(("gate", gate(&method)));
    rows
}

fn history(basis: &Basis) -> String {
    let length = minutes(basis.history, basis.block_seconds);
    format!("{length} of the baseline: {} of its requests failed", fine_percent(basis.error_rate))
}

fn plan(basis: &Basis, method: &Method) -> String {
    format!(
        "{} in buckets of {} s; at {:.0}% of traffic {} canary requests in each block of {} s, {} \
         that count for the promotion",
        minutes(basis.blocks, basis.block_seconds),
        basis.bucket_seconds,
        100.0 * basis.share,
        count(basis.requests.round()),
        basis.block_seconds,
        count(basis.plan(method).round()),
    )
}

fn tolerance(basis: &Basis, method: &Method) -> String {
    format!(
        "a promoted canary fails at most {} times as often as the baseline + {:.2} points",
        method.promise_ratio,
        100.0 * basis.tolerance(method)
    )
}

fn slow(basis: &Basis, method: &Method) -> String {
    if basis.thresholds_ms.is_empty() {
        return "not judged: the baseline's history has too few latencies".to_owned();
    }
    let named = QUANTILES.iter().zip(&basis.thresholds_ms);
    let limits: Vec<String> =
        named.map(|(q, ms)| format!("p{:.0} {ms:.1} ms", 100.0 * q)).collect();
    let tested = QUANTILES.iter().filter(|q| **q != 0.98 && basis.tests_quantile(method, **q));
    let tested: Vec<String> = tested.map(|q| format!("p{:.0}", 100.0 * q)).collect();
    let mut text = format!(
        "above the baseline's latencies of before: {}; the promotion tests {}",
        limits.join(", "),
        tested.join(", ")
    );
    if basis.latency_warm_up > 0 {
        let length = minutes(basis.latency_warm_up, basis.block_seconds);
        text += &format!("; not judged in the first {length}");
    }
    text
}

fn dispersion(basis: &Basis, method: &Method) -> String {
    let latency: Vec<String> = QUANTILES
        .iter()
        .map(|q| format!("p{:.0} {:.2}", 100.0 * q, basis.latency_prior(method, *q)))
        .collect();
    format!("errors {:.2}, {}; 1 is chance alone", basis.error_prior(method), latency.join(", "))
}

fn limits(method: &Method) -> String {
    format!(
        "a rollback takes evidence of {} to one, and of {} without the dropped blocks; a promotion \
         {} for each of its tests",
        odds(-method.alpha_looks.ln()),
        odds(method.corroboration.ln()),
        odds(-method.beta_looks.ln())
    )
}

fn gate(method: &Method) -> String {
    let slower: f64 = std::iter::repeat_n(GROWTH, method.gate_slow).product();
    format!(
        "open, so that a signal may roll back, from {} times the baseline's errors + {} points and \
         {:.1}% slower on; of the error limit ({}) while the baseline itself is below half of it",
        method.gate_ratio,
        100.0 * method.gate_margin,
        100.0 * (slower - 1.0),
        fine_percent(method.error_limit),
    )
}

/// A number of blocks as a length of time.
fn minutes(blocks: u32, block_seconds: u32) -> String {
    let minutes = f64::from(blocks) * f64::from(block_seconds) / 60.0;
    if minutes == 1.0 { "1 minute".to_owned() } else { format!("{} minutes", count(minutes)) }
}
