"""Perch's table as a test sees it: items that stories wait for, and everything at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from account import PERCH, ChaosError, aws

Item = dict[str, Any]
Key = tuple[str, str]
LOOK = 0.3
KEYS_PER_CALL = 100


def stamp(at: float) -> str:
    """A Unix time as Perch writes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def plain(item: dict[str, Any]) -> Item:
    """An item with Python's own types."""
    read = TypeDeserializer()
    return {name: read.deserialize(value) for name, value in item.items()}


class Watcher:
    """Reads the items that somebody waits for, all of them in one call."""

    def __init__(self) -> None:
        self._wanted: dict[Key, int] = {}
        self._found: dict[Key, Item] = {}
        self._changed, self._ended = threading.Condition(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the reads."""
        self._ended.set()
        self._thread.join()

    def until(self, key: Key, test: Callable[[Item], Any], seconds: float, what: str) -> Item:
        """The item once `test` is true of it."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._wanted[key] = self._wanted.get(key, 0) + 1
            try:
                while not (key in self._found and test(self._found[key])):
                    if (left := deadline - time.monotonic()) <= 0:
                        raise ChaosError(f"not within {seconds:.0f} s: {what}; last seen: {self._brief(key)}")
                    self._changed.wait(left)
                return self._found[key]
            finally:
                self._wanted[key] -= 1
                if not self._wanted[key]:
                    del self._wanted[key]

    def _brief(self, key: Key) -> Any:
        item = self._found.get(key)
        return item and (item.get("phase") or item.get("release") or item)

    def _look(self) -> None:
        while not self._ended.wait(LOOK):
            with self._changed:
                keys = list(self._wanted)
            found: dict[Key, Item] = {}
            for first in range(0, len(keys), KEYS_PER_CALL):
                wanted = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in keys[first : first + KEYS_PER_CALL]]
                answer = aws("dynamodb").batch_get_item(RequestItems={PERCH: {"Keys": wanted, "ConsistentRead": True}})
                found |= {(i["pk"], i["sk"]): i for i in map(plain, answer["Responses"].get(PERCH, []))}
            with self._changed:
                self._found |= found
                self._changed.notify_all()


@dataclass
class State:
    """Everything in the table."""

    releases: dict[str, Item] = field(default_factory=dict)
    journal: dict[str, list[Item]] = field(default_factory=dict)
    heads: dict[str, Item] = field(default_factory=dict)
    notes: list[Item] = field(default_factory=list)
    notices: list[Item] = field(default_factory=list)

    def of(self, target: str) -> list[Item]:
        """The releases of a target by their start."""
        return sorted((r for r in self.releases.values() if r["target"] == target), key=lambda r: str(r["startedAt"]))


def everything() -> State:
    """Read the whole table: only a test may scan."""
    state = State()
    for page in aws("dynamodb").get_paginator("scan").paginate(TableName=PERCH, ConsistentRead=True):
        for item in map(plain, page["Items"]):
            pk, sk = item["pk"], item["sk"]
            if sk == "RECORD":
                state.releases[item["id"]] = item
            elif sk.startswith("JOURNAL#"):
                state.journal.setdefault(pk.removeprefix("RELEASE#"), []).append(item)
            elif sk == "HEAD":
                state.heads[pk.removeprefix("TARGET#")] = item
            elif sk.startswith("NOTE#"):
                state.notes.append(item)
            elif sk.startswith("NOTICE#"):
                state.notices.append(item)
    for entries in state.journal.values():
        entries.sort(key=lambda entry: int(entry["seq"]))
    return state
