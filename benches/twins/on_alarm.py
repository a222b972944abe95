"""Twin of functions/on-alarm."""

import datetime
import json
import os

import aliases
import perch

executions = perch.client("stepfunctions")
MACHINE = os.environ["PERCH_ROLLBACK_ARN"]


def handler(event, context):
    """Roll back every exposed target that the alarm guards: traffic first."""
    alarm, state = event["detail"]["alarmName"], event["detail"]["state"]
    if state["value"] != "ALARM":
        return
    for found in perch.query(f"GUARD#{alarm}", "TARGET#"):
        # The ledger of the alarm's own second may be older than the alarm.
        latest = perch.at(event["time"]).replace(microsecond=0) + datetime.timedelta(seconds=1)
        head = perch.take_fence(
            found["target"],
            "attribute_exists(active) AND exposed = :yes AND ledger.takenAt <= :at",
            {":yes": {"BOOL": True}, ":at": {"S": perch.sortable(latest)}},
        )
        ledger = head["ledger"]
        alias = ledger["snapshot"]
        version, split, _ = aliases.shift(alias["lambda"], ledger["baseline"], {}, alias["revision"])
        if (version, split) != (ledger["baseline"], {}):
            raise RuntimeError("the alias is not as it was set")
        cause = {"kind": "alarm", "alarm": alarm, "reason": state["reason"]}
        executions.start_execution(
            stateMachineArn=MACHINE,
            name=f"{head['active']}-f{head['fence']}",
            input=json.dumps({"releaseId": head["active"], "cause": cause}),
        )
