#![doc = include_str!("../README.md")]

pub mod bench;
pub mod case;
pub mod conditions;
pub mod fine;
pub mod grid;
pub mod judged;
pub mod latency;
pub mod peers;
pub mod scenarios;
pub mod simulate;
pub mod trace;

/// The generator of every random draw: reproducible on every platform, with one independent
/// stream per trace of a seed.
pub type Random = rand_chacha::ChaCha8Rng;

/// The generator of one trace of a row.
pub fn random(seed: u64, trace: u64) -> Random {
    use rand::SeedableRng as _;
    let mut random = Random::seed_from_u64(seed);
    random.set_stream(trace);
    random
}
