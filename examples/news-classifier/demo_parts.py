"""The parts of the demo: each has a stack and a process of its own, so that none waits for another one's watch.

They are played side by side and shown one after the other.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perch_local import lifecycle, servers
from perch_local.checkout import Stack
from rich.console import Console

import demo_images
import demo_models
import push_image
from demo_stage import DemoError, Result, Stage, call_alias, call_front
from replicas import FleetError

LOOK = 0.2


@dataclass(frozen=True)
class Part:
    """Acts that follow each other on one stack."""

    kind: str
    acts: tuple[Any, ...]


# The first act and the fourth have a watch of a minute, so they are in different parts.
PARTS = (
    Part("images", demo_images.ACTS[:2]),
    Part("images", demo_images.ACTS[2:]),
    Part("models", demo_models.ACTS),
)
KINDS = tuple(dict.fromkeys(part.kind for part in PARTS))
CALLERS = {"images": call_alias, "models": call_front}
PLAY: dict[str, Callable[..., Result]] = {"images": demo_images.play, "models": demo_models.play}


@dataclass(frozen=True)
class Screen:
    """Where a part writes, and what the terminal is like that will show it."""

    transcript: Path
    width: int
    terminal: bool

    def console(self) -> Console:
        """A console that writes what the terminal will show."""
        out = self.transcript.open("a")
        return Console(file=out, width=self.width, force_terminal=self.terminal, soft_wrap=not self.terminal)


@dataclass
class Played:
    """How the acts of a part ended, the pages with their evidence, and what broke the part off."""

    results: list[Result] = field(default_factory=list)
    reports: list[Path] = field(default_factory=list)
    wrong: str | None = None


def play(part: Part, first: int, port: int, screen: Screen) -> Played:
    """Every act of a part, numbered from `first`."""
    console, played = screen.console(), Played()
    stage = Stage(Stack(port), console)
    try:
        with stage.open(CALLERS[part.kind]):
            for number, act in enumerate(part.acts, first):
                played.results.append(PLAY[part.kind](stage, number, act))
    except (DemoError, FleetError, lifecycle.LocalStackError, push_image.PushError, servers.ServerError) as wrong:
        played.wrong = str(wrong)
        console.print(f"[red]broken off:[/] {wrong}\n")
    played.reports = stage.reports
    return played


def play_side_by_side(parts: list[Part], console: Console) -> list[Played]:
    """Play these parts at the same time; show the first as it goes, and each other one after the one before it."""
    # The address of a stack is in the environment, so a part needs a process.
    pool = ProcessPoolExecutor(len(parts), multiprocessing.get_context("spawn"))
    with tempfile.TemporaryDirectory() as folder, pool:
        begun: list[tuple[Path, Future[Played]]] = []
        first = 1
        for port, part in zip(free_ports(len(parts)), parts, strict=True):
            screen = Screen(Path(folder) / str(first), console.width, console.is_terminal)
            screen.transcript.touch()
            begun.append((screen.transcript, pool.submit(play, part, first, port, screen)))
            first += len(part.acts)
        return [follow(transcript, future, console) for transcript, future in begun]


def follow(transcript: Path, future: Future[Played], console: Console) -> Played:
    """Show what a part has said and says, until it has ended."""
    with transcript.open() as said:
        while True:
            ended = future.done()
            console.file.write(said.read())
            console.file.flush()
            if ended:
                return future.result()
            time.sleep(LOOK)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, each another one."""
    found: set[int] = set()
    while len(found) < count:
        found.add(servers.free_port())
    return list(found)
