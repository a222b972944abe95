"""What callers saw, counted by second and by version."""

from __future__ import annotations

import math
import threading
import time
from array import array
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

SLOW_MS = 300.0
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """What one caller got: the version that answered, and what is to be said of the answer."""

    version: str
    function_error: bool = False
    wrong: bool = False
    unsure: bool = False
    cached: bool = False


@dataclass(frozen=True)
class Kept:
    """An answer out of the cache: the version that had given it, and when a caller asked and got it (Unix time)."""

    version: str
    asked: float
    answered: float


@dataclass(frozen=True)
class Counts:
    """What callers saw; latencies are those of answered requests, in milliseconds."""

    requests: int = 0
    function_errors: int = 0
    transport_errors: int = 0
    slow: int = 0
    wrong: int = 0
    unsure: int = 0
    cached: int = 0
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None

    @property
    def failed(self) -> int:
        """Requests that got an error or nothing."""
        return self.function_errors + self.transport_errors

    @property
    def accuracy(self) -> float | None:
        """Share of the right answers among those that came, where the callers know what is right."""
        answered = self.requests - self.failed
        return (answered - self.wrong) / answered if answered else None

    @property
    def harmed(self) -> int:
        """Requests with no good answer in time; each is in one of the three."""
        return self.function_errors + self.transport_errors + self.slow

    def to_json(self) -> dict[str, Any]:
        """The counts as they are written to files."""
        names = {
            "function_errors": "functionErrors",
            "transport_errors": "transportErrors",
            "p50_ms": "p50Ms",
            "p90_ms": "p90Ms",
            "p99_ms": "p99Ms",
            "max_ms": "maxMs",
        }
        return {names.get(key, key): value for key, value in asdict(self).items()} | {"harmed": self.harmed}


@dataclass(frozen=True)
class Snapshot:
    """Everything counted so far."""

    seconds: float
    skipped: int
    total: Counts
    versions: dict[str, Counts]

    def to_json(self) -> dict[str, Any]:
        """The snapshot as the command prints it."""
        versions = {version: counts.to_json() for version, counts in self.versions.items()}
        return {
            "seconds": round(self.seconds, 1),
            "skipped": self.skipped,
            "total": self.total.to_json(),
            "versions": versions,
        }


@dataclass
class _Cell:
    """One second of one version."""

    requests: int = 0
    function_errors: int = 0
    transport_errors: int = 0
    slow: int = 0
    wrong: int = 0
    unsure: int = 0
    cached: int = 0
    latencies: array[float] = field(default_factory=lambda: array("f"))


def _quantile(ordered: list[float], q: float) -> float | None:
    """Nearest rank, as a caller would count it."""
    return round(ordered[max(0, math.ceil(q * len(ordered)) - 1)], 2) if ordered else None


def _sum(cells: Iterable[_Cell]) -> Counts:
    cells = list(cells)
    ordered = sorted(latency for cell in cells for latency in cell.latencies)
    return Counts(
        requests=sum(cell.requests for cell in cells),
        function_errors=sum(cell.function_errors for cell in cells),
        transport_errors=sum(cell.transport_errors for cell in cells),
        slow=sum(cell.slow for cell in cells),
        wrong=sum(cell.wrong for cell in cells),
        unsure=sum(cell.unsure for cell in cells),
        cached=sum(cell.cached for cell in cells),
        p50_ms=_quantile(ordered, 0.5),
        p90_ms=_quantile(ordered, 0.9),
        p99_ms=_quantile(ordered, 0.99),
        max_ms=_quantile(ordered, 1.0),
    )


class Ledger:
    """Counts by the second in which the answer came, and by the version that gave it. Safe to share.

    An unanswered request has no version and is counted under `unknown`. One hour at 50 requests/s takes about 1 MB.
    """

    def __init__(self, slow_ms: float = SLOW_MS, clock: Callable[[], float] = time.time) -> None:
        self._slow_ms, self._clock, self._lock = slow_ms, clock, threading.Lock()
        self._cells: dict[tuple[int, str], _Cell] = {}
        self._kept: list[Kept] = []

    def record(self, answer: Answer | None, latency_ms: float) -> None:
        """Count one request; None means that no answer came."""
        with self._lock:
            now = self._clock()
            key = (int(now), answer.version if answer else UNKNOWN)
            cell = self._cells.setdefault(key, _Cell())
            cell.requests += 1
            if answer is None:
                cell.transport_errors += 1
                return
            cell.latencies.append(latency_ms)
            cell.wrong += answer.wrong
            cell.unsure += answer.unsure
            cell.cached += answer.cached
            if answer.cached:
                self._kept.append(Kept(answer.version, now - latency_ms / 1000, now))
            if answer.function_error:
                cell.function_errors += 1
            elif latency_ms > self._slow_ms:
                cell.slow += 1

    def between(self, begin: float, end: float, version: str | None = None) -> Counts:
        """Counts of the whole seconds that `begin` to `end` touches."""
        with self._lock:
            return _sum(
                cell
                for (second, name), cell in self._cells.items()
                if int(begin) <= second < end and version in (None, name)
            )

    def kept(self, begin: float, end: float) -> list[Kept]:
        """Answers out of the cache that callers asked for and got in this time, in the order in which they came."""
        with self._lock:
            return [kept for kept in self._kept if begin <= kept.asked and kept.answered <= end]

    def versions(self) -> dict[str, Counts]:
        """Counts of the whole run by version."""
        with self._lock:
            names = sorted({name for _, name in self._cells})
            return {n: _sum(cell for (_, name), cell in self._cells.items() if name == n) for n in names}

    def rows(self, begin: int, end: int) -> list[dict[str, Any]]:
        """One row per second and version, for the seconds from `begin` up to, not including, `end`."""
        with self._lock:
            keys = sorted(key for key in self._cells if begin <= key[0] < end)
            return [{"second": s, "version": v, **_sum([self._cells[s, v]]).to_json()} for s, v in keys]


def table(snapshot: Snapshot) -> str:
    """The summary for a terminal."""
    names = ("version", "requests", "errors", "no answer", "slow", "wrong", "unsure", "cached", "p50 ms", "p99 ms")
    rows = [
        (name, c.requests, c.function_errors, c.transport_errors, c.slow, c.wrong, c.unsure, c.cached)
        + tuple("-" if quantile is None else quantile for quantile in (c.p50_ms, c.p99_ms))
        for name, c in [*snapshot.versions.items(), ("all", snapshot.total)]
    ]
    lines = ["".join(f"{value:>10}" for value in row) for row in (names, *rows)]
    sent = f"{snapshot.total.requests} requests in {snapshot.seconds:.1f} s, {snapshot.skipped} skipped"
    return "\n".join([*lines, sent])
