"""A target of a run, and what a driver has to say of it: how it is installed, asked, moved by others and read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from perch_stage.load import Invoke

Shares = dict[str, int]


@dataclass(frozen=True)
class Shift:
    """A deployment of CodeDeploy or ECS."""

    id: str
    # The release that asked for it; nothing for someone else's and for what takes one back.
    release: str | None
    version: str
    running: bool
    # Unix time.
    began: float


class Driver(Protocol):
    """What moves the traffic of targets."""

    name: str
    # It moves by a schedule of its own: nothing holds or hurries it.
    moves_itself: bool
    # Targets, rounds of stories, seconds of a documented second.
    targets: int
    rounds: int
    clock: float
    # Faults of images by the kinds of stories.py.
    images: dict[str, dict[str, Any] | None]
    entrypoint: str

    def prepare(self) -> None:
        """What all targets share."""

    def assemble(self, root: Path, build: str, fault: dict[str, Any] | None) -> None:
        """The files of an image."""

    def install(self, target: Target, image: str) -> None:
        """The service of a target with its first image."""

    def file(self, target: Target) -> dict[str, Any]:
        """What the target file says of the service, its rollout, judge and smoke tests."""

    def caller(self, target: Target) -> Invoke:
        """How the target is asked."""

    def shares(self, target: Target) -> Shares:
        """Percent of the traffic by version."""

    def versions(self, target: Target) -> int:
        """How many versions there are."""

    def move(self, target: Target) -> str:
        """Give another version all traffic, as another tool would; the version."""

    def shifts(self, target: Target) -> list[Shift]:
        """Its deployments; none where Perch moves the traffic."""

    def stop_shift(self, target: Target) -> None:
        """Stop the deployment that runs, as someone else would."""


@dataclass(frozen=True)
class Target:
    """One target: its service, repository and guard share its name."""

    name: str
    steps: tuple[int, ...] = (50,)
    watch: int = 12
    # Requests per second; a target without callers has no data.
    rate: float = 3.0
    policy: str | None = None
    # Its canaries have smoke tests before any traffic.
    tested: bool = False
    driver: Driver | None = field(default=None, compare=False)

    @property
    def guard(self) -> str:
        """The alarm that protects it."""
        return f"{self.name}-guard"

    @property
    def moves_itself(self) -> bool:
        """Whether its driver has a schedule of its own."""
        return self.driver is not None and self.driver.moves_itself

    def file(self) -> dict[str, Any]:
        """The target file."""
        assert self.driver is not None
        found: dict[str, Any] = {
            "apiVersion": "perch/v1",
            "kind": "Target",
            "name": self.name,
            "sources": {"image": {"repository": self.name, "tags": ["v*"]}},
            "guards": [self.guard],
            "watch": f"{self.watch}s",
        }
        found |= self.driver.file(self)
        return found | ({"whileReleasing": self.policy} if self.policy else {})

    def judge(self, **more: Any) -> dict[str, Any]:
        """How its canaries are judged."""
        return {
            "rule": "thresholds",
            "errorRate": {"max": "20%"},
            "latency": {"quantile": "p50", "maxIncrease": "200%", "tolerance": "300ms"},
            "minRequests": 4,
            "interval": "5s",
            "noData": "hold" if self.rate else "fail",
            **more,
        }
