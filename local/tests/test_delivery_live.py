"""EventBridge rule targets: permissions and dead-letter queues under AUTH=true."""
import json
import uuid

from conftest import calls, messages, open_queue, total, two_versions, until


def rule(client, name, *targets):
    events = client("events")
    arn = events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
    events.put_targets(Rule=name, Targets=[dict(t, Id=str(i)) for i, t in enumerate(targets)])
    return arn


def send(client, source, **detail):
    entry = {"Source": source, "DetailType": "test", "Detail": json.dumps(detail)}
    assert client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def attributes(message):
    return {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}


def test_a_function_without_permission_is_not_called(client, function):
    arn, (url, dead) = function("guarded"), open_queue(client, "guarded-dead")
    rule_arn = rule(client, "guarded", {"Arn": arn, "DeadLetterConfig": {"Arn": dead}})
    send(client, "guarded", n=1)
    message = messages(client, url)[0]
    got = attributes(message)
    assert (got["ERROR_CODE"], got["RULE_ARN"], got["TARGET_ARN"], got["RETRY_ATTEMPTS"]) == ("NO_PERMISSIONS", rule_arn, arn, "0")
    assert json.loads(message["Body"])["detail"] == {"n": 1} and not calls(client, "guarded")
    permission = dict(FunctionName="guarded", Action="lambda:InvokeFunction", Principal="events.amazonaws.com")
    client("lambda").add_permission(StatementId="other", SourceArn=rule_arn + "-other", **permission)
    send(client, "guarded", n=2)
    assert attributes(messages(client, url)[0])["ERROR_CODE"] == "NO_PERMISSIONS"
    client("lambda").add_permission(StatementId="this", SourceArn=rule_arn, **permission)
    send(client, "guarded", n=3)
    assert until(lambda: calls(client, "guarded")) == [{"n": 3}]


def test_a_rule_calls_the_weighted_alias(client, function):
    arn = two_versions(client, function, "weighted", 1.0)
    rule_arn = rule(client, "weighted", {"Arn": arn + ":live"})
    client("lambda").add_permission(FunctionName="weighted", Qualifier="live", StatementId="e", Action="lambda:InvokeFunction",
                                    Principal="events.amazonaws.com", SourceArn=rule_arn)
    for n in range(5):
        send(client, "weighted", n=n)
    assert until(lambda: len(calls(client, "weighted")) == 5)
    dims = {"FunctionName": "weighted", "Resource": "weighted:live"}
    assert until(lambda: total(client, "Invocations", dict(dims, ExecutedVersion="2")) == 5) and total(client, "Invocations", dims) == 5
    assert len(total(client, "Duration", dict(dims, ExecutedVersion="2"), "p99")) >= 1


def test_a_missing_target_goes_to_the_dead_letter_queue(client):
    url, dead = open_queue(client, "missing-dead")
    gone = "arn:aws:lambda:us-east-1:000000000000:function:gone"
    lost = "arn:aws:sqs:us-east-1:000000000000:gone"
    rule(client, "missing", {"Arn": gone, "DeadLetterConfig": {"Arn": dead}}, {"Arn": lost, "DeadLetterConfig": {"Arn": dead}})
    send(client, "missing")
    assert {attributes(m)["TARGET_ARN"]: attributes(m)["ERROR_CODE"] for m in messages(client, url, 2)} == {
        gone: "NO_RESOURCE", lost: "NO_RESOURCE"}


def test_a_dead_letter_queue_needs_a_policy_too(client):
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="shut")["QueueUrl"]
    shut = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    open_url, dead = open_queue(client, "open")
    rule(client, "shut", {"Arn": shut, "DeadLetterConfig": {"Arn": shut}}, {"Arn": shut, "DeadLetterConfig": {"Arn": dead}})
    send(client, "shut")
    assert attributes(messages(client, open_url)[0])["ERROR_CODE"] == "NO_PERMISSIONS"
    assert not sqs.receive_message(QueueUrl=url).get("Messages")


def test_a_state_machine_target_needs_a_role(client):
    iam, sfn, name = client("iam"), client("stepfunctions"), "m" + uuid.uuid4().hex[:8]
    trust = lambda service: json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))["Role"]["Arn"]
    machine = sfn.create_state_machine(name=name, roleArn=role, definition=json.dumps(
        {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}))["stateMachineArn"]
    url, dead = open_queue(client, name)
    rule(client, name, {"Arn": machine, "RoleArn": role, "DeadLetterConfig": {"Arn": dead}})
    send(client, name)
    assert attributes(messages(client, url)[0])["ERROR_CODE"] == "FAILED_TO_ASSUME_ROLE"
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust("events.amazonaws.com"))
    send(client, name)
    assert attributes(messages(client, url)[0])["ERROR_CODE"] == "NO_PERMISSIONS"
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "states:StartExecution", "Resource": machine}]}))
    send(client, name)
    assert until(lambda: sfn.list_executions(stateMachineArn=machine)["executions"])


def test_a_function_that_fails_is_retried_by_lambda_not_by_the_rule(client, function):
    arn, (url, dead) = function("failing"), open_queue(client, "failing-dead")
    sqs = client("sqs")
    lost = sqs.create_queue(QueueName="failing-lost")["QueueUrl"]
    lost_arn = sqs.get_queue_attributes(QueueUrl=lost, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule_arn = rule(client, "failing", {"Arn": arn, "DeadLetterConfig": {"Arn": dead}, "RetryPolicy": {"MaximumRetryAttempts": 9}})
    client("lambda").add_permission(FunctionName="failing", StatementId="e", Action="lambda:InvokeFunction",
                                    Principal="events.amazonaws.com", SourceArn=rule_arn)
    client("lambda").put_function_event_invoke_config(FunctionName="failing", DestinationConfig={"OnFailure": {"Destination": lost_arn}})
    send(client, "failing", fail="Broken")
    record = json.loads(messages(client, lost)[0]["Body"])
    assert record["requestPayload"]["detail"] == {"fail": "Broken"} and record["requestContext"]["approximateInvokeCount"] == 3
    assert not sqs.receive_message(QueueUrl=url).get("Messages")
