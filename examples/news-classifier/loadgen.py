#!/usr/bin/env python3
"""Send real requests and count what callers saw: through the alias, or through the front of the model servers.

    loadgen.py --rate 50 --duration 60 --out seconds.jsonl
    loadgen.py --front http://127.0.0.1:8100                 until SIGINT or SIGTERM

Open loop with a cap: requests are due at fixed times, whether or not earlier ones were answered. When every
thread is busy, overdue requests are dropped and counted as `skipped`; they never pile up.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import TextIO

from callers import Invoke, alias_invoke, asked_again, front_invoke, headlines
from ledger import SLOW_MS, Answer, Counts, Ledger, Snapshot, table

__all__ = [
    "Answer",
    "Counts",
    "Invoke",
    "Ledger",
    "LoadGenerator",
    "Snapshot",
    "alias_invoke",
    "asked_again",
    "front_invoke",
    "headlines",
]
# A request that could not be sent within this time is dropped: late requests would make a burst of their own.
LATE_SECONDS = 0.25


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
        self._invoke = invoke
        self._headlines = headlines if isinstance(headlines, Iterator) else cycle(list(headlines))
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


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Send real requests and count what callers saw.")
    parser.add_argument("--front", help="the front of the model servers, such as http://127.0.0.1:8100; else the alias")
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
    if options.front:
        invoke, texts = front_invoke(options.front), asked_again(headlines())
    else:
        invoke, texts = alias_invoke(options.function, options.alias, options.threads), cycle(headlines())
    generator = LoadGenerator(
        invoke, texts, rate=options.rate, threads=options.threads, slow_ms=options.slow_ms, out=out
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
