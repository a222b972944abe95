"""Asynchronous invocations: two retries, event age, destinations and the function's dead-letter queue.

AWS: Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous invocation"
(invocation-async-error-handling): after a function error Lambda waits 1 minute, then 2; throttles wait 1 s, doubling to
5 minutes, until the event's maximum age. "Capturing records of Lambda asynchronous invocations"
(invocation-async-retain-records): the record sent to a destination, and what a dead-letter queue gets instead.
EventInvokeConfig belongs to the qualifier that was called; ministack looks for it on the unqualified function only.
PERCH_RETRY_SCALE multiplies the waits (1 on AWS; 0.01 makes them 0.6 s and 1.2 s).
"""
import contextvars
import json
import os
import threading
import time

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import eventbridge as EB, lambda_svc as L, sns as SNS, sqs as SQS
from perch_local import metrics, permissions
from perch_local.aliases import called, identity
from perch_local.scope import acting_as, log

SCALE = float(os.environ.get("PERCH_RETRY_SCALE", "1"))
ERROR_WAITS = (60, 120)
THROTTLE_WAIT, THROTTLE_WAIT_MAX = 1, 300


class Call:
    """One accepted event and what its qualifier's EventInvokeConfig says about it."""

    def __init__(self, name, qualifier, event):
        self.name, self.qualifier, self.event = name, qualifier, event
        self.request_id, self.accepted, self.tries = new_uuid(), time.time(), 0
        func = L._functions.get(name) or {}
        wanted = ("$LATEST", "") if qualifier in (None, "", "$LATEST") else (qualifier,)
        configs = func.get("event_invoke_configs") or {}
        self.config = next((configs[key] for key in wanted if key in configs), {})
        self.dead_letter = ((func.get("config") or {}).get("DeadLetterConfig") or {}).get("TargetArn")
        self.role = (func.get("config") or {}).get("Role", "")

    def setting(self, key, default):
        """A number of the EventInvokeConfig."""
        value = self.config.get(key)
        return default if value is None else int(value)

    def destination(self, outcome):
        """The ARN for OnSuccess or OnFailure, or None."""
        return ((self.config.get("DestinationConfig") or {}).get(outcome) or {}).get("Destination")

    def age(self):
        """Seconds since the event was accepted, as AWS would count them."""
        return (time.time() - self.accepted) / (SCALE or 1)


def submit(name, qualifier, event):
    """Accept an event and return at once; the function runs on a thread of its own."""
    call, account, region = Call(name, qualifier, event), get_account_id(), get_region()

    def run():
        called.set(None)                # the alias travels in the record, not in the request
        with acting_as(account, region):
            _run(call)
    threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name=f"async-{name}").start()


def _run(call):
    retries, max_age = call.setting("MaximumRetryAttempts", 2), call.setting("MaximumEventAgeInSeconds", 21600)
    failures, throttled, result = 0, 0, {}
    while True:
        record, config = L._get_func_record_for_qualifier(call.name, call.qualifier)    # weights are drawn anew each time
        if not record:
            log.warning("async event for %s:%s dropped: no such function", call.name, call.qualifier)
            return
        result = L._execute_function(L._execution_record_for_config(record, config), call.event)
        if result.get("throttle"):
            wait, throttled = min(THROTTLE_WAIT * 2 ** throttled, THROTTLE_WAIT_MAX), throttled + 1
        else:
            call.tries += 1
            if not result.get("error"):
                return _finish(call, config, result, "OnSuccess", "Success")
            if failures >= retries:
                return _finish(call, config, result, "OnFailure", "RetriesExhausted")
            wait, failures = ERROR_WAITS[min(failures, 1)], failures + 1
        if call.age() + wait > max_age:
            return _finish(call, config, result, "OnFailure", "EventAgeExceeded")
        time.sleep(wait * SCALE)


