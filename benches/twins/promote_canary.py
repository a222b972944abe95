"""Twin of functions/promote-canary."""

import datetime

import aliases
import perch


def handler(event, context):
    """Move the alias to the canary alone."""
    record = perch.held(event)
    seq = record["seq"]
    record["ledger"]["snapshot"]["revision"] = aliases.move_to(record, record["canary"], {})
    since = perch.now()
    until = (perch.at(since) + datetime.timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    record["phase"] = {"name": "Watching", "since": since, "until": until}
    text = f"all traffic on the canary; watched for {record['plan']['watch']}"
    perch.commit(record, seq, [perch.entry(record, "CanaryPromoted", text)], exposed=True)
    return perch.answer(event, record["fence"], "Judge", 60)
