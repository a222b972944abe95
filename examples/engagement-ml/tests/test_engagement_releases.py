"""Releases of the service on a private local stack: stopped by its smoke tests, by the judge, and by a guard."""

import demo
import pytest
import releases
from perch_stage.demo import Act

WRONG = Act("an image whose smoke tests fail", "wrong", "RolledBack", "a keen reader scores high")


@pytest.fixture(scope="module")
def stage():
    """Perch, the service and its callers."""
    yield from releases.opened(demo.SAMPLE)


def test_a_build_that_fails_its_smoke_tests_gets_no_traffic(stage):
    releases.gets_no_traffic(demo.SAMPLE, stage, WRONG)


def test_a_failing_build_is_stopped_and_harms_few(stage):
    releases.harms_few(demo.SAMPLE, stage, demo.FAILING)


def test_a_build_that_breaks_the_old_tasks_is_stopped_by_a_guard(stage):
    releases.harms_only_others(demo.SAMPLE, stage, demo.SKEWED)
