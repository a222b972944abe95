//! Mixture e-processes: the log-evidence of counts against a null ratio or a null rate.
//!
//! Under the null the expectation of one bucket's factor is at most 1, whatever the path of the
//! baseline's rate and of the split (METHOD, sections 2 and 8). So the product stays below `1/alpha`
//! for ever with a probability of at least `1 - alpha` (Ville's inequality), however often one looks.

/// Points of a grid.
pub const POINTS: usize = 8;

/// A grid of alternatives, as multiples of the null.
pub type Grid = [f64; POINTS];

/// Alternatives above the null ratio.
pub const UP: Grid = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0];
/// Alternatives above a null rate.
pub const ABOVE_RATE: Grid = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0];
/// Alternatives below the null ratio.
pub const DOWN: Grid = [0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.05, 0.01];

/// Events and requests of both arms in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cell {
    /// Events of the canary.
    pub canary: f64,
    /// Requests of the canary.
    pub canary_of: f64,
    /// Events of the baseline.
    pub baseline: f64,
    /// Requests of the baseline.
    pub baseline_of: f64,
}

impl Cell {
    /// Events of both arms.
    pub fn events(&self) -> f64 {
        self.canary + self.baseline
    }

    /// Whether both arms have requests.
    pub fn is_shared(&self) -> bool {
        self.canary_of > 0.0 && self.baseline_of > 0.0
    }

    /// The canary's expected share of events if its rate is `ratio` times the baseline's.
    pub fn share(&self, ratio: f64, floor: f64) -> f64 {
        self.canary_of * ratio / (self.canary_of * ratio + self.baseline_of).max(floor)
    }

    /// The counts of these blocks together.
    pub fn sum<'a>(blocks: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        blocks.into_iter().for_each(|block| sum.add(block));
        sum
    }

    /// Adds the counts of another bucket.
    pub fn add(&mut self, other: &Cell) {
        self.canary += other.canary;
        self.canary_of += other.canary_of;
        self.baseline += other.baseline;
        self.baseline_of += other.baseline_of;
    }
}

/// A null hypothesis about the canary's rate: `rate <= ratio * baseline's rate + margin` for a grid
/// above 1, and `>=` for one below. A ratio of 0 makes it an absolute limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Null {
    /// The ratio to the baseline's rate.
    pub ratio: f64,
    /// What is added to it.
    pub margin: f64,
    /// The alternatives.
    pub grid: &'static Grid,
}

impl Null {
    /// Adds one bucket's log-factors, divided by its dispersion, for each point of the grid.
    pub fn add(&self, cell: &Cell, dispersion: f64, sums: &mut Grid) {
        let Cell { canary, canary_of, baseline, baseline_of } = *cell;
        if self.ratio == 0.0 {
            for (sum, g) in sums.iter_mut().zip(self.grid) {
                *sum += (canary * g.ln() + canary_of * self.margin * (1.0 - g)) / dispersion;
            }
            return;
        }
        if !cell.is_shared() {
            return;
        }
        let expected = canary_of * self.ratio + baseline_of;
        for (sum, g) in sums.iter_mut().zip(self.grid) {
            let b = expected / (canary_of * self.ratio * g + baseline_of);
            let a = g * b;
            let x = canary * a.ln() + baseline * b.ln() + canary_of * self.margin * (1.0 - a);
            *sum += x / dispersion;
        }
    }
}

/// The log of the mean over a grid, from the logs of its points.
pub fn log_mean(sums: &Grid) -> f64 {
    let top = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    #[allow(clippy::cast_precision_loss, reason = "a grid has 8 points")]
    let points = POINTS as f64;
    top + (sums.iter().map(|sum| (sum - top).exp()).sum::<f64>() / points).ln()
}

/// `ln(exp(a) + exp(b))`, also for minus infinity.
pub fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
