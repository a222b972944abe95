"""Puts the programs of this folder on the path, and runs a variant of a service as its image would."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE))

import push_service  # noqa: E402
from perch_local.servers import free_port  # noqa: E402
from perch_stage.command import until  # noqa: E402

HEALTHY_WITHIN = 60.0


class Running:
    """A service that runs as a process of its own."""

    def __init__(self, root: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.errors = root / f"errors-{self.port}.txt"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [str(root / "app" / "server.py")], env={**os.environ, "PORT": str(self.port)}, stderr=errors
            )

    def ask(self, path: str, body: object = None) -> tuple[int, dict, str]:
        """Status, JSON and build of an answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}{path}", data, {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer), answer.headers.get("x-image-build", "")
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused), refused.headers.get("x-image-build", "")

    def came_second(self) -> bool:
        """Whether somebody else took its port between the look for a free one and its start."""
        return self.process.poll() is not None and "Address already in use" in self.errors.read_text()

    def listens(self) -> bool | None:
        """Whether it answers, in health or not; False where it never will, because it came second to its port."""
        if self.came_second():
            return False
        assert self.process.poll() is None, self.errors.read_text()
        try:
            self.ask("/health")
        except OSError:
            return None
        return True


@pytest.fixture
def run(tmp_path: Path):
    """Runs a variant of an example's service."""
    started: list[Running] = []

    def start(example: str, variant: str = "healthy", fault: dict | None = None) -> Running:
        root = tmp_path / f"{example}-{variant}-{len(started)}"
        push_service.assemble(root, example, "b1", fault or push_service.variants()[variant]["fault"])
        started.append(Running(root))
        while until(started[-1].listens, HEALTHY_WITHIN, "an answer of the service") is False:
            started.append(Running(root))
        return started[-1]

    yield start
    for one in started:
        one.process.terminate()
        one.process.wait(10)
