"""What happens to releases, and how each has to end: data that a run plays on its targets."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

FAILING = {"kind": "errors", "rate": 0.8}
SLOW = {"kind": "latency", "addMs": 900, "rate": 1}
IMAGES: dict[str, dict[str, Any] | None] = {"healthy": None, "failing": FAILING, "slow": SLOW}


@dataclass(frozen=True)
class End:
    """How one release has to end: its phase, and for a rollback the kind of its cause."""

    phase: str
    cause: str | None = None

    def __str__(self) -> str:
        return f"{self.phase} ({self.cause})" if self.cause else self.phase


PROMOTED = End("Promoted")
# A step that every try failed for: going back is what a release has to do then. Counted apart.
GAVE_UP = End("RolledBack", "error")


@dataclass(frozen=True)
class Story:
    """Pushes to one target, and what else happens: `act` once the first release is in phase `when`."""

    name: str
    images: tuple[str, ...]
    ends: tuple[End | None, ...]
    when: str = ""
    act: str = ""
    quiet_target: bool = False
    share: int = 1


STORIES = (
    Story("healthy", ("healthy",), (PROMOTED,), share=5),
    Story("failing", ("failing",), (End("RolledBack", "judge"),), share=3),
    Story("slow", ("slow",), (End("RolledBack", "judge"),), share=2),
    Story("alarm while baking", ("healthy",), (End("RolledBack", "alarm"),), "Baking", "alarm"),
    Story("alarm after promotion", ("healthy",), (End("RolledBack", "alarm"),), "Watching", "alarm", share=2),
    Story("abort", ("healthy",), (End("RolledBack", "abort"),), "Baking", "abort"),
    Story("rollback after promotion", ("healthy",), (End("RolledBack", "abort"),), "Watching", "rollback"),
    Story("promoted by a person", ("healthy",), (PROMOTED,), "Baking", "promote"),
    Story("second push while one runs", ("healthy", "healthy"), (PROMOTED, PROMOTED), "Baking", "push"),
    Story("the same push announced again", ("healthy",), (PROMOTED,), "Baking", "announce"),
    Story("no callers", ("healthy",), (End("RolledBack", "noData"),), quiet_target=True),
)


def programme(targets: int, quiet: set[int], rounds: int, seed: int) -> list[list[Story]]:
    """The stories of each target, in a random order that the seed decides; every story is in it."""
    draw = random.Random(seed)
    busy = [story for story in STORIES if not story.quiet_target for _ in range(story.share)]
    silent = [story for story in STORIES if story.quiet_target]
    pool: list[Story] = []
    while len(pool) < (targets - len(quiet)) * rounds:
        pool += draw.sample(busy, len(busy))
    shares = iter(pool)
    return [
        [draw.choice(silent) for _ in range(rounds)] if number in quiet else [next(shares) for _ in range(rounds)]
        for number in range(targets)
    ]
