#!/usr/bin/env python3
"""Releases of a container-image function behind an HTTP API, on a private local stack, with real requests all the while.

1. a healthy image: smoke tests, 50 %, promoted;  2. one with swapped labels: a smoke test rejects it, no caller sees it;
3. one that fails for large flowers: judged and rolled back.

Exits 0 only if every act ended as it should.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from perch_local import deploy
from perch_stage.callers import http_invoke
from perch_stage.demo import Act, Sample, main
from perch_stage.images import PushedImage
from perch_stage.load import Invoke
from perch_stage.stage import Stage

import push_image

HERE = Path(__file__).resolve().parent
NAME = "ml-inference"
RATE = 60.0
# The guard's shortest period, and a threshold that a canary at 50 % can't reach alone: in the demo the judge decides about
# canaries, the guard about what is promoted.
PARAMETERS = ("AlarmPeriod=10", "AlarmThresholdPercent=20")

PROMOTED = (
    Act("a healthy image", "healthy", "Promoted", "errors at most 2 times"),
)
TAKEN_BACK = (
    Act("two labels swapped in the export: a smoke test", "mislabelled", "Rejected", 'expected "setosa", got "virginica"'),
    Act("a broken image: a quarter of the flowers fail", "failing", "RolledBack", "failed"),
)


def flowers() -> tuple[str, ...]:
    """The measured flowers as requests, the species in turn."""
    with (HERE / "training" / "iris.csv").open(newline="", encoding="utf-8") as lines:
        rows = [{name: float(value) for name, value in row.items() if name != "species"} for row in csv.DictReader(lines)]
    return tuple(json.dumps(row) for n in range(50) for row in rows[n::50])


def as_it_is(text: str) -> str:
    """The body of a request: the text is JSON."""
    return text


def install(stage: Stage) -> Invoke:
    """What the team has: an image in ECR, the function with its alias, the HTTP API. How callers ask it."""
    image = push_image.push_variant("healthy")
    deploy.deploy(stage.stack, HERE, NAME, (f"ImageUri={image.image_uri}", *PARAMETERS), say=lambda _: None)
    outputs = boto3.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]["Outputs"]
    url = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "Url")
    # The API's name is no address here: the request goes to the stack, which knows the API by the name.
    return http_invoke(stage.stack.url, "/predict", as_it_is, host=urlsplit(url).netloc)


def push(variant: str) -> PushedImage:
    """Push one build of a variant."""
    return push_image.push_variant(variant)


SAMPLE = Sample(
    name=NAME,
    target=HERE / "target.demo.yaml",
    install=install,
    push=push,
    calls=f"Callers send {RATE:.0f} requests per second to POST /predict of the HTTP API.",
    texts=flowers(),
    rate=RATE,
)

if __name__ == "__main__":
    sys.exit(main(SAMPLE, PROMOTED, TAKEN_BACK))
