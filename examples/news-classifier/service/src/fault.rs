//! What is wrong with a deliberately broken image, read from `fault.json`.
//!
//! Decides only whether one request is spoiled, and how: the same fault, request id and age of the
//! process always give the same answer. Waiting and failing are left to the handler.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

/// A fault of an image; a healthy image has none.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Fault {
    /// A share of the requests fails.
    #[serde(rename_all = "camelCase")]
    Errors {
        /// Share of the requests, from 0 to 1.
        rate: Rate,
        /// Age of the process from which on the fault shows.
        #[serde(default)]
        after_seconds: u64,
    },
    /// A share of the requests is answered late.
    #[serde(rename_all = "camelCase")]
    Latency {
        /// Share of the requests, from 0 to 1.
        rate: Rate,
        /// Added time in milliseconds.
        add_ms: u64,
        /// Age of the process from which on the fault shows.
        #[serde(default)]
        after_seconds: u64,
    },
    /// A share of the requests is answered with hardly any confidence: in time, and without an error.
    #[serde(rename_all = "camelCase")]
    Unsure {
        /// Share of the requests, from 0 to 1.
        rate: Rate,
        /// Divides the model's scores: 1 changes nothing, more flattens the probabilities.
        temperature: NonZeroU32,
        /// Age of the process from which on the fault shows.
        #[serde(default)]
        after_seconds: u64,
    },
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// The request is answered as by a healthy image.
    None,
    /// The request fails.
    Fail,
    /// The request is answered after this wait.
    Delay(Duration),
    /// The request is answered with the model's scores divided by this.
    Flatten(NonZeroU32),
}

/// A share from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Rate(f64);

/// A rate that is no share.
#[derive(Debug, thiserror::Error)]
#[error("rate: {0} is not between 0 and 1")]
pub(crate) struct BadRate(f64);

impl TryFrom<f64> for Rate {
    type Error = BadRate;

    fn try_from(rate: f64) -> Result<Self, BadRate> {
        if (0.0..=1.0).contains(&rate) { Ok(Self(rate)) } else { Err(BadRate(rate)) }
    }
}

impl Rate {
    fn includes(self, request_id: &str) -> bool {
        f64::from(draw(request_id)) < self.0 * (f64::from(u32::MAX) + 1.0)
    }
}

impl Fault {
    /// Returns what happens to a request of a process of this age.
    pub(crate) fn harm(&self, request_id: &str, age: Duration) -> Harm {
        let (rate, after_seconds, harm) = match *self {
            Self::Errors { rate, after_seconds } => (rate, after_seconds, Harm::Fail),
            Self::Latency { rate, add_ms, after_seconds } => {
                (rate, after_seconds, Harm::Delay(Duration::from_millis(add_ms)))
            }
            Self::Unsure { rate, temperature, after_seconds } => {
                (rate, after_seconds, Harm::Flatten(temperature))
            }
        };
        let awake = age >= Duration::from_secs(after_seconds);
        if awake && rate.includes(request_id) { harm } else { Harm::None }
    }
}

/// An even 32-bit number from a request id: FNV-1a, then a mixer, since ids differ in few bits.
fn draw(request_id: &str) -> u32 {
    let fnv = request_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    u32::try_from(mixed >> 32).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    fn harmed(fault: &Fault, age: u64) -> usize {
        let ids = (0..10_000).map(|n| format!("5f0c8a52-0000-4000-8000-{n:012x}"));
        ids.filter(|id| fault.harm(id, Duration::from_secs(age)) != Harm::None).count()
    }

    #[test]
    fn share_of_harmed_requests_is_the_rate() {
        let cases =
            [("0", 0..=0), ("0.3", 2850..=3150), ("0.6", 5850..=6150), ("1", 10_000..=10_000)];
        for (rate, expected) in cases {
            let found = harmed(&fault(&format!(r#"{{"kind":"errors","rate":{rate}}}"#)), 0);
            assert!(expected.contains(&found), "{found} of 10000 at rate {rate}");
        }
    }

    #[test]
    fn same_request_is_harmed_in_the_same_way() {
        let slow = fault(r#"{"kind":"latency","addMs":400,"rate":1}"#);
        for _ in 0..2 {
            let harm = slow.harm("r-1", Duration::ZERO);
            assert_eq!(harm, Harm::Delay(Duration::from_millis(400)));
        }
    }

    #[test]
    fn unsure_image_flattens_its_share_of_the_requests() {
        let unsure = fault(r#"{"kind":"unsure","rate":0.6,"temperature":20}"#);
        assert!((5850..=6150).contains(&harmed(&unsure, 0)));
        let always = fault(r#"{"kind":"unsure","rate":1,"temperature":20}"#);
        let harm = always.harm("r-1", Duration::ZERO);
        assert_eq!(harm, Harm::Flatten(NonZeroU32::new(20).unwrap()));
    }

    #[test]
    fn late_fault_sleeps_until_its_second() {
        let leak = fault(r#"{"kind":"errors","rate":0.7,"afterSeconds":45}"#);
        assert_eq!(harmed(&leak, 44), 0);
        assert!(harmed(&leak, 45) > 6_800);
    }

    #[test]
    fn bad_faults_are_refused_with_the_field() {
        let cases = [
            (r#"{"kind":"errors","rate":1.5}"#, "rate: 1.5 is not between 0 and 1"),
            (r#"{"kind":"errors"}"#, "missing field `rate`"),
            (r#"{"kind":"latency","rate":1}"#, "missing field `addMs`"),
            (r#"{"kind":"errors","rate":1,"after":3}"#, "unknown field `after`"),
            (r#"{"kind":"unsure","rate":1}"#, "missing field `temperature`"),
            (r#"{"kind":"unsure","rate":1,"temperature":0}"#, "expected a nonzero u32"),
            (r#"{"kind":"fire","rate":1}"#, "unknown variant `fire`"),
        ];
        for (json, expected) in cases {
            let message = serde_json::from_str::<Fault>(json).unwrap_err().to_string();
            assert!(message.contains(expected), "{json}: {message}");
        }
    }
}
