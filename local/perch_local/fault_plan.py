"""Which fault comes when: a seeded plan, the choices that follow from it, and the log of every fault injected.

Each choice belongs to a place: a site (call, invoke, event, record), a function and a subject such as a target's name.
Every place has random numbers of its own, drawn from the seed, so what happens at one place does not move what happens
at another. The order in which threads and processes run is the machine's: the same seed gives the same faults for the
same sequence of calls at a place, not the same run to the millisecond.
"""
import hashlib
import json
import random
import re
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

FIRST_PLAN = "PERCH_FAULT_PLAN"        # the plan, as JSON, that a server begins with
SITES = {
    # A function's call of an AWS service.
    "call": ("drop", "delay", "throttle", "error", "reset", "hang", "kill-before", "kill-after"),
    # A state machine's Task: an invocation of a function, or the start or stop of an execution.
    "invoke": ("refused", "throttled", "lost-answer", "delay"),
    # EventBridge's delivery of an event to a function.
    "event": ("duplicate", "delay", "lose"),
    # A batch of DynamoDB stream records.
    "record": ("duplicate", "delay"),
}
# A fault of a service lasts: how many tries of the same call it meets, drawn evenly.
RUNS = (1, 1, 1, 2, 3, 4)
LASTING = ("drop", "throttle", "error", "reset")
HOOKS = "CodeDeployHook_"


class BadPlan(ValueError):
    """A plan that names something unknown."""


@dataclass
class Plan:
    """What to inject. Without rates nothing is injected."""

    seed: int = 0
    rates: dict = field(default_factory=dict)       # site -> kind -> probability
    functions: str | tuple = ""                     # prefix of the functions that it concerns, or several
    subject: str = ""                               # pattern of the subject within an event, such as a target's name
    lose: str = ""                                  # pattern of events that EventBridge never gets
    delay: tuple = (0.05, 2.0)                      # seconds, shortest and longest
    hang: float = 5.0                               # seconds without an answer; longer than the caller waits
    at_once: int = 0                                # most invocations at a time, from the start on; 0: no limit

    def concerns(self, function):
        """Whether the plan is about a function. The names of hooks begin as CodeDeploy's policies want it."""
        return function.removeprefix(HOOKS).startswith(self.functions)

    def __post_init__(self):
        if not isinstance(self.functions, str):
            self.functions = tuple(self.functions)
        for site, kinds in self.rates.items():
            if site not in SITES:
                raise BadPlan(f"rates: {site} is not one of {', '.join(SITES)}")
            for kind, rate in kinds.items():
                if kind not in SITES[site]:
                    raise BadPlan(f"rates.{site}: {kind} is not one of {', '.join(SITES[site])}")
                if not 0 <= rate <= 1:
                    raise BadPlan(f"rates.{site}.{kind}: {rate} is not between 0 and 1")
            if sum(kinds.values()) > 1:
                raise BadPlan(f"rates.{site}: the sum is above 1")

    @classmethod
    def read(cls, text):
        """A plan from JSON."""
        try:
            return cls(**json.loads(text))
        except TypeError as wrong:
            raise BadPlan(str(wrong)) from None


@dataclass(frozen=True)
class Fault:
    """One fault to inject."""

    kind: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where a fault may come: what acts, for whom, and in doing what."""

    site: str
    function: str
    subject: str = ""
    release: str = ""
    operation: str = ""


class Faults:
    """Chooses and remembers. Safe to share between threads."""

    def __init__(self, plan=None, log=None):
        self.plan, self.log, self.counts = plan or Plan(), log, Counter()
        self._lock, self._random, self._runs = threading.Lock(), {}, {}

    def follow(self, plan):
        """Another plan from now on; what was counted stays."""
        with self._lock:
            self.plan, self._random, self._runs = plan, {}, {}

    def about(self, event):
        """(subject, release) of a function's event, each empty when the event has none."""
        text = event if isinstance(event, str) else json.dumps(event, default=str)
        found = re.search(self.plan.subject, text) if self.plan.subject else None
        release = event.get("releaseId", "") if isinstance(event, dict) else ""
        return (found.group(0) if found else ""), str(release)

    def choose(self, place):
        """The fault for this place now, or None; a fault that is chosen is logged."""
        with self._lock:
            kinds = self.plan.rates.get(place.site)
            if not kinds or not self.plan.concerns(place.function):
                return None
            fault = self._next(place, kinds)
        if fault:
            self.note(place, fault)
        return fault

    def _next(self, place, kinds):
        own = self._own(place)
        running = (place.site, place.function, place.subject, place.operation)
        kind, left = self._runs.pop(running, (None, 0))
        if not kind:
            kind, left = _pick(own, kinds), 1
            if kind in LASTING:
                left = own.choice(RUNS)
        if left > 1:
            self._runs[running] = kind, left - 1
        if kind == "hang":
            return Fault(kind, self.plan.hang)
        return Fault(kind, round(own.uniform(*self.plan.delay), 3)) if kind else None

    def _own(self, place):
        name = f"{self.plan.seed}|{place.site}|{place.function}|{place.subject}"
        if name not in self._random:
            self._random[name] = random.Random(hashlib.sha256(name.encode()).digest())
        return self._random[name]

    def loses(self, event):
        """Whether this event of AWS is one that never comes."""
        lost = bool(self.plan.lose) and re.search(self.plan.lose, json.dumps(event, default=str)) is not None
        if lost:
            self.note(Place("event", "", *self.about(event), operation="PutEvents"), Fault("lose"))
        return lost

    def note(self, place, fault):
        """Count a fault and write it down."""
        line = {"at": round(time.time(), 3), **asdict(place), **asdict(fault)}
        with self._lock:
            self.counts[f"{place.site}.{fault.kind}"] += 1
            if self.log:
                self.log.write(json.dumps(line) + "\n")
                self.log.flush()


def _pick(own, kinds):
    left = own.random()
    for kind, rate in sorted(kinds.items()):
        left -= rate
        if left < 0:
            return kind
    return None
