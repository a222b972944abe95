//! Noise with a memory.

use rand_distr::{Distribution as _, StandardNormal};

use crate::Random;

/// A normal draw with this standard deviation.
pub(super) fn normal(deviation: f64, random: &mut Random) -> f64 {
    let z: f64 = StandardNormal.sample(random);
    deviation * z
}

/// A stationary series of order 1: each value keeps `memory` of the one before.
pub(super) fn series<const N: usize>(deviation: f64, memory: f64, random: &mut Random) -> [f64; N] {
    let fresh = deviation * (1.0 - memory * memory).sqrt();
    let mut last = None;
    std::array::from_fn(|_| {
        let value = match last {
            None => normal(deviation, random),
            Some(before) => memory * before + normal(fresh, random),
        };
        last = Some(value);
        value
    })
}
