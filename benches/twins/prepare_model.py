"""Twin of functions/prepare-model, for a release that has just started: it takes the ledger."""

import perch

cloudwatch = perch.client("cloudwatch")


def handler(event, context):
    """Take the snapshot of what the servers have."""
    record, fleet = perch.held(event), event["fleet"]
    seq, guards = record["seq"], record["plan"]["guards"]
    found = cloudwatch.describe_alarms(AlarmNames=guards, AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100)
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in found["MetricAlarms"] + found["CompositeAlarms"]}
    if any(states[guard] == "ALARM" for guard in guards):
        raise RuntimeError("a guard is in ALARM already")
    perch.head(record["target"])
    serving = {seen["state"]["active"] for seen in fleet["replicas"]}
    if len(serving) != 1 or record["artifact"]["version"] in serving:
        raise RuntimeError("there is no one version to come back to")
    (baseline,) = serving
    record["ledger"] = {
        "baseline": baseline,
        "canary": None,
        "snapshot": {
            "kind": "servers",
            "replicas": [seen["replica"] for seen in fleet["replicas"]],
            "generation": fleet["generation"],
            "others": [],
        },
        "takenAt": perch.sortable(perch.at(perch.now())),
    }
    record["phase"] = {"name": "Preparing"}
    entry = perch.entry(record, "LedgerTaken", f"all replicas serve {baseline}")
    perch.commit(record, seq, [entry], exposed=False)
    return perch.answer(event, record["fence"], "Prepare")
