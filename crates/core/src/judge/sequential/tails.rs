//! Tails of the binomial distribution by the regularised incomplete beta function.
//!
//! `P(Bin(m, p) >= s) = I_p(s, m - s + 1)`, which also takes counts that are not whole. The continued
//! fraction is Lentz's (Numerical Recipes, 3rd edition, section 6.4).

use libm::{erfc, lgamma};

/// Above this many trials the continued fraction needs too many steps; the normal tail takes over,
/// whose error is then far below any level that a decision rests on.
const NORMAL_ABOVE: f64 = 1e9;

/// The smallest distance of a probability from 0 and 1.
const EDGE: f64 = 1e-12;

/// `I_x(a, b)`, the regularised incomplete beta function, for `a, b > 0`; in 0..=1.
pub fn beta_inc(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if a + b > NORMAL_ABOVE {
        return normal_beta(a, b, x);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_fraction(b, a, 1.0 - x);
    }
    beta_fraction(a, b, x)
}

/// The continued fraction, which converges fast for `x` below the mean.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    let lifted = |value: f64| if value.abs() > 1e-300 { value } else { 1e-300 };
    let mut c = 1.0;
    let mut d = 1.0 / lifted(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    let mut m = 1.0;
    while m <= 20_000.0 {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for number in [even, odd] {
            d = 1.0 / lifted(1.0 + number * d);
            c = lifted(1.0 + number / c);
            h *= d * c;
        }
        if (d * c - 1.0).abs() < 1e-14 {
            break;
        }
        m += 1.0;
    }
    (front.exp() * h / a).clamp(0.0, 1.0)
}

/// The beta distribution as a normal one with the same mean and variance.
fn normal_beta(a: f64, b: f64, x: f64) -> f64 {
    let mean = a / (a + b);
    let deviation = (mean * (b / (a + b)) / (a + b + 1.0)).sqrt();
    (0.5 * erfc((mean - x) / (deviation * std::f64::consts::SQRT_2))).clamp(0.0, 1.0)
}

/// `P(Bin(trials, p) >= successes)`, or 1 where that is not above the mean.
///
/// With a dispersion above 1 it is the larger of that and the same for the counts divided by it
/// (METHOD, section 5), so more dispersion never makes a result more surprising.
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
