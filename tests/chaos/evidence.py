"""What a run leaves behind, and what it says of a promise that did not hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from play import Played
from table import Item, State
from targets import Shares, Shift, Target
from traffic import Sight

ENDED = {"ReleasePromoted", "ReleaseRolledBack", "ReleaseRejected", "ReleaseSuperseded", "ReleaseStuck", "TrafficTakenOver"}


@dataclass(frozen=True)
class Broken:
    """A promise that did not hold."""

    promise: str
    what: str
    why: str


@dataclass
class Evidence:
    """What a run left behind."""

    targets: list[Target]
    played: list[Played]
    state: State
    # Percent of the traffic by version, at the end.
    serving: dict[str, Shares]
    versions: dict[str, int]
    calls: list[dict[str, Any]]
    faults: list[dict[str, Any]]
    told: Counter[str]
    lost_letters: list[dict[str, Any]] = field(default_factory=list)
    # Deployments of drivers that move by themselves, and the traffic that was seen under them.
    shifts: dict[str, list[Shift]] = field(default_factory=dict)
    seen: dict[str, list[Sight]] = field(default_factory=dict)


def span(evidence: Evidence, release: Item) -> tuple[str, str]:
    """When a release held its target, by its journal."""
    entries = evidence.state.journal[release["id"]]
    over = [entry["at"] for entry in entries if entry["what"] in ENDED]
    return entries[0]["at"], over[-1] if over else "9"
