"""One private stack: Perch, the target, the callers and the terminal; a release is followed to its end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from perch_local import deploy, lifecycle
from perch_local.checkout import ROOT, Stack
from rich.console import Console

from perch_stage.command import perch, run_perch, stamp, times, until
from perch_stage.ledger import Counts
from perch_stage.load import LoadGenerator
from perch_stage.results import Result

ACT_WITHIN = 240.0
STARTED_WITHIN = 60.0
# Seconds of requests before the first release: the judge has to know what is usual.
HISTORY = 30.0
# Journal entries that the next one completes within a second.
UNSHOWN = {"CodeSet", "PromotionDecided", "RollbackDecided"}


class Stage:
    """The stack, the callers and the terminal of one part of a demo."""

    load: LoadGenerator

    def __init__(self, stack: Stack, console: Console, target: str, pages: Path | None = None) -> None:
        self.stack, self.console, self.target = stack, console, target
        self.pages = pages or ROOT / "target" / "demo"
        self.reports: list[Path] = []
        # {name: address}: what the target file calls a load balancer, and where that is on this stack.
        self.addresses: dict[str, str] = {}
        # What an example runs besides; it is ended before the stack is.
        self.also = contextlib.ExitStack()
        self._begun, self._installed = time.monotonic(), False

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """The local AWS; this process speaks to it until the end, and it is ended at the end."""
        self._begun = time.monotonic()
        before = dict(os.environ)
        lifecycle.start(self.stack)
        try:
            os.environ.update(self.stack.client_env())
            with self.also:
                yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            lifecycle.stop(self.stack)

    @contextlib.contextmanager
    def called(self, load: LoadGenerator) -> Iterator[None]:
        """Callers, until the end."""
        self.load = load.start()
        try:
            yield
        finally:
            self.load.stop()

    def install_perch(self) -> None:
        """Deploy Perch, unless that was done."""
        if not self._installed:
            deploy.deploy(self.stack, say=lambda _: None)
            self._installed = True

    def apply(self, file: Path) -> None:
        """Give Perch a target file, with this stack's addresses."""
        text = file.read_text()
        for name, address in self.addresses.items():
            text = text.replace(name, address)
        filled = self.stack.folder / file.name
        filled.write_text(text)
        run_perch("apply", "-f", str(filled))

    def ready(self, calls: str, history: float = HISTORY) -> None:
        """Say what is there, and wait until the callers have called for so many seconds."""
        took = time.monotonic() - self._begun
        self.console.print(f"Local AWS on {self.stack.url}: {self.target} and Perch are deployed ({took:.0f} s).")
        self.console.print(f"{calls}\n")
        until(lambda: True if self.load.snapshot().seconds > history else None, 60, "the first requests")

    def quiet(self, alarms: list[str]) -> None:
        """Wait until these guards can protect the next release: one that is in ALARM already rejects it."""

        def at_rest() -> bool | None:
            found = boto3.client("cloudwatch").describe_alarms(AlarmNames=alarms, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
            states = [alarm["StateValue"] for kind in ("MetricAlarms", "CompositeAlarms") for alarm in found[kind]]
            return True if "ALARM" not in states else None

        if alarms:
            until(at_rest, 90, f"the end of the alarm {' or '.join(alarms)}")

    def counts(self, begin: float, end: float, version: str | None = None) -> Counts:
        """What callers saw."""
        return self.load.harm_between(begin, end, version)

    def follow(self, is_it: Callable[[dict[str, Any]], bool], begin: float) -> dict[str, Any]:
        """Print the journal of a release as it grows; the release when it has ended."""

        def started() -> str | None:
            found = [r for r in perch("releases", "--target", self.target) if is_it(r["artifact"])]
            return found[0]["id"] if found else None

        release_id, seen = until(started, STARTED_WITHIN, "the start of the release"), 0

        def ended() -> dict[str, Any] | None:
            nonlocal seen
            release: dict[str, Any] = perch("release", release_id)
            for entry in (entry for entry in release["journal"][seen:] if entry["what"] not in UNSHOWN):
                self.say(begin, stamp(entry["at"]), f"{entry['what']}: {entry['cause']}")
            seen = len(release["journal"])
            return release if release["endedAt"] else None

        return until(ended, ACT_WITHIN, f"release {release_id}")

    def decided_in(self, release: dict[str, Any]) -> float:
        """Seconds from the first canary request to the promotion, or from the first harm to the baseline alone."""
        at = times(release)
        shifted = at.get("WeightShifted", stamp(release["startedAt"]))
        if release["phase"] == "Promoted":
            return at["PromotionDecided"] - shifted
        end = at.get("ReleaseRolledBack", stamp(release["endedAt"]))
        harm = (r["second"] for r in self.load.ledger.rows(int(shifted), int(end) + 1) if r["harmed"])
        return end - max(shifted, float(next(harm, shifted)))

    def say(self, begin: float, at: float, text: str) -> None:
        """One line with the time since the act began and what callers saw until now."""
        counts = self.counts(begin, time.time() + 1)
        callers = f"[dim]callers: {counts.requests} answered, {counts.harmed} harmed[/]"
        self.console.print(f"  {max(0.0, at - begin):5.1f} s  {text}  {callers}", highlight=False)

    def report(self, number: int, name: str, release_id: str) -> None:
        """The page of a release: what was decided, on what evidence."""
        page = self.pages / f"{number}-{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        perch("report", release_id, "--html", "-f", str(page))
        self.reports.append(page)

    def judged(self, result: Result) -> Result:
        """Print how an act ended."""
        expected = "; ".join([f"expected {result.phase} because of {result.reason!r}", *result.missed])
        mark = "[green]as it should be" if result.as_expected else f"[red]{expected}"
        self.console.print(f"           {result.release['phase']}: {result.why}  [{mark}[/]]\n", highlight=False)
        return result
