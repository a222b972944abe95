"""EventBridge rule targets: permissions, retry policy and dead-letter queue.

AWS: EventBridge User Guide, "Using resource-based policies" (eb-use-resource-based): Lambda, SQS and SNS targets need a
statement for events.amazonaws.com in their own policy, Step Functions and event bus targets need the target's role.
"Using dead-letter queues to process undelivered events" (eb-rule-dlq): a missing permission or resource is not retried;
the event goes to the target's queue with the attributes RULE_ARN, TARGET_ARN, ERROR_CODE, ERROR_MESSAGE,
EXHAUSTED_RETRY_CONDITION and RETRY_ATTEMPTS, and is dropped where there is no queue.
"Retrying event delivery" (eb-rule-retry-policy): 185 tries in 24 hours unless the target's RetryPolicy says less.
For a Lambda target delivery has succeeded once the event is accepted; the function's own retries follow.
"""
import contextvars
import json
import os
import threading
import time

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import eventbridge as EB, lambda_svc as L, sns as SNS, sqs as SQS, stepfunctions as SFN
from perch_local import async_invoke, permissions
from perch_local.scope import log

SCALE = float(os.environ.get("PERCH_RETRY_SCALE", "1"))
WAITS = (1, 2, 4, 8, 16, 32, 60)            # AWS names exponential backoff with jitter, not its figures
EVENTS, SCHEDULER = "events.amazonaws.com", "scheduler.amazonaws.com"
_delivering = contextvars.ContextVar("perch_delivery", default=None)     # (rule ARN, target)


class Undelivered(BaseException):
    """A delivery that failed; `code` is one of the documented ERROR_CODE values.

    Not an Exception, because ministack's dispatch logs and swallows those.
    """

    def __init__(self, code, message, again=False):
        super().__init__(message)
        self.code, self.again = code, again


def _scheduled(rule_arn):
    return rule_arn.split(":")[2:3] == ["scheduler"]


def _need(allowed, action, arn):
    if not allowed:
        raise Undelivered("NO_PERMISSIONS", f"events.amazonaws.com is not authorized to perform: {action} on resource: {arn}")


def _role(target, service, action, arn):
    """Raise Undelivered unless the service may assume the target's role and the role may do this."""
    role = target.get("RoleArn", "")
    if not permissions.may_assume(service, role):
        raise Undelivered("FAILED_TO_ASSUME_ROLE", f"{service} may not assume {role or 'a role: the target has no RoleArn'}")
    refused = permissions.denial(role, action, arn, "events")
    if refused:
        raise Undelivered("NO_PERMISSIONS", refused)


def to_lambda(arn, payload, rule_arn, target):
    """Hand the event to the function's asynchronous queue; EventBridge Scheduler calls with its role."""
    name, qualifier = L._lambda_function_name_and_qualifier_from_arn(arn)
    func = L._functions.get(name)
    if not L._function_qualifier_exists(func, qualifier):
        raise Undelivered("NO_RESOURCE", f"Function not found: {arn}")
    if _scheduled(rule_arn):
        _role(target, SCHEDULER, "lambda:InvokeFunction", arn)
    else:
        _need(permissions.allowed(func.get("policy"), EVENTS, "lambda:InvokeFunction", arn, rule_arn), "lambda:InvokeFunction", arn)
    async_invoke.submit(name, qualifier, json.loads(payload))


def to_state_machine(arn, payload, rule_arn, target):
    """Start an execution with the target's role."""
    if SFN._resolve_state_machine_arn(arn) is None:
        raise Undelivered("NO_RESOURCE", f"State machine {arn} does not exist")
    _role(target, SCHEDULER if _scheduled(rule_arn) else EVENTS, "states:StartExecution", arn)
    status, _, body = SFN._start_execution({"stateMachineArn": arn, "input": payload})
    if status >= 400:
        raise Undelivered("ERROR_FROM_TARGET", str(body), again=status >= 500)


