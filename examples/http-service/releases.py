"""What the tests of every service of this folder try: releases that its smoke tests and the judge stop."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

from perch_local.checkout import Stack
from perch_local.servers import free_port
from perch_stage.demo import Act, Opened, Plays, Sample
from perch_stage.stage import Stage
from rich.console import Console


def opened(sample: Sample) -> Iterator[Stage]:
    """Perch, the service and its callers on a private local stack, for as long as a fixture needs them."""
    with Opened(sample)(Stack(free_port()), Console(file=io.StringIO())) as stage:
        yield stage


def gets_no_traffic(sample: Sample, stage: Stage, act: Act) -> None:
    """A build that fails its smoke tests ends as told, and no caller is answered by it."""
    began = time.time()
    result = Plays(sample)(stage, 1, act)
    assert result.as_expected, (result.release["phase"], result.why, result.missed)
    build = result.artifact.removeprefix("v").partition("-")[0]
    assert stage.counts(began, time.time(), build).requests == 0


def harms_only_others(sample: Sample, stage: Stage, act: Act) -> None:
    """A build that answers every request well, and makes the old tasks fail, is stopped by a guard: no look of the judge fails it."""
    began = time.time()
    result = Plays(sample)(stage, 3, act)
    assert result.as_expected, (result.release["phase"], result.why, result.missed)
    own = stage.counts(began, time.time(), result.artifact.removeprefix("v").partition("-")[0])
    assert own.requests > 0 and own.function_errors == 0
    looks = [entry["cause"] for entry in result.release["journal"] if entry["what"] == "BakeJudged"]
    assert not any("Fail" in look for look in looks), looks
    assert not result.release["journal"][-1]["cause"].startswith("judged")


def harms_few(sample: Sample, stage: Stage, act: Act) -> None:
    """A build of which a third of the requests fail is stopped while it has a tenth of the traffic."""
    result = Plays(sample)(stage, 2, act)
    assert result.as_expected, (result.release["phase"], result.why, result.missed)
    harmed, _, requests = result.harm.partition(" of ")
    # A third of a tenth: 3.3 % while the canary has traffic, less over the whole act.
    assert 0 < int(harmed) < 0.05 * int(requests), result.harm
