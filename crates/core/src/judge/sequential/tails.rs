//! Tails of the binomial distribution by the regularised incomplete beta function.
//!
//! `P(Bin(m, p) >= s) = I_p(s, m - s + 1)`, which also takes counts that are not whole.

use statrs::function::beta::checked_beta_reg;

/// The smallest distance of a probability from 0 and 1.
const EDGE: f64 = 1e-12;

/// `I_x(a, b)`, the regularised incomplete beta function, for `a, b > 0`; in 0..=1.
///
/// Where the series does not converge the answer is 1, which never makes a tail small.
pub fn beta_inc(a: f64, b: f64, x: f64) -> f64 {
    checked_beta_reg(a, b, x.clamp(0.0, 1.0)).map_or(1.0, |value| value.clamp(0.0, 1.0))
}

/// `P(Bin(trials, p) >= successes)`, or 1 where that is not above the mean.
///
/// With a dispersion above 1 it is the larger of that and the same for the counts divided by it
/// (docs/judge.md, section 3), so more dispersion never makes a result more surprising.
pub fn upper_tail(successes: f64, trials: f64, p: f64, dispersion: f64) -> f64 {
    let p = p.clamp(EDGE, 1.0 - EDGE);
    let tail = |s: f64, m: f64| {
        if s <= m * p { 1.0 } else { beta_inc(s.max(1e-9), (m - s).max(0.0) + 1.0, p) }
    };
    tail(successes, trials).max(tail(successes / dispersion, trials / dispersion))
}

/// `P(Bin(trials, p) <= successes)`, or 1 where that is not below the mean; dispersion as above.
pub fn lower_tail(successes: f64, trials: f64, p: f64, dispersion: f64) -> f64 {
    let q = (1.0 - p).clamp(EDGE, 1.0 - EDGE);
    let tail = |s: f64, m: f64| {
        if s >= m * p || m <= 0.0 { 1.0 } else { beta_inc((m - s).max(1e-9), s + 1.0, q) }
    };
    tail(successes, trials).max(tail(successes / dispersion, trials / dispersion))
}

/// The Clopper-Pearson lower limit of a proportion at the one-sided level `gamma`, by bisection.
pub fn proportion_lower(events: f64, trials: f64, gamma: f64, dispersion: f64) -> f64 {
    if events <= 0.0 {
        return 0.0;
    }
    let a = events.max(0.5) / dispersion;
    let b = (trials - events).max(0.0) / dispersion + 1.0;
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if beta_inc(a, b, middle) < gamma {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}
