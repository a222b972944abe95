"""What the demo says of the moment in which cached answers change."""

from __future__ import annotations

import threading

import pytest
from perch_stage.ledger import Answer, Kept, Ledger

from switching import PointerWatch, Switch, describe, wrong_around

SWITCH = Switch("v1", "v2", after=100.0, before=100.02)
BEFORE, AFTER = Kept("v1", 99.98, 99.99), Kept("v2", 100.03, 100.04)


def test_answers_on_both_sides_of_the_switch_are_right_and_are_said() -> None:
    kept = [BEFORE, Kept("v1", 100.01, 100.05), AFTER]
    assert wrong_around(SWITCH, kept) == []
    assert describe(SWITCH, kept, 90.0) == (
        "the cache's pointer went from v1 to v2 at 10.02 s (read within 20 ms); "
        "last cached answer of v1 at 10.05 s, first of v2 at 10.04 s"
    )


@pytest.mark.parametrize(
    ("kept", "wrong"),
    [
        ([BEFORE, AFTER, Kept("v2", 99.9, 99.99)], "1 cached answers of v2 before the switch"),
        ([BEFORE, AFTER, Kept("v1", 100.03, 100.04)], "1 cached answers of v1 to callers who asked after it"),
        ([BEFORE], "no cached answers of v2"),
        ([AFTER], "no cached answers of v1"),
    ],
)
def test_an_answer_on_the_wrong_side_is_found(kept: list[Kept], wrong: str) -> None:
    assert wrong_around(SWITCH, kept) == [wrong]


def test_a_watch_brackets_each_change_of_the_pointer() -> None:
    seen, readings = threading.Event(), iter(["v1", "v1", "v2", "v1"])

    def generation() -> str:
        found = next(readings, None)
        if found is None:
            seen.set()
        return found or "v1"

    with PointerWatch(generation) as pointer:
        assert seen.wait(10)
    assert [(s.old, s.new) for s in pointer.switches] == [("v1", "v2"), ("v2", "v1")]
    assert all(s.after <= s.before for s in pointer.switches)


def test_a_ledger_keeps_when_cached_answers_were_asked_for_and_came() -> None:
    now = 10.0
    ledger = Ledger(clock=lambda: now)
    ledger.record(Answer("v1", cached=True), 500.0)
    ledger.record(Answer("v1"), 5.0)
    now = 12.0
    ledger.record(Answer("v2", cached=True), 1000.0)
    assert ledger.kept(0, 20) == [Kept("v1", 9.5, 10.0), Kept("v2", 11.0, 12.0)]
    assert ledger.kept(9.6, 12) == [Kept("v2", 11.0, 12.0)]
