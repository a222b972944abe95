"""Sensors that upload files: one each second, and whether the function has put every one of them to the service."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from perch_stage.command import StageError, until

EVERY = 1.0
ANSWERED_WITHIN = 40.0
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


def unanswered(bucket: str) -> list[str]:
    """What is wrong with the uploads so far: nothing once each has its summary, also those that the function had to try again."""
    uploaded = names(bucket, "readings")
    if not uploaded:
        return ["no file was uploaded"]
    try:
        until(lambda: None if uploaded - names(bucket, "summaries") else True, ANSWERED_WITHIN, "a summary of each file")
    except StageError:
        missing = uploaded - names(bucket, "summaries")
        return [f"{len(missing)} of {len(uploaded)} uploaded files have no summary"]
    return []
