"""DynamoDB stream event source mappings."""
import json
import time

from conftest import FIXTURES, log_lines, ready, total, two_versions, until, zipped
from perch_local.streams import first_failure, next_segments


def recs(n):
    return [{"dynamodb": {"SequenceNumber": str(100 + i), "ApproximateCreationDateTime": time.time()}} for i in range(n)]


def test_first_failure():
    r = recs(4)
    ids = lambda *v: {"batchItemFailures": [{"itemIdentifier": i} for i in v]}
    assert first_failure({"batchItemFailures": []}, r) is None and first_failure(None, r) is None
    assert first_failure(ids("103", "101"), r) == 1
    assert first_failure(ids(""), r) == first_failure(ids(None), r) == first_failure({"batchItemFailures": [{"x": 1}]}, r) == 0


def test_next_segments():
    r, now = recs(3), time.time()
    assert next_segments(r, 0, 0, {"BisectBatchOnFunctionError": True}, now)[0] == [[r[:2], 0], [r[2:], 0]]
    assert next_segments(r, 1, 2, {}, now)[0] == [[r[2:], 2]]
    assert next_segments(r, 2, 0, {"MaximumRetryAttempts": 2}, now)[1:] == (r, "RetryAttemptsExhausted")
    assert next_segments(r, 0, 0, {"MaximumRecordAgeInSeconds": 60}, now + 90)[2] == "MaxRecordAgeExceeded"


def table(client, name):
    return client("dynamodb").create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})["TableDescription"]["LatestStreamArn"]


def test_defaults_and_filters(client, function):
    stream, arn = table(client, "filtered"), function("filtered")
    patterns = [{"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "JOURNAL#"}]}}}},
                {"dynamodb": {"NewImage": {"wanted": {"BOOL": [True]}}}}]
    mapping = client("lambda").create_event_source_mapping(
        FunctionName=arn, EventSourceArn=stream, StartingPosition="TRIM_HORIZON",
        FilterCriteria={"Filters": [{"Pattern": json.dumps(p)} for p in patterns]})
    assert mapping["BatchSize"] == 100
    put = lambda pk, **more: client("dynamodb").put_item(TableName="filtered", Item={"pk": {"S": pk}, **more})
    for pk in ("JOURNAL#1", "HEAD", "JOURNAL#1"):               # the second write of JOURNAL#1 is a MODIFY
        put(pk, n={"N": str(time.time())})
    put("other", wanted={"BOOL": True})
    put("JOURNAL#2")
    assert until(lambda: ",".join(batches(client, "filtered")) == "JOURNAL#1,other,JOURNAL#2"), batches(client, "filtered")


def test_a_slow_function_delays_no_other_mapping(client, function, tmp_path):
    gate = tmp_path / "gate"
    for name, env in (("tortoise", {"BATCH_GATE": str(gate)}), ("hare", {})):
        client("lambda").create_event_source_mapping(FunctionName=function(name, env, Timeout=60),
                                                     EventSourceArn=table(client, name), StartingPosition="TRIM_HORIZON")
    client("dynamodb").put_item(TableName="tortoise", Item={"pk": {"S": "1"}})
    assert until(gate.with_suffix(".here").exists)
    client("dynamodb").put_item(TableName="hare", Item={"pk": {"S": "1"}})
    assert until(lambda: batches(client, "hare")) == ["1"] and batches(client, "tortoise") == []
    gate.touch()
    assert until(lambda: batches(client, "tortoise")) == ["1"]


def test_a_mapping_calls_the_weighted_alias(client, function):
    arn = two_versions(client, function, "journal", 1.0)
    client("lambda").create_event_source_mapping(FunctionName=arn + ":live", EventSourceArn=table(client, "journal"), StartingPosition="TRIM_HORIZON")
    client("dynamodb").put_item(TableName="journal", Item={"pk": {"S": "1"}})
    dims = {"FunctionName": "journal", "Resource": "journal:live", "ExecutedVersion": "2"}
    assert until(lambda: total(client, "Invocations", dims)) == 1


def build(client, role, name, mode, **mapping):
    ddb, lam, sqs = client("dynamodb"), client("lambda"), client("sqs")
    stream = table(client, name)
    lam.create_function(FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=role,
                        Environment={"Variables": {"MODE": mode}},
                        Code={"ZipFile": zipped(FIXTURES / "function" / "bootstrap")})
    ready(lam, name)
    url = sqs.create_queue(QueueName=name + "-lost")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    lam.create_event_source_mapping(FunctionName=name, EventSourceArn=stream, StartingPosition="TRIM_HORIZON",
                                    BatchSize=10, MaximumRetryAttempts=1, Enabled=False,
                                    DestinationConfig={"OnFailure": {"Destination": arn}}, **mapping)
    uuid = lam.list_event_source_mappings(FunctionName=name)["EventSourceMappings"][0]["UUID"]
    for pk in "abcdef":
        item = {"pk": {"S": pk}}
        if pk == "d":
            item["bad"] = {"BOOL": True}
        ddb.put_item(TableName=name, Item=item)
    lam.update_event_source_mapping(UUID=uuid, Enabled=True)
    return url


def batches(client, name):
    """The keys of each call, in order."""
    return [e.split("BATCH ", 1)[1].strip() for e in log_lines(client, name) if "BATCH " in e]


def lost(client, url):
    return until(lambda: client("sqs").receive_message(QueueUrl=url).get("Messages"))


def test_bisect_and_destination(client, role):
    url = build(client, role, "bisect", "fail", BisectBatchOnFunctionError=True)
    record = json.loads(lost(client, url)[0]["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted" and record["DDBStreamBatchInfo"]["batchSize"] == 1
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert until(lambda: batches(client, "bisect")[-1:] == ["e,f"] or batches(client, "bisect")[-1:] == ["f"]), batches(client, "bisect")
    got = batches(client, "bisect")
    assert got[:2] == ["a,b,c,d,e,f", "a,b,c"] and got.count("d") == 2


def test_report_batch_item_failures(client, role):
    url = build(client, role, "report", "report", FunctionResponseTypes=["ReportBatchItemFailures"])
    record = json.loads(lost(client, url)[0]["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    got = batches(client, "report")
    assert got[0] == "a,b,c,d,e,f" and set(got[1:]) == {"d,e,f"}, got
