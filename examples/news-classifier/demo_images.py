"""Acts 1 to 4: images of the function, judged while callers use its alias."""

from __future__ import annotations

import time
from dataclasses import dataclass

from perch_stage.results import Result
from perch_stage.stage import Stage

import push_image

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
    stage.quiet([GUARD])
    begin = time.time()
    image = push_image.push_variant(act.variant, after_seconds=act.after_seconds)
    stage.say(begin, begin, f"pushed {image.repository}:{image.tag}")
    release = stage.follow(lambda artifact: artifact.get("digest") == image.digest, begin)
    counts = stage.counts(begin, time.time())
    harm = f"{counts.harmed} of {counts.requests}"
    result = Result(number, release, image.tag, act.phase, act.why, stage.decided_in(release), harm)
    stage.report(number, act.variant, release["id"])
    return stage.judged(result)
