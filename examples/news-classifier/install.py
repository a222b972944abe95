#!/usr/bin/env python3
"""Put the sample service on the local stack: a first healthy image, its SAM template, its model servers, its target.

Safe to repeat: when the function exists already nothing is pushed and nothing is deployed, because from
then on its versions and its alias belong to Perch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import boto3
from perch_local import deploy, lifecycle
from perch_local.checkout import Stack

import push_image
import serving

HERE = Path(__file__).resolve().parent
FUNCTION = "news-classifier"
# The guard's shortest period; AWS/Lambda metrics by the second are the local stack's switch. A threshold that a canary at
# 10 % can't reach alone: in the demo the judge decides about canaries, the guard about what is promoted.
PARAMETERS = ("AlarmPeriod=10", "AlarmThresholdPercent=20")


def installed() -> bool:
    """Whether the function exists."""
    functions = boto3.client("lambda")
    try:
        functions.get_function(FunctionName=FUNCTION)
    except functions.exceptions.ResourceNotFoundException:
        return False
    return True


def install(stack: Stack, binary: Path | None = None) -> bool:
    """Install the function on a running stack; whether there was anything to do."""
    os.environ.update(stack.client_env())
    if installed():
        return False
    image = push_image.push_variant("healthy", binary=binary)
    deploy.deploy(stack, HERE, FUNCTION, (f"ImageUri={image.image_uri}", *PARAMETERS), say=lambda _: None)
    return True


def main() -> int:
    """The command line: the stack is the one of PERCH_LOCAL_PORT."""
    stack = Stack()
    if not lifecycle.running(stack):
        print(f"install: nothing is running on port {stack.port}; start it with: make up", file=sys.stderr)
        return 1
    try:
        done = install(stack)
        where = serving.install(stack)
    except (lifecycle.LocalStackError, push_image.PushError) as wrong:
        print(f"install: {wrong}", file=sys.stderr)
        return 1
    print(f"{FUNCTION} is installed, alias live" if done else f"{FUNCTION} was installed already")
    print(f"{len(where['replicas'])} model servers behind {where['front']}, cache {where['redis']}")
    print("callers send them 100 requests per second for an hour, until make down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
