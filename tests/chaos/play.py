"""Plays the stories of one target, one after the other, and notes how each release ended."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from account import ChaosError, aws
from installation import LOST, Stage
from stories import ENDED, GAVE_UP, NO_DATA, NONE, End, Story
from table import Item, Watcher
from targets import Target

# A release of these plans takes 20 to 40 s where nothing fails; retries wait up to 20 s each.
RELEASE_WITHIN = 240.0
ANNOUNCED_WITHIN = 60.0
# Longer than a bake and its looks.
STAYS = 15.0
WHO = ("--reason", "chaos", "--by", "a story")
SWEPT_WITHIN, DUE_EVERY = 240.0, 20.0


@dataclass
class Played:
    """One release that a story asked for, and what became of it."""

    story: Story
    target: str
    digest: str
    expected: End | None
    release: str = ""
    end: End | None = None
    problem: str = ""
    acted: bool = False
    # The version that someone else moved the alias to.
    moved_to: str = ""
    # From the push to the end.
    seconds: float = 0.0
    # Its target's driver has a schedule of its own.
    moves_itself: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def as_told(self) -> bool:
        """It ended as its story says."""
        return not self.problem and self.end == self.expected

    @property
    def gave_up(self) -> bool:
        """It went back because a step could not be done at all, or its deployment ended for no reason of the story."""
        return not self.problem and not self.as_told and self.end in (GAVE_UP, ENDED)

    @property
    def late(self) -> bool:
        """It went back because faults kept the judge too long for a driver that does not wait."""
        return self.moves_itself and not self.problem and not self.as_told and self.end == NO_DATA


def end_of(record: Item) -> End:
    """How a release that is over ended. A look may see the alarm before its event comes: the alarm is the cause then."""
    phase = record["phase"]
    cause = phase.get("cause", {})
    if cause.get("kind") == "judge" and all(reason.startswith("guard ") for reason in cause["reasons"]):
        return End(phase["name"], "alarm")
    return End(phase["name"], cause.get("kind"))


@dataclass
class Player:
    """One target's part in a run."""

    stage: Stage
    watcher: Watcher
    target: Target
    stories: list[Story]
    played: list[Played] = field(default_factory=list)

    def run(self) -> None:
        """Play every story; one that fails does not keep the next from being played."""
        for number, story in enumerate(self.stories):
            mine: list[Played] = []
            try:
                self.play(story, number, mine)
            except Exception as wrong:  # whatever went wrong is the story's result
                if not mine:
                    mine.append(Played(story, self.target.name, "", story.ends[0]))
                mine[-1].problem = mine[-1].problem or f"{type(wrong).__name__}: {wrong}"
            self.played += mine

    def play(self, story: Story, number: int, mine: list[Played]) -> None:
        """One story, from a target at rest to a target at rest."""
        self.at_rest()
        if story.act == "stop":
            self.stage.perch("stop", self.target.name, *WHO)
        first = self.push(story, number, 0)
        mine.append(first)
        if story.act == "stop":
            self.waits(first)
        self.started(first)
        if story.when and self.reached(first, story.when)["phase"]["name"] == story.when:
            first.acted = True
            try:
                mine += self.act(story, number, first)
            except ChaosError:
                # Faults may have ended the release between the look and the act.
                if not self.record(first, lambda item: True, 5)["endedAt"]:
                    raise
        for played in mine:
            if played.expected is not NONE:
                # The second of two waits for the end of the first.
                self.started(played, RELEASE_WITHIN)
                played.end = end_of(self.record(played, lambda item: item["endedAt"], RELEASE_WITHIN))
                played.seconds = time.monotonic() - played.began
        if story.act == "alarm":
            self.stage.guard(self.target, quiet=True)

    def at_rest(self) -> None:
        """Wait for the end of what was before: nothing is active, nothing waits, the guard is quiet."""
        deadline = time.monotonic() + RELEASE_WITHIN
        while not self.stage.guard_is_quiet(self.target):
            if time.monotonic() > deadline:
                raise ChaosError(f"{self.target.guard} stays in ALARM")
            time.sleep(0.5)
        if self.played:
            free = lambda head: not head.get("active") and not head.get("waiting")  # noqa: E731
            self.watcher.until((f"TARGET#{self.target.name}", "HEAD"), free, RELEASE_WITHIN, f"{self.target.name} at rest")

    def push(self, story: Story, number: int, image: int) -> Played:
        """Push one of the story's images."""
        build = f"{number}-{image}-{story.images[image]}" + (LOST if story.lost else "")
        digest = self.stage.push(self.target, story.images[image], build)
        end = story.ends_for(self.target.policy, self.target.tested)[image]
        return Played(story, self.target.name, digest, end, moves_itself=self.target.moves_itself)

    def started(self, played: Played, within: float = ANNOUNCED_WITHIN) -> None:
        """Wait for the release of a push; of one that was lost, until the sweep has found it."""
        key = (f"TARGET#{self.target.name}", f"ARTIFACT#{played.digest}")
        known = lambda item: item.get("release")  # noqa: E731
        deadline = time.monotonic() + (SWEPT_WITHIN if played.story.lost else within)
        while not played.release:
            left = deadline - time.monotonic()
            if played.story.lost:
                # The schedule runs; that the target's turn comes is a matter of minutes, which a story does not have.
                self.stage.make_due(self.target)
                left = min(left, DUE_EVERY) if left > DUE_EVERY else left
            try:
                played.release = self.watcher.until(key, known, left, f"a release of {played.digest[:19]}")["release"]
            except ChaosError:
                if time.monotonic() >= deadline:
                    raise

    def record(self, played: Played, test: Any, seconds: float) -> Item:
        """The release once `test` is true of it."""
        return self.watcher.until((f"RELEASE#{played.release}", "RECORD"), test, seconds, f"{played.release}")

    def reached(self, played: Played, phase: str) -> Item:
        """The release once it is in this phase, or over."""
        there = lambda item: item["phase"]["name"] == phase or item["endedAt"]  # noqa: E731
        return self.record(played, there, RELEASE_WITHIN)

    def act(self, story: Story, number: int, first: Played) -> list[Played]:
        """What the story says happens while the first release runs; further releases that follow."""
        if story.act == "alarm":
            self.stage.guard(self.target, quiet=False)
        elif story.act in ("abort", "rollback", "promote"):
            self.stage.perch(story.act, self.target.name, *WHO)
        elif story.act == "hold":
            self.hold(first)
        elif story.act == "push":
            return [self.push(story, number, 1)]
        elif story.act == "move":
            first.moved_to = self.stage.driver.move(self.target)
        elif story.act == "stop-shift":
            self.stage.driver.stop_shift(self.target)
        elif story.act == "stop-line":
            self.stop_line(first)
        elif story.act == "orders":
            self.refused(first)
        elif story.act == "announce":
            self.announce(first.digest, f"v-{number}-0-{story.images[0]}")
        else:
            raise ValueError(story.act)
        return []

    def waits(self, played: Played) -> None:
        """See that nothing starts while the line is stopped, then end the stop."""
        key = (f"TARGET#{self.target.name}", f"ARTIFACT#{played.digest}")
        with contextlib.suppress(ChaosError):
            found = self.watcher.until(key, lambda item: item.get("release"), STAYS, "a release")["release"]
            played.problem = f"{found} started though the line was stopped"
        self.stage.perch("resume", self.target.name, *WHO)

    def stop_line(self, played: Played) -> None:
        """Stop the line, which nothing that moves by itself can wait for, and end the stop when the release is over."""
        self.stage.perch("stop", self.target.name, *WHO)
        self.record(played, lambda item: item["endedAt"], RELEASE_WITHIN)
        self.stage.perch("resume", self.target.name, *WHO)

    def refused(self, played: Played) -> None:
        """See that nobody can hold or hurry the release."""
        for order in ("hold", "continue", "promote"):
            try:
                self.stage.perch(order, self.target.name, *WHO)
            except ChaosError as refused:
                if "schedule of its own" not in str(refused):
                    played.problem = f"{order} is refused with: {refused}"
            else:
                played.problem = f"{order} was not refused"

    def hold(self, played: Played) -> None:
        """Keep the release at its weight for longer than its bake takes, then have it go on."""
        self.stage.perch("hold", self.target.name, *WHO)
        with contextlib.suppress(ChaosError):
            risen = lambda item: item["phase"]["name"] in ("Promoting", "Watching", "Promoted")  # noqa: E731
            self.record(played, risen, STAYS)
            played.problem = f"{played.release} went on though it was held"
        self.stage.perch("continue", self.target.name, *WHO)

    def announce(self, digest: str, tag: str) -> None:
        """Another event about a push that was announced already, with an id of its own."""
        detail = {"result": "SUCCESS", "repository-name": self.target.name, "image-digest": digest, "action-type": "PUSH"}
        entry = {"Source": "aws.ecr", "DetailType": "ECR Image Action", "Detail": json.dumps({**detail, "image-tag": tag})}
        aws("events").put_events(Entries=[entry])
