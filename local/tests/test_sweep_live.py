"""What Perch's sweep rests on: a sparse index, reads of several items, and rules that run on a schedule."""
import json

import boto3
import pytest
from botocore.exceptions import ClientError
from conftest import calls, messages, open_queue, until

ALL = {"ProjectionType": "KEYS_ONLY"}
INDEX = {"IndexName": "due", "Projection": ALL, "KeySchema": [{"AttributeName": "due", "KeyType": "HASH"},
                                                              {"AttributeName": "dueAt", "KeyType": "RANGE"}]}
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/swept"


def key(name):
    return {"pk": {"S": name}, "sk": {"S": "HEAD"}}


@pytest.fixture(scope="module")
def table(client):
    ddb, text = client("dynamodb"), lambda n: {"AttributeName": n, "AttributeType": "S"}
    ddb.create_table(TableName="swept", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[text(n) for n in ("pk", "sk", "due", "dueAt")],
                     KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                     GlobalSecondaryIndexes=[INDEX])
    for name, at in (("b", "12:02"), ("a", "12:01"), ("c", "12:03")):
        ddb.put_item(TableName="swept", Item={**key(name), "due": {"S": "DUE"}, "dueAt": {"S": at}, "fence": {"N": "1"}})
    ddb.put_item(TableName="swept", Item={**key("record"), "due": {"S": "12:00"}})       # one of the two: not in the index
    ddb.put_item(TableName="swept", Item=key("plain"))
    return ddb


def due(ddb, now, limit=10):
    found = ddb.query(TableName="swept", IndexName="due", KeyConditionExpression="due = :d AND dueAt < :n", Limit=limit,
                      ExpressionAttributeValues={":d": {"S": "DUE"}, ":n": {"S": now}})["Items"]
    return [(i["pk"]["S"], i["dueAt"]["S"]) for i in found if set(i) == {"pk", "sk", "due", "dueAt"}]


def test_a_sparse_index_has_those_that_are_due_the_longest_first(table):
    assert due(table, "12:03") == [("a", "12:01"), ("b", "12:02")]
    assert due(table, "13:00", limit=1) == [("a", "12:01")]
    with pytest.raises(ClientError) as refused:
        table.query(TableName="swept", IndexName="due", ConsistentRead=True, KeyConditionExpression="due = :d",
                    ExpressionAttributeValues={":d": {"S": "DUE"}})
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_claim_moves_the_item_and_is_one_sweeps(table):
    claim = dict(TableName="swept", Key=key("a"), UpdateExpression="SET dueAt = :next", ConditionExpression="dueAt = :old",
                 ExpressionAttributeValues={":next": {"S": "12:09"}, ":old": {"S": "12:01"}})
    table.update_item(**claim)
    assert due(table, "12:05") == [("b", "12:02"), ("c", "12:03")] and ("a", "12:09") in due(table, "13:00")
    with pytest.raises(ClientError) as refused:
        table.update_item(**claim)
    assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"


def test_an_update_answers_what_was_there_before_and_what_refused_it(table):
    update = dict(TableName="swept", Key=key("c"), UpdateExpression="SET waiting = :w", ReturnValues="ALL_OLD",
                  ConditionExpression="attribute_not_exists(waiting) OR waiting.pushedAt <= :at",
                  ReturnValuesOnConditionCheckFailure="ALL_OLD")
    at = lambda t: {":w": {"M": {"pushedAt": {"S": t}}}, ":at": {"S": t}}
    assert "waiting" not in table.update_item(**update, ExpressionAttributeValues=at("2"))["Attributes"]
    assert table.update_item(**update, ExpressionAttributeValues=at("3"))["Attributes"]["waiting"]["M"]["pushedAt"] == {"S": "2"}
    with pytest.raises(ClientError) as refused:
        table.update_item(**update, ExpressionAttributeValues=at("1"))
    assert refused.value.response["Item"]["waiting"]["M"]["pushedAt"] == {"S": "3"}


def test_a_batch_reads_what_exists(table):
    wanted = {"swept": {"Keys": [key("b"), key("nobody")], "ConsistentRead": True}}
    got = table.batch_get_item(RequestItems=wanted)
    assert [i["pk"]["S"] for i in got["Responses"]["swept"]] == ["b"] and not got["UnprocessedKeys"]


def test_a_transaction_tells_every_refused_check_with_its_item(table):
    check = lambda name: {"ConditionCheck": {"TableName": "swept", "Key": key(name), "ConditionExpression": "attribute_not_exists(pk)",
                                             "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}
    with pytest.raises(ClientError) as refused:
        table.transact_write_items(TransactItems=[check("b"), check("nobody"), check("plain")])
    reasons = refused.value.response["CancellationReasons"]
    assert [r["Code"] for r in reasons] == ["ConditionalCheckFailed", "None", "ConditionalCheckFailed"]
    assert reasons[0]["Item"]["fence"] == {"N": "1"} and reasons[2]["Item"] == key("plain")


def user(server, client, name, *statements):
    """A DynamoDB client of a user with these (actions, resource)."""
    client("iam").create_user(UserName=name)
    policy = [{"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in statements]
    client("iam").put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": policy}))
    made = client("iam").create_access_key(UserName=name)["AccessKey"]
    return lambda service: boto3.client(service, endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=made["AccessKeyId"],
                                        aws_secret_access_key=made["SecretAccessKey"])


def denied(call):
    try:
        call()
    except ClientError as wrong:
        assert wrong.response["Error"]["Code"] == "AccessDeniedException", wrong
        return True
    return False


def test_the_sweeps_rights_are_asked_for_one_by_one(server, client, table):
    check = [{"ConditionCheck": {"TableName": "swept", "Key": key("nobody"), "ConditionExpression": "attribute_not_exists(pk)"}}]
    does = {"dynamodb:Query": lambda ddb: due(ddb, "12:05"),
            "dynamodb:BatchGetItem": lambda ddb: ddb.batch_get_item(RequestItems={"swept": {"Keys": [key("b")]}}),
            "dynamodb:ConditionCheckItem": lambda ddb: ddb.transact_write_items(TransactItems=check)}
    where = {"dynamodb:Query": f"{TABLE}/index/due"}
    for number, granted in enumerate(does):
        ddb = user(server, client, f"sweep-{number}", (granted, where.get(granted, TABLE)))("dynamodb")
        assert [action for action, call in does.items() if not denied(lambda: call(ddb))] == [granted]
    ddb = user(server, client, "sweep-table", ("dynamodb:Query", TABLE))("dynamodb")
    assert denied(lambda: due(ddb, "12:05"))                    # the index is a resource of its own


def test_a_rule_with_a_rate_runs_its_function_again_and_again(client, function):
    arn, (url, queue) = function("swept"), open_queue(client, "swept")
    rule = client("events").put_rule(Name="sweep", ScheduleExpression="rate(1 minute)")["RuleArn"]
    client("lambda").add_permission(FunctionName="swept", StatementId="e", Action="lambda:InvokeFunction",
                                    Principal="events.amazonaws.com", SourceArn=rule)
    client("events").put_targets(Rule="sweep", Targets=[{"Id": "1", "Arn": arn}, {"Id": "2", "Arn": queue}])
    assert until(lambda: len(calls(client, "swept")) >= 2)
    event, again = [json.loads(m["Body"]) for m in messages(client, url, want=2)[:2]]
    client("events").disable_rule(Name="sweep")
    assert (event["source"], event["detail-type"], event["detail"], event["resources"]) == ("aws.events", "Scheduled Event", {}, [rule])
    assert event["id"] != again["id"]
