#!/usr/bin/env python3
"""Releases of an ECS service by CodeDeploy on private local stacks, with real requests through the load balancer all the while.

1. a healthy image: 10 % for 15 minutes (of 3 s each), promoted;
2. an image whose sessions the old tasks can't read: the canary fails no request, so a guard alarm rolls back, not the judge;
3. an image with failing requests, and 4. one whose tasks stop passing their health check: rolled back by the judge.

Exits 0 only if every act ended as it should.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

# A minute of CodeDeploy takes 3 s: 45 s for 15 minutes.
os.environ["PERCH_CLOCK"] = "0.05"

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "http-service"))

import push_service  # noqa: E402
from deployed import deployed  # noqa: E402
from perch_stage import demo  # noqa: E402
from perch_stage.callers import http_invoke  # noqa: E402
from perch_stage.images import PushedImage  # noqa: E402
from perch_stage.load import Invoke  # noqa: E402
from perch_stage.stage import Stage  # noqa: E402

NAME, REPOSITORY, PORT = "engagement-ml", "engagement-api", 8080
RATE = 60.0
GROUPS = "engagement/*"
SETTINGS = {
    "Port": PORT,
    "Tasks": 3,
    "MinutesToGoBack": 5,
    "AlarmPeriod": 10,
    "ErrorPeriods": 2,
    "ApiErrorPeriods": 2,
}


def push(variant: str) -> PushedImage:
    """Push one build of the service."""
    return push_service.push_variant(NAME, variant, REPOSITORY)


def visit(text: str) -> str:
    """The request of one visit."""
    seconds, depth, returning, articles = text.split()
    return json.dumps(
        {
            "secondsOnPage": float(seconds),
            "scrollDepth": float(depth),
            "returning": returning == "yes",
            "articlesToday": int(articles),
        }
    )


def install(stage: Stage) -> Invoke:
    """The service with its first image, and how callers ask it."""
    address = deployed(stage.stack, HERE, push("healthy"), **SETTINGS)["Address"].split(":")[0]
    stage.addresses["engagement.internal"] = address
    return http_invoke(f"http://{address}:{PORT}", "/score", visit, cookies=True)


SAMPLE = demo.Sample(
    name="engagement-api",
    target=HERE / "target.demo.yaml",
    install=install,
    push=push,
    calls=f"Callers send {RATE:.0f} requests per second to the load balancer in front of three tasks.",
    texts=("240 0.95 yes 5", "2 0.05 no 0", "35 0.4 no 1", "90 0.7 yes 2"),
    rate=RATE,
    history=5.0,
)
HEALTHY = demo.Act("a healthy image", "healthy", "Promoted", "canary requests failed")
# 7 % of all requests fail, none of the canary's: what the judge can't see.
SKEWED = demo.Act("an image that breaks the old tasks: they can't read its sessions", "sessions", "RolledBack", "engagement-api-errors")
FAILING = demo.Act("a broken image: a third of its requests fail", "failing", "RolledBack", "canary requests failed")
UNHEALTHY = demo.Act("an image whose tasks stop passing their health check", "unhealthy", "RolledBack", "targets of the canary are healthy")

if __name__ == "__main__":
    sys.exit(demo.main(SAMPLE, (HEALTHY, SKEWED), (FAILING, UNHEALTHY)))
