"""What happens to releases, and how each has to end: data that a run plays on its targets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

@dataclass(frozen=True)
class End:
    """How one release has to end: its phase, and for a rollback the kind of its cause."""

    phase: str
    cause: str | None = None

    def __str__(self) -> str:
        return f"{self.phase} ({self.cause})" if self.cause else self.phase


PROMOTED, SUPERSEDED = End("Promoted"), End("Superseded")
JUDGED, ALARMED, ABORTED = (End("RolledBack", cause) for cause in ("judge", "alarm", "abort"))
NO_DATA, SMOKED = End("RolledBack", "noData"), End("RolledBack", "smoke")
# A step that every try failed for: going back is what a release has to do then. Counted apart.
GAVE_UP = End("RolledBack", "error")
# CodeDeploy or ECS ended the deployment.
ENDED = End("RolledBack", "platform")
# No release at all.
NONE = None
Ends = tuple[End | None, ...]


@dataclass(frozen=True)
class Story:
    """Pushes to one target, and what else happens: `act` once the first release is in phase `when`.

    `ends` has an end for each image; `policies` has those of targets with a policy where they differ. A story that
    `needs` a feature is played where the installation has it.
    """

    name: str
    images: tuple[str, ...]
    ends: Ends
    when: str = ""
    act: str = ""
    policies: dict[str, Ends] = field(default_factory=dict)
    # The ends at targets whose canaries have smoke tests before any traffic, where they differ.
    tested: Ends | None = None
    needs: str = ""
    # The push that no event announces.
    lost: bool = False
    quiet_target: bool = False
    share: int = 1

    def ends_for(self, policy: str | None, tested: bool = False) -> Ends:
        """How the releases have to end at a target with this policy, with smoke tests or without."""
        return self.tested if tested and self.tested else self.policies.get(policy or "", self.ends)


HEALTHY, TWO = ("healthy",), ("healthy", "healthy")
STORIES = (
    Story("healthy", HEALTHY, (PROMOTED,), share=5),
    Story("failing", ("failing",), (JUDGED,), tested=(SMOKED,), share=3),
    Story("slow", ("slow",), (JUDGED,), share=2),
    Story("alarm while baking", HEALTHY, (ALARMED,), "Baking", "alarm"),
    Story("alarm after promotion", HEALTHY, (ALARMED,), "Watching", "alarm", share=2),
    Story("abort", HEALTHY, (ABORTED,), "Baking", "abort"),
    Story("rollback after promotion", HEALTHY, (ABORTED,), "Watching", "rollback"),
    Story("promoted by a person", HEALTHY, (PROMOTED,), "Baking", "promote", needs="holds"),
    Story(
        "second push while one bakes",
        TWO,
        (PROMOTED, PROMOTED),
        "Baking",
        "push",
        policies={"replace": (SUPERSEDED, PROMOTED), "reject": (PROMOTED, NONE)},
        share=2,
    ),
    Story("second push in the watch", TWO, (PROMOTED, PROMOTED), "Watching", "push", policies={"reject": (PROMOTED, NONE)}),
    Story("the same push announced again", HEALTHY, (PROMOTED,), "Baking", "announce"),
    Story("held, then continued", HEALTHY, (PROMOTED,), "Baking", "hold", needs="holds"),
    Story("pushed while the line is stopped", HEALTHY, (PROMOTED,), act="stop", needs="orders"),
    Story("alias moved by someone else", HEALTHY, (SUPERSEDED,), "Baking", "move", needs="holds"),
    Story("push that no event announced", HEALTHY, (PROMOTED,), lost=True, needs="reconcile", share=2),
    Story("no callers", HEALTHY, (NO_DATA,), quiet_target=True),
    Story("wrong answers", ("wrong",), (PROMOTED,), tested=(SMOKED,), needs="tests-in-a-hook", share=2),
    Story("alarm before the shift", HEALTHY, (ALARMED,), "Shifting", "alarm", needs="moves-itself"),
    Story("orders that are refused", HEALTHY, (PROMOTED,), "Baking", "orders", needs="moves-itself"),
    Story("line stopped while one bakes", HEALTHY, (ABORTED,), "Baking", "stop-line", needs="moves-itself"),
    Story("deployment stopped by someone else", HEALTHY, (ENDED,), "Baking", "stop-shift", needs="moves-itself", share=2),
    Story("something else deployed meanwhile", HEALTHY, (SUPERSEDED,), "Baking", "move", needs="takes-over", share=2),
)


def playable(features: set[str], names: list[str]) -> list[Story]:
    """The stories that an installation with these features can play; with names only those, beside those without callers."""
    found = [story for story in STORIES if not story.needs or story.needs in features]
    return [story for story in found if not names or story.name in names or story.quiet_target]


def programme(targets: int, quiet: set[int], rounds: int, known: list[Story], seed: int) -> list[list[Story]]:
    """The stories of each target, in a random order that the seed decides; each that is known is played by turns."""
    draw = random.Random(seed)
    pool = _endless([story for story in known if not story.quiet_target for _ in range(story.share)], draw)
    silent = [story for story in known if story.quiet_target]
    return [
        [draw.choice(silent) for _ in range(rounds)] if number in quiet else [next(pool) for _ in range(rounds)]
        for number in range(targets)
    ]


def _endless(stories: list[Story], draw: random.Random) -> Iterator[Story]:
    while True:
        yield from draw.sample(stories, len(stories))
