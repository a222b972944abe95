"""Acts 1 to 4: images of the function, judged while callers use its alias."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import boto3

import push_image
from demo_stage import Result, Stage, stamp, times, until

GUARD = "news-classifier-errors"


@dataclass(frozen=True)
class Act:
    """One push and how its release has to end."""

    title: str
    variant: str
    phase: str
    why: str  # what the verdict has to name
    after_seconds: int | None = None


ACTS = (
    Act("a healthy image", "healthy", "Promoted", "errors at most 2 times"),
    Act("a broken image: six of ten requests fail", "failing", "RolledBack", "failed"),
    Act("a slow image: three of ten requests take 400 ms more", "slow", "RolledBack", "slower than the baseline"),
    # The bakes take about 75 s, the watch another 60 s: this begins to fail in the watch.
    Act("an image that begins to fail after its promotion", "later-failing", "RolledBack", "guard", after_seconds=95),
)


def play(stage: Stage, number: int, act: Act) -> Result:
    """Push, follow the release to its end, and count what callers saw."""
    stage.console.rule(f"[bold]{number}. {act.title}", align="left")
    until(guard_is_quiet, 60, f"the end of the alarm {GUARD}")
    begin = time.time()
    image = push_image.push_variant(act.variant, after_seconds=act.after_seconds)
    stage.say(begin, begin, f"pushed {image.repository}:{image.tag}")
    release = stage.follow(lambda artifact: artifact.get("digest") == image.digest, begin)
    counts = stage.counts(begin, time.time())
    harm = f"{counts.harmed} of {counts.requests}"
    result = Result(number, release, image.tag, act.phase, act.why, decided_in(stage, release), harm)
    stage.report(number, act.variant, release["id"])
    return stage.judged(result)


def guard_is_quiet() -> bool | None:
    """Whether the guard can protect the next release: one that is in ALARM already rejects it."""
    found = boto3.client("cloudwatch").describe_alarms(AlarmNames=[GUARD])["MetricAlarms"][0]
    return True if found["StateValue"] != "ALARM" else None


def decided_in(stage: Stage, release: dict[str, Any]) -> float:
    """Seconds from the first canary request to the promotion, or from the first harm to the baseline alone."""
    at = times(release)
    shifted = at.get("WeightShifted", stamp(release["startedAt"]))
    if release["phase"] == "Promoted":
        return at["PromotionDecided"] - shifted
    end = at.get("ReleaseRolledBack", stamp(release["endedAt"]))
    harm = (r["second"] for r in stage.load.ledger.rows(int(shifted), int(end) + 1) if r["harmed"])
    return end - max(shifted, float(next(harm, shifted)))
