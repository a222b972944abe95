//! The canary's targets, as their load balancer sees them.

use serde::{Deserialize, Serialize};

use super::{Outcome, Reason, Verdict};
use crate::percent::Percent;

/// The targets of a target group. Those that are being taken out are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Targets that pass their health checks.
    pub healthy: u32,
    /// All targets.
    pub of: u32,
}

impl Health {
    /// The verdict, unless too few targets are healthy: then it is a Fail for that reason, too. A group
    /// without targets has none that is healthy.
    pub fn over(self, least: Option<Percent>, verdict: Verdict) -> Verdict {
        let Some(least) = least else { return verdict };
        let share = f64::from(self.healthy) / f64::from(self.of.max(1));
        // A tolerance of one part in 10^9, so that 4 of 5 is not below 80% by rounding.
        if share * (1.0 + 1e-9) >= least.fraction() {
            return verdict;
        }
        let mut reasons = vec![Reason::TargetsUnhealthy { health: self, least }];
        if verdict.outcome == Outcome::Fail {
            reasons.extend(verdict.reasons);
        }
        Verdict::new(Outcome::Fail, reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_healthy_targets_fail_whatever_else_was_found() {
        let least = Some("80%".parse().unwrap());
        for (healthy, of, fails) in
            [(5, 5, false), (4, 5, false), (3, 5, true), (0, 1, true), (0, 0, true), (1, 1, false)]
        {
            let pass = Verdict::new(Outcome::Pass, vec![Reason::NoLatency]);
            let found = Health { healthy, of }.over(least, pass.clone());
            assert_eq!(found.outcome == Outcome::Fail, fails, "{healthy} of {of}");
            assert_eq!(Health { healthy, of }.over(None, pass.clone()), pass);
        }
    }

    #[test]
    fn other_reasons_of_a_fail_stay() {
        let fail = Verdict::new(Outcome::Fail, vec![Reason::Catastrophe]);
        let found = Health { healthy: 0, of: 2 }.over(Some("80%".parse().unwrap()), fail);
        assert_eq!(found.texts()[0], "0 of 2 targets of the canary are healthy (80% needed)");
        assert_eq!(found.reasons.len(), 2);
    }
}