def _finish(call, config, result, outcome, condition):
    target = call.destination(outcome)
    if target:
        _send(call, target, _record(call, config, result, condition), "DestinationDeliveryFailures")
    if outcome == "OnFailure" and call.dead_letter:
        body = result.get("body") if isinstance(result.get("body"), dict) else {}
        attributes = {"RequestID": ("String", call.request_id), "ErrorCode": ("Number", "200"),
                      "ErrorMessage": ("String", str(body.get("errorMessage", ""))[:1024] or "-")}
        _send(call, call.dead_letter, call.event, "DeadLetterErrors", attributes)


def _record(call, config, result, condition):
    """The invocation record, version 1.0."""
    failed = bool(result.get("error"))
    response = {"statusCode": 200, "executedVersion": config.get("Version", "$LATEST")}
    if failed:
        response["functionError"] = result.get("function_error") or "Unhandled"
    return {"version": "1.0", "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000Z",
            "requestContext": {"requestId": call.request_id, "condition": condition, "approximateInvokeCount": call.tries,
                               "functionArn": f"{L._func_arn(call.name)}:{call.qualifier or '$LATEST'}"},
            "requestPayload": call.event, "responseContext": response, "responsePayload": result.get("body")}


_ACTIONS = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction", "events": "events:PutEvents"}


def _send(call, target, payload, failure_metric, attributes=None):
    try:
        service = parse_arn(target).service
        refused = permissions.denial(call.role, _ACTIONS.get(service, service + ":?"), target)
        if refused:
            raise PermissionError(refused)
        deliver(target, payload, attributes)
    except (ArnParseError, LookupError, PermissionError, SQS._Err) as wrong:
        log.warning("%s: the record for %s was lost: %s", call.name, target, wrong)
        metrics.count(call.name, failure_metric)


def deliver(target, payload, attributes=None):
    """Send JSON to an SQS queue, SNS topic, function or event bus; LookupError when it does not exist."""
    service, body = parse_arn(target).service, json.dumps(payload)
    typed = {k: {"DataType": t, "StringValue": v} for k, (t, v) in (attributes or {}).items()}
    if service == "sqs":
        if SQS._queue_by_arn(target) is None:
            raise LookupError(f"queue {target} does not exist")
        SQS._act_send_message({"MessageBody": body, "MessageAttributes": typed}, SQS._queue_url(target.rsplit(":", 1)[1]))
    elif service == "sns":
        if target not in SNS._topics:
            raise LookupError(f"topic {target} does not exist")
        SNS._fanout(target, new_uuid(), body, "", "", typed)
    elif service == "lambda":
        name, qualifier = L._lambda_function_name_and_qualifier_from_arn(target)
        if name not in L._functions:
            raise LookupError(f"function {target} does not exist")
        submit(name, qualifier, payload)
    elif service == "events":
        EB._put_events({"Entries": [{"Source": "lambda", "DetailType": "Lambda Function Invocation Result", "Detail": body,
                                     "EventBusName": target.rsplit("/", 1)[-1]}]})
    else:
        raise LookupError(f"{service} is not a destination")


def invoke_async_with_retry(func, event):
    """The entry ministack's own callers use (Invoke with type Event, S3 notifications)."""
    config = func.get("config") or func
    name, alias, version = identity(config)
    submit(name, alias or (version if version != "$LATEST" else None), event)


def _sns_to_lambda(endpoint, envelope, topic_arn, sub_arn, msg_id, raw_message, message_attributes):
    name, qualifier = L._lambda_function_name_and_qualifier_from_arn(endpoint)
    func = L._functions.get(name)
    if func and permissions.allowed(func.get("policy"), "sns.amazonaws.com", "lambda:InvokeFunction", endpoint, topic_arn):
        submit(name, qualifier, {"Records": [{"EventVersion": "1.0", "EventSubscriptionArn": sub_arn, "EventSource": "aws:sns",
                                              "Sns": json.loads(envelope)}]})
    else:
        log.warning("SNS topic %s did not invoke %s: it does not exist or has no permission for the topic", topic_arn, endpoint)


def install():
    """Replace ministack's retry loop and SNS's synchronous call."""
    L.invoke_async_with_retry, SNS._deliver_to_lambda = invoke_async_with_retry, _sns_to_lambda
