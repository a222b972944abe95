"""Counts and logs each invocation, on every path and for zip and image functions alike.

AWS: Lambda Developer Guide, "Types of metrics for Lambda functions" (monitoring-metrics-types): a throttled request
counts in Throttles only; Duration is the time of the handler, initialisation is not in it. "Sending Lambda function
logs to CloudWatch Logs" (monitoring-cloudwatchlogs): START, END and REPORT lines, one log stream per environment.
"Configuring reserved concurrency" (configuration-concurrency): the reservation is shared by all versions.
"""
import json
import time
from datetime import datetime, timezone

from ministack.core.responses import new_uuid
from ministack.services import cloudwatch_logs as LOGS, lambda_svc as L
from perch_local import metrics, state_machines, workers
from perch_local.aliases import as_invoked, identity, weights
from perch_local.scope import log

MAX_EVENTS_PER_STREAM = 10000


def _group(name):
    # setdefault: two first invocations at the same time write to one group.
    return LOGS._log_groups.setdefault(name, {
        "arn": LOGS._make_group_arn(name), "creationTime": int(time.time() * 1000), "tags": {}, "retentionInDays": None,
        "subscriptionFilters": {}, "streams": {}})


def _stream(group, name):
    return group["streams"].setdefault(name, {
        "events": [], "uploadSequenceToken": "1", "creationTime": int(time.time() * 1000), "firstEventTimestamp": None,
        "lastEventTimestamp": None, "lastIngestionTime": None})


def report(config, request_id, measured, failed):
    """The platform's last line of an invocation, as text or JSON by the function's LogFormat."""
    billed, memory, init = int(-(-measured.ms // 1)), int(config.get("MemorySize", 128)), measured.init_ms
    if (config.get("LoggingConfig") or {}).get("LogFormat") == "JSON":
        figures = {"durationMs": round(measured.ms, 3), "billedDurationMs": billed, "memorySizeMB": memory,
                   "maxMemoryUsedMB": measured.peak_mb, **({"initDurationMs": round(init, 3)} if init else {})}
        return json.dumps({"time": _iso(), "type": "platform.report", "record": {
            "requestId": request_id, "metrics": figures, "status": "error" if failed else "success"}})
    return (f"REPORT RequestId: {request_id}\tDuration: {measured.ms:.2f} ms\tBilled Duration: {billed} ms\t"
            f"Memory Size: {memory} MB\tMax Memory Used: {measured.peak_mb} MB"
            + (f"\tInit Duration: {init:.2f} ms" if init else ""))


def _iso():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def write_logs(config, request_id, text, measured, failed):
    """Append one invocation to the function's log group; a failure to log never fails the invocation."""
    try:
        settings, version = config.get("LoggingConfig") or {}, config.get("Version", "$LATEST")
        name = settings.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        group = _group(name)
        stream_name = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{version}]{measured.environment or new_uuid().replace('-', '')}"
        stream = _stream(group, stream_name)
        if settings.get("LogFormat") == "JSON":
            start = json.dumps({"time": _iso(), "type": "platform.start", "record": {"requestId": request_id, "version": version}})
            lines = [start, *text.splitlines(), report(config, request_id, measured, failed)]
        else:
            lines = [f"START RequestId: {request_id} Version: {version}", *text.splitlines(), f"END RequestId: {request_id}",
                     report(config, request_id, measured, failed)]
        now = int(time.time() * 1000)
        LOGS._append_log_events(stream, [{"timestamp": now, "message": line, "ingestionTime": now} for line in lines])
        del stream["events"][:-MAX_EVENTS_PER_STREAM]
        LOGS._fanout_to_subscription_filters(name, stream_name, [{"timestamp": now, "message": line} for line in lines])
    except Exception:
        log.exception("the log of %s was not written", config.get("FunctionName"))


def _split(name, alias):
    return bool(alias and weights(L._functions.get(name), alias))


def install():
    """Patch the one point every executor passes."""
    dispatch, acquire = L._execute_function_dispatch, L._acquire_execution_slot

    def dispatch_and_count(func, config, event, request_id, started):
        name, alias, version = identity(config)
        result, begun = None, time.time()
        workers.take()
        state_machines.note_version(version)
        func, config = as_invoked(func, config)
        try:
            result = dispatch(func, config, event, request_id, started)
            return result
        finally:
            failed = not isinstance(result, dict) or bool(result.get("error"))
            measured = workers.take() or workers.Measured((time.time() - begun) * 1000)
            write_logs(config, request_id, (result or {}).get("log") or "", measured, failed)
            metrics.record_invocation(name, alias, version, _split(name, alias), begun, measured.ms, failed)

    def slot_and_count(func, config):
        name, alias, version = identity(config)
        slot = acquire(L._functions.get(name) or func, config)
        if slot[0] is None:
            metrics.record_invocation(name, alias, version, _split(name, alias), time.time(), 0, False, throttle=True)
        return slot

    L._execute_function_dispatch, L._acquire_execution_slot = dispatch_and_count, slot_and_count
    L._emit_lambda_logs = lambda *args, **kwargs: None       # write_logs knows the environment and its figures
