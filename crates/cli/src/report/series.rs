//! The numbers of the charts, taken from the record: nothing is judged again here.

use jiff::Timestamp;
use perch_core::journal::{JournalEntry, What};
use perch_core::judge::Judging;
use perch_core::judge::sequential::{
    Bucket, Cell, Counts, Interval, Intervals, Look, Method, Signal, Tally,
};
use perch_core::release::Release;
use perch_core::weight::Weight;

/// Points of the confidence sequence at most: each is a search over all buckets so far.
const INTERVALS: usize = 60;

/// Points of a rate at most, but for the last few.
const RATES: usize = 40;

/// A value at a time, in minutes since the first traffic.
pub(crate) type Points = Vec<(f64, Option<f64>)>;

/// The buckets and looks of a release on one axis of time.
pub(crate) struct Series<'a> {
    pub(crate) judging: &'a Judging,
    pub(crate) looks: Vec<(f64, &'a Look)>,
    pub(crate) zero: Timestamp,
}

/// The ratio of the error rates so far, and its confidence sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) minute: f64,
    /// None where the baseline has no errors, or an arm no requests.
    pub(crate) estimate: Option<f64>,
    pub(crate) interval: Interval,
}

/// Minutes from one moment to another.
pub(crate) fn minutes(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() / 60.0
}

/// When the first traffic was read back, or when the release started.
pub(crate) fn first_traffic(release: &Release, journal: &[JournalEntry]) -> Timestamp {
    let first = journal.iter().find(|entry| entry.what == What::WeightShifted);
    first.map_or(release.started_at, |entry| entry.at)
}

impl<'a> Series<'a> {
    /// What was judged; nothing without a basis or without a bucket.
    pub(crate) fn of(release: &'a Release, journal: &'a [JournalEntry]) -> Option<Self> {
        let judging = release.judging.as_ref().filter(|judging| !judging.observed.is_empty())?;
        let zero = first_traffic(release, journal);
        let mut series = Self { judging, looks: Vec::new(), zero };
        let looks = journal.iter().filter_map(|entry| Some((entry, entry.evidence.as_ref()?)));
        series.looks = looks
            .filter_map(|(entry, evidence)| {
                let look = evidence.look.as_deref()?;
                let last = (look.buckets as usize).checked_sub(1);
                let end = last.filter(|last| *last < judging.observed.len());
                Some((end.map_or(minutes(zero, entry.at), |last| series.end(last)), look))
            })
            .collect();
        Some(series)
    }

    /// When a bucket ends.
    fn end(&self, bucket: usize) -> f64 {
        let length = f64::from(self.judging.basis.bucket_seconds) / 60.0;
        minutes(self.zero, self.judging.observed[bucket].at) + length
    }

    /// Where the axis of time ends.
    pub(crate) fn last(&self) -> f64 {
        self.end(self.judging.observed.len() - 1)
    }

    /// Buckets that make one point of a rate: more points than [`RATES`] can't be told apart.
    fn grouped(&self) -> usize {
        match self.judging.observed.len() {
            buckets if buckets <= RATES => 1,
            buckets => buckets.div_ceil(RATES).max(self.judging.basis.buckets_per_block()),
        }
    }

    /// The length of what one point of a rate is counted in, in seconds.
    pub(crate) fn point_seconds(&self) -> usize {
        self.grouped() * self.judging.basis.bucket_seconds as usize
    }

