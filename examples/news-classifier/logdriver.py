"""Sends what programs print to CloudWatch Logs, as the awslogs driver of a container does."""

from __future__ import annotations

import queue
import threading
import time
from typing import IO, Any

import boto3
from botocore.config import Config

# PutLogEvents takes 10,000 events and 1 MiB, 26 bytes of overhead for each event.
MOST_EVENTS, MOST_BYTES, OVERHEAD = 10_000, 1_048_576, 26
EVERY = 0.5
Event = dict[str, Any]


class LogDriver:
    """One log group; a stream for each program. Lines of a program are sent in order."""

    def __init__(self, group: str) -> None:
        # A lost line is a lost request in the metrics, so a failed call is tried again.
        self._logs = boto3.client("logs", config=Config(retries={"max_attempts": 5, "mode": "standard"}))
        self._group = group
        self._streams: list[threading.Thread] = []
        try:
            self._logs.create_log_group(logGroupName=group)
        except self._logs.exceptions.ResourceAlreadyExistsException:
            pass

    def follow(self, stream: str, output: IO[str]) -> None:
        """Send a program's lines until its output ends."""
        self._logs.create_log_stream(logGroupName=self._group, logStreamName=stream)
        lines: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        for work in (lambda: _read(output, lines), lambda: self._send(stream, lines)):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._streams.append(thread)

    def join(self, seconds: float = 10.0) -> None:
        """Wait until the lines of programs that ended are sent."""
        deadline = time.monotonic() + seconds
        for thread in self._streams:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _send(self, stream: str, lines: queue.SimpleQueue[Event | None]) -> None:
        ended = False
        while not ended:
            batch, ended = _batch(lines)
            for events in _calls(batch):
                self._logs.put_log_events(logGroupName=self._group, logStreamName=stream, logEvents=events)


def _read(output: IO[str], lines: queue.SimpleQueue[Event | None]) -> None:
    for line in output:
        if text := line.rstrip("\r\n"):
            lines.put({"timestamp": int(time.time() * 1000), "message": text})
    lines.put(None)


def _batch(lines: queue.SimpleQueue[Event | None]) -> tuple[list[Event], bool]:
    """The lines of half a second, and whether they were the last."""
    batch: list[Event] = []
    deadline = time.monotonic() + EVERY
    while (wait := deadline - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=wait)
        except queue.Empty:
            break
        if line is None:
            return batch, True
        batch.append(line)
    return batch, False


def _calls(batch: list[Event]) -> list[list[Event]]:
    """The batch in pieces that PutLogEvents takes."""
    calls: list[list[Event]] = []
    size = 0
    for event in batch:
        weight = len(event["message"].encode()) + OVERHEAD
        if not calls or len(calls[-1]) == MOST_EVENTS or size + weight > MOST_BYTES:
            calls.append([])
            size = 0
        calls[-1].append(event)
        size += weight
    return calls
