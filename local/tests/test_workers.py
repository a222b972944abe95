"""The figures of an invocation are there before anybody can read its result."""
import os
import types

from perch_local.workers import _measured_result


def measured(accepted):
    """A worker between two invocations, and the figures that stood when its result woke the invoking thread."""
    worker, seen = types.SimpleNamespace(_proc=types.SimpleNamespace(pid=os.getpid()), _perch_done=None, _perch_peak=0), []

    def wakes(self):
        seen.append((self._perch_done, self._perch_peak))
        return accepted
    _measured_result(wakes)(worker)
    return worker, seen[0]


def test_a_result_wakes_nobody_before_it_is_measured():
    _, (done, peak_mb) = measured(accepted=True)
    assert done is not None and peak_mb > 3


def test_a_late_result_leaves_the_figures_of_the_invocation_alone():
    worker, _ = measured(accepted=False)
    assert (worker._perch_done, worker._perch_peak) == (None, 0)
