"""Twin of functions/publish-events."""

import json
import os

import perch

bus = perch.client("events")
BUS = os.environ["PERCH_BUS"]


def handler(event, context):
    """Put journal entries on the bus."""
    images = [record["dynamodb"]["NewImage"] for record in event["Records"] if record["eventName"] == "INSERT"]
    entries = [_entry(perch.plain(image)) for image in images if image["sk"]["S"].startswith("JOURNAL#")]
    for first in range(0, len(entries), 10):
        answer = bus.put_events(Entries=entries[first : first + 10])
        if answer["FailedEntryCount"]:
            raise RuntimeError("the bus did not take an event")
    return {"batchItemFailures": []}


def _entry(entry):
    detail = {
        "schema": "perch.release-event/v1",
        "id": f"{entry['release']}/{entry['seq']}",
        **{name: entry[name] for name in ("target", "release", "seq", "at", "cause")},
        "severity": "warning",
        **entry["moment"],
    }
    return {
        "EventBusName": BUS,
        "Source": "perch.releases",
        "DetailType": entry["what"],
        "Time": perch.at(entry["at"]),
        "Detail": json.dumps(detail, default=int),
    }
