#!/usr/bin/env python3
"""Run the news classifier as model servers: replicas, a front with a cache, and Redis.

    replicas.py --replicas 3                 until SIGINT or SIGTERM; prints the addresses as JSON

What the replicas print goes to CloudWatch Logs, which makes metrics of it. In Python:

    with Fleet(Places.free(3)) as fleet:
        fleet.front, fleet.replicas, fleet.redis.url
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from perch_local import servers
from perch_stage.command import StageError

from logdriver import LogDriver

HERE = Path(__file__).resolve().parent
MODEL = "news-classifier"
LOG_GROUP = "/ecs/news-classifier"
READY_WITHIN = 60.0
ENDED_WITHIN = 10.0
# Where `make up` puts them, so that target.demo.yaml can name them.
FIRST_REPLICA, FRONT, REDIS = 8101, 8100, 8190


class FleetError(StageError):
    """A message for the terminal."""


@dataclass(frozen=True)
class Places:
    """The ports of a fleet."""

    replicas: tuple[int, ...]
    front: int
    redis: int

    @classmethod
    def fixed(cls, count: int = 3) -> Places:
        """The ports that target.demo.yaml names."""
        return cls(tuple(range(FIRST_REPLICA, FIRST_REPLICA + count)), FRONT, REDIS)

    @classmethod
    def free(cls, count: int = 3) -> Places:
        """Ports that nothing listens on."""
        found: set[int] = set()
        while len(found) < count + 2:
            found.add(servers.free_port())
        *replicas, front, redis = found
        return cls(tuple(replicas), front, redis)


def built_server() -> Path:
    """The program: the release build, or where there is none the debug build."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parents[1] / "target")
    for build in ("release", "debug"):
        if (program := target / build / "news-server").is_file():
            return program
    raise FleetError("news-server is not built: cargo build --release -p news-server")


def address(port: int) -> str:
    """The address of a server on this machine."""
    return f"http://127.0.0.1:{port}"


class Fleet:
    """Replicas, their front and their cache; all of them are ended by `stop`."""

    def __init__(
        self, places: Places, *, model: str = MODEL, model_dir: Path = HERE / "models" / "v1", faults: bool = False
    ) -> None:
        self.places, self.model, self._model_dir, self._faults = places, model, model_dir, faults
        self.redis = servers.Redis(port=places.redis)
        self._program = built_server()
        self._running: dict[int, subprocess.Popen[str]] = {}
        self._logs: LogDriver | None = None

    @property
    def replicas(self) -> list[str]:
        """Where the model servers are."""
        return [address(port) for port in self.places.replicas]

    @property
    def front(self) -> str:
        """Where callers send their headlines."""
        return address(self.places.front)

    def __enter__(self) -> Fleet:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Fleet:
        """Start everything and wait until it answers."""
        self._logs = LogDriver(LOG_GROUP)
        try:
            self.redis.start()
            # Until the first release nobody else says which answers count.
            self.redis.command("SET", f"{self.model}:generation", self._model_dir.name, "NX")
            for number in range(len(self.places.replicas)):
                self.start_replica(number, wait=False)
            front = ["front", "--port", str(self.places.front), "--redis", self.redis.url, "--model", self.model]
            self._launch(self.places.front, [*front, "--replicas", ",".join(self.replicas)])
            for port in (*self.places.replicas, self.places.front):
                self._wait(port)
        except BaseException:
            self.stop()
            raise
        return self

    def start_replica(self, number: int, wait: bool = True) -> None:
        """Start one replica; it begins with the model it was given at first."""
        port = self.places.replicas[number]
        serve = ["serve", "--port", str(port), "--model", self.model, "--model-dir", str(self._model_dir)]
        self._launch(port, serve + (["--faults"] if self._faults else []))
        if wait:
            self._wait(port)

    def kill_replica(self, number: int) -> None:
        """End one replica at once, as a machine that dies."""
        process = self._running.pop(self.places.replicas[number])
        process.kill()
        process.wait()

    def alive(self, number: int) -> bool:
        """Whether a replica's process runs."""
        process = self._running.get(self.places.replicas[number])
        return process is not None and process.poll() is None

    def fault(self, number: int, **faults: Any) -> None:
        """Replace the faults of one replica; none of them makes it healthy."""
        body = json.dumps(faults).encode()
        request = urllib.request.Request(self.replicas[number] + "/faults", data=body, method="PUT")
        urllib.request.urlopen(request, timeout=5).close()

    def states(self) -> list[dict[str, Any]]:
        """What each replica reports."""
        return [_json(f"{replica}/perch/v1/models/{self.model}") for replica in self.replicas]

    def generation(self) -> str | None:
        """What the cache's pointer names."""
        found: str | None = self.redis.command("GET", f"{self.model}:generation")
        return found

    def stop(self) -> None:
        """End every program and wait until its last lines are sent."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(ENDED_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        self.redis.close()
        if self._logs:
            self._logs.join()

    def _launch(self, port: int, arguments: list[str]) -> None:
        process = subprocess.Popen(
            [str(self._program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout and self._logs
        self._running[port] = process
        self._logs.follow(f"{self.model}/{port}-{process.pid}", process.stdout)

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while True:
            if self._running[port].poll() is not None:
                raise FleetError(f"news-server ended at once: is port {port} taken? Its reason is in {LOG_GROUP}")
            try:
                urllib.request.urlopen(address(port) + "/health", timeout=2).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise FleetError(f"nothing answers on port {port}") from None
            time.sleep(0.05)


def _json(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def main() -> int:
    """Run a fleet until it is told to end."""
    parser = argparse.ArgumentParser(description="Run the news classifier as model servers.")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--fixed", action="store_true", help="the ports that target.demo.yaml names")
    parser.add_argument("--faults", action="store_true", help="let tests put faults into the replicas")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    places = Places.fixed(options.replicas) if options.fixed else Places.free(options.replicas)
    try:
        with Fleet(places, faults=options.faults) as fleet:
            where = {"front": fleet.front, "replicas": fleet.replicas, "redis": fleet.redis.url}
            print(json.dumps(where), flush=True)
            ended.wait()
    except (FleetError, servers.ServerError) as wrong:
        print(f"replicas: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
