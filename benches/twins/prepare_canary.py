"""Twin of functions/prepare-canary, for a release that has just started: it takes the ledger."""

import aliases
import perch

cloudwatch = perch.client("cloudwatch")


def handler(event, context):
    """Take the snapshot of what serves."""
    record = perch.held(event)
    seq, service, guards = record["seq"], record["plan"]["lambda"], record["plan"]["guards"]
    baseline, split, revision = aliases.read(service)
    if split:
        raise RuntimeError("the alias is split already")
    found = cloudwatch.describe_alarms(
        AlarmNames=guards, AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100
    )
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in found["MetricAlarms"] + found["CompositeAlarms"]}
    if any(states[guard] == "ALARM" for guard in guards):
        raise RuntimeError("a guard is in ALARM already")
    version = aliases.functions.get_function(FunctionName=service["function"], Qualifier=baseline)
    code = version["Code"]["ResolvedImageUri"].partition("@")[2]
    if code == record["artifact"]["digest"]:
        raise RuntimeError("the artifact serves already")
    record["ledger"] = {
        "lambda": service,
        "baseline": baseline,
        "code": code,
        "revision": revision,
        "takenAt": perch.now(),
    }
    record["phase"] = {"name": "Preparing"}
    entry = perch.entry(record, "LedgerTaken", f"version {baseline} has all traffic of {service['alias']}")
    perch.commit(record, seq, [entry], exposed=False)
    return perch.answer(event, record["fence"], "Prepare")
