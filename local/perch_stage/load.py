"""Requests at a steady rate, and counts of what callers saw.

Open loop with a cap: requests are due at fixed times, whether or not earlier ones were answered. When every
thread is busy, overdue requests are dropped and counted as `skipped`; they never pile up.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from typing import TextIO

from perch_stage.ledger import SLOW_MS, Answer, Counts, Ledger, Snapshot

Invoke = Callable[[str], Answer]
"""Sends one text; raises when no answer came."""
# A request that could not be sent within this time is dropped: late requests would make a burst of their own.
LATE_SECONDS = 0.25


class LoadGenerator:
    """Requests at a steady rate from a bounded number of threads, between start() and stop()."""

    def __init__(
        self,
        invoke: Invoke,
        texts: Iterable[str],
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
        self._texts = texts if isinstance(texts, Iterator) else cycle(list(texts))
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

    def ask_once(self) -> Answer | None:
        """One more request as callers send it, by the calling thread; nobody counts it. None means that no answer came."""
        with self._lock:
            text = next(self._texts)
        return self._ask(text)

    def _ask(self, text: str) -> Answer | None:
        try:
            return self._invoke(text)
        except Exception:  # whatever kept the answer away, the caller has none
            return None

    def _send(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                due, text = self._began + self._next / self._rate, next(self._texts)
                self._next += 1
            wait = due - time.monotonic()
            if wait < -LATE_SECONDS:
                with self._lock:
                    self._skipped += 1
                continue
            if wait > 0 and self._stopped.wait(wait):
                return
            sent = time.monotonic()
            answer = self._ask(text)
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
