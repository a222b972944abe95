"""What every act of the demo uses: the stack, the callers, the terminal, and how a release is followed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from perch_local import deploy, lifecycle
from perch_local.checkout import ROOT, Stack
from rich.console import Console

import install
import serving
from loadgen import Counts, LoadGenerator, alias_invoke, asked_again, front_invoke, headlines
from replicas import Fleet, Places

PERCH = ROOT / "target" / "release" / "perch"
TARGET = "news-classifier"
REPORTS = ROOT / "target" / "demo"
Answer = TypeVar("Answer")
RATE, FRONT_RATE = 40.0, 200.0
ACT_WITHIN = 240.0
# Seconds of requests before the first release: the judge has to know what is usual.
HISTORY = 30.0
# Journal entries that the next one completes within a second.
UNSHOWN = {"CodeSet", "PromotionDecided", "RollbackDecided"}


class DemoError(Exception):
    """A message for the terminal."""


@dataclass(frozen=True)
class Result:
    """How an act ended."""

    number: int
    release: dict[str, Any]
    artifact: str
    phase: str
    reason: str  # what the decision has to name
    seconds: float
    harm: str
    missed: list[str] = field(default_factory=list)  # what else was not as it should be

    @property
    def why(self) -> str:
        """What decided: the look before the promotion, or the reasons of the rollback."""
        journal = self.release["journal"]
        if self.release["phase"] == "Promoted":
            looks = [e["cause"] for e in journal if e["what"] == "BakeJudged"]
            return next((look for look in reversed(looks) if "watch" not in look), "")
        if reasons := (self.release["verdict"] or {}).get("reasons"):
            return "; ".join(reasons)
        back = ("RollbackDecided", "ReleaseRolledBack", "ReleaseRejected")
        return next((e["cause"] for e in journal if e["what"] in back), "")

    @property
    def as_expected(self) -> bool:
        """Whether it ended in the right phase, for the right reason, and nothing else was wrong."""
        return self.release["phase"] == self.phase and self.reason in self.why and not self.missed


def run_perch(*arguments: str) -> str:
    """What `perch` prints."""
    done = subprocess.run([str(PERCH), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise DemoError(f"perch {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout


def perch(*arguments: str) -> Any:
    """What `perch ... -o json` answers."""
    return json.loads(run_perch(*arguments, "-o", "json"))


def until(found: Callable[[], Answer | None], seconds: float, what: str) -> Answer:
    """Ask until there is an answer."""
    deadline = time.monotonic() + seconds
    while (answer := found()) is None:
        if time.monotonic() > deadline:
            raise DemoError(f"{what} took more than {seconds:.0f} s")
        time.sleep(0.3)
    return answer


def stamp(text: str) -> float:
    """Seconds since the epoch of a time in JSON."""
    return datetime.fromisoformat(text).timestamp()


def call_alias(_: Fleet) -> tuple[LoadGenerator, str]:
    """Callers of the function."""
    load = LoadGenerator(alias_invoke(), headlines(), rate=RATE)
    return load, f"Callers send {RATE:.0f} requests per second to {TARGET}:live."


def call_front(fleet: Fleet) -> tuple[LoadGenerator, str]:
    """Callers of the model servers."""
    load = LoadGenerator(front_invoke(fleet.front), asked_again(headlines()), rate=FRONT_RATE)
    return load, (
        f"Callers send {FRONT_RATE:.0f} requests per second to {len(fleet.replicas)} model servers; "
        "one of four repeats a headline, and the cache in front may have its answer."
    )


class Stage:
    """The stack, the callers and the terminal of one part."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self.stack, self.console = stack, console
        self.fleet: Fleet
        self.load: LoadGenerator
        self.reports: list[Path] = []

    @contextlib.contextmanager
    def open(self, callers: Callable[[Fleet], tuple[LoadGenerator, str]]) -> Iterator[None]:
        """A stack with Perch, the function, the model servers and callers; everything is ended at the end."""
        begin = time.monotonic()
        lifecycle.start(self.stack)
        try:
            os.environ.update(self.stack.client_env())
            install.install(self.stack)
            with Fleet(Places.free()) as self.fleet:
                # A service has callers before it has Perch: they call while that is deployed.
                self.load, calls = callers(self.fleet)
                self.load.start()
                try:
                    deploy.deploy(self.stack, say=lambda _: None)
                    serving.make_bucket()
                    serving.apply_target(self.stack, self.fleet.replicas, self.fleet.redis.url)
                    took = time.monotonic() - begin
                    self.console.print(f"Local AWS on {self.stack.url}: {TARGET} and Perch are deployed ({took:.0f} s).")
                    self.console.print(f"{calls}\n")
                    until(lambda: True if self.load.snapshot().seconds > HISTORY else None, 60, "the first requests")
                    yield
                finally:
                    self.load.stop()
        finally:
            lifecycle.stop(self.stack)

    def counts(self, begin: float, end: float, version: str | None = None) -> Counts:
        """What callers saw."""
        return self.load.harm_between(begin, end, version)

    def follow(self, is_it: Callable[[dict[str, Any]], bool], begin: float) -> dict[str, Any]:
        """Print the journal of a release as it grows; the release when it has ended."""

        def started() -> str | None:
            found = [r for r in perch("releases", "--target", TARGET) if is_it(r["artifact"])]
            return found[0]["id"] if found else None

        release_id, seen = until(started, 15, "the start of the release"), 0

        def ended() -> dict[str, Any] | None:
            nonlocal seen
            release: dict[str, Any] = perch("release", release_id)
            for entry in (entry for entry in release["journal"][seen:] if entry["what"] not in UNSHOWN):
                self.say(begin, stamp(entry["at"]), f"{entry['what']}: {entry['cause']}")
            seen = len(release["journal"])
            return release if release["endedAt"] else None

        return until(ended, ACT_WITHIN, f"release {release_id}")

    def say(self, begin: float, at: float, text: str) -> None:
        """One line with the time since the act began and what callers saw until now."""
        counts = self.counts(begin, time.time() + 1)
        callers = f"[dim]callers: {counts.requests} answered, {counts.harmed} harmed[/]"
        self.console.print(f"  {max(0.0, at - begin):5.1f} s  {text}  {callers}", highlight=False)

    def report(self, number: int, name: str, release_id: str) -> None:
        """The page of a release: what was decided, on what evidence."""
        page = REPORTS / f"{number}-{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        perch("report", release_id, "--html", "-f", str(page))
        self.reports.append(page)

    def judged(self, result: Result) -> Result:
        """Print how an act ended."""
        expected = "; ".join([f"expected {result.phase} because of {result.reason!r}", *result.missed])
        mark = "[green]as it should be" if result.as_expected else f"[red]{expected}"
        self.console.print(f"           {result.release['phase']}: {result.why}  [{mark}[/]]\n", highlight=False)
        return result


def times(release: dict[str, Any]) -> dict[str, float]:
    """When each thing happened first."""
    return {entry["what"]: stamp(entry["at"]) for entry in reversed(release["journal"])}
