"""Twin of functions/run-smoke-tests, for one check that invokes the canary and compares fields of its answer."""

import json
import time

import aliases
import perch


def handler(event, context):
    """Invoke the canary by its number and compare."""
    record = perch.held(event)
    seq, plan = record["seq"], record["plan"]
    record["smoke"] = [_asked(check, plan["driver"]["function"], record["canary"]) for check in plan["smoke"]["checks"]]
    if not all(result["passed"] for result in record["smoke"]):
        raise RuntimeError(f"a smoke test failed: {record['smoke']}")
    step, taken = plan["steps"][0], sum(result["latencyMs"] for result in record["smoke"])
    record["phase"] = {"name": "Shifting", "step": 0, "weight": step["weight"], "from": 0}
    cause = f"{len(record['smoke'])} smoke test passed, {taken} ms in all"
    entry = perch.entry(record, "SmokeTested", cause, smoke=record["smoke"])
    perch.commit(record, seq, [entry], exposed=True)
    return perch.answer(event, record["fence"], "Shift")


def _asked(check, function, version):
    began = time.monotonic()
    payload = json.dumps(check["invoke"]["payload"])
    answer = aliases.functions.invoke(FunctionName=function, Qualifier=version, Payload=payload)
    body, took = json.loads(answer["Payload"].read()), int(1000 * (time.monotonic() - began))
    wanted = check["expect"]["json"].items()
    passed = "FunctionError" not in answer and all(body[path.removeprefix("$.")] == value for path, value in wanted)
    return {"name": check["name"], "passed": passed, "latencyMs": took}
