"""The model servers, their front and its cache, as real processes; no Perch, the tests call the contract themselves."""

import contextlib
import functools
import hashlib
import http.server
import itertools
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from perch_local import lifecycle, model_contract
from perch_local.checkout import Stack
from perch_local.lateness import Lateness
from perch_stage.load import LATE_SECONDS

from loadgen import LoadGenerator, asked_again, front_invoke, headlines
from replicas import MODEL, Fleet, Places
from replicas import address as url_of

MODELS = Path(__file__).resolve().parents[1] / "models"
POINTER = f"{MODEL}:generation"


def until(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
    return answer


@pytest.fixture(scope="module", autouse=True)
def stack() -> Iterator[Stack]:
    stack, before = Stack(Places.free(1).front), dict(os.environ)
    lifecycle.start(stack)
    os.environ.update(stack.client_env())
    try:
        yield stack
    finally:
        os.environ.clear()
        os.environ.update(before)
        lifecycle.stop(stack)


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    """Serves the folder of the models."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(MODELS)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet(Places.free(3), faults=True) as fleet:
        yield fleet


class Operator:
    """Does by hand what Perch does: stages, activates, switches the pointer."""

    def __init__(self, fleet: Fleet, storage: str) -> None:
        self.fleet, self.storage = fleet, storage

    def call(self, number: int, method: str, path: str, body: Any = None) -> int:
        url = f"{self.fleet.replicas[number]}/perch/v1/models/{MODEL}{path}"
        request = urllib.request.Request(url, data=json.dumps(body).encode(), method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code

    def stage(self, number: int, version: str) -> int:
        files = []
        for path in sorted((MODELS / version).iterdir()):
            text = path.read_bytes()
            url = f"{self.storage}/{version}/{path.name}"
            sha256 = hashlib.sha256(text).hexdigest()
            files.append({"path": path.name, "size": len(text), "sha256": sha256, "url": url})
        size = sum(int(str(file["size"])) for file in files)
        body = {"version": version, "source": f"s3://models/{version}/", "bytes": size, "files": files}
        return self.call(number, "PUT", f"/versions/{version}", body)

    def load(self, number: int, version: str) -> str:
        """Stages and waits; `ready` or why not."""
        assert self.stage(number, version) in (200, 202)

        def ended() -> str | None:
            loaded = {one["version"]: one for one in self.fleet.states()[number]["loaded"]}[version]
            return None if loaded["state"] == "loading" else str(loaded.get("reason", loaded["state"]))

        return str(until(ended))

    def activate(self, number: int, version: str) -> int:
        return self.call(number, "PUT", "/active", {"version": version})

    def reload(self, number: int, version: str) -> None:
        assert self.load(number, version) == "ready"
        assert self.activate(number, version) == 200


@pytest.fixture
def operator(fleet: Fleet, storage: str) -> Operator:
    return Operator(fleet, storage)


def published(version: str, name: str) -> float:
    """The sum of a metric of one model version in the last ten minutes."""
    dimensions = [{"Name": "Service", "Value": MODEL}, {"Name": "Version", "Value": version}]
    metric = {"Namespace": "NewsClassifier", "MetricName": name, "Dimensions": dimensions}
    query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": 10, "Stat": "Sum"}}
    found = boto3.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=time.time() - 600, EndTime=time.time() + 60
    )["MetricDataResults"][0]
    return sum(found["Values"])


def kept(fleet: Fleet, version: str) -> int:
    """How many answers the cache has of a version."""
    return len(fleet.redis.command("KEYS", f"{MODEL}:{version}:*"))


def test_no_request_fails_at_200_a_second_while_every_server_reloads(fleet: Fleet, operator: Operator) -> None:
    # Threads enough for the requests of a second, where a server is not scheduled for that long.
    load = LoadGenerator(front_invoke(fleet.front), asked_again(headlines()), rate=200, threads=200)
    with Lateness(least=0.9 * LATE_SECONDS).watched() as late:
        load.start()
        until(lambda: load.snapshot().total.requests > 200)
        for number in range(3):
            operator.reload(number, "v2")
        done = load.snapshot().total.requests
        until(lambda: load.snapshot().total.requests > done + 200)
        final = load.stop()
    assert final.total.failed == 0
    # A request is left out when it could not be sent in time: only where this process itself was that late.
    assert final.skipped <= 200 * late.seconds
    assert set(final.versions) == {"v1", "v2"}
    before, after = final.versions["v1"].accuracy, final.versions["v2"].accuracy
    assert before and after and before + 0.05 < after


def test_cached_answers_change_with_the_next_request_and_the_canarys_wait(fleet: Fleet, operator: Operator) -> None:
    ask, text, numbers = front_invoke(fleet.front), headlines()[0], itertools.count()

    def cached(text: str) -> Any:
        """The cached answer. The front leaves a cache alone for a second that was late, as it is on a busy machine."""
        return until(lambda: (answer := ask(text)).cached and answer)

    def six() -> Any:
        """Headlines that no cache has, two for each server, and the versions that answered; None where the cache was late."""
        texts, before = [f"{text} ({next(numbers)})" for _ in range(6)], kept(fleet, "*")
        versions = [ask(one).version for one in texts]
        with contextlib.suppress(AssertionError):
            until(lambda: kept(fleet, "*") == before + 6, 2.0)
            return list(zip(texts, versions, strict=True))
        return None

    assert cached(text).version == "v1"
    operator.reload(0, "v2")
    asked = until(six)
    assert sorted(version for _, version in asked) == ["v1"] * 4 + ["v2"] * 2
    # Only what v1 has answered is found, and that is v1's.
    for one, version in asked:
        assert cached(one).version == "v1" if version == "v1" else not ask(one).cached
    fleet.redis.command("SET", POINTER, "v2")
    for one, version in asked:
        assert not (answer := ask(one)).cached or answer.version == "v2"
        assert version == "v1" or cached(one).version == "v2"
    fleet.redis.command("SET", POINTER, "v1")
    assert not (answer := ask(text)).cached or answer.version == "v1"
    assert cached(text).version == "v1"


def test_servers_publish_what_their_callers_saw(fleet: Fleet, operator: Operator) -> None:
    names = ("Requests", "LowConfidence", "Errors")
    before = {(version, name): published(version, name) for version in ("v1", "v4") for name in names}
    operator.reload(0, "v4")
    ask = front_invoke(fleet.front)
    seen = {"v1": [0, 0, 0], "v4": [0, 0, 0]}
    for n, text in enumerate(headlines()):
        answer = ask(f"{text} ({n})")
        seen[answer.version][0] += 1
        seen[answer.version][1] += answer.unsure
    expected = {(v, name): before[v, name] + count for v in seen for name, count in zip(names, seen[v], strict=True)}
    until(lambda: {(v, name): published(v, name) for v, name in expected} == expected)
    assert seen["v4"][1] > 0.6 * seen["v4"][0] and seen["v1"][1] < 0.3 * seen["v1"][0]


def test_a_cache_that_restarts_or_hangs_costs_no_answer(fleet: Fleet) -> None:
    ask, text = front_invoke(fleet.front), headlines()[0]
    until(lambda: ask(text).cached)
    fleet.redis.pause()
    try:
        assert [ask(text).version for _ in range(20)] == ["v1"] * 20
    finally:
        fleet.redis.resume()
    fleet.redis.stop()
    assert [ask(text).version for _ in range(20)] == ["v1"] * 20
    fleet.redis.start()
    fleet.redis.command("SET", POINTER, "v1")  # it kept nothing
    until(lambda: ask(text).cached)


def test_a_server_that_dies_while_loading_fails_its_share_and_begins_again(fleet: Fleet, operator: Operator) -> None:
    fleet.fault(1, load="die")
    operator.stage(1, "v2")
    port = fleet.places.replicas[1]
    until(lambda: not fleet.alive(1))
    ask = front_invoke(fleet.front)
    failed = [ask(f"Rain ({n})").function_error for n in range(9)]
    assert sum(failed) == 3
    fleet.start_replica(1)
    assert url_of(port) in fleet.replicas and fleet.states()[1]["active"] == "v1"
    assert not any(ask(f"Rain again ({n})").function_error for n in range(9))


def test_the_old_version_can_be_deleted_only_once_it_does_not_answer(fleet: Fleet, operator: Operator) -> None:
    assert operator.call(0, "DELETE", "/versions/v1") == 409
    operator.reload(0, "v2")
    assert operator.call(0, "DELETE", "/versions/v1") == 204
    assert operator.activate(0, "v1") == 404
    assert fleet.states()[0]["loaded"] == [{"version": "v2", "state": "ready"}]


def test_a_storage_that_went_away_leaves_what_is_loaded(fleet: Fleet) -> None:
    away = Operator(fleet, "http://127.0.0.1:9")
    assert "model.json" in away.load(0, "v2") or "golden.json" in away.load(0, "v2")
    assert fleet.states()[0]["active"] == "v1"
    assert front_invoke(fleet.front)("Rain").version == "v1"




def test_the_server_keeps_the_contract(fleet: Fleet) -> None:
    versions = {version: MODELS / version for version in ("v2", "v3")}
    model_contract.check(fleet.replicas[0], MODEL, versions, {"text": "Striker scores in cup final"})
