"""Metrics of a service, one printed line per request, in CloudWatch's embedded metric format.

    with emf.request("NewsClassifier", LowConfidence=0) as counts:
        answer = model.predict(event["text"])
        counts["LowConfidence"] = int(answer.confidence < 0.5)
"""

import contextlib
import json
import os
import time

_cold = True


@contextlib.contextmanager
def request(namespace, **counts):
    """Publishes Requests, Errors, Latency and these counts when the request ends, also when it fails."""
    global _cold
    counts, began, clock = {"Requests": 1, "Errors": 0, **counts}, time.time(), time.perf_counter()
    if _cold:
        _cold, counts["ColdStart"] = False, 1
    try:
        yield counts
    except BaseException:
        counts["Errors"] = 1
        raise
    finally:
        print(line(namespace, counts, began, (time.perf_counter() - clock) * 1000), flush=True)


def line(namespace, counts, began, took_ms):
    """The document: metrics of one second's resolution for this function and this version of it."""
    metrics = [{"Name": name, "Unit": "Count", "StorageResolution": 1} for name in counts]
    metrics.append({"Name": "Latency", "Unit": "Milliseconds", "StorageResolution": 1})
    directive = {"Namespace": namespace, "Dimensions": [["Service", "Version"]], "Metrics": metrics}
    return json.dumps({
        "_aws": {"Timestamp": int(began * 1000), "CloudWatchMetrics": [directive]},
        "Service": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        "Version": os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        "Latency": round(took_ms, 2),
        **counts,
    })
