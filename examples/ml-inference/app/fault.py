"""What is wrong with a build, for demos: an image without a fault.json has no fault.

A fault hits flowers with long petals. It is a bug that a smoke test with another flower does not see.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

PETAL_LENGTH = 2


@dataclass(frozen=True)
class Fault:
    """Petals from so many centimetres on fail, or are answered later by `add_ms`."""

    from_petal_length: float
    add_ms: int | None = None


def read(path: Path) -> Fault | None:
    """The fault of a file, if there is one."""
    if not path.is_file():
        return None
    found = json.loads(path.read_text())
    return Fault(found["fromPetalLength"], found.get("addMs"))


def strike(fault: Fault | None, measures: tuple[float, ...]) -> None:
    """Do what the fault does to these measures."""
    if fault is None or measures[PETAL_LENGTH] < fault.from_petal_length:
        return
    if fault.add_ms is None:
        raise ArithmeticError(f"no scale for a petal of {measures[PETAL_LENGTH]} cm")
    time.sleep(fault.add_ms / 1000)
