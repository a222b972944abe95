"""What one invocation leaves behind: Duration without initialisation, REPORT line, log streams, environments that end."""
import concurrent.futures
import json
import time

import pytest
from conftest import durations, total, two_versions, until


def invoke(client, name, event, **more):
    got = client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode(), **more)
    return json.load(got["Payload"])


def lines(client, name, word):
    events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    return [e["message"] for e in events if word in e["message"]]


def test_duration_excludes_initialisation(client, function):
    function("cold", {"INIT_SLEEP": "1.2"})
    took = []
    for _ in range(3):
        began = time.monotonic()
        invoke(client, "cold", {"sleep": 0.1})
        took.append(1000 * (time.monotonic() - began))
    reports, measured = lines(client, "cold", "REPORT RequestId"), durations(client, "cold")
    assert ["Init Duration" in r for r in reports] == [True, False, False]
    assert measured[0][1] > 1200 and all(100 <= duration for duration, _ in measured)
    assert all(duration + init <= all_of_it for (duration, init), all_of_it in zip(measured, took, strict=True))
    for dims in ({"FunctionName": "cold"}, {"FunctionName": "cold", "Resource": "cold"}):
        assert total(client, "Invocations", dims) == 3
        assert max(total(client, "Duration", dims, "Maximum")) == pytest.approx(max(duration for duration, _ in measured), abs=0.01)
    assert 3 < int(reports[0].split("Max Memory Used: ")[1].split()[0]) < 100
    streams = client("logs").describe_log_streams(logGroupName="/aws/lambda/cold")["logStreams"]
    assert len(streams) == 1 and "[$LATEST]" in streams[0]["logStreamName"]


def test_json_log_format(client, function):
    function("jsonlog", LoggingConfig={"LogFormat": "JSON"})
    invoke(client, "jsonlog", {"fail": "Broken"})
    report = json.loads(lines(client, "jsonlog", "platform.report")[0])
    assert report["record"]["status"] == "error"
    assert set(report["record"]["metrics"]) == {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"}


def test_crash_and_time_out_count_as_errors(client, function):
    function("crash", Timeout=3)
    assert invoke(client, "crash", {"exit": 1})["errorType"] == "Runtime.ExitError"
    assert invoke(client, "crash", {"sleep": 9})["errorType"] == "Sandbox.Timedout"
    assert invoke(client, "crash", {})["version"] == "$LATEST"
    function("nostart", {"INIT_EXIT": "1"})
    assert invoke(client, "nostart", {})["errorType"] == "Runtime.ExitError"
    assert [total(client, m, {"FunctionName": "crash"}) for m in ("Invocations", "Errors")] == [3, 2]


def test_the_invoked_arn_has_the_alias(client, function):
    two_versions(client, function, "named", 0.0)
    got = client("lambda").invoke(FunctionName="named", Qualifier="live", Payload=b"{}")
    assert got["ExecutedVersion"] == "1" and json.load(got["Payload"])["arn"].endswith(":function:named:live")


def test_concurrent_invocations_get_environments_of_their_own(client, function, tmp_path):
    two_versions(client, function, "burst", 0.5, Timeout=60)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:         # none ends before all ten are there
        seen = list(pool.map(lambda _: invoke(client, "burst", {"meet": [str(tmp_path), 10]}, Qualifier="live"), range(10)))
    assert len({s["pid"] for s in seen}) == 10
    one = {"FunctionName": "burst", "Resource": "burst:live"}
    assert total(client, "Invocations", one) == 10
    assert sum(total(client, "Invocations", dict(one, ExecutedVersion=v)) for v in "12") == 10


def test_the_environments_of_a_deleted_function_end(client, function):
    function("idle")
    pid = invoke(client, "idle", {})["pid"]
    from perch_local.lifecycle import birth
    assert birth(pid)
    client("lambda").delete_function(FunctionName="idle")
    assert until(lambda: birth(pid) is None)


def test_reaper_ends_idle_workers_only():
    from perch_local import workers
    from ministack.core import lambda_runtime as LR

    class Fake:
        def __init__(self, idle, in_use=False):
            self.last_used, self.in_use, self._proc = time.time() - idle, in_use, None

        def _discard_tmpdir(self):
            pass
    idle, fresh, busy = Fake(100), Fake(1), Fake(100, True)
    LR._workers.update({"a": [idle], "b": [fresh, busy]})
    try:
        assert workers.reap_idle_workers(60) == 1
        assert "a" not in LR._workers and LR._workers["b"] == [fresh, busy]
    finally:
        LR._workers.clear()


def test_metric_statistics_agree_with_metric_data(client, function):
    function("agree")
    for n in range(4):
        invoke(client, "agree", {"sleep": 0.05 * n})
    slow = sum(duration >= 40 for duration, _ in durations(client, "agree"))
    assert slow >= 3
    cw, now, dims = client("cloudwatch"), time.time(), [{"Name": "FunctionName", "Value": "agree"}]
    got = cw.get_metric_statistics(Namespace="AWS/Lambda", MetricName="Duration", Dimensions=dims, Period=60, StartTime=now - 300,
                                   EndTime=now + 60, Statistics=["SampleCount", "Maximum"])["Datapoints"]
    assert sum(p["SampleCount"] for p in got) == 4 and {p["Unit"] for p in got} == {"Milliseconds"}
    assert max(p["Maximum"] for p in got) == max(total(client, "Duration", {"FunctionName": "agree"}, "Maximum"))
    extended = cw.get_metric_statistics(Namespace="AWS/Lambda", MetricName="Duration", Dimensions=dims, Period=60, StartTime=now - 300,
                                        EndTime=now + 60, ExtendedStatistics=["p99", "TC(40:)"])["Datapoints"]
    assert sum(p["ExtendedStatistics"]["TC(40:)"] for p in extended) == slow
    assert not cw.get_metric_statistics(Namespace="AWS/Lambda", MetricName="Duration", Dimensions=[{"Name": "FunctionName", "Value": "none"}],
                                        Period=60, StartTime=now - 300, EndTime=now, Statistics=["Sum"])["Datapoints"]


def test_high_resolution_buckets(client, function):
    function("fine")
    began = time.time()
    for _ in range(2):
        invoke(client, "fine", {"fail": "Broken"})
    now = time.time()
    query = [{"Id": "m", "MetricStat": {"Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions":
              [{"Name": "FunctionName", "Value": "fine"}]}, "Period": 10, "Stat": "Sum"}}]
    got = client("cloudwatch").get_metric_data(StartTime=began - 60, EndTime=now + 10, MetricDataQueries=query)["MetricDataResults"][0]
    assert sum(got["Values"]) == 2 and all(began - 10 < t.timestamp() <= now for t in got["Timestamps"])


def test_paging_of_metric_data(client):
    cw, now = client("cloudwatch"), time.time() // 60 * 60
    cw.put_metric_data(Namespace="Pages", MetricData=[{"MetricName": "M", "Value": i, "Timestamp": now - 60 * i} for i in range(5)])
    query = [{"Id": "m", "MetricStat": {"Metric": {"Namespace": "Pages", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}}]
    pages = list(cw.get_paginator("get_metric_data").paginate(StartTime=now - 600, EndTime=now + 60, MetricDataQueries=query, MaxDatapoints=2))
    assert [p["MetricDataResults"][0]["Values"] for p in pages] == [[0, 1], [2, 3], [4]]
    assert [p["MetricDataResults"][0]["StatusCode"] for p in pages] == ["PartialData", "PartialData", "Complete"]
