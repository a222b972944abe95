"""A new artifact starts a release of each target that takes it."""

import datetime
import fnmatch
import hashlib
import json
import os

import perch

executions = perch.client("stepfunctions")
LOOK_AGAIN = datetime.timedelta(minutes=5)
MACHINE = os.environ["PERCH_CANARY_DEPLOY_ARN"]


def start(source, artifact, name, identity, event):
    """Plan a release of every admitted target and start its execution."""
    for found in perch.query(source, "TARGET#"):
        target = perch.get(f"TARGET#{found['target']}", "SPEC")
        taken = next(iter(target["sources"].values()))
        if any(fnmatch.fnmatchcase(name, glob) for glob in taken.get("tags", taken.get("keys"))):
            driver = {"kind": "alias", **target["service"]["lambda"]}
            plan(target, artifact, identity, event, driver, MACHINE)


def plan(target, artifact, identity, event, driver, machine):
    """Plan a release of a free target and start its execution."""
    head = perch.head(target["name"])
    record = _record(target, artifact, identity, event, (head["fence"] if head else 0) + 1, driver)
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
        stateMachineArn=machine,
        name=record["id"],
        input=json.dumps({"releaseId": record["id"], "fence": int(record["fence"])}),
    )


def _record(target, artifact, identity, event, fence, driver):
    started = datetime.datetime.now(datetime.UTC)
    digits = hashlib.sha256(f"{target['name']}|{identity}|{event['id']}".encode()).hexdigest()[:6]
    pushed = perch.at(event["time"]).strftime("%Y%m%d-%H%M%S")
    plan = {
        "driver": driver,
        "cache": None,
        "steps": target["rollout"]["steps"],
        "judge": target["judge"],
        "guards": target.get("guards", []),
        "watch": target["watch"],
        "alarmAtStart": target.get("alarmAtStart", "block"),
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
        "due": started.isoformat().replace("+00:00", "Z"),
        "ignoredGuards": [],
    }


def _trace(record):
    cause, month = record["cause"], 30 * 24 * 3600
    trace = {
        "event": cause["id"],
        "target": record["target"],
        "at": cause["pushedAt"],
        "subject": perch.name_of(record["artifact"]),
        "release": record["id"],
        "why": None,
        "expiresAt": int(perch.at(record["startedAt"]).timestamp()) + month,
    }
    return perch.item(f"EVENT#{cause['id']}", record["target"], trace)


def _writes(record, identity, entry):
    target, started = f"TARGET#{record['target']}", record["startedAt"][:23] + "Z"
    put = {"TableName": perch.TABLE, "ConditionExpression": "attribute_not_exists(pk)"}
    listed = {"release": record["id"]}
    return [
        {"Put": {**put, "Item": perch.item(f"RELEASE#{record['id']}", "RECORD", record)}},
        {
            "Put": {
                "TableName": perch.TABLE,
                "Item": perch.item(target, f"ARTIFACT#{identity}", {"release": record["id"]}),
                "ConditionExpression": "attribute_not_exists(pk) OR outcome IN (:rejected, :superseded)",
                "ExpressionAttributeValues": {":rejected": {"S": "Rejected"}, ":superseded": {"S": "Superseded"}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        },
        {
            "Update": {
                "TableName": perch.TABLE,
                "Key": {"pk": {"S": target}, "sk": {"S": "HEAD"}},
                "UpdateExpression": "SET target = :target, fence = :fence, active = :active, exposed = :exposed, "
                "due = :due, dueAt = :dueAt REMOVE ledger",
                "ConditionExpression": "attribute_not_exists(active) AND attribute_not_exists(stopped) "
                "AND (attribute_not_exists(pk) OR fence = :before)",
                "ExpressionAttributeValues": {
                    ":target": {"S": record["target"]},
                    ":fence": perch.typed(record["fence"]),
                    ":before": perch.typed(record["fence"] - 1),
                    ":active": {"S": record["id"]},
                    ":exposed": {"BOOL": False},
                    ":due": {"S": "DUE"},
                    ":dueAt": {"S": perch.sortable(perch.at(record["startedAt"]) + LOOK_AGAIN)},
                },
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        },
        {
            "ConditionCheck": {
                "TableName": perch.TABLE,
                "Key": {"pk": {"S": "INSTALLATION"}, "sk": {"S": "STOP"}},
                "ConditionExpression": "attribute_not_exists(pk)",
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
        {"Put": {"TableName": perch.TABLE, "Item": _trace(record)}},
    ]
