"""Twin of functions/reconcile, for a target that is due and as it should be."""

import datetime
import fnmatch

import aliases
import perch

registry = perch.client("ecr")
ACTIVE, IDLE = datetime.timedelta(minutes=5), datetime.timedelta(minutes=15)


def handler(event, context):
    """Look at every target that is due."""
    began = datetime.datetime.now(datetime.UTC)
    seen, looked_at = set(), 0
    while page := [due for due in _due(began) if due[0] not in seen]:
        for target, at in page:
            seen.add(target)
            looked_at += 1
            _look_at(target, at, began)
    _write_down(began, looked_at)


def _due(began):
    answer = perch.dynamodb.query(
        TableName=perch.TABLE,
        IndexName="due",
        KeyConditionExpression="due = :due AND dueAt < :now",
        ExpressionAttributeValues={":due": {"S": "DUE"}, ":now": {"S": perch.sortable(began)}},
        Limit=100,
    )
    return [(found["pk"]["S"].removeprefix("TARGET#"), found["dueAt"]["S"]) for found in answer["Items"]]


def _claim(target, found, following):
    perch.dynamodb.update_item(
        TableName=perch.TABLE,
        Key={"pk": {"S": f"TARGET#{target}"}, "sk": {"S": "HEAD"}},
        UpdateExpression="SET dueAt = :next",
        ConditionExpression="dueAt = :found",
        ExpressionAttributeValues={":next": {"S": following}, ":found": {"S": found}},
    )


def _look_at(name, at, began):
    soon = perch.sortable(began + ACTIVE)
    _claim(name, at, soon)
    head, _ = perch.standing(name)
    target = perch.get(f"TARGET#{name}", "SPEC")
    version, split, _ = aliases.read(target["service"]["lambda"])
    newest = _newest(target["sources"]["image"])
    serving = head.get("serving")
    if head.get("active") or (newest and newest > perch.at(head["seen"])) or (serving and (split or version != serving["version"])):
        raise RuntimeError("there is something to mend")
    _claim(name, soon, perch.sortable(began + IDLE))


def _newest(source):
    pages = registry.get_paginator("describe_images").paginate(
        repositoryName=source["repository"], filter={"tagStatus": "TAGGED"}, PaginationConfig={"PageSize": 1000}
    )
    images = [image for page in pages for image in page["imageDetails"]]
    taken = [image for image in images if any(fnmatch.fnmatchcase(t, g) for t in image["imageTags"] for g in source["tags"])]
    return max((image["imagePushedAt"].replace(microsecond=0) for image in taken), default=None)


def _write_down(began, looked_at):
    run = {
        "id": f"sweep-{began:%Y%m%d-%H%M%S}",
        "at": began.isoformat().replace("+00:00", "Z"),
        "lookedAt": looked_at,
        "did": [],
        "failed": [],
        "more": False,
        "expiresAt": int(began.timestamp()) + 30 * 24 * 3600,
    }
    written = perch.item("SWEEPS", f"RUN#{began:%Y-%m-%dT%H:%M:%S}.{began.microsecond // 1000:03d}Z#{run['id']}", run)
    perch.dynamodb.put_item(TableName=perch.TABLE, Item=written)
