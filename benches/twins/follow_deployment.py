"""Twin of functions/follow-deployment, for a deployment that has moved all traffic."""

import datetime

import aliases
import deployments
import perch


def handler(event, context):
    """Promote the canary once the alias was read back and the deployment has succeeded."""
    record = perch.held(event)
    seq = record["seq"]
    version, split, _ = aliases.read(record["plan"]["driver"])
    aliases.held_by(record)
    status, *_ = deployments.read(record["deployment"]["id"])
    if (status, version, split) != ("Succeeded", record["canary"], {}):
        raise RuntimeError(f"the deployment is {status}, the alias on {version}")
    since = perch.now()
    until = (perch.at(since) + datetime.timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    record["phase"] = {"name": "Watching", "since": since, "until": until}
    text = f"all traffic on the canary; watched for {record['plan']['watch']}"
    perch.commit(record, seq, [perch.entry(record, "CanaryPromoted", text)], exposed=True)
    return perch.answer(event, record["fence"], "Judge", 60)
