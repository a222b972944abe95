//! Minutes cut into shorter buckets, as they would have been counted: arrivals are Poisson, so each request
//! lies in any part of its minute alike.

use rand_distr::{Binomial, Distribution as _, Hypergeometric};

use crate::Random;
use crate::trace::{Arm, Minute, Trace};

/// The same canary with each minute in so many parts.
pub fn split(trace: &Trace, parts: usize, random: &mut Random) -> Trace {
    let mut minutes = Vec::with_capacity(trace.minutes.len() * parts);
    for minute in &trace.minutes {
        let canary = split_arm(&minute.canary, parts, random);
        let baseline = split_arm(&minute.baseline, parts, random);
        let pairs = canary.into_iter().zip(baseline);
        minutes.extend(pairs.map(|(canary, baseline)| Minute { canary, baseline }));
    }
    Trace { minutes, ..trace.clone() }
}

/// Latencies are dealt to the parts one by one; errors lie among the requests of a part by chance.
fn split_arm(arm: &Arm, parts: usize, random: &mut Random) -> Vec<Arm> {
    let mut left = arm.clone();
    let part = |index: usize| {
        let mut here = left.clone();
        if index + 1 == parts {
            return here;
        }
        let share = 1.0 / (parts - index) as f64;
        for (count, left) in here.latency.iter_mut().zip(&mut left.latency) {
            *count = dealt(*left as u64, share, random) as f64;
            *left -= *count;
        }
        here.requests = here.latency.iter().sum();
        here.errors = among(left.requests, left.errors, here.requests, random);
        left.requests -= here.requests;
        left.errors -= here.errors;
        here
    };
    (0..parts).map(part).collect()
}

/// How many of `count` fall into a share.
fn dealt(count: u64, share: f64, random: &mut Random) -> u64 {
    Binomial::new(count, share).map_or(0, |binomial| binomial.sample(random))
}

/// How many of the errors among `requests` are in a draw of so many.
fn among(requests: f64, errors: f64, drawn: f64, random: &mut Random) -> f64 {
    let urn = Hypergeometric::new(requests as u64, errors as u64, drawn as u64);
    urn.map_or(0.0, |urn| urn.sample(random) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::Volume;
    use crate::{random, scenarios};

    #[test]
    fn parts_add_up_to_the_minute() {
        let volume = Volume { rps: 100.0, weight: 0.1 };
        for scenario in [scenarios::healthy(), scenarios::all_errors()] {
            let trace = scenario.trace(volume, 0.01, 5, 1);
            let fine = split(&trace, 6, &mut random(5, 1));
            assert_eq!(fine.minutes.len(), 90);
            for (minute, parts) in trace.minutes.iter().zip(fine.minutes.chunks(6)) {
                for arm in
                    [|m: &Minute| &m.canary, |m: &Minute| &m.baseline] as [fn(&Minute) -> &Arm; 2]
                {
                    let sum = |of: fn(&Arm) -> f64| parts.iter().map(|p| of(arm(p))).sum::<f64>();
                    assert_eq!(sum(|a| a.requests), arm(minute).requests);
                    assert_eq!(sum(|a| a.errors), arm(minute).errors);
                    for part in parts.iter().map(arm) {
                        assert_eq!(part.latency.iter().sum::<f64>(), part.requests);
                        assert!(part.errors <= part.requests);
                    }
                }
            }
        }
    }

    #[test]
    fn every_part_gets_its_share() {
        let trace = scenarios::healthy().trace(Volume { rps: 1000.0, weight: 0.1 }, 0.05, 5, 1);
        let fine = split(&trace, 6, &mut random(5, 1));
        let (mut first, mut all) = ((0.0, 0.0), (0.0, 0.0));
        for parts in fine.minutes.chunks(6) {
            first = (first.0 + parts[0].baseline.requests, first.1 + parts[0].baseline.errors);
        }
        for minute in &trace.minutes {
            all = (all.0 + minute.baseline.requests, all.1 + minute.baseline.errors);
        }
        // Of 810,000 requests and 40,500 errors: four standard errors of a share of a sixth.
        assert!((first.0 / all.0 - 1.0 / 6.0).abs() < 0.0017, "{first:?} {all:?}");
        assert!((first.1 / all.1 - 1.0 / 6.0).abs() < 0.0075, "{first:?} {all:?}");
    }
}
