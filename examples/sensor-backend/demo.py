#!/usr/bin/env python3
"""Releases of an ECS service by ECS's own canary deployments on private local stacks, with real requests all the while.

Callers ask the service through the load balancer; sensors upload files, whose readings a function puts to it.

1. a healthy image: 10 % for 15 minutes (of 6 s each), promoted by the evidence (rule `sequential`);
2. an image with failing requests: rolled back by the evidence. No uploaded file is lost in either.

Exits 0 only if every act ended as it should.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

# A minute of ECS takes 6 s: 90 s for 15 minutes, in which `sequential` gets the requests that it needs.
os.environ["PERCH_CLOCK"] = "0.1"

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "http-service"))

import push_service  # noqa: E402
import uploads  # noqa: E402
from deployed import deployed, outputs  # noqa: E402
from perch_stage import demo  # noqa: E402
from perch_stage.callers import http_invoke  # noqa: E402
from perch_stage.images import PushedImage  # noqa: E402
from perch_stage.load import Invoke  # noqa: E402
from perch_stage.stage import Stage  # noqa: E402

NAME = TARGET = REPOSITORY = "sensor-backend"
PORT, RATE = 8080, 80.0
# The first deployment has nothing to compare with: no time at 10 %.
SETTINGS = {"Port": PORT, "Tasks": 3, "CanaryMinutes": 0, "BakeMinutes": 5, "AlarmPeriod": 10}


def push(variant: str) -> PushedImage:
    """Push one build of the service."""
    return push_service.push_variant(NAME, variant, REPOSITORY)


def batch(text: str) -> str:
    """The request of one batch."""
    sensor, *values = text.split()
    return json.dumps({"sensor": sensor, "values": [float(value) for value in values]})


def install(stage: Stage) -> Invoke:
    """The service with its first image, sensors that upload, and how callers ask it."""
    stage.install_perch()  # the service's hook is one of its functions
    made = deployed(stage.stack, HERE, push("healthy"), **SETTINGS)
    address = made["Address"].split(":")[0]
    stage.addresses["sensors.internal"] = address
    stage.also.enter_context(uploads.uploading(made["Bucket"]))
    return http_invoke(f"http://{address}:{PORT}", "/readings", batch)


def check(_: Stage) -> list[str]:
    """Whether every uploaded file was answered."""
    found = outputs(HERE)
    return uploads.unanswered(found["Bucket"], found["FailedFilesUrl"])


SAMPLE = demo.Sample(
    name=TARGET,
    target=HERE / "target.demo.yaml",
    install=install,
    push=push,
    calls=f"Callers send {RATE:.0f} requests per second to the load balancer in front of three tasks; sensors upload a file a second.",
    texts=("boiler-1 61.2 61.3 61.4 61.3", "boiler-2 61.2 61.4 97 61.3", "gate 1 1 1 0 1"),
    rate=RATE,
    history=20.0,
    check=check,
)
HEALTHY = demo.Act("a healthy image", "healthy", "Promoted", "shown in")
FAILING = demo.Act("a broken image: a third of its requests fail", "failing", "RolledBack", "evidence")

if __name__ == "__main__":
    sys.exit(demo.main(SAMPLE, (HEALTHY,), (FAILING,)))
