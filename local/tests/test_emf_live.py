"""Printed metrics through the server: functions from a zip, the Python runtime, and the Python of the documentation."""
import io
import json
import pathlib
import textwrap
import time
import zipfile

import pytest
from conftest import ready, total, two_versions, until

DOCS = pathlib.Path(__file__).parents[2] / "docs"
SERVICE = '''
from types import SimpleNamespace
import emf

model = SimpleNamespace(predict=lambda text: SimpleNamespace(confidence=1 / len(text)))

def handler(event, context):
{call_site}
    return {{"confidence": answer.confidence}}
'''


def line(version, at=None, **values):
    metrics = [{"Name": name, "StorageResolution": 1} for name in values]
    directive = {"Namespace": "App", "Dimensions": [["Version"]], "Metrics": metrics}
    return json.dumps({"_aws": {"Timestamp": int((at or time.time()) * 1000), "CloudWatchMetrics": [directive]}, "Version": version, **values})


def points(client, name, dims, stat, period, begin, namespace="App"):
    """[(time, value)] of a metric, oldest first."""
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": [{"Name": k, "Value": v} for k, v in dims.items()]}
    got = client("cloudwatch").get_metric_data(
        StartTime=begin, EndTime=time.time() + 60, ScanBy="TimestampAscending",
        MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}])["MetricDataResults"][0]
    return [(at.timestamp(), value) for at, value in zip(got["Timestamps"], got["Values"])]


def invoke(client, name, event, **more):
    return json.load(client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode(), **more)["Payload"])


def test_printed_documents_become_buckets_of_ten_seconds(client, function):
    function("printing")
    base = time.time() // 60 * 60 - 120
    lines = [line("1", base + second, Requests=1, Latency=[5, 250] if second % 2 else 5) for second in range(40)]
    invoke(client, "printing", {"print": lines + ["no metric", "{}"]})
    read = lambda name, stat: points(client, name, {"Version": "1"}, stat, 10, base)
    assert until(lambda: sum(v for _, v in read("Requests", "Sum")) == 40)
    assert read("Requests", "Sum") == [(base + 10 * n, 10) for n in range(4)]
    assert read("Latency", "SampleCount") == [(base + 10 * n, 15) for n in range(4)]
    assert read("Latency", "TC(100:)") == [(base + 10 * n, 5) for n in range(4)]
    assert points(client, "Requests", {}, "Sum", 10, base) == []


def test_the_last_line_of_a_process_counts_and_those_of_a_failed_call_do(client, function):
    function("last")
    begin = time.time() // 1 - 1
    for event in ({"exit": 1}, {"fail": "Broken"}, {}):
        invoke(client, "last", {"print": [line("last", Requests=1)], **event})
    assert until(lambda: total(client, "Requests", {"Version": "last"}, namespace="App") == 3)
    assert all(at >= begin for at, _ in points(client, "Requests", {"Version": "last"}, "Sum", 1, begin - 100))


def test_metrics_of_a_function_with_json_logs_are_the_same(client, function):
    function("printing-json", LoggingConfig={"LogFormat": "JSON"})
    invoke(client, "printing-json", {"print": [line("json", Requests=2)]})
    assert until(lambda: total(client, "Requests", {"Version": "json"}, namespace="App") == 2)


def test_a_refused_document_is_counted_for_its_log_group(client, function):
    function("refused", LoggingConfig={"LogGroup": "/own/group"})
    invoke(client, "refused", {"print": [line("refused", Requests="1"), '{"_aws": {', line("refused", Requests=1)]})
    assert until(lambda: total(client, "Requests", {"Version": "refused"}, namespace="App") == 1)
    count = lambda kind: total(client, kind, {"LogGroupName": "/own/group"}, namespace="AWS/Logs")
    assert (count("EMFValidationErrors"), count("EMFParsingErrors")) == (1, 1)


