//! Latency as a histogram: the bins that services and case files share, the shapes that simulated
//! requests are drawn from, and quantiles read back from counts.

use std::f64::consts::SQRT_2;
use std::sync::LazyLock;

/// Bins of a histogram. The first takes everything faster, the last everything slower.
pub const BINS: usize = 65;
/// The first edge in milliseconds.
const FIRST_EDGE: f64 = 10.0;
/// The median of an ordinary request in milliseconds.
const MEDIAN: f64 = 100.0;
/// The spread of an ordinary request: the standard deviation of its logarithm.
const SIGMA: f64 = 0.5;

/// Counts per bin; not always whole, as CloudWatch interpolates within its own bins.
pub type Histogram = [f64; BINS];

/// The factor from one edge to the next: two bins are 1.2 times as slow.
pub fn growth() -> f64 {
    1.2f64.sqrt()
}

/// The edges in milliseconds; bin `i` lies between edge `i` and edge `i + 1`.
pub fn edges() -> &'static [f64; BINS + 1] {
    static EDGES: LazyLock<[f64; BINS + 1]> =
        LazyLock::new(|| std::array::from_fn(|i| FIRST_EDGE * growth().powf(i as f64)));
    &EDGES
}

/// The share of requests in each bin.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape([f64; BINS]);

impl Shape {
    /// Ordinary requests: lognormal around 100 ms.
    pub fn ordinary() -> &'static Self {
        static ORDINARY: LazyLock<Shape> = LazyLock::new(|| Shape::slower(1.0));
        &ORDINARY
    }

    /// Every request takes `factor` times as long.
    pub fn slower(factor: f64) -> Self {
        let shift = factor.ln() / SIGMA;
        Self::from_share_below(|ms| normal((ms / MEDIAN).ln() / SIGMA - shift))
    }

    /// Only requests above the 90th percentile take `factor` times as long.
    pub fn slower_tail(factor: f64) -> Self {
        let shift = factor.ln() / SIGMA;
        Self::from_share_below(|ms| {
            let z = (ms / MEDIAN).ln() / SIGMA;
            normal(z).min(0.9) + (normal(z - shift) - 0.9).max(0.0)
        })
    }

    /// 3% of requests have a nearly Pareto tail around 400 ms; all take `factor` times as long.
    pub fn heavy_tail(factor: f64) -> Self {
        Self::from_share_below(|ms| {
            let body = normal((ms / factor / MEDIAN).ln() / 0.4);
            let tail = normal((ms / factor / 400.0).ln());
            0.97 * body + 0.03 * tail
        })
    }

    /// The same, but `share` of the requests hang for about `ms`.
    #[must_use]
    pub fn with_hanging(mut self, share: f64, ms: f64) -> Self {
        for bin in &mut self.0 {
            *bin *= 1.0 - share;
        }
        let bin = edges().partition_point(|edge| *edge < ms).min(BINS - 1);
        self.0[bin] += share;
        self
    }

    /// The same, but `share` of the requests are as in another shape.
    #[must_use]
    pub fn mixed_with(mut self, other: &Self, share: f64) -> Self {
        for (bin, theirs) in self.0.iter_mut().zip(other.0) {
            *bin += share * (theirs - *bin);
        }
        self
    }

    /// The share of requests in each bin; they add up to 1.
    pub fn shares(&self) -> &[f64; BINS] {
        &self.0
    }

    fn from_share_below(share: impl Fn(f64) -> f64) -> Self {
        let mut below = 0.0;
        Self(std::array::from_fn(|bin| {
            let next = if bin + 1 == BINS { 1.0 } else { share(edges()[bin + 1]) };
            let mass = next - below;
            below = next;
            mass
        }))
    }
}

/// The share of a normal distribution below `z`.
fn normal(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

/// The quantile `q` in milliseconds, interpolated within its bin; none without requests.
pub fn quantile(histogram: &Histogram, q: f64) -> Option<f64> {
    let wanted = q * histogram.iter().sum::<f64>();
    if wanted <= 0.0 {
        return None;
    }
    let mut below = 0.0;
    for (bin, count) in histogram.iter().enumerate() {
        if below + count >= wanted {
            let within = (wanted - below) / count.max(1.0);
            return Some(edges()[bin] * growth().powf(within));
        }
        below += count;
    }
    Some(edges()[BINS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_grow_from_10_ms_by_a_factor_of_1_2_every_two_bins() {
        assert_eq!(edges()[0], 10.0);
        assert!((edges()[2] - 12.0).abs() < 1e-9);
        assert!((edges()[65] / edges()[63] - 1.2).abs() < 1e-9);
    }

    #[test]
    fn shares_are_a_distribution() {
        let shapes = [
            Shape::ordinary().clone(),
            Shape::slower(3.0),
            Shape::slower_tail(2.0),
            Shape::heavy_tail(1.3),
            Shape::ordinary().clone().with_hanging(0.02, 1000.0),
        ];
        for shape in shapes {
            assert!((shape.shares().iter().sum::<f64>() - 1.0).abs() < 1e-12, "{shape:?}");
            assert!(shape.shares().iter().all(|share| *share >= 0.0), "{shape:?}");
        }
    }

    /// The quantile of a shape, as a histogram of ten million requests has it.
    fn of(shape: &Shape, q: f64) -> f64 {
        quantile(&shape.shares().map(|share| share * 1e7), q).unwrap()
    }

    #[test]
    fn quantiles_follow_the_formula() {
        // exp(ln 100 + 0.5 z) at the median, p90 and p99; a bin is 9.5% wide.
        for (q, expected) in [(0.5, 100.0), (0.9, 189.8), (0.99, 320.0)] {
            let found = of(Shape::ordinary(), q);
            assert!((found / expected - 1.0).abs() < 0.005, "{q}: {found}");
            let slower = of(&Shape::slower(1.5), q);
            assert!((slower / expected - 1.5).abs() < 0.01, "{q}: {slower}");
        }
        let tail = Shape::slower_tail(1.5);
        assert!((of(&tail, 0.99) / 480.0 - 1.0).abs() < 0.005);
        assert!((of(&tail, 0.5) / 100.0 - 1.0).abs() < 0.005, "the body stays");
    }

    #[test]
    fn hanging_requests_are_near_their_time() {
        let shape = Shape::ordinary().clone().with_hanging(0.02, 1000.0);
        let p99 = of(&shape, 0.99);
        assert!((1000.0..1200.0).contains(&p99), "{p99}");
    }

    #[test]
    fn a_quantile_needs_requests() {
        assert_eq!(quantile(&[0.0; BINS], 0.99), None);
        let mut one = [0.0; BINS];
        one[10] = 1.0;
        let found = quantile(&one, 0.5).unwrap();
        assert!(edges()[10] < found && found < edges()[11]);
    }
}
