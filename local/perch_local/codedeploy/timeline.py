"""The weight of the new version over time, for every deployment configuration; knows nothing of the server.

AWS: CodeDeploy User Guide, "Working with deployment configurations in CodeDeploy" (deployment-configurations): a canary
shifts a percentage at the start and the rest after an interval; a linear one shifts equal increments, an equal number of
minutes apart, the first at the start. CodeDeploy quotas (limits): at most 2,880 minutes between the first and the last
shift, at most 99 % in one increment.
"""
from dataclasses import dataclass

MOST_MINUTES, MOST_PERCENT = 2880, 99
ALL_AT_ONCE, CANARY, LINEAR = "AllAtOnce", "TimeBasedCanary", "TimeBasedLinear"


@dataclass(frozen=True)
class Config:
    """How traffic moves: everything at once, in two shifts, or in equal ones."""

    name: str
    platform: str
    kind: str
    percent: int = 100
    interval: int = 0

    def shifts(self):
        """[(minute since traffic shifting began, weight of the new version in percent)], first to last."""
        if self.kind == ALL_AT_ONCE:
            return [(0, 100)]
        if self.kind == CANARY:
            return [(0, self.percent), (self.interval, 100)]
        steps = -(-100 // self.percent)
        return [(n * self.interval, min(100, (n + 1) * self.percent)) for n in range(steps)]

    def weight_at(self, minute):
        """The weight at a time, 0 before traffic shifting began."""
        return max((weight for at, weight in self.shifts() if at <= minute), default=0)

    def minutes(self):
        """Minutes between the first and the last shift."""
        return self.shifts()[-1][0]

    def problem(self):
        """Why AWS refuses this configuration, or None."""
        if self.kind == ALL_AT_ONCE:
            return None
        if not 1 <= self.percent <= MOST_PERCENT:
            return f"The percentage of an increment must be between 1 and {MOST_PERCENT}: {self.percent}"
        if self.interval < 1:
            return f"The interval must be at least 1 minute: {self.interval}"
        if self.minutes() > MOST_MINUTES:
            return f"There may be at most {MOST_MINUTES} minutes between the first and the last traffic shift: {self.minutes()}"
        return None

    def routing(self):
        """The trafficRoutingConfig member of the API."""
        if self.kind == ALL_AT_ONCE:
            return {"type": self.kind}
        word = "canary" if self.kind == CANARY else "linear"
        return {"type": self.kind, f"timeBased{word.capitalize()}": {
            f"{word}Percentage": self.percent, f"{word}Interval": self.interval}}


def from_routing(name, platform, routing):
    """The configuration that a trafficRoutingConfig describes; ValueError when it describes none."""
    kind = routing.get("type", ALL_AT_ONCE)
    if kind == ALL_AT_ONCE:
        return Config(name, platform, kind)
    word = {CANARY: "canary", LINEAR: "linear"}.get(kind)
    given = routing.get(f"timeBased{word.capitalize()}") if word else None
    numbers = [(given or {}).get(f"{word}{part}") for part in ("Percentage", "Interval")]
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        raise ValueError(f"trafficRoutingConfig of type {kind} lacks its percentage or its interval")
    return Config(name, platform, kind, *numbers)


def _predefined():
    yield Config("CodeDeployDefault.LambdaAllAtOnce", "Lambda", ALL_AT_ONCE)
    yield Config("CodeDeployDefault.ECSAllAtOnce", "ECS", ALL_AT_ONCE)
    for platform, canaries, linears in (("Lambda", (5, 10, 15, 30), (1, 2, 3, 10)), ("ECS", (5, 15), (1, 3))):
        for n in canaries:
            yield Config(f"CodeDeployDefault.{platform}Canary10Percent{n}Minutes", platform, CANARY, 10, n)
        for n in linears:
            unit = "Minute" if (platform, n) == ("Lambda", 1) else "Minutes"      # ECS says Every1Minutes
            yield Config(f"CodeDeployDefault.{platform}Linear10PercentEvery{n}{unit}", platform, LINEAR, 10, n)


PREDEFINED = {config.name: config for config in _predefined()}
