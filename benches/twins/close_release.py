"""Twin of functions/close-release, for a release that none waits for."""

import os

import perch

executions = perch.client("stepfunctions")
MACHINE = os.environ["PERCH_CANARY_DEPLOY_ARN"]


def handler(event, context):
    """Look whether an artifact waits."""
    record = perch.release(event["releaseId"])
    head = perch.head(record["target"])
    if head.get("waiting") or head.get("modelWaiting"):
        raise RuntimeError("an artifact waits")
    return perch.answer(event, record["fence"], "End")
