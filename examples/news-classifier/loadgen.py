#!/usr/bin/env python3
"""Send real requests through the alias and count what callers saw.

    loadgen.py --rate 50 --duration 60 --out seconds.jsonl
    loadgen.py                                               until SIGINT or SIGTERM

Open loop with a cap: requests are due at fixed times, whether or not earlier ones were answered. When every
thread is busy, overdue requests are dropped and counted as `skipped`; they never pile up.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import signal
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, TextIO

HELDOUT = Path(__file__).resolve().parent / "training" / "heldout.csv"
SLOW_MS = 300.0
# A request that could not be sent within this time is dropped: late requests would make a burst of their own.
LATE_SECONDS = 0.25
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """What one caller got: the version that answered and whether it was a function error."""

    version: str
    function_error: bool = False


Invoke = Callable[[str], Answer]
"""Sends one headline; raises when no answer came."""


@dataclass(frozen=True)
class Counts:
    """What callers saw; latencies are those of answered requests, in milliseconds."""

    requests: int = 0
    function_errors: int = 0
    transport_errors: int = 0
    slow: int = 0
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None

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

    def record(self, answer: Answer | None, latency_ms: float) -> None:
        """Count one request; None means that no answer came."""
        with self._lock:
            key = (int(self._clock()), answer.version if answer else UNKNOWN)
            cell = self._cells.setdefault(key, _Cell())
            cell.requests += 1
            if answer is None:
                cell.transport_errors += 1
                return
            cell.latencies.append(latency_ms)
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


class LoadGenerator:
    """Requests at a steady rate from a bounded number of threads, between start() and stop()."""

    def __init__(
        self,
        invoke: Invoke,
        headlines: Iterable[str],
        *,
        rate: float = 50.0,
        threads: int = 16,
        slow_ms: float = SLOW_MS,
        out: TextIO | None = None,
    ) -> None:
        if rate <= 0 or threads < 1:
            raise ValueError("rate and threads must be above 0")
        self.ledger = Ledger(slow_ms)
        self._invoke, self._headlines = invoke, cycle(list(headlines))
        self._rate, self._out = rate, out
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._next, self._skipped = 0, 0
        self._began = self._ended = 0.0
        self._first_second = 0
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(threads)]
        if out:
            self._threads.append(threading.Thread(target=self._write, daemon=True))

    def start(self) -> LoadGenerator:
        """Begin sending."""
        if self._began:
            raise RuntimeError("a load generator starts once")
        self._began, self._first_second = time.monotonic(), int(time.time())
        for thread in self._threads:
            thread.start()
        return self

    def stop(self, timeout: float = 15.0) -> Snapshot:
        """End sending, wait for the answers under way, and return the final counts."""
        self._stopped.set()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._ended = self._ended or time.monotonic()
        return self.snapshot()

    def snapshot(self) -> Snapshot:
        """Counts so far, in all and by version."""
        seconds = (self._ended or time.monotonic()) - self._began if self._began else 0.0
        with self._lock:
            skipped = self._skipped
        return Snapshot(seconds, skipped, self.ledger.between(0, math.inf), self.ledger.versions())

    def harm_between(self, begin: float, end: float, version: str | None = None) -> Counts:
        """Counts of the whole seconds that `begin` to `end` (Unix time) touches; `.harmed` is their sum of harm.

        Transport errors have no version, so they count only without one.
        """
        return self.ledger.between(begin, end, version)

    def _send(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                due, headline = self._began + self._next / self._rate, next(self._headlines)
                self._next += 1
            wait = due - time.monotonic()
            if wait < -LATE_SECONDS:
                with self._lock:
                    self._skipped += 1
                continue
            if wait > 0 and self._stopped.wait(wait):
                return
            sent = time.monotonic()
            try:
                answer: Answer | None = self._invoke(headline)
            except Exception:  # whatever kept the answer away, the caller has none
                answer = None
            self.ledger.record(answer, (time.monotonic() - sent) * 1000)

    def _write(self) -> None:
        """Write each second once it is over; the last one when all answers are in."""
        written = self._first_second
        while not self._stopped.wait(1.0):
            written = self._write_rows(written, int(time.time()))
        for thread in self._threads[:-1]:
            thread.join()
        self._write_rows(written, int(time.time()) + 1)

    def _write_rows(self, begin: int, end: int) -> int:
        if self._out:
            for row in self.ledger.rows(begin, end):
                self._out.write(json.dumps(row) + "\n")
            self._out.flush()
        return end


def headlines(path: Path = HELDOUT) -> list[str]:
    """The headlines of a data file."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [row["headline"] for row in csv.DictReader(lines)]


def alias_invoke(function: str = "news-classifier", alias: str = "live", threads: int = 16) -> Invoke:
    """Invokes a Lambda alias; no retries, so that a failure is counted and not hidden."""
    import boto3
    from botocore.config import Config

    settings = Config(
        max_pool_connections=threads, connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}
    )
    client = boto3.client("lambda", config=settings)

    def invoke(headline: str) -> Answer:
        payload = json.dumps({"text": headline})
        response = client.invoke(FunctionName=function, Qualifier=alias, Payload=payload)
        response["Payload"].read()  # an unread body would keep the connection from being used again
        return Answer(str(response.get("ExecutedVersion", UNKNOWN)), "FunctionError" in response)

    return invoke


def table(snapshot: Snapshot) -> str:
    """The summary for a terminal."""
    head = f"{'version':>8} {'requests':>9} {'errors':>7} {'no answer':>10} {'slow':>6} {'p50 ms':>8} {'p99 ms':>8}"
    rows = [
        f"{name:>8} {c.requests:>9} {c.function_errors:>7} {c.transport_errors:>10} {c.slow:>6} "
        f"{c.p50_ms if c.p50_ms is not None else '-':>8} {c.p99_ms if c.p99_ms is not None else '-':>8}"
        for name, c in [*snapshot.versions.items(), ("all", snapshot.total)]
    ]
    sent = f"{snapshot.total.requests} requests in {snapshot.seconds:.1f} s, {snapshot.skipped} skipped"
    return "\n".join([head, *rows, sent])


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Send real requests through the alias and count what callers saw.")
    parser.add_argument("--function", default="news-classifier")
    parser.add_argument("--alias", default="live")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second; default: %(default)s")
    parser.add_argument("--threads", type=int, default=16, help="most requests under way; default: %(default)s")
    parser.add_argument("--duration", type=float, help="seconds; default: until SIGINT or SIGTERM")
    parser.add_argument("--slow-ms", type=float, default=SLOW_MS, help="slower answers are harm; default: %(default)s")
    parser.add_argument("--out", type=Path, help="write one JSON line per second and version")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="form of the summary")
    options = parser.parse_args(arguments)
    if options.rate <= 0 or options.threads < 1:
        parser.error("--rate and --threads must be above 0")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    out = options.out.open("w") if options.out else None
    invoke = alias_invoke(options.function, options.alias, options.threads)
    generator = LoadGenerator(
        invoke, headlines(), rate=options.rate, threads=options.threads, slow_ms=options.slow_ms, out=out
    )
    generator.start()
    ended.wait(options.duration)
    final = generator.stop()
    if out:
        out.close()
    print(json.dumps(final.to_json()) if options.output == "json" else table(final))
    return 0


if __name__ == "__main__":
    sys.exit(main())
