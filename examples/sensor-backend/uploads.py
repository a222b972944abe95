"""Sensors that upload files: one each second, and whether the function has put every one of them to the service.

A file whose requests met a failing build three times is in the queue of failed files, with the build's error: kept, not lost.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from perch_stage.command import StageError, until

EVERY = 1.0
ANSWERED_WITHIN = 40.0
# What the service says of a build that fails on purpose; any other error of the function is one of its own.
BUILD_FAILED = "HTTP Error 500"
LINES = "".join(f"boiler-{sensor},{61 + reading / 10}\n" for sensor in (1, 2) for reading in range(20)) + "boiler-2,97\n"


@contextlib.contextmanager
def uploading(bucket: str) -> Iterator[None]:
    """A file each second, until the end."""
    stopped, s3 = threading.Event(), boto3.client("s3")

    def upload() -> None:
        while not stopped.wait(EVERY):
            with contextlib.suppress(BotoCoreError, ClientError):  # a sensor that could not upload tries with its next file
                s3.put_object(Bucket=bucket, Key=f"readings/{time.time_ns()}.csv", Body=LINES.encode())

    thread = threading.Thread(target=upload, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(10)


def names(bucket: str, folder: str) -> set[str]:
    """The files below a folder, without their endings."""
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key.removeprefix(f"{folder}/").rsplit(".", 1)[0] for key in keys}


def kept(queue: str) -> dict[str, str]:
    """{file: error} of the uploads that the function gave up; they stay in the queue."""
    sqs, found = boto3.client("sqs"), {}
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=2).get("Messages"):
        for body in (json.loads(message["Body"]) for message in messages):
            key = body["requestPayload"]["detail"]["object"]["key"]
            name = key.removeprefix("readings/").rsplit(".", 1)[0]
            found[name] = str((body.get("responsePayload") or {}).get("errorMessage", "no error was given"))
    return found


def unanswered(bucket: str, queue: str) -> list[str]:
    """What is wrong with the uploads so far: nothing once each has its summary, or met a failing build three times."""
    uploaded, failed = names(bucket, "readings"), {}
    if not uploaded:
        return ["no file was uploaded"]

    def missing() -> set[str]:
        return uploaded - names(bucket, "summaries") - set(failed)

    def all_there() -> bool | None:
        if missing():
            failed.update(kept(queue))
        return None if missing() else True

    wrong = []
    try:
        until(all_there, ANSWERED_WITHIN, "a summary of each file")
    except StageError:
        wrong.append(f"{len(missing())} of {len(uploaded)} uploaded files are lost")
    others = {error for name, error in failed.items() if name in uploaded and BUILD_FAILED not in error}
    return wrong + [f"an uploaded file was given up: {error}" for error in sorted(others)]