def test_two_versions_publish_apart(client, function):
    two_versions(client, function, "apart", 0.5)
    for qualifier, value in (("1", 3), ("2", 4)):
        invoke(client, "apart", {"print": [line(f"apart-{qualifier}", Requests=value)]}, Qualifier=qualifier)
    assert until(lambda: [total(client, "Requests", {"Version": f"apart-{v}"}, namespace="App") for v in "12"] == [3, 4])


def test_the_python_of_the_documentation_publishes_its_requests(client, role):
    code, lam = io.BytesIO(), client("lambda")
    call_site = (DOCS / "metrics.md").read_text().split("```python\n")[1].split("```")[0]
    with zipfile.ZipFile(code, "w") as package:
        package.writestr("emf.py", (DOCS / "snippets" / "emf.py").read_text())
        package.writestr("service.py", SERVICE.format(call_site=textwrap.indent(call_site, "    ")))
    lam.create_function(FunctionName="snippet", Runtime="python3.12", Handler="service.handler", Role=role, Publish=True,
                        Code={"ZipFile": code.getvalue()})
    ready(lam, "snippet")
    answers = [invoke(client, "snippet", {"text": "x" * n}, Qualifier="1") for n in (1, 4, 8, 1, 0)]
    assert [a.get("confidence", a.get("errorMessage")) for a in answers] == [1, 0.25, 0.125, 1, "division by zero"]
    count = lambda name, stat="Sum": total(client, name, {"Service": "snippet", "Version": "1"}, stat, "NewsClassifier")
    assert until(lambda: count("Requests") == 5)
    assert [count(n) for n in ("Errors", "LowConfidence", "ColdStart")] == [1, 2, 1]
    assert (count("LowConfidence", "SampleCount"), count("Latency", "SampleCount")) == (5, 5)


def test_events_of_any_log_group_are_searched_for_documents(client):
    logs, begin = client("logs"), time.time() // 1 - 1
    logs.create_log_group(logGroupName="/ecs/app")
    logs.create_log_stream(logGroupName="/ecs/app", logStreamName="app/1")
    texts = [line("ecs", Requests=1), "no metric", line("ecs", Requests=1, Latency=[5, 250]), "INFO " + line("ecs", Requests=1)]
    events = [{"timestamp": int(time.time() * 1000), "message": text} for text in texts]
    logs.put_log_events(logGroupName="/ecs/app", logStreamName="app/1", logEvents=events)
    read = lambda name, stat: sum(v for _, v in points(client, name, {"Version": "ecs"}, stat, 10, begin))
    assert (read("Requests", "Sum"), read("Latency", "TC(100:)")) == (2, 1)
    stored = logs.get_log_events(logGroupName="/ecs/app", logStreamName="app/1")["events"]
    assert [event["message"] for event in stored] == texts


def test_events_that_a_log_group_did_not_take_are_no_metrics(client):
    logs, begin = client("logs"), time.time() // 1 - 1
    event = {"timestamp": int(time.time() * 1000), "message": line("untaken", Requests=1)}
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.put_log_events(logGroupName="/ecs/none", logStreamName="app/1", logEvents=[event])
    assert points(client, "Requests", {"Version": "untaken"}, "Sum", 10, begin) == []


def test_a_broken_document_in_an_event_is_counted_for_its_group(client):
    logs, begin = client("logs"), time.time() // 60 * 60
    logs.create_log_group(logGroupName="/ecs/broken")
    logs.create_log_stream(logGroupName="/ecs/broken", logStreamName="s")
    event = {"timestamp": int(time.time() * 1000), "message": line("broken", Requests="many")}
    logs.put_log_events(logGroupName="/ecs/broken", logStreamName="s", logEvents=[event])
    found = points(client, "EMFValidationErrors", {"LogGroupName": "/ecs/broken"}, "Sum", 60, begin, "AWS/Logs")
    assert sum(value for _, value in found) == 1