def check_queue_or_topic(spec, arn, rule_arn):
    """Raise Undelivered when an SQS or SNS target is missing or closed to EventBridge."""
    if spec.service == "sqs":
        if SQS._queue_by_arn(arn) is None:
            raise Undelivered("NO_RESOURCE", f"queue {arn} does not exist")
        _need(permissions.allowed(SQS.queue_policy_for_arn(arn)[0], EVENTS, "sqs:SendMessage", arn, rule_arn), "sqs:SendMessage", arn)
    elif spec.service == "sns":
        found = SNS.topic_policy_for_arn(arn)
        if found is None:
            raise Undelivered("NO_RESOURCE", f"topic {arn} does not exist")
        _need(permissions.allowed(found[0], EVENTS, "sns:Publish", arn, rule_arn), "sns:Publish", arn)


def dead_letter(target, rule_arn, event, wrong, condition, tries):
    """Send an event that was not delivered to the target's queue, if it has one and the queue lets EventBridge in."""
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    log.warning("EventBridge %s -> %s failed, %s: %s%s", rule_arn, target.get("Arn"), wrong.code, wrong, "" if queue else "; dropped")
    if not queue:
        return
    if SQS._queue_by_arn(queue) is None or not permissions.allowed(
            SQS.queue_policy_for_arn(queue)[0], EVENTS, "sqs:SendMessage", queue, rule_arn):
        log.warning("EventBridge could not send to the dead-letter queue %s: missing, or its policy lacks %s", queue, EVENTS)
        return
    values = {"RULE_ARN": rule_arn, "TARGET_ARN": target.get("Arn", ""), "ERROR_CODE": wrong.code, "ERROR_MESSAGE": str(wrong),
              "EXHAUSTED_RETRY_CONDITION": condition, "RETRY_ATTEMPTS": str(tries)}
    async_invoke.deliver(queue, json.loads(event), {k: ("String", v) for k, v in values.items() if v})


def deliver(attempt, target, rule_arn, event):
    """Try once; what may be tried again goes on a thread of its own, what may not to the dead-letter queue."""
    try:
        attempt()
    except Undelivered as wrong:
        if not wrong.again:
            return dead_letter(target, rule_arn, event, wrong, "", 0)
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(_again, attempt, target, rule_arn, event, wrong), daemon=True).start()


def _again(attempt, target, rule_arn, event, wrong):
    policy = target.get("RetryPolicy") or {}
    limit, age = int(policy.get("MaximumRetryAttempts", 185)), int(policy.get("MaximumEventAgeInSeconds", 86400))
    began, tries = time.time(), 0
    while True:
        wait = WAITS[min(tries, len(WAITS) - 1)]
        if tries >= limit:
            return dead_letter(target, rule_arn, event, wrong, "MaximumRetryAttempts", tries)
        if (time.time() - began) / (SCALE or 1) + wait > age:
            return dead_letter(target, rule_arn, event, wrong, "MaximumEventAgeInSeconds", tries)
        time.sleep(wait * SCALE)
        tries += 1
        try:
            return attempt()
        except Undelivered as failed:
            if not failed.again:
                return dead_letter(target, rule_arn, event, failed, "", tries)
            wrong = failed


def _invoke_target(original):
    def invoke(target, event, rule, view=None):
        view = view or EB._pattern_event_view(event)
        rule_arn, arn = rule.get("Arn", ""), target.get("Arn", "")
        try:
            spec = parse_arn(arn)
        except ArnParseError:
            return original(target, event, rule, view)

        def attempt():
            if spec.service in ("sqs", "sns"):
                check_queue_or_topic(spec, arn, rule_arn)
            token = _delivering.set((rule_arn, target))
            try:
                original(target, event, rule, view)
            finally:
                _delivering.reset(token)
        whole = json.dumps(view.event_with_detail())
        deliver(attempt, target, rule_arn, whole)
    return invoke


def install():
    """Patch the dispatch of the running ministack."""
    EB._dispatch_to_lambda = lambda arn, payload: to_lambda(arn, payload, *_delivering.get())
    EB._dispatch_to_stepfunctions = lambda arn, payload: to_state_machine(arn, payload, *_delivering.get())
    EB._invoke_target = _invoke_target(EB._invoke_target)
