#!/usr/bin/env python3
"""Four releases on a private local stack, with real requests all the while.

1. a healthy image: 25 %, 50 %, promoted;  2. an image that fails: judged and rolled back;
3. a slow image: judged and rolled back;   4. an image that fails later: the guard alarm rolls it back.

Exits 0 only if every act ended as it should.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from perch_local import deploy, lifecycle
from perch_local.checkout import ROOT, Stack
from rich.console import Console
from rich.table import Table

import boto3
import install
import push_image
from loadgen import LoadGenerator, alias_invoke, headlines

HERE = Path(__file__).resolve().parent
PERCH = ROOT / "target" / "release" / "perch"
TARGET = "news-classifier"
REPORTS = ROOT / "target" / "demo"
Answer = TypeVar("Answer")
RATE = 40.0
ACT_WITHIN = 240.0
HISTORY = 1200
GUARD = "news-classifier-errors"
# Journal entries that the next one completes within a second.
UNSHOWN = {"CodeSet", "PromotionDecided", "RollbackDecided"}


class DemoError(Exception):
    """A message for the terminal."""


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


@dataclass(frozen=True)
class Result:
    """How an act ended."""

    act: Act
    release: dict[str, Any]
    tag: str
    seconds: float
    harmed: int
    requests: int

    @property
    def why(self) -> str:
        """What decided: the look before the promotion, or the reasons of the newest verdict."""
        if self.release["phase"] == "Promoted":
            looks = [e["cause"] for e in self.release["journal"] if e["what"] == "BakeJudged"]
            return next((look for look in reversed(looks) if "watch" not in look), "")
        return "; ".join((self.release["verdict"] or {}).get("reasons", []))

    @property
    def as_expected(self) -> bool:
        """Whether it ended in the right phase, for the right reason."""
        return self.release["phase"] == self.act.phase and self.act.why in self.why


def perch(*arguments: str) -> Any:
    """What `perch ... -o json` answers."""
    done = subprocess.run([str(PERCH), *arguments, "-o", "json"], capture_output=True, text=True)
    if done.returncode:
        raise DemoError(f"perch {' '.join(arguments)} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


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


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """The stack, the load and the terminal of one run."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self.stack, self.console = stack, console
        self.load: LoadGenerator | None = None
        self.reports: list[Path] = []

    @contextlib.contextmanager
    def stage(self) -> Iterator[None]:
        """A stack with Perch and the sample service under load; everything is ended at the end."""
        begin = time.monotonic()
        lifecycle.start(self.stack)
        try:
            os.environ.update(self.stack.client_env())
            deploy.deploy(self.stack, say=lambda _: None)
            install.install(self.stack)
            perch("apply", "-f", str(HERE / "target.demo.yaml"))
            self.console.print(
                f"Local AWS on {self.stack.url}: Perch and {TARGET} are deployed ({time.monotonic() - begin:.0f} s)."
            )
            self.load = LoadGenerator(alias_invoke(), headlines(), rate=RATE).start()
            until(self.has_history, 60, "the first requests")
            self.console.print(f"Callers send {RATE:.0f} requests per second to {TARGET}:live until the end.\n")
            yield
        finally:
            if self.load:
                self.load.stop()
            lifecycle.stop(self.stack)

    def has_history(self) -> bool | None:
        """Whether the baseline has answered enough for the judge to know what is usual."""
        assert self.load
        return True if self.load.harm_between(0, time.time()).requests >= HISTORY else None

    def play(self, number: int, act: Act) -> Result:
        """Push, follow the release to its end, and count what callers saw."""
        assert self.load
        self.console.rule(f"[bold]{number}. {act.title}", align="left")
        until(self.guard_is_quiet, 60, f"the end of the alarm {GUARD}")
        begin = time.time()
        image = push_image.push_variant(act.variant, after_seconds=act.after_seconds)
        self.say(begin, begin, f"pushed {image.repository}:{image.tag}")
        release = self.follow(image.digest, begin)
        end = time.time()
        counts = self.load.harm_between(begin, end)
        result = Result(act, release, image.tag, self.decided_in(release), counts.harmed, counts.requests)
        self.reports.append(self.report(number, act, release["id"]))
        mark = "[green]as it should be" if result.as_expected else f"[red]expected {act.phase} because of {act.why!r}"
        self.console.print(f"           {release['phase']}: {result.why}  [{mark}[/]]\n", highlight=False)
        return result

    def report(self, number: int, act: Act, release_id: str) -> Path:
        """The page of a release: what was decided, on what evidence."""
        page = REPORTS / f"{number}-{act.variant}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        perch("report", release_id, "--html", "-f", str(page))
        return page

    def guard_is_quiet(self) -> bool | None:
        """Whether the guard can protect the next release: one that is in ALARM already rejects it."""
        found = boto3.client("cloudwatch").describe_alarms(AlarmNames=[GUARD])["MetricAlarms"][0]
        return True if found["StateValue"] != "ALARM" else None

    def follow(self, digest: str, begin: float) -> dict[str, Any]:
        """Print the journal of the image's release as it grows; the release when it has ended."""

        def started() -> str | None:
            found = [r for r in perch("releases", "--target", TARGET) if r["artifact"].get("digest") == digest]
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
        assert self.load
        counts = self.load.harm_between(begin, time.time() + 1)
        callers = f"[dim]callers: {counts.requests} answered, {counts.harmed} harmed[/]"
        self.console.print(f"  {max(0.0, at - begin):5.1f} s  {text}  {callers}", highlight=False)

    def decided_in(self, release: dict[str, Any]) -> float:
        """Seconds from the first canary request to the promotion, or from the first harm to the baseline alone."""
        assert self.load
        at = {entry["what"]: stamp(entry["at"]) for entry in reversed(release["journal"])}
        shifted = at.get("WeightShifted", stamp(release["startedAt"]))
        if release["phase"] == "Promoted":
            return at["PromotionDecided"] - shifted
        end = at.get("ReleaseRolledBack", stamp(release["endedAt"]))
        harm = (r["second"] for r in self.load.ledger.rows(int(shifted), int(end) + 1) if r["harmed"])
        return end - max(shifted, float(next(harm, shifted)))


