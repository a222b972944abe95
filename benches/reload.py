#!/usr/bin/env python3
"""Measure releases of models on a private local stack, with 1, 3 and 20 replicas under 200 requests a second.

Per round: upload a model, wait for the first canary answer, tell Perch to promote, wait until every replica and the
cache have it, then tell Perch to go back, and wait until every replica and the cache have the old one. Prints the table
and writes it between the markers of docs/performance.md; --quick only prints.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perch_local import deploy, lifecycle, servers
from perch_local.checkout import ROOT, Stack

import report
from stage import CLI, BenchError, until

sys.path.insert(0, str(ROOT / "examples" / "news-classifier"))
import serving  # noqa: E402
from loadgen import Answer, Invoke, LoadGenerator, asked_again, front_invoke, headlines  # noqa: E402
from replicas import Fleet, FleetError, Places  # noqa: E402

DOCUMENT = ROOT / "docs" / "performance.md"
MODEL = ROOT / "examples" / "news-classifier" / "models" / "v2"
RATE = 200.0
REPLICAS, ROUNDS = (1, 3, 20), 5
QUICK_ROUNDS = 1
# Each look at all replicas; the figures can't be finer.
LOOK_EVERY = 0.05
WITHIN = 120.0
HISTORY = 400


def perch(*arguments: str) -> str:
    """What the command prints."""
    done = subprocess.run([str(CLI), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"perch {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Round:
    """Seconds of one round, and what its callers saw."""

    first_answer: float
    everywhere: float
    back: float
    requests: int
    failed: int


class FirstAnswers:
    """When callers got the first answer of each version that no cache had."""

    def __init__(self, invoke: Invoke) -> None:
        self._invoke, self._lock = invoke, threading.Lock()
        self.at: dict[str, float] = {}

    def __call__(self, text: str) -> Answer:
        answer = self._invoke(text)
        if not answer.cached and answer.version not in self.at:
            with self._lock:
                self.at.setdefault(answer.version, time.time())
        return answer


def target(name: str, fleet: Fleet) -> dict[str, Any]:
    """A target whose release bakes until it is told to go on."""
    return {
        "apiVersion": "perch/v1",
        "kind": "Target",
        "name": name,
        "service": {
            "modelServers": {
                "protocol": "perch",
                "model": fleet.model,
                "replicas": {"static": fleet.replicas},
                "batch": 5,
                "replicaTimeout": "60s",
            }
        },
        "sources": {"model": {"bucket": serving.BUCKET, "prefix": name}},
        "rollout": {"steps": [{"weight": "10%", "bake": "30m"}]},
        "judge": {"rule": "sequential", "metrics": {"namespace": "NewsClassifier", "bucket": "10s"}, "interval": "5s"},
        "cache": {"redis": {"url": fleet.redis.url}},
        "watch": "30m",
    }


class Rounds:
    """The rounds with one number of replicas."""

    def __init__(self, stack: Stack, replicas: int) -> None:
        self.name = f"news-{replicas}"
        self.folder, self.count = stack.folder, replicas
        self.fleet = Fleet(Places.free(replicas), model=self.name)

    def measure(self, rounds: int) -> list[Round]:
        """Every round, one after the other, under load."""
        with self.fleet:
            path = self.folder / f"{self.name}.json"
            path.write_text(json.dumps(target(self.name, self.fleet)))
            perch("apply", "-f", str(path))
            answers = FirstAnswers(front_invoke(self.fleet.front))
            load = LoadGenerator(answers, asked_again(headlines()), rate=RATE).start()
            try:
                until(lambda: True if load.snapshot().total.requests > HISTORY else None, 30, "the first requests")
                return [self._round(number, answers, load) for number in range(1, rounds + 1)]
            finally:
                load.stop()

    def _round(self, number: int, answers: FirstAnswers, load: LoadGenerator) -> Round:
        version, begin = f"r{number}", time.time()
        perch("model", "push", str(MODEL), "--target", self.name, "--version", version)
        uploaded = time.time()
        # A single replica is no canary: the model goes to it at once.
        first = until(lambda: answers.at.get(version), WITHIN, f"the first answer of {version}")
        if self.count > 1:
            perch("promote", self.name, "--reason", "bench")
        at = self._when(version)
        until(lambda: True if self._phase(version) == "Watching" else None, WITHIN, "the watch")
        everywhere, told = at - self._decided(version), time.time()
        perch("rollback", self.name, "--reason", "bench")
        back = self._when("v1") - told
        until(lambda: True if self._phase(version) == "RolledBack" else None, WITHIN, "the end of the release")
        seen = load.harm_between(begin, time.time())
        return Round(first - uploaded, everywhere, back, seen.requests, seen.failed)

    def _when(self, version: str) -> float:
        """When every replica and the cache had this version."""
        deadline = time.time() + WITHIN
        while True:
            active = {state["active"] for state in self.fleet.states()}
            generation, at = self.fleet.generation(), time.time()
            if active == {version} and generation == version:
                return at
            if at > deadline:
                raise BenchError(f"not everywhere {version} after {WITHIN:.0f} s: {active}, {generation}")
            time.sleep(LOOK_EVERY)

    def _found(self, version: str) -> dict[str, Any]:
        releases = json.loads(perch("releases", "--target", self.name, "-o", "json"))
        return next(release for release in releases if release["artifact"].get("version") == version)

    def _decided(self, version: str) -> float:
        release = json.loads(perch("release", self._found(version)["id"], "-o", "json"))
        at = next(entry["at"] for entry in release["journal"] if entry["what"] == "PromotionDecided")
        return datetime.fromisoformat(at).timestamp()

    def _phase(self, version: str) -> str:
        return str(self._found(version)["phase"])


def measure(rounds: int, say: Callable[[str], None]) -> dict[int, list[Round]]:
    """The rounds of every number of replicas, on one stack."""
    stack = Stack(servers.free_port())
    lifecycle.start(stack)
    try:
        os.environ.update(stack.client_env())
        deploy.deploy(stack, say=say)
        serving.make_bucket()
        serving.tell_of_uploads()
        found = {}
        for replicas in REPLICAS:
            say(f"{replicas} replicas: {rounds} rounds")
            found[replicas] = Rounds(stack, replicas).measure(rounds)
        return found
    finally:
        lifecycle.stop(stack)


def block(found: dict[int, list[Round]]) -> str:
    """The table and what it says of failures."""

    def shown(rounds: list[Round], figure: Callable[[Round], float]) -> str:
        values = [figure(one) for one in rounds]
        return f"{statistics.median(values):.1f} ({max(values):.1f})"

    head = ["Replicas", "upload to first canary answer, s", "promotion to all replicas and cache, s", "rollback, s"]
    figures = (lambda one: one.first_answer, lambda one: one.everywhere, lambda one: one.back)
    rows = [[str(n), *(shown(rounds, figure) for figure in figures)] for n, rounds in found.items()]
    everything = [one for rounds in found.values() for one in rounds]
    failed, requests = sum(one.failed for one in everything), sum(one.requests for one in everything)
    rounds = max(len(rounds) for rounds in found.values())
    text = (
        f"Medians of {rounds} rounds, the longest in brackets. Failed requests: **{failed} of {requests}**, "
        f"at {RATE:.0f} a second through every reload and every rollback."
    )
    return "\n".join([report.table(head, rows), "", text])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure releases of models on a private local stack.")
    parser.add_argument("--quick", action="store_true", help="one round each; docs/performance.md stays as it is")
    options = parser.parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {text}", file=sys.stderr, flush=True)

    try:
        text = block(measure(QUICK_ROUNDS if options.quick else ROUNDS, say))
        print(text)
        if not options.quick:
            report.write(DOCUMENT, {"reload": text})
    except (BenchError, FleetError, lifecycle.LocalStackError, servers.ServerError) as wrong:
        print(f"bench: {wrong}", file=sys.stderr)
        return 1
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
