"""Asynchronous invocations; PERCH_RETRY_SCALE 0.002: retries after 0.12 s and 0.24 s."""
import json

import pytest
from conftest import calls, messages, total, two_versions, until


def queue(client, name):
    url = client("sqs").create_queue(QueueName=name)["QueueUrl"]
    return url, client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def send(client, name, event, **more):
    got = client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode(), **more)
    assert got["StatusCode"] == 202


def test_a_failing_event_is_tried_three_times_then_sent_to_the_destination(client, function):
    function("async")
    url, arn = queue(client, "async-lost")
    client("lambda").put_function_event_invoke_config(FunctionName="async", DestinationConfig={"OnFailure": {"Destination": arn}})
    send(client, "async", {"fail": "Broken"})
    record = json.loads(messages(client, url)[0]["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted" and record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"].endswith(":function:async:$LATEST") and record["version"] == "1.0"
    assert record["requestPayload"] == {"fail": "Broken"} and record["responsePayload"]["errorType"] == "Broken"
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert len(calls(client, "async")) == 3
    assert total(client, "Errors", {"FunctionName": "async"}) == total(client, "Invocations", {"FunctionName": "async"}) == 3


def test_the_configuration_belongs_to_the_qualifier(client, function):
    two_versions(client, function, "qualified", 1.0)
    url, arn = queue(client, "qualified-lost")
    client("lambda").put_function_event_invoke_config(FunctionName="qualified", Qualifier="live", MaximumRetryAttempts=0,
                                                      DestinationConfig={"OnFailure": {"Destination": arn}})
    send(client, "qualified", {"fail": "Broken"}, Qualifier="live")
    record = json.loads(messages(client, url)[0]["Body"])
    assert record["requestContext"]["approximateInvokeCount"] == 1 and record["responseContext"]["executedVersion"] == "2"
    assert record["requestContext"]["functionArn"].endswith(":qualified:live")


def test_a_dead_letter_queue_gets_the_event_itself(client, function):
    url, arn = queue(client, "dead")
    function("deadletter", DeadLetterConfig={"TargetArn": arn})
    client("lambda").put_function_event_invoke_config(FunctionName="deadletter", MaximumRetryAttempts=1)
    send(client, "deadletter", {"fail": "Broken", "n": 1})
    message = messages(client, url)[0]
    assert json.loads(message["Body"]) == {"fail": "Broken", "n": 1}
    values = {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}
    assert values["ErrorCode"] == "200" and values["ErrorMessage"] == "asked to fail" and values["RequestID"]
    assert len(calls(client, "deadletter")) == 2


def test_success_has_a_destination_too(client, function):
    function("happy")
    url, arn = queue(client, "happy-done")
    client("lambda").put_function_event_invoke_config(FunctionName="happy", DestinationConfig={"OnSuccess": {"Destination": arn}})
    send(client, "happy", {"n": 1})
    record = json.loads(messages(client, url)[0]["Body"])
    assert record["requestContext"]["condition"] == "Success" and "functionError" not in record["responseContext"]


def test_an_old_event_is_not_tried_again(client, function):
    function("old")
    url, arn = queue(client, "old-lost")
    client("lambda").put_function_event_invoke_config(FunctionName="old", MaximumEventAgeInSeconds=60,
                                                      DestinationConfig={"OnFailure": {"Destination": arn}})
    send(client, "old", {"fail": "Broken"})
    context = json.loads(messages(client, url)[0]["Body"])["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 1)


def test_a_throttled_event_waits_and_runs(client, function, tmp_path):
    function("throttled", Timeout=60)
    client("lambda").put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=1)
    gate = tmp_path / "gate"
    send(client, "throttled", {"gate": str(gate), "n": 1})
    assert until(gate.with_suffix(".here").exists)
    for n in (2, 3):
        send(client, "throttled", {"n": n})
    assert until(lambda: total(client, "Throttles", {"FunctionName": "throttled"}) >= 2)
    gate.touch()
    assert until(lambda: sorted(c["n"] for c in calls(client, "throttled")) == [1, 2, 3])
    assert total(client, "Invocations", {"FunctionName": "throttled"}) == 3


def test_reserved_concurrency_is_shared_by_versions(client, function):
    two_versions(client, function, "reserved", 0.0)
    client("lambda").put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)
    with pytest.raises(client("lambda").exceptions.TooManyRequestsException):
        client("lambda").invoke(FunctionName="reserved", Qualifier="live", Payload=b"{}")


def test_sns_needs_permission_and_uses_the_alias(client, function):
    arn = two_versions(client, function, "subscriber", 1.0)
    topic = client("sns").create_topic(Name="news")["TopicArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn + ":live")
    client("sns").publish(TopicArn=topic, Message=json.dumps({"n": 0}))
    client("lambda").add_permission(FunctionName="subscriber", Qualifier="live", StatementId="sns", Action="lambda:InvokeFunction",
                                    Principal="sns.amazonaws.com", SourceArn=topic)
    client("sns").publish(TopicArn=topic, Message=json.dumps({"n": 1}))
    assert until(lambda: calls(client, "subscriber")) == [{"n": 1}]
    dims = {"FunctionName": "subscriber", "Resource": "subscriber:live", "ExecutedVersion": "2"}
    assert total(client, "Invocations", dims) == 1


def test_queue_mapping_uses_the_alias(client, function):
    arn = two_versions(client, function, "worker", 1.0)
    url, queue_arn = queue(client, "work")
    client("lambda").create_event_source_mapping(FunctionName=arn + ":live", EventSourceArn=queue_arn)
    client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"n": 1}))
    assert until(lambda: calls(client, "worker")) == [{"n": 1}]
    dims = {"FunctionName": "worker", "Resource": "worker:live", "ExecutedVersion": "2"}
    assert total(client, "Invocations", dims) == 1