def table(results: list[Result]) -> Table:
    """The table at the end."""
    shown = Table(title="What happened", title_justify="left", title_style="bold")
    shown.add_column("act")
    shown.add_column("release and image", min_width=38, overflow="fold")
    for name in ("ended", "why"):
        shown.add_column(name, overflow="fold")
    for name in ("decided in", "harmed"):
        shown.add_column(name, justify="right", no_wrap=True)
    for number, result in enumerate(results, 1):
        style = "green" if result.as_expected else "red"
        shown.add_row(
            str(number),
            f"{result.release['id']}\n[dim]{result.tag}[/]",
            f"[{style}]{result.release['phase']}[/]",
            result.why,
            f"{result.seconds:.1f} s",
            f"{result.harmed} of {result.requests}",
        )
    return shown


def main() -> int:
    """Play every act on a stack of its own."""
    console = Console(soft_wrap=not sys.stdout.isatty())
    demo, results, begin = Demo(Stack(free_port()), console), [], time.monotonic()
    try:
        with demo.stage():
            for number, act in enumerate(ACTS, 1):
                results.append(demo.play(number, act))
    except (DemoError, lifecycle.LocalStackError, push_image.PushError) as wrong:
        print(f"demo: {wrong}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped; the local stack is ended", file=sys.stderr)
        return 130
    Console(width=max(120, console.width)).print(table(results))
    console.print(
        "Decided in: from the first canary request to the promotion, or from the first harmed request to the baseline "
        f"alone.\nHarmed: failed, unanswered or slower than 300 ms, of all requests of the act. Whole demo: "
        f"{time.monotonic() - begin:.0f} s.\n",
        highlight=False,
    )
    console.print("The evidence of each release, as a page to open in a browser:")
    for page in demo.reports:
        console.print(f"  {page.relative_to(ROOT)}", highlight=False)
    console.print()
    if not all(result.as_expected for result in results):
        console.print("[red]Not every act ended as it should.")
        return 1
    console.print(
        "Try next: make up, then . local/env.sh, then\n"
        "  target/release/perch apply -f examples/news-classifier/target.demo.yaml\n"
        "  target/release/perch watch news-classifier          # in a second terminal\n"
        "  make push-image VARIANT=failing",
        highlight=False,
        markup=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
