"""The target that is applied on a local stack, and the servers in the background."""

import json
import os
import urllib.request
from collections.abc import Iterator

import pytest
import yaml
from logdriver import MOST_BYTES, MOST_EVENTS, OVERHEAD, _calls
from perch_local import lifecycle
from perch_local.checkout import Stack

import replicas
import serving


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack, before = Stack(replicas.Places.free(1).front), dict(os.environ)
    lifecycle.start(stack)
    os.environ.update(stack.client_env())
    try:
        yield stack
    finally:
        os.environ.clear()
        os.environ.update(before)
        lifecycle.stop(stack)


def test_target_has_the_addresses_of_the_servers_and_is_the_demos_otherwise() -> None:
    shipped = yaml.safe_load((serving.HERE / "target.demo.yaml").read_text())
    made = yaml.safe_load(serving.target_text(["http://h:1", "http://h:2"], "redis://h:3"))
    assert made["service"]["modelServers"]["replicas"]["static"] == ["http://h:1", "http://h:2"]
    assert made["cache"]["redis"]["url"] == "redis://h:3"
    shipped["service"]["modelServers"]["replicas"] = made["service"]["modelServers"]["replicas"]
    shipped["cache"] = made["cache"]
    assert made == shipped


def test_shipped_target_names_the_ports_of_make_up() -> None:
    places = replicas.Places.fixed()
    shipped = yaml.safe_load((serving.HERE / "target.demo.yaml").read_text())
    usual = [replicas.address(port) for port in places.replicas]
    assert shipped["service"]["modelServers"]["replicas"]["static"] == usual
    assert shipped["cache"]["redis"]["url"] == f"redis://127.0.0.1:{places.redis}"


def test_servers_are_started_once_and_end_with_the_stack(stack: Stack) -> None:
    where = serving.start(stack)
    assert serving.start(stack) == where
    assert len(where["replicas"]) == 3
    body = json.dumps({"text": "Striker scores in cup final"}).encode()
    with urllib.request.urlopen(where["front"] + "/classify", data=body, timeout=5) as answer:
        assert answer.headers["model-version"] == "v1"
    lifecycle.stop(stack)
    for url in (where["front"], *where["replicas"]):
        with pytest.raises(OSError):
            urllib.request.urlopen(url + "/health", timeout=2)


def test_lines_are_sent_in_calls_that_put_log_events_takes() -> None:
    short = [{"timestamp": 0, "message": "x"}] * (MOST_EVENTS + 1)
    assert [len(call) for call in _calls(short)] == [MOST_EVENTS, 1]
    long = [{"timestamp": n, "message": "é" * 100_000} for n in range(12)]
    calls = _calls(long)
    assert [event for call in calls for event in call] == long
    assert all(sum(len(e["message"].encode()) + OVERHEAD for e in call) <= MOST_BYTES for call in calls)
    assert [len(call) for call in calls] == [5, 5, 2]
    assert _calls([]) == []
