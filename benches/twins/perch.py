"""What the twins share: clients, the table's keys and items, and the commit of a transition.

Each twin makes the calls of its Rust function, in the same order, for the event that is measured. The ways that this
event does not take are left out, so a twin has less to load than a whole port would have.
"""

import datetime
import os

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config

TABLE = os.environ["PERCH_TABLE"]
# The time-outs and retries of crates/aws/src/runtime.rs.
CONFIG = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 3})
_write, _read = TypeSerializer().serialize, TypeDeserializer().deserialize


def client(service):
    """A client as the function's main makes it, once per environment."""
    return boto3.client(service, config=CONFIG)


dynamodb = client("dynamodb")


def now():
    """The time as Perch writes it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def sortable(moment):
    """A time as text that sorts by time: the form of crates/core/src/stamp.rs."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def at(text):
    """The time that Perch has written; Python knows microseconds only."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.datetime.fromisoformat(f"{whole}.{fraction[:6] or 0}+00:00")


def typed(value):
    """An attribute value."""
    return _write(value)


def item(pk, sk, value):
    """An item with its key."""
    return {"pk": {"S": pk}, "sk": {"S": sk}, **{name: _write(attribute) for name, attribute in value.items()}}


def plain(found):
    """An item without its key, as plain values."""
    return {name: _read(value) for name, value in found.items() if name not in ("pk", "sk", "expiresAt")}


def get(pk, sk):
    """The item as last written, or None."""
    answer = dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True)
    return plain(answer["Item"]) if "Item" in answer else None


def query(pk, prefix):
    """The items of a partition."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=TABLE,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": pk}, ":sk": {"S": prefix}},
        ScanIndexForward=True,
        ConsistentRead=True,
    )
    return [plain(found) for page in pages for found in page["Items"]]


def hear(target, source, version):
    """Add a model version to those that a target has heard of."""
    dynamodb.update_item(
        TableName=TABLE,
        Key={"pk": {"S": f"TARGET#{target}"}, "sk": {"S": f"HEARD#{source['bucket']}/{source['prefix'].strip('/')}"}},
        UpdateExpression="ADD versions :version",
        ExpressionAttributeValues={":version": {"SS": [version]}},
    )


def release(identity):
    """The record of a release."""
    return get(f"RELEASE#{identity}", "RECORD")


def head(target):
    """The head of a target."""
    return get(f"TARGET#{target}", "HEAD")


def standing(target):
    """The head of a target and the stop that holds for it, with one call."""
    keys = [(f"TARGET#{target}", "HEAD"), ("INSTALLATION", "STOP")]
    wanted = {"Keys": [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in keys], "ConsistentRead": True}
    found = dynamodb.batch_get_item(RequestItems={TABLE: wanted})["Responses"][TABLE]
    by_key = {(each["pk"]["S"], each["sk"]["S"]): plain(each) for each in found}
    head, stop = (by_key.get(key) for key in keys)
    return head, (head or {}).get("stopped") or stop


def held(event):
    """The record, which this execution must hold."""
    record = release(event["releaseId"])
    if record["fence"] != event["fence"]:
        raise RuntimeError("another execution holds the target")
    return record


def take_fence(target, condition, values):
    """Raise the fence on the head's condition; the head as it is then."""
    answer = dynamodb.update_item(
        TableName=TABLE,
        Key={"pk": {"S": f"TARGET#{target}"}, "sk": {"S": "HEAD"}},
        UpdateExpression="SET fence = fence + :one",
        ConditionExpression=condition,
        ExpressionAttributeValues={":one": {"N": "1"}, **values},
        ReturnValues="ALL_NEW",
    )
    return plain(answer["Attributes"])


def entry(record, what, cause, **more):
    """The next entry of the journal."""
    record["seq"] += 1
    return {
        "release": record["id"],
        "target": record["target"],
        "seq": record["seq"],
        "at": now(),
        "what": what,
        "cause": cause,
        **more,
    }


def put_entry(written):
    """The write of a journal entry."""
    new = item(f"RELEASE#{written['release']}", f"JOURNAL#{int(written['seq']):010}", written)
    return {"Put": {"TableName": TABLE, "Item": new, "ConditionExpression": "attribute_not_exists(pk)"}}


def commit(record, expected_seq, entries, exposed, over=False):
    """Record, head and journal in one transaction, with the artifact's outcome when the release is over."""
    record["due"] = now()
    values = {
        ":id": {"S": record["id"]},
        ":held": typed(record["fence"]),
        ":exposed": {"BOOL": exposed},
    }
    if over:
        update, values[":fence"] = "SET exposed = :exposed, fence = :fence REMOVE active, ledger", typed(record["fence"] + 1)
    else:
        update, values[":ledger"] = "SET exposed = :exposed, ledger = :ledger", typed(record["ledger"])
    target = f"TARGET#{record['target']}"
    writes = [
        {
            "Put": {
                "TableName": TABLE,
                "Item": item(f"RELEASE#{record['id']}", "RECORD", record),
                "ConditionExpression": "seq = :seq",
                "ExpressionAttributeValues": {":seq": typed(expected_seq)},
            }
        },
        {
            "Update": {
                "TableName": TABLE,
                "Key": {"pk": {"S": target}, "sk": {"S": "HEAD"}},
                "UpdateExpression": update,
                "ConditionExpression": "active = :id AND fence = :held",
                "ExpressionAttributeValues": values,
            }
        },
        *map(put_entry, entries),
    ]
    if over:
        outcome = {"release": record["id"], "outcome": record["phase"]["name"]}
        known = item(target, f"ARTIFACT#{identity_of(record['artifact'])}", outcome)
        writes.append({"Put": {"TableName": TABLE, "Item": known}})
    dynamodb.transact_write_items(TransactItems=writes)


def identity_of(artifact):
    """What makes it the same artifact again, of an image or a model."""
    if artifact["kind"] == "model":
        return f"s3://{artifact['bucket']}/{artifact['key'].removesuffix('/manifest.json')}"
    return artifact["digest"]


def name_of(artifact):
    """An artifact as people read it."""
    if artifact["kind"] == "model":
        return f"model {artifact['version']}"
    if artifact["kind"] == "package":
        return f"s3://{artifact['bucket']}/{artifact['key']} ({artifact['version'][:12]})"
    return f"{artifact['repository']}:{artifact['tag']} ({artifact['digest'][7:19]})"


def answer(event, fence, following, wait_seconds=0):
    """What a step of a state machine answers."""
    return {"releaseId": event["releaseId"], "fence": int(fence), "next": following, "waitSeconds": wait_seconds}
