"""Releases of the service on a private local stack: stopped by its smoke tests, and by the judge; no uploaded file is lost."""

import io
import time

import demo
import pytest
from perch_local.checkout import Stack
from perch_local.servers import free_port
from perch_stage.demo import Act, Opened, Plays
from rich.console import Console

WRONG = Act("an image whose smoke tests fail", "wrong", "RolledBack", "an outlier is found")


@pytest.fixture(scope="module")
def stage():
    """Perch, the service and its callers."""
    with Opened(demo.SAMPLE)(Stack(free_port()), Console(file=io.StringIO())) as opened:
        yield opened


def test_a_build_that_fails_its_smoke_tests_gets_no_traffic(stage):
    began = time.time()
    result = Plays(demo.SAMPLE)(stage, 1, WRONG)
    assert result.as_expected, (result.release["phase"], result.why, result.missed)
    build = result.artifact.removeprefix("v").partition("-")[0]
    assert stage.counts(began, time.time(), build).requests == 0


def test_a_failing_build_is_stopped_and_harms_few(stage):
    result = Plays(demo.SAMPLE)(stage, 2, demo.FAILING)
    assert result.as_expected, (result.release["phase"], result.why, result.missed)
    harmed, _, requests = result.harm.partition(" of ")
    # A third of a tenth: 3.3 % while the canary has traffic, less over the whole act.
    assert 0 < int(harmed) < 0.05 * int(requests), result.harm
