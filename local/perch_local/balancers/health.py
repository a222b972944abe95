"""The health of one target (pure): what a check means, and what DescribeTargetHealth says.

AWS: Application Load Balancers, "Health checks for your target groups" (target-group-health-checks): a new target is
`initial` and has to pass one check; then HealthyThresholdCount and UnhealthyThresholdCount consecutive results change
its state; success codes are a value, a list or a range; reason codes and descriptions of each state. "Deregistration
delay": a target drains before it is gone.
"""

TEXTS = {
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Target.ResponseCodeMismatch": "Health checks failed with these codes: [{code}]",
    "Target.Timeout": "Request timed out",
    "Target.FailedHealthChecks": "Health checks failed",
    "Target.NotRegistered": "Target is not registered to the target group",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
}


def matches(matcher, code):
    """Whether a status is one of the success codes, such as `200`, `200,202` or `200-299`."""
    for part in str(matcher).split(","):
        low, _, high = part.strip().partition("-")
        if low.isdigit() and int(low) <= code <= int(high or low):
            return True
    return False


class Target:
    """A registered target; `passed` and `failed` are told what each check found."""

    def __init__(self, key, healthy_after=5, unhealthy_after=2, born=0.0):
        self.born = born
        self.key, self.healthy_after, self.unhealthy_after = key, healthy_after, unhealthy_after
        self.state, self.reason, self.code = "initial", "Elb.InitialHealthChecking", 0
        self.run, self.drained_at, self.next_check = 0, None, 0.0

    def passed(self):
        """A check succeeded."""
        self.run = max(1, self.run + 1)
        if self.state == "initial" or (self.state == "unhealthy" and self.run >= self.healthy_after):
            self.state, self.reason = "healthy", None

    def failed(self, reason, code=0):
        """A check failed."""
        self.run = min(-1, self.run - 1)
        if self.state != "draining" and -self.run >= self.unhealthy_after:
            self.state, self.reason, self.code = "unhealthy", reason, code
        elif self.state == "unhealthy":
            self.reason, self.code = reason, code

    def drain(self, until):
        """It was deregistered; it takes no new requests and is gone at `until`."""
        self.state, self.reason, self.drained_at = "draining", "Target.DeregistrationInProgress", until

    def description(self, in_use=True):
        """(state, reason, text) as DescribeTargetHealth has them."""
        if not in_use and self.state != "draining":
            return "unused", "Target.NotInUse", TEXTS["Target.NotInUse"]
        return self.state, self.reason, TEXTS[self.reason].format(code=self.code) if self.reason else None


def serving(targets):
    """The targets that get requests: the healthy ones, or, where there is none, those found unhealthy (fail open)."""
    return [t for t in targets if t.state == "healthy"] or [t for t in targets if t.state == "unhealthy"]
