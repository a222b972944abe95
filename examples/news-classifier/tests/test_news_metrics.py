"""What the service publishes, against what its callers saw: a private stack, a weighted alias, real images."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from loadgen import headlines
from perch_local import lifecycle
from perch_local.checkout import ROOT, Stack
from perch_local.servers import free_port

import install
import push_image

SERVICE = "news-classifier"
SLOW_MS = 400  # what the variant `slow` adds


class Caller:
    """Sends requests through the alias and counts by executed version what the service should have counted."""

    def __init__(self) -> None:
        self.begin = time.time()
        self.seen: Counter[tuple[str, str]] = Counter()

    def send(self, payload: dict[str, Any]) -> str:
        """The version that answered."""
        clock = time.perf_counter()
        answer = boto3.client("lambda").invoke(FunctionName=f"{SERVICE}:live", Payload=json.dumps(payload).encode())
        took_ms, body = (time.perf_counter() - clock) * 1000, json.load(answer["Payload"])
        version, failed = str(answer["ExecutedVersion"]), "FunctionError" in answer
        self.seen[version, "Requests"] += 1
        self.seen[version, "Errors"] += failed
        self.seen[version, "LowConfidence"] += not failed and body["confidence"] < 0.5
        self.seen[version, "slow"] += took_ms >= SLOW_MS
        return version


@pytest.fixture(scope="module")
def binary() -> Path:
    """The program under test: the release build, or where there is none the debug build."""
    try:
        return push_image.built_binary()
    except push_image.PushError:
        return ROOT / "target" / "debug" / "news-classifier"


@pytest.fixture(scope="module")
def stack(binary: Path) -> Iterator[Stack]:
    stack, before = Stack(free_port()), dict(os.environ)
    lifecycle.start(stack)
    try:
        os.environ.update(stack.client_env())
        install.install(stack, binary)
        yield stack
    finally:
        os.environ.clear()
        os.environ.update(before)
        lifecycle.stop(stack)


@pytest.fixture(scope="module")
def caller() -> Caller:
    return Caller()


def until(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)
    return answer


def release(variant: str, binary: Path, share: float) -> str:
    """Publishes a version of this variant and gives it this share of the alias."""
    functions = boto3.client("lambda")
    image = push_image.push_variant(variant, binary=binary)
    functions.update_function_code(FunctionName=SERVICE, ImageUri=image.image_uri)
    functions.get_waiter("function_updated_v2").wait(FunctionName=SERVICE, WaiterConfig={"Delay": 1})
    version: str = functions.publish_version(FunctionName=SERVICE)["Version"]
    weights = {"AdditionalVersionWeights": {version: share}}
    functions.update_alias(FunctionName=SERVICE, Name="live", FunctionVersion="1", RoutingConfig=weights)
    return version


def published(version: str, name: str, stat: str, caller: Caller, period: int = 10) -> dict[float, float]:
    """A metric of one version since the caller began: {second its bucket begins: value}."""
    dimensions = [{"Name": "Service", "Value": SERVICE}, {"Name": "Version", "Value": version}]
    metric = {"Namespace": "NewsClassifier", "MetricName": name, "Dimensions": dimensions}
    query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}
    got = boto3.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=caller.begin - 60, EndTime=time.time() + 60
    )["MetricDataResults"][0]
    return {at.timestamp(): value for at, value in zip(got["Timestamps"], got["Values"], strict=True)}


def total(version: str, name: str, stat: str, caller: Caller) -> float:
    """The sum over the buckets of 10 s."""
    return sum(published(version, name, stat, caller).values())


def durations(version: str) -> list[float]:
    """What the platform's reports say of this version, in milliseconds: callers may have waited longer on a busy machine."""
    pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{SERVICE}")
    texts = [event["message"] for page in pages for event in page["events"] if f"[{version}]" in event["logStreamName"]]
    reports = [json.loads(text) for text in texts if '"platform.report"' in text]
    return [float(report["record"]["metrics"]["durationMs"]) for report in reports]


def load(versions: tuple[str, ...], caller: Caller, count: int) -> None:
    """Headlines and one bad request; returns when all of them are published."""
    for text in headlines()[:count]:
        caller.send({"text": text})
    caller.send({"txt": "no text"})
    for version in versions:
        assert caller.seen[version, "Requests"] > 0
        until(lambda v=version: total(v, "Requests", "Sum", caller) == caller.seen[v, "Requests"])


def test_counts_of_each_version_are_those_of_its_callers(stack: Stack, caller: Caller, binary: Path) -> None:
    canary = release("unsure", binary, 0.5)
    load(("1", canary), caller, 60)
    for version in ("1", canary):
        for name in ("Requests", "Errors", "LowConfidence"):
            assert total(version, name, "Sum", caller) == caller.seen[version, name], (version, name)
        assert total(version, "Latency", "SampleCount", caller) == caller.seen[version, "Requests"]
        assert total(version, "ColdStart", "Sum", caller) == 1
    assert sum(caller.seen[version, "Errors"] for version in ("1", canary)) == 1
    low = {v: caller.seen[v, "LowConfidence"] / caller.seen[v, "Requests"] for v in ("1", canary)}
    assert low["1"] < 0.25 < 0.3 < low[canary]


def test_slow_answers_are_counted_above_a_threshold(stack: Stack, caller: Caller, binary: Path) -> None:
    canary = release("slow", binary, 0.5)
    load((canary,), caller, 40)
    requests, took = caller.seen[canary, "Requests"], durations(canary)
    slow = sum(ms >= SLOW_MS for ms in took)
    assert 0 < slow <= caller.seen[canary, "slow"] and slow < requests == len(took)
    assert total(canary, "Latency", f"TC({SLOW_MS}:)", caller) == slow
    assert total(canary, "Latency", f"TC(:{SLOW_MS})", caller) == requests - slow


def test_datapoints_have_the_second_of_their_request(stack: Stack, caller: Caller) -> None:
    begin = int(time.time())
    version = caller.send({"text": "Rain"})
    end = time.time()
    recent = lambda: [at for at in published(version, "Requests", "Sum", caller, 1) if at >= begin]  # noqa: E731
    assert until(recent)[0] <= end
