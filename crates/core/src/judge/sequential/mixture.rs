//! Mixture e-processes: the log-evidence of counts against a null ratio or a null rate.
//!
//! Under the null the expectation of one bucket's factor is at most 1, whatever the path of the
//! baseline's rate and of the split (docs/judge.md, sections 2 and 6). So the product stays below `1/alpha`
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
        self.add_from(&mut Factors::default(), cell, dispersion, sums);
    }

    /// As [`Null::add`], with factors that other signals of the same bucket have computed already.
    pub(super) fn add_from(
        &self,
        factors: &mut Factors,
        cell: &Cell,
        dispersion: f64,
        sums: &mut Grid,
    ) {
        if self.ratio != 0.0 && !cell.is_shared() {
            return;
        }
        let Factor { a, ln_a, ln_b, .. } = factors.of(self, cell);
        let (canary, baseline) = (cell.canary / dispersion, cell.baseline / dispersion);
        let margin = cell.canary_of * self.margin / dispersion;
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum += canary * ln_a[k] + baseline * ln_b[k] + margin * (1.0 - a[k]);
        }
    }
}

/// What events of either arm count under a null, at one split of the requests. It does not depend on
/// the events, so signals that count the same requests share it.
#[derive(Debug, Clone)]
struct Factor {
    ratio: f64,
    grid: &'static Grid,
    logs: Grid,
    split: (f64, f64),
    a: Grid,
    ln_a: Grid,
    ln_b: Grid,
}

impl Factor {
    fn new(null: &Null) -> Self {
        let logs = null.grid.map(f64::ln);
        Self {
            ratio: null.ratio,
            grid: null.grid,
            logs,
            split: (f64::NAN, f64::NAN),
            a: *null.grid,
            ln_a: logs,
            ln_b: [0.0; POINTS],
        }
    }

    fn is_of(&self, null: &Null) -> bool {
        self.ratio == null.ratio && std::ptr::eq(self.grid, null.grid)
    }

    /// An absolute limit has the same factors at every split.
    fn set(&mut self, split: (f64, f64)) {
        if self.ratio == 0.0 || self.split == split {
            return;
        }
        self.split = split;
        let (canary_of, baseline_of) = split;
        let expected = canary_of * self.ratio + baseline_of;
        for (k, g) in self.grid.iter().enumerate() {
            let b = expected / (canary_of * self.ratio * g + baseline_of);
            self.a[k] = g * b;
            self.ln_b[k] = b.ln();
            self.ln_a[k] = self.logs[k] + self.ln_b[k];
        }
    }
}

/// The factors of a judge's few nulls, for the newest split.
#[derive(Debug, Clone, Default)]
pub(super) struct Factors(Vec<Factor>);

impl Factors {
    fn of(&mut self, null: &Null, cell: &Cell) -> &Factor {
        let known = self.0.iter().position(|factor| factor.is_of(null));
        let place = known.unwrap_or_else(|| {
            self.0.push(Factor::new(null));
            self.0.len() - 1
        });
        let factor = &mut self.0[place];
        factor.set((cell.canary_of, cell.baseline_of));
        factor
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
