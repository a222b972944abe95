"""DynamoDB stream event source mappings."""
import json
import time

from conftest import FIXTURES, until, zipped
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


def build(client, role, name, mode, **mapping):
    ddb, lam, sqs = client("dynamodb"), client("lambda"), client("sqs")
    table = ddb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                             AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                             StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})["TableDescription"]
    lam.create_function(FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=role,
                        Environment={"Variables": {"MODE": mode}},
                        Code={"ZipFile": zipped(FIXTURES / "function" / "bootstrap")})
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    url = sqs.create_queue(QueueName=name + "-lost")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    lam.create_event_source_mapping(FunctionName=name, EventSourceArn=table["LatestStreamArn"], StartingPosition="TRIM_HORIZON",
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
    out = []
    for event in client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]:
        out += [line.split("BATCH ", 1)[1].strip() for line in event["message"].splitlines() if "BATCH " in line]
    return out


def lost(client, url):
    return until(lambda: client("sqs").receive_message(QueueUrl=url).get("Messages"), 20)


def test_bisect_and_destination(client, role):
    url = build(client, role, "bisect", "fail", BisectBatchOnFunctionError=True)
    record = json.loads(lost(client, url)[0]["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted" and record["DDBStreamBatchInfo"]["batchSize"] == 1
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert until(lambda: batches(client, "bisect")[-1:] == ["e,f"] or batches(client, "bisect")[-1:] == ["f"], 10), batches(client, "bisect")
    got = batches(client, "bisect")
    assert got[:2] == ["a,b,c,d,e,f", "a,b,c"] and got.count("d") == 2


def test_report_batch_item_failures(client, role):
    url = build(client, role, "report", "report", FunctionResponseTypes=["ReportBatchItemFailures"])
    record = json.loads(lost(client, url)[0]["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    got = batches(client, "report")
    assert got[0] == "a,b,c,d,e,f" and set(got[1:]) == {"d,e,f"}, got
