"""An example's whole demo: images are pushed, and each is released as it should end, while callers send real requests."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from perch_local.checkout import ROOT, Stack
from rich.console import Console

from perch_stage.images import PushedImage
from perch_stage.load import Invoke, LoadGenerator
from perch_stage.parts import Part, play_side_by_side
from perch_stage.results import Result, say_end, verdict
from perch_stage.stage import HISTORY, Stage

RATE = 40.0
# Requests after the end of an act that say who serves now: a version with a tenth of the traffic shows among so many.
READ_BACK = 40


@dataclass(frozen=True)
class Act:
    """One push and how its release has to end."""

    title: str
    variant: str
    phase: str
    why: str  # what the decision has to name


@dataclass(frozen=True)
class Sample:
    """What an example has; the functions are found by name in another process, so they are no lambdas.

    `install` puts on the stack what the team has before Perch, and answers how callers ask it. It may call
    `stage.install_perch()` where its template names functions of Perch. `push` pushes one build of a variant; the answers
    of an image name its build in a header. `check` says what else is wrong after an act.
    """

    name: str  # of the target, and of the pages
    target: Path
    install: Callable[[Stage], Invoke]
    push: Callable[[str], PushedImage]
    calls: str  # what callers do, as a sentence
    texts: tuple[str, ...]
    rate: float = RATE
    history: float = HISTORY  # fixed limits need none
    check: Callable[[Stage], list[str]] | None = None


def guards(sample: Sample) -> list[str]:
    """The guards that the target file names."""
    return list(yaml.safe_load(sample.target.read_text()).get("guards") or [])


@dataclass(frozen=True)
class Opened:
    """Opens a stage for a sample, in whatever process; a function with an argument."""

    sample: Sample

    @contextlib.contextmanager
    def __call__(self, stack: Stack, console: Console) -> Iterator[Stage]:
        """A stack with the sample, its callers, Perch and the target; everything is ended at the end."""
        sample = self.sample
        stage = Stage(stack, console, sample.name, ROOT / "target" / "demo" / sample.name)
        with stage.up():
            invoke = sample.install(stage)
            # A service has callers before it has Perch: they call while that is deployed.
            with stage.called(LoadGenerator(invoke, sample.texts, rate=sample.rate)):
                stage.install_perch()
                stage.apply(sample.target)
                stage.ready(sample.calls, sample.history)
                yield stage


@dataclass(frozen=True)
class Plays:
    """Plays acts of a sample, in whatever process; a function with an argument."""

    sample: Sample

    def __call__(self, stage: Stage, number: int, act: Act) -> Result:
        """Push, follow the release to its end, count what callers saw, and ask who serves now."""
        stage.console.rule(f"[bold]{number}. {act.title}", align="left")
        stage.quiet(guards(self.sample))
        begin = time.time()
        image = self.sample.push(act.variant)
        stage.say(begin, begin, f"pushed {image.repository}:{image.tag}")
        release = stage.follow(lambda artifact: artifact.get("digest") == image.digest, begin)
        missed = wrongly_answered(stage, act, image, begin)
        missed += self.sample.check(stage) if self.sample.check else []
        counts = stage.counts(begin, time.time())
        harm = f"{counts.harmed} of {counts.requests}"
        result = Result(number, release, image.tag, act.phase, act.why, stage.decided_in(release), harm, missed)
        stage.report(number, act.variant, release["id"])
        return stage.judged(result)


def wrongly_answered(stage: Stage, act: Act, image: PushedImage, begin: float) -> list[str]:
    """What is wrong with who answers: the image alone once it is promoted, not at all when it was taken back.

    A release that is promoted costs no caller an answer; whether one came late depends on the machine, too. Counts are of
    whole seconds: the one in which it was pushed may have the last answers of the image before.
    """
    builds = [answer and answer.version for answer in (stage.load.ask_once() for _ in range(READ_BACK))]
    wrong = []
    if act.phase == "Promoted":
        others = [build for build in builds if build != image.build]
        wrong += [f"{len(others)} of {READ_BACK} answers come from another image"] if others else []
        failed = stage.counts(begin + 1, time.time() + 1).failed
        wrong += [f"{failed} requests failed"] if failed else []
    elif image.build in builds:
        wrong.append("the image still answers callers")
    if act.phase == "Rejected" and (seen := stage.counts(begin, time.time() + 1, image.build).requests):
        wrong.append(f"{seen} callers got an answer of a rejected image")
    return wrong


def main(sample: Sample, *parts: tuple[Act, ...]) -> int:
    """Play every part, each on a stack of its own; the exit code is 0 only if all ended as they should."""
    console, begin = Console(soft_wrap=not sys.stdout.isatty()), time.monotonic()
    if len(parts) > 1:
        console.print(f"{len(parts)} private stacks are used side by side; what happens on each is shown in turn.")
    try:
        played = play_side_by_side([Part(acts, Opened(sample), Plays(sample)) for acts in parts], console)
    except KeyboardInterrupt:
        print("demo: stopped; the local stacks are ended", file=sys.stderr)
        return 130
    say_end(console, played, time.monotonic() - begin)
    if wrong := verdict(played):
        print(*(f"demo: {line}" for line in wrong), sep="\n", file=sys.stderr)
    return 1 if wrong else 0
