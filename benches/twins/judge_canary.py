"""Twin of functions/judge-canary, for a look during a bake."""

import datetime
import time
from decimal import Decimal

import aliases
import perch

cloudwatch = perch.client("cloudwatch")
PERIOD = 60


def handler(event, context):
    """Look once at the canary."""
    record = perch.held(event)
    seq, plan, phase = record["seq"], record["plan"], record["phase"]
    version, split, _ = aliases.read(plan["driver"])
    aliases.held_by(record)
    if (version, split) != (record["ledger"]["baseline"], {record["canary"]: float(phase["weight"]) / 100}):
        raise RuntimeError("someone else moved the alias")
    found = cloudwatch.describe_alarms(
        AlarmNames=plan["guards"], AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100
    )
    start, end = _window(perch.at(phase["since"]).timestamp(), time.time())
    canary, baseline = _arms(plan, [record["canary"], record["ledger"]["baseline"]], start, end)
    alarms = [a["AlarmName"] for a in found["MetricAlarms"] + found["CompositeAlarms"] if a["StateValue"] == "ALARM"]
    verdict, text = _judge(plan["judge"], canary, baseline)
    if alarms or verdict["outcome"] == "Fail":
        raise RuntimeError("the canary fails")
    readings = {"from": _time(start), "to": _time(end), "canary": canary, "baseline": baseline, "alarms": alarms}
    record["verdict"] = verdict
    entry = perch.entry(
        record,
        "BakeJudged",
        f"at {phase['weight']}%: {verdict['outcome']}: {text}",
        evidence={"readings": readings, "verdict": verdict},
    )
    perch.commit(record, seq, [entry], exposed=True)
    return perch.answer(event, record["fence"], "Judge", 60)


def _time(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat().replace("+00:00", "Z")


def _window(since, until):
    start = -(-since // PERIOD) * PERIOD
    return start, max(start, (until - PERIOD / 2) // PERIOD * PERIOD)


def _arms(plan, versions, start, end):
    service, queries = plan["driver"], []
    for arm, version in zip("ab", versions, strict=True):
        dimensions = [
            {"Name": "FunctionName", "Value": service["function"]},
            {"Name": "Resource", "Value": f"{service['function']}:{service['alias']}"},
            {"Name": "ExecutedVersion", "Value": version},
        ]
        latency = plan["judge"]["latency"]["quantile"]
        for name, metric, stat in (
            ("requests", "Invocations", "Sum"),
            ("errors", "Errors", "Sum"),
            ("latency", "Duration", latency),
        ):
            wanted = {"Namespace": "AWS/Lambda", "MetricName": metric, "Dimensions": dimensions}
            queries.append({"Id": f"{arm}_{name}", "MetricStat": {"Metric": wanted, "Period": PERIOD, "Stat": stat}})
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=start, EndTime=end
    )
    results = [result for page in pages for result in page["MetricDataResults"]]
    return [_arm(arm, results, min(start + PERIOD, end)) for arm in "ab"]


def _arm(name, results, warm):
    def series(of):
        found = [r for r in results if r["Id"] == f"{name}_{of}"]
        return {at: value for r in found for at, value in zip(r["Timestamps"], r["Values"], strict=True)}

    requests, errors = series("requests"), series("errors")
    # Latency counts after the warm-up of the first step, which is one interval.
    latency = {at: value for at, value in series("latency").items() if at.timestamp() >= warm}
    weighted = [(value, requests.get(at, 0)) for at, value in latency.items()]
    weights = sum(weight for _, weight in weighted)
    mean = sum(value * weight for value, weight in weighted) / weights if weights else None
    return {
        "requests": round(sum(requests.values())),
        "errors": round(sum(errors.values())),
        "latencyMs": Decimal(str(mean)) if mean is not None else None,
    }


def _percent(text):
    return Decimal(text.rstrip("%")) / 100


def _judge(rule, canary, baseline):
    needed, limit, latency = rule["minRequests"], rule["errorRate"]["max"], rule["latency"]
    if canary["errors"] > _percent(limit) * max(canary["requests"], needed):
        return {"outcome": "Fail", "reasons": []}, "errors"
    reasons, texts = [], []
    for kind, arm, name in (("tooFewRequests", canary, "canary"), ("tooFewBaselineRequests", baseline, "baseline")):
        if arm["requests"] < needed:
            reasons.append({"kind": kind, "found": arm["requests"], "needed": needed})
            texts.append(f"{arm['requests']} of {needed} {name} requests needed")
    if reasons:
        return {"outcome": "Inconclusive", "reasons": reasons}, "; ".join(texts)
    highest = max(
        baseline["latencyMs"] * (1 + _percent(latency["maxIncrease"])),
        baseline["latencyMs"] + Decimal(latency["tolerance"].removesuffix("ms")),
    )
    if canary["latencyMs"] > highest:
        return {"outcome": "Fail", "reasons": []}, "latency"
    within = {"kind": "errorsWithin", "errors": canary["errors"], "requests": canary["requests"], "max": limit}
    return {"outcome": "Pass", "reasons": [within]}, f"{canary['errors']} of {canary['requests']} failed"
