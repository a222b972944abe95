"""The `perch` command, and waiting for what it says."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from perch_local.checkout import ROOT

PERCH = ROOT / "target" / "release" / "perch"
LOOK = 0.3
Answer = TypeVar("Answer")


class StageError(Exception):
    """A message for the terminal."""


def run_perch(*arguments: str) -> str:
    """What `perch` prints."""
    done = subprocess.run([str(PERCH), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise StageError(f"perch {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout


def perch(*arguments: str) -> Any:
    """What `perch ... -o json` answers."""
    return json.loads(run_perch(*arguments, "-o", "json"))


def until(found: Callable[[], Answer | None], seconds: float, what: str) -> Answer:
    """Ask until there is an answer."""
    deadline = time.monotonic() + seconds
    while (answer := found()) is None:
        if time.monotonic() > deadline:
            raise StageError(f"{what} took more than {seconds:.0f} s")
        time.sleep(LOOK)
    return answer


def stamp(text: str) -> float:
    """Seconds since the epoch of a time in JSON."""
    return datetime.fromisoformat(text).timestamp()


def times(release: dict[str, Any]) -> dict[str, float]:
    """When each thing in the journal of a release happened first."""
    return {entry["what"]: stamp(entry["at"]) for entry in reversed(release["journal"])}
