"""A new artifact starts a release of each target that takes it."""

import datetime
import fnmatch
import hashlib
import json
import os

import perch

executions = perch.client("stepfunctions")
MACHINE = os.environ["PERCH_CANARY_DEPLOY_ARN"]


def start(source, artifact, name, identity, event):
    """Plan a release of every admitted target and start its execution."""
    for found in perch.query(source, "TARGET#"):
        target = perch.get(f"TARGET#{found['target']}", "SPEC")
        taken = next(iter(target["sources"].values()))
        if any(fnmatch.fnmatchcase(name, glob) for glob in taken.get("tags", taken.get("keys"))):
            _plan(target, artifact, identity, event)


def _plan(target, artifact, identity, event):
    head = perch.head(target["name"])
    record = _record(target, artifact, identity, event, (head["fence"] if head else 0) + 1)
    entry = {
        "release": record["id"],
        "target": record["target"],
        "seq": 1,
        "at": record["startedAt"],
        "what": "ReleasePlanned",
        "cause": f"{perch.name_of(artifact)} by event {event['id']}",
    }
    perch.dynamodb.transact_write_items(TransactItems=_writes(record, identity, entry))
    executions.start_execution(
        stateMachineArn=MACHINE,
        name=record["id"],
        input=json.dumps({"releaseId": record["id"], "fence": int(record["fence"])}),
    )


def _record(target, artifact, identity, event, fence):
    started = datetime.datetime.now(datetime.UTC)
    digits = hashlib.sha256(f"{target['name']}|{identity}|{event['id']}".encode()).hexdigest()[:6]
    pushed = perch.at(event["time"]).strftime("%Y%m%d-%H%M%S")
    plan = {
        "lambda": target["service"]["lambda"],
        "steps": target["rollout"]["steps"],
        "judge": target["judge"],
        "guards": target.get("guards", []),
        "watch": target["watch"],
    }
    return {
        "id": f"{target['name']}-{pushed}-{digits}",
        "target": target["name"],
        "artifact": artifact,
        "phase": {"name": "Pending"},
        "plan": plan,
        "fence": fence,
        "seq": 1,
        "ledger": None,
        "code": None,
        "canary": None,
        "cause": {"kind": "event", "id": event["id"], "pushedAt": event["time"]},
        "startedAt": started.isoformat().replace("+00:00", "Z"),
        "deadline": (started + datetime.timedelta(hours=2, minutes=30)).isoformat().replace("+00:00", "Z"),
        "endedAt": None,
        "verdict": None,
        "order": None,
    }


def _writes(record, identity, entry):
    target, started = f"TARGET#{record['target']}", record["startedAt"][:23] + "Z"
    put = {"TableName": perch.TABLE, "ConditionExpression": "attribute_not_exists(pk)"}
    listed = {"release": record["id"]}
    return [
        {"Put": {**put, "Item": perch.item(f"RELEASE#{record['id']}", "RECORD", record)}},
        {
            "Put": {
                "TableName": perch.TABLE,
                "Item": perch.item(target, f"ARTIFACT#{identity}", {"release": record["id"], "outcome": None}),
                "ConditionExpression": "attribute_not_exists(pk) OR outcome IN (:rejected, :superseded)",
                "ExpressionAttributeValues": {":rejected": {"S": "Rejected"}, ":superseded": {"S": "Superseded"}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        },
        {
            "Update": {
                "TableName": perch.TABLE,
                "Key": {"pk": {"S": target}, "sk": {"S": "HEAD"}},
                "UpdateExpression": "SET target = :target, fence = :fence, active = :id, exposed = :no REMOVE ledger",
                "ConditionExpression": "attribute_not_exists(active) AND (attribute_not_exists(pk) OR fence = :before)",
                "ExpressionAttributeValues": {
                    ":target": {"S": record["target"]},
                    ":fence": perch.typed(record["fence"]),
                    ":before": perch.typed(record["fence"] - 1),
                    ":id": {"S": record["id"]},
                    ":no": {"BOOL": False},
                },
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        },
        perch.put_entry(entry),
        {"Put": {"TableName": perch.TABLE, "Item": perch.item(target, f"RELEASE#{started}#{record['id']}", listed)}},
        {
            "Put": {
                "TableName": perch.TABLE,
                "Item": perch.item(f"RELEASES#{started[:7]}", f"{started}#{record['id']}", listed),
            }
        },
    ]
