"""When the cache's pointer was switched, and when cached answers changed: both measured from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from perch_stage.ledger import Kept

EVERY = 0.02


@dataclass(frozen=True)
class Switch:
    """A change of the pointer: it lies between two readings."""

    old: str
    new: str
    after: float  # the last reading of the old generation began then
    before: float  # the first reading of the new one had ended then


class PointerWatch:
    """Reads the cache's generation fifty times a second while a block runs."""

    def __init__(self, generation: Callable[[], str | None]) -> None:
        self._generation, self._done = generation, threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.switches: list[Switch] = []

    def __enter__(self) -> PointerWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _read(self) -> None:
        last: tuple[str, float] | None = None
        while not self._done.wait(EVERY):
            begun = time.time()
            found = str(self._generation())
            if last and last[0] != found:
                self.switches.append(Switch(last[0], found, last[1], time.time()))
            last = (found, begun)


def describe(switch: Switch, kept: list[Kept], begin: float) -> str:
    """One line for people: the switch, and the cached answers around it, in seconds since `begin`."""
    last = max((k.answered for k in kept if k.version == switch.old), default=None)
    first = min((k.answered for k in kept if k.version == switch.new), default=None)

    def second(at: float | None) -> str:
        return "none" if at is None else f"at {at - begin:.2f} s"

    within = (switch.before - switch.after) * 1000
    return (
        f"the cache's pointer went from {switch.old} to {switch.new} at {switch.before - begin:.2f} s "
        f"(read within {within:.0f} ms); last cached answer of {switch.old} {second(last)}, "
        f"first of {switch.new} {second(first)}"
    )


def wrong_around(switch: Switch, kept: list[Kept]) -> list[str]:
    """Cached answers that can't be if the pointer alone decides; there is no slack in this."""
    olds, news = ([k for k in kept if k.version == version] for version in (switch.old, switch.new))
    early = sum(k.answered < switch.after for k in news)
    late = sum(k.asked > switch.before for k in olds)
    missing = [v for v, found in ((switch.old, olds), (switch.new, news)) if not found]
    return (
        [f"no cached answers of {version}" for version in missing]
        + [f"{early} cached answers of {switch.new} before the switch"] * bool(early)
        + [f"{late} cached answers of {switch.old} to callers who asked after it"] * bool(late)
    )
