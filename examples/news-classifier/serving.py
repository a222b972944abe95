"""What the model side of the sample needs on a local stack: a bucket for models, the servers, and the target.

The model that the servers begin with is in the bucket before S3 tells anybody of uploads: it is no news, but what
later models are compared with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from perch_local import lifecycle
from perch_local.checkout import DEFAULT_PORT, ROOT, Stack

import replicas

HERE = Path(__file__).resolve().parent
BUCKET = "news-models"
NAME, CALLERS = "news-classifier-servers", "news-classifier-callers"
# Nothing is promoted that nobody calls. They end after an hour, so that a stack that is forgotten gets idle.
CALLS = ("--rate", "100", "--duration", "3600")
TARGET, FIRST = "news-classifier", "v1"
STARTED_WITHIN = 30.0
# The judge promises nothing of latency below 100 requests of history.
HISTORY = 500
# Perch reads no model of a bucket without them: a version can't be told from one that overwrote it.
VERSIONED = {"Status": "Enabled"}


def make_bucket() -> None:
    """The versioned bucket that models are uploaded to."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=VERSIONED)


def tell_of_uploads() -> None:
    """From now on S3 tells EventBridge of each object."""
    boto3.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )


def perch(stack: Stack, *arguments: str) -> str:
    """What the command prints."""
    command = [str(ROOT / "target" / "release" / "perch"), *arguments]
    done = subprocess.run(command, env=stack.client_env(), capture_output=True, text=True)
    if done.returncode:
        raise lifecycle.LocalStackError(f"perch {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def upload_first(stack: Stack) -> None:
    """Put the model that the servers begin with into the bucket, unless it is there."""
    found = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{TARGET}/{FIRST}/manifest.json")
    if not found.get("KeyCount"):
        perch(stack, "model", "push", str(HERE / "models" / FIRST), "--target", TARGET, "--version", FIRST)


def start(stack: Stack) -> dict[str, Any]:
    """Start three replicas, their front and Redis in the background; `make down` ends them. Where they are."""
    log = stack.folder / f"{NAME}.log"
    if not lifecycle.attached(stack, NAME):
        # Only one stack can have the ports that target.demo.yaml names.
        fixed = ["--fixed"] if stack.port == DEFAULT_PORT else []
        lifecycle.attach(stack, NAME, [sys.executable, str(HERE / "replicas.py"), *fixed], log)
    deadline = time.monotonic() + STARTED_WITHIN
    while not (text := log.read_text()).startswith("{"):
        if not lifecycle.attached(stack, NAME) or time.monotonic() > deadline:
            raise lifecycle.LocalStackError(f"the model servers did not start; {log}:\n{text}")
        time.sleep(0.1)
    where: dict[str, Any] = json.loads(text.splitlines()[0])
    return where


def call(stack: Stack, front: str) -> None:
    """Callers of the front in the background for an hour; `make down` ends them. Returns when there is a history."""
    if not lifecycle.attached(stack, CALLERS):
        command = [sys.executable, str(HERE / "loadgen.py"), "--front", front, *CALLS]
        lifecycle.attach(stack, CALLERS, command, stack.folder / f"{CALLERS}.log")
    deadline = time.monotonic() + STARTED_WITHIN
    while counted() < HISTORY:
        if not lifecycle.attached(stack, CALLERS) or time.monotonic() > deadline:
            raise lifecycle.LocalStackError(f"the model servers answer nobody; {stack.folder / CALLERS}.log")
        time.sleep(0.5)


def counted() -> float:
    """Requests that the model servers answered within the last hour, by the metrics that they publish."""
    cloudwatch, now = boto3.client("cloudwatch"), datetime.now(UTC)
    listed = cloudwatch.list_metrics(
        Namespace="NewsClassifier", MetricName="Requests", Dimensions=[{"Name": "Service", "Value": TARGET}]
    )
    found = [
        cloudwatch.get_metric_statistics(
            Namespace=metric["Namespace"],
            MetricName=metric["MetricName"],
            Dimensions=metric["Dimensions"],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )
        for metric in listed["Metrics"]
    ]
    return sum(point["Sum"] for series in found for point in series["Datapoints"])


def target_text(servers: list[str], redis: str) -> str:
    """target.demo.yaml with the addresses of these servers."""
    text = (HERE / "target.demo.yaml").read_text()
    usual = replicas.Places.fixed()
    listed = ", ".join(replicas.address(port) for port in usual.replicas)
    return text.replace(listed, ", ".join(servers)).replace(f"redis://127.0.0.1:{usual.redis}", redis)


def apply_target(stack: Stack, servers: list[str], redis: str) -> Path:
    """Give Perch the demo's target with the addresses of these servers, and the first model."""
    path = stack.folder / "target.yaml"
    path.write_text(target_text(servers, redis))
    perch(stack, "apply", "-f", str(path))
    upload_first(stack)
    tell_of_uploads()
    return path


def install(stack: Stack) -> dict[str, Any]:
    """Everything of this file on a running stack; safe to repeat."""
    os.environ.update(stack.client_env())
    make_bucket()
    where = start(stack)
    apply_target(stack, where["replicas"], where["redis"])
    call(stack, where["front"])
    return where
