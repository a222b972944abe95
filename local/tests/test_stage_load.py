"""What the load generator counts; nothing here talks to AWS."""

import io
import json
import math
import threading
import time
from collections.abc import Callable
from itertools import count

import pytest
from perch_stage.ledger import Answer, Counts, Ledger
from perch_stage.load import LoadGenerator


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def filled() -> Ledger:
    """Second 100: version 1 fine. Second 101: one of each harm. Second 102: version 2 fine."""
    clock = Clock(100.9)
    ledger = Ledger(slow_ms=300, clock=clock)
    ledger.record(Answer("1"), 5.0)
    clock.now = 101.0
    ledger.record(Answer("1"), 5.0)
    ledger.record(Answer("2", function_error=True), 400.0)
    ledger.record(Answer("2"), 301.0)
    ledger.record(None, 2000.0)
    clock.now = 102.5
    ledger.record(Answer("2"), 300.0)
    return ledger


def test_each_harmed_request_is_counted_once() -> None:
    counts = filled().between(0, math.inf)
    assert (counts.requests, counts.function_errors, counts.transport_errors, counts.slow) == (6, 1, 1, 1)
    assert counts.harmed == 3


def test_harm_is_told_by_version_and_time() -> None:
    ledger = filled()
    cases = [
        ((101, 102, "2"), (2, 2)),
        ((101, 102, "1"), (1, 0)),
        ((101, 102, None), (4, 3)),
        ((100.95, 101.01, None), (5, 3)),  # the seconds it touches count as a whole
        ((102, 103, None), (1, 0)),
        ((103, 200, None), (0, 0)),
    ]
    for (begin, end, version), expected in cases:
        counts = ledger.between(begin, end, version)
        assert (counts.requests, counts.harmed) == expected, (begin, end, version)


def test_unanswered_request_has_no_version_and_no_latency() -> None:
    versions = filled().versions()
    assert list(versions) == ["1", "2", "unknown"]
    assert versions["unknown"] == Counts(requests=1, transport_errors=1)


def test_quantiles_are_nearest_rank() -> None:
    ledger = Ledger(clock=Clock(1))
    for latency in range(1, 101):
        ledger.record(Answer("1"), float(latency))
    counts = ledger.between(1, 2)
    assert (counts.p50_ms, counts.p90_ms, counts.p99_ms, counts.max_ms) == (50.0, 90.0, 99.0, 100.0)


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; 20 s without it is a failure."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


def test_rate_is_kept_and_answers_are_counted() -> None:
    numbers = count()

    def invoke(text: str) -> Answer:
        n = next(numbers)
        if n % 10 == 0:
            raise ConnectionError
        return Answer("2" if n % 2 else "1", function_error=n % 10 == 1)

    generator = LoadGenerator(invoke, ["a", "b"], rate=200, threads=4).start()
    until(lambda: generator.snapshot().total.requests >= 100)
    final = generator.stop()
    total = final.total
    assert total.requests <= 200 * final.seconds + 4 and total.requests == next(numbers)
    assert total.requests == sum(counts.requests for counts in final.versions.values())
    assert abs(total.transport_errors - total.requests / 10) <= 1
    assert abs(total.function_errors - total.requests / 10) <= 1
    assert final.versions["1"].function_errors == 0
    assert generator.snapshot() == final
    assert generator.harm_between(0, math.inf).harmed == total.function_errors + total.transport_errors


def test_requests_never_pile_up_behind_slow_answers() -> None:
    under_way, most, lock, answer = 0, 0, threading.Lock(), threading.Event()

    def invoke(text: str) -> Answer:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        answer.wait()
        with lock:
            under_way -= 1
        return Answer("1")

    generator = LoadGenerator(invoke, ["a"], rate=100, threads=3).start()
    until(lambda: under_way == 3)
    until(lambda: generator.snapshot().seconds > 0.5)  # 50 requests are due, 3 are under way
    answer.set()
    until(lambda: generator.snapshot().skipped > 20)
    generator.stop()
    assert most == 3


def test_every_request_is_written_once_by_second() -> None:
    out = io.StringIO()
    generator = LoadGenerator(lambda _: Answer("7"), ["a"], rate=100, threads=2, out=out).start()
    until(lambda: len({row["second"] for row in generator.ledger.rows(0, 2**40)}) >= 2)
    final = generator.stop()
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert sum(row["requests"] for row in rows) == final.total.requests
    seconds = [row["second"] for row in rows]
    assert seconds == sorted(set(seconds))
    assert {"version", "functionErrors", "transportErrors", "slow", "p99Ms", "harmed"} <= set(rows[0])


def test_generator_starts_once_and_refuses_no_rate() -> None:
    generator = LoadGenerator(lambda _: Answer("1"), ["a"], rate=10, threads=1).start()
    with pytest.raises(RuntimeError):
        generator.start()
    generator.stop()
    with pytest.raises(ValueError):
        LoadGenerator(lambda _: Answer("1"), ["a"], rate=0)


def test_wrong_unsure_and_cached_answers_are_counted_by_version() -> None:
    ledger = Ledger(clock=Clock(1))
    ledger.record(Answer("v1", wrong=True), 5.0)
    ledger.record(Answer("v1", cached=True), 5.0)
    ledger.record(Answer("v2", wrong=True, unsure=True, cached=True), 5.0)
    ledger.record(Answer("v2", function_error=True), 5.0)
    counts = ledger.between(0, 2)
    assert (counts.wrong, counts.unsure, counts.cached, counts.failed, counts.harmed) == (2, 1, 2, 1, 1)
    assert counts.accuracy == 1 / 3
    assert ledger.between(0, 2, "v1").accuracy == 0.5
    assert Counts().accuracy is None
