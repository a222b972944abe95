"""The parts of a demo: each has a stack and a process of its own, so that none waits for another one's watch.

They are played side by side and shown one after the other.
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perch_local import lifecycle, servers
from perch_local.checkout import Stack
from rich.console import Console

from perch_stage.command import StageError
from perch_stage.results import Played, Result
from perch_stage.stage import Stage

LOOK = 0.2


@dataclass(frozen=True)
class Part:
    """Acts that follow each other on one stack; the two functions go to another process, so they have names."""

    acts: tuple[Any, ...]
    open: Callable[[Stack, Console], AbstractContextManager[Stage]]
    play: Callable[[Any, int, Any], Result]  # the stage, the number of the act, the act


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


def play(part: Part, first: int, stack: Stack, console: Console) -> Played:
    """Every act of a part, numbered from `first`."""
    played = Played()
    try:
        with part.open(stack, console) as stage:
            played.reports = stage.reports
            for number, act in enumerate(part.acts, first):
                played.results.append(part.play(stage, number, act))
    except (StageError, lifecycle.LocalStackError, servers.ServerError) as wrong:
        played.wrong = str(wrong)
        console.print(f"[red]broken off:[/] {wrong}\n")
    return played


def _play(part: Part, first: int, port: int, screen: Screen) -> Played:
    return play(part, first, Stack(port), screen.console())


def _interrupt_once(*_: object) -> None:
    """Ends a part with its stack; a second signal must not end the end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _interruptible() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt_once)


def play_side_by_side(parts: Sequence[Part], console: Console) -> list[Played]:
    """Play these parts at the same time; show the first as it goes, and each other one after the one before it.

    A signal to end, SIGINT or SIGTERM, ends every part with its stack.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # The address of a stack is in the environment, so a part needs a process.
    pool = ProcessPoolExecutor(len(parts), multiprocessing.get_context("spawn"), _interruptible)
    with tempfile.TemporaryDirectory() as folder, pool:
        begun: list[tuple[Path, Future[Played]]] = []
        first = 1
        for port, part in zip(free_ports(len(parts)), parts, strict=True):
            screen = Screen(Path(folder) / str(first), console.width, console.is_terminal)
            screen.transcript.touch()
            begun.append((screen.transcript, pool.submit(_play, part, first, port, screen)))
            first += len(part.acts)
        try:
            return [follow(transcript, future, console) for transcript, future in begun]
        except KeyboardInterrupt:
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise


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
