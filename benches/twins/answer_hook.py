"""Twin of functions/answer-hook, for a hook of CodeDeploy whose release has one test over HTTP to pass."""

import time
import urllib.request

import deployments
import perch


def handler(event, context):
    """Send the test, write down its result, and put the status; one that was put before is as good."""
    deployment, execution = event["DeploymentId"], event["LifecycleEventHookExecutionId"]
    _, identity, _ = deployments.read(deployment)
    record = perch.release(identity)
    if record["phase"]["name"] != "Shifting":
        raise RuntimeError(f"the release is {record['phase']['name']}")
    _test(perch.held({"releaseId": identity, "fence": record["fence"]}))
    passed = all(result["passed"] for result in perch.release(identity)["smoke"])
    deployments.answer(deployment, execution, "Succeeded" if passed else "Failed")
    return {}


def _test(record):
    seq, smoke = record["seq"], record["plan"]["smoke"]
    record["smoke"] = [_asked(smoke["url"], check) for check in smoke["checks"]]
    if not all(result["passed"] for result in record["smoke"]):
        raise RuntimeError(f"a smoke test failed: {record['smoke']}")
    taken = sum(result["latencyMs"] for result in record["smoke"])
    entry = perch.entry(record, "SmokeTested", f"{len(record['smoke'])} smoke test passed, {taken} ms in all", smoke=record["smoke"])
    perch.commit(record, seq, [entry], exposed=True)


def _asked(url, check):
    began = time.monotonic()
    with urllib.request.urlopen(url + check["http"]["path"], timeout=float(check["expect"]["within"].rstrip("s"))) as answer:
        status, _ = answer.status, answer.read()
    took = int(1000 * (time.monotonic() - began))
    return {"name": check["name"], "passed": status == check["expect"]["status"], "status": status, "latencyMs": took}
