"""The embedded metric format: which printed lines are metrics, and which points they become."""
import json
import time

import pytest
from perch_local import emf
from perch_local.emf import Invalid, Unreadable

NOW = 1_790_000_007.0
UUID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"


def doc(metrics=({"Name": "n"},), dimensions=(("Service", "Version"),), stamp=int(NOW * 1000) + 250, namespace="App", **root):
    directive = {"Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics}
    return {"_aws": {"Timestamp": stamp, "CloudWatchMetrics": [directive]}, "Service": "s", "Version": "3", "n": 1, **root}


def data(root):
    return emf.data(json.loads(json.dumps(root)), NOW)


def test_the_sample_of_the_specification_becomes_one_point():
    line = json.dumps({"_aws": {"Timestamp": 1574109732004, "CloudWatchMetrics": [
        {"Namespace": "lambda-function-metrics", "Dimensions": [["functionVersion"]],
         "Metrics": [{"Name": "time", "Unit": "Milliseconds", "StorageResolution": 60}]}]},
        "functionVersion": "$LATEST", "time": 100, "requestId": "989ffbf8-9ace-4817-a57c-e4dd734019ee"})
    assert emf.data(emf.document(line), 1574109800) == [
        ("lambda-function-metrics", "time", {"functionVersion": "$LATEST"}, 1574109720, "Milliseconds", {100.0: 1})]


def test_high_resolution_keeps_the_second_and_standard_the_minute():
    metrics = [{"Name": "n", "StorageResolution": 1}, {"Name": "m", "StorageResolution": 60}, {"Name": "o", "Unit": "Count"}]
    assert [(name, at, unit) for _, name, _, at, unit, _ in data(doc(metrics, m=2, o=3))] == [
        ("n", 1_790_000_007, "None"), ("m", 1_789_999_980, "None"), ("o", 1_789_999_980, "Count")]


def test_every_value_of_an_array_is_a_sample_and_equal_ones_are_counted():
    assert data(doc(n=[5, 7, 5, 5.0]))[0][-1] == {5.0: 3, 7.0: 1}
    assert sum(data(doc(n=[0.5] * 100))[0][-1].values()) == 100


def test_every_dimension_set_is_a_metric_of_its_own():
    found = data(doc(dimensions=[["Service"], ["Service", "Version"], []]))
    assert [dims for _, _, dims, *_ in found] == [{"Service": "s"}, {"Service": "s", "Version": "3"}, {}]


def test_unknown_members_are_ignored_and_several_directives_are_not():
    root = doc(other={"deep": [1]})
    root["_aws"].update(Later=1, CloudWatchMetrics=[dict(root["_aws"]["CloudWatchMetrics"][0], Namespace=n, More=2) for n in "AB"])
    assert [namespace for namespace, *_ in data(root)] == ["A", "B"]


def test_limits_are_reached_and_not_passed():
    hundred = {f"m{i}": i for i in range(100)}
    assert len(data(doc([{"Name": n} for n in hundred], **hundred))) == 100
    thirty = {f"d{i}": "x" for i in range(30)}
    assert len(data(doc(dimensions=[list(thirty)], **thirty))[0][2]) == 30
    assert data(doc(n=2.0 ** 360)) and data(doc(stamp=int(NOW - 14 * 86400) * 1000)) and data(doc(stamp=int(NOW + 7200) * 1000))


@pytest.mark.parametrize("root,problem", [
    (doc([{"Name": f"m{i}"} for i in range(101)], **{f"m{i}": 1 for i in range(101)}), "at most 100"),
    (doc(dimensions=[[f"d{i}" for i in range(31)]], **{f"d{i}": "x" for i in range(31)}), "at most 30"),
    (doc(n=[1] * 101), "n: more than 100 values"),
    (doc([{"Name": "gone"}]), "gone: the root node has no such member"),
    (doc([{"Name": "A.a"}], A={"a": 1}), "A.a: the root node has no such member"),
    (doc(n="1"), "n: must be a number"), (doc(n=True), "n: must be a number"), (doc(n=None), "n: must be a number"),
    (doc(n=[1, "2"]), "n: must be a number"), (doc(n={"Values": [1]}), "n: must be a number"), (doc(n=2.0 ** 361), "n: must be a number"),
    (doc(Version=3), "dimension Version: must be a string"), (doc(Version=""), "dimension Version"), (doc(Version="x" * 1025), "dimension Version"),
    (doc(dimensions=[["Gone"]]), "dimension Gone"), (doc(dimensions=["Service"]), "a DimensionSet is an array"), (doc(dimensions=[]), "Dimensions"),
    (doc([{"Name": "n", "Unit": "Apples"}]), "Unit Apples is unknown"), (doc([{"Name": "n", "StorageResolution": 10}]), "must be 1 or 60"),
    (doc([{"Unit": "Count"}]), "needs a Name"), (doc([{"Name": "x" * 256}]), "needs a Name"), (doc(metrics={"Name": "n"}), "Metrics: must be an array"),
    (doc(namespace=""), "Namespace"), (doc(namespace="x" * 256), "Namespace"), (doc(namespace="a b"), "Namespace"), (doc(namespace=None), "Namespace"),
    (doc(stamp=NOW * 1000 + 0.5), "whole number"), (doc(stamp="1"), "whole number"), (doc(stamp=None), "whole number"),
    (doc(stamp=int(NOW - 14 * 86400 - 1) * 1000), "two weeks ago"), (doc(stamp=int(NOW + 7201) * 1000), "two hours ahead"),
    ({"_aws": []}, "_aws: must be an object"), ({"_aws": {"Timestamp": int(NOW * 1000)}}, "CloudWatchMetrics: must be an array"),
    ({"_aws": {"Timestamp": int(NOW * 1000), "CloudWatchMetrics": ["x"]}}, "must hold objects"),
])
def test_invalid_documents_are_refused_with_the_reason(root, problem):
    with pytest.raises(Invalid, match=problem):
        data(root)


@pytest.mark.parametrize("prefix", [
    "", f"2026-03-02T09:14:02.118Z\t{UUID}\tINFO\t", f"[INFO]\t2026-03-02T09:14:02.118Z\t{UUID}\t"])
def test_the_prefix_of_lambda_may_stand_before_a_document(prefix):
    assert emf.document(prefix + json.dumps(doc())) == json.loads(json.dumps(doc()))


@pytest.mark.parametrize("line", [
    "", "ready", "{}", '{"level":"INFO","message":"no metrics"}', 'see {"_aws": 1}', json.dumps({"nested": doc()}), json.dumps([doc()]),
    json.dumps({"text": json.dumps(doc())})])
def test_other_lines_are_no_documents(line):
    assert emf.document(line) is None


@pytest.mark.parametrize("line", ['{"_aws": {', json.dumps(doc()) + " and more", '{"_aws": {}, "n": NaN}', '{"_aws": {}, "n": Infinity}'])
def test_a_document_that_is_no_json_is_a_parsing_error(line):
    with pytest.raises(Unreadable):
        emf.document(line)


def test_a_document_has_at_most_one_mebibyte():
    room = emf.MAX_BYTES - len(json.dumps(doc(pad="")))
    assert emf.document(json.dumps(doc(pad="x" * room)))
    with pytest.raises(Invalid, match="larger than 1048576 bytes"):
        emf.document(json.dumps(doc(pad="x" * (room + 1))))


@pytest.fixture
def stored():
    """Reads a metric of a region of its own, so that no test sees another's points."""
    from perch_local import metrics
    from perch_local.scope import acting_as
    with acting_as("000000000000", f"test-{time.time_ns()}"):
        yield lambda name, dims, namespace="App": metrics.stored(namespace, name, dims)


def test_equal_values_of_a_second_become_one_point(stored):
    dims, metrics = {"Service": "s", "Version": "3"}, [{"Name": "n", "StorageResolution": 1}]
    for number in range(1000):
        emf.publish(json.dumps(doc(metrics, n=[number % 4, 9])), "/aws/lambda/s", NOW)
    assert sorted((p["Value"], p["Count"]) for p in stored("n", dims)) == [(0, 250), (1, 250), (2, 250), (3, 250), (9, 1000)]
    emf.publish(json.dumps(doc(metrics, stamp=int(NOW + 1) * 1000)), "/aws/lambda/s", NOW)
    assert len(stored("n", dims)) == 6


def test_one_fault_refuses_the_whole_document_and_is_counted(stored):
    emf.publish(json.dumps(doc([{"Name": "n"}, {"Name": "gone"}])), "/aws/lambda/s", NOW)
    emf.publish('{"_aws": {', "/aws/lambda/s", NOW)
    assert stored("n", {"Service": "s", "Version": "3"}) == []
    for kind in ("EMFValidationErrors", "EMFParsingErrors"):
        assert [p["Count"] for p in stored(kind, {"LogGroupName": "/aws/lambda/s"}, "AWS/Logs")] == [1]