    /// Events of all in percent, from events and what they are counted of.
    fn rate(&self, part: impl Fn(&Bucket) -> (f64, f64)) -> Points {
        let size = self.grouped();
        let groups = self.judging.observed.chunks(size).enumerate();
        groups
            .map(|(place, group)| {
                let parts = group.iter().map(|seen| part(&seen.bucket));
                let (events, of) = parts.fold((0.0, 0.0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
                let end = self.end(place * size + group.len() - 1);
                (end, (of > 0.0).then(|| 100.0 * events / of))
            })
            .collect()
    }

    /// Failed requests in percent: canary, baseline.
    pub(crate) fn errors(&self) -> [Points; 2] {
        let failed = |counts: &Counts| (counts.errors, counts.requests);
        [self.rate(|bucket| failed(&bucket.canary)), self.rate(|bucket| failed(&bucket.baseline))]
    }

    /// Requests above a quantile's threshold in percent: canary, baseline.
    pub(crate) fn slow(&self, method: &Method, place: usize) -> [Points; 2] {
        let slow = |counts: &Counts, from: usize| (counts.slow[place][from], counts.requests);
        [
            self.rate(|bucket| slow(&bucket.canary, method.slow_from)),
            self.rate(|bucket| slow(&bucket.baseline, 0)),
        ]
    }

    /// Events of a custom signal in percent: canary, baseline.
    pub(crate) fn custom(&self, place: usize) -> [Points; 2] {
        let pair = |bucket: &Bucket| bucket.custom.get(place).copied().unwrap_or_default();
        let part = |tally: Tally| (tally.count, tally.total);
        [
            self.rate(|bucket| part(pair(bucket).canary)),
            self.rate(|bucket| part(pair(bucket).baseline)),
        ]
    }

    /// The ratio of the error rates so far. Each bucket is divided by the dispersion that was known before
    /// it, as the judge does.
    pub(crate) fn ratios(&self, method: &Method) -> Vec<Ratio> {
        let cells = self.cells(method);
        let every = cells.len().div_ceil(INTERVALS);
        let chosen = (1..=cells.len()).filter(|n| n.is_multiple_of(every) || *n == cells.len());
        chosen
            .map(|n| {
                let mut sum = Cell::default();
                cells[..n].iter().for_each(|(cell, _)| sum.add(cell));
                let known = sum.baseline > 0.0 && sum.is_shared();
                let rates = (sum.canary / sum.canary_of, sum.baseline / sum.baseline_of);
                Ratio {
                    minute: self.end(n - 1),
                    estimate: known.then(|| rates.0 / rates.1),
                    interval: Intervals::of(&cells[..n]).ratio,
                }
            })
            .collect()
    }

    /// Errors of each bucket with the dispersion of the newest look before it.
    fn cells(&self, method: &Method) -> Vec<(Cell, f64)> {
        let prior = self.judging.basis.error_prior(method);
        let known = |bucket: usize| {
            let before = self.looks.iter().filter(|(_, look)| look.buckets as usize <= bucket);
            let newest = before.max_by_key(|(_, look)| look.buckets);
            let errors = newest.and_then(|(_, look)| {
                look.signals.iter().find(|signal| signal.signal == Signal::Errors)
            });
            errors.map_or(prior, |errors| errors.dispersion)
        };
        let cell = |(index, seen): (usize, &perch_core::judge::Observed)| {
            let (canary, baseline) = (&seen.bucket.canary, &seen.bucket.baseline);
            let cell = Cell {
                canary: canary.errors,
                canary_of: canary.requests,
                baseline: baseline.errors,
                baseline_of: baseline.requests,
            };
            (cell, known(index))
        };
        self.judging.observed.iter().enumerate().map(cell).collect()
    }

    /// A number of each look.
    pub(crate) fn each_look(&self, of: impl Fn(&Look) -> Option<f64>) -> Points {
        self.looks.iter().map(|(minute, look)| (*minute, of(look))).collect()
    }
}

/// The weight that was read back, from each of these minutes on.
pub(crate) fn weights(release: &Release, journal: &[JournalEntry]) -> Vec<(f64, Weight)> {
    let zero = first_traffic(release, journal);
    let mut shifted = 0;
    let mut weights = vec![(minutes(zero, release.started_at), Weight::ZERO)];
    for entry in journal {
        let weight = match entry.what {
            What::WeightShifted => {
                shifted += 1;
                observed_after(release, journal, entry)
                    .or_else(|| release.plan.steps.get(shifted - 1).map(|step| step.weight))
            }
            What::CanaryPromoted => Some(Weight::FULL),
            What::ReleaseRolledBack | What::ReleaseSuperseded => Some(Weight::ZERO),
            _ => None,
        };
        weights.extend(weight.map(|weight| (minutes(zero, entry.at), weight)));
    }
    weights
}

/// The weight of the first bucket between a shift and the next change of weight.
fn observed_after(
    release: &Release,
    journal: &[JournalEntry],
    shift: &JournalEntry,
) -> Option<Weight> {
    let changes = [What::WeightShifted, What::CanaryPromoted, What::ReleaseRolledBack];
    let next = journal.iter().find(|e| e.seq > shift.seq && changes.contains(&e.what));
    let observed = release.judging.as_ref()?.observed.iter();
    let mut after =
        observed.filter(|seen| seen.at >= shift.at && next.is_none_or(|next| seen.at < next.at));
    after.next().map(|seen| seen.weight)
}
