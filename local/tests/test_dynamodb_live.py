"""The DynamoDB calls Perch's promises rest on: conditions, transactions and what they report."""
import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def table(client):
    client("dynamodb").create_table(TableName="heads", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                                    AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])
    client("dynamodb").put_item(TableName="heads", Item={"pk": {"S": "head"}, "fence": {"N": "7"}})
    return client("dynamodb")


def write(pk, fence, **more):
    return {"Put": {"TableName": "heads", "Item": {"pk": {"S": pk}, "fence": {"N": str(fence)}}, **more}}


def test_a_failed_condition_returns_the_item(table):
    with pytest.raises(ClientError) as refused:
        table.put_item(TableName="heads", Item={"pk": {"S": "head"}}, ConditionExpression="attribute_not_exists(pk)",
                       ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert refused.value.response["Item"] == {"pk": {"S": "head"}, "fence": {"N": "7"}}


def test_a_transaction_names_the_reasons_by_position(table):
    stale = {"Update": {"TableName": "heads", "Key": {"pk": {"S": "head"}}, "UpdateExpression": "SET fence = :n",
                        "ConditionExpression": "fence = :old", "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                        "ExpressionAttributeValues": {":n": {"N": "9"}, ":old": {"N": "6"}}}}
    with pytest.raises(ClientError) as refused:
        table.transact_write_items(TransactItems=[write("journal", 1), stale])
    response = refused.value.response
    assert response["Error"]["Code"] == "TransactionCanceledException"
    assert [r["Code"] for r in response["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    assert response["CancellationReasons"][1]["Item"]["fence"] == {"N": "7"}
    assert "Item" not in table.get_item(TableName="heads", Key={"pk": {"S": "journal"}})


def test_a_transaction_is_applied_whole_and_once(table):
    items = [write("a", 1, ConditionExpression="attribute_not_exists(pk)"), write("b", 1),
             {"ConditionCheck": {"TableName": "heads", "Key": {"pk": {"S": "head"}}, "ConditionExpression": "fence = :f",
                                 "ExpressionAttributeValues": {":f": {"N": "7"}}}}]
    for _ in range(2):
        table.transact_write_items(TransactItems=items, ClientRequestToken="token-1")
    assert {table.get_item(TableName="heads", Key={"pk": {"S": k}})["Item"]["fence"]["N"] for k in "ab"} == {"1"}
    with pytest.raises(ClientError) as refused:
        table.transact_write_items(TransactItems=[write("c", 1)], ClientRequestToken="token-1")
    assert refused.value.response["Error"]["Code"] == "IdempotentParameterMismatchException"
