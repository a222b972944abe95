"""Releases on a private local stack, with callers of the HTTP API: what `make demo` shows, in short.

A person finishes the healthy release (`perch promote`), so that its test does not wait for evidence; the judge finds the
broken one by itself.
"""

import io
import time
from collections.abc import Iterator

import boto3
import pytest
from perch_local.checkout import Stack
from perch_stage.command import perch, run_perch, until
from perch_stage.demo import Opened, Plays, wrongly_answered
from perch_stage.parts import free_ports
from perch_stage.stage import Stage
from rich.console import Console

from demo import PROMOTED, SAMPLE, TAKEN_BACK, push


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Opened(SAMPLE)(Stack(free_ports(1)[0]), Console(file=io.StringIO(), width=200)) as stage:
        yield stage


def said(stage: Stage) -> str:
    """What the terminal would have shown, for a failure."""
    return str(stage.console.file.getvalue())


@pytest.mark.parametrize("act", TAKEN_BACK, ids=lambda act: act.variant)
def test_image_is_taken_back_as_the_demo_says(stage: Stage, act) -> None:
    before = boto3.client("lambda").get_alias(FunctionName="ml-inference", Name="live")
    result = Plays(SAMPLE)(stage, 1, act)
    assert result.as_expected, said(stage)
    after = boto3.client("lambda").get_alias(FunctionName="ml-inference", Name="live")
    assert after["FunctionVersion"] == before["FunctionVersion"]
    assert not after.get("RoutingConfig", {}).get("AdditionalVersionWeights")


def test_healthy_image_answers_alone_once_it_is_promoted(stage: Stage) -> None:
    (act,) = PROMOTED
    stage.quiet(["ml-inference-5xx"])
    begin, image = time.time(), push(act.variant)

    def baking() -> str | None:
        found = [r for r in perch("releases", "--target", SAMPLE.name) if r["artifact"].get("digest") == image.digest]
        return found[0]["id"] if found and found[0]["phase"] == "Baking" else None

    until(baking, 60, "the first canary requests")
    run_perch("promote", SAMPLE.name, "--reason", "seen enough")
    release = stage.follow(lambda artifact: artifact.get("digest") == image.digest, begin)
    assert release["phase"] == act.phase, said(stage)
    tested = [entry["cause"] for entry in release["journal"] if entry["what"] == "SmokeTested"]
    assert len(tested) == 1 and tested[0].startswith("2 smoke tests passed")
    assert wrongly_answered(stage, act, image, begin) == []
    # The second in which this test began may have the last answers of the image before.
    counts = stage.counts(begin + 1, begin + 600)
    assert counts.failed == 0, counts
