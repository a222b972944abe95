"""Puts a fault plan into the running ministack: environments' doors, Tasks, events and stream records.

AWS: Step Functions Developer Guide, "Handling errors in Step Functions workflows" (concepts-error-handling) and "Invoke
an AWS Lambda function with Step Functions": Lambda.ServiceException, Lambda.TooManyRequestsException and
Lambda.SdkClientException are errors of the invocation itself; after the last the function may have run. EventBridge User
Guide, "Event delivery level": at least once, ECR's events best effort. Lambda Developer Guide, with-ddb: a batch of
stream records comes at least once, and in order.
The plan concerns the functions it names and the Tasks that call them, never the calls of tests, people or load.
"""
import contextvars
import copy
import json
import os
import signal
import threading
import time

from ministack.core import lambda_runtime as LR
from ministack.services import eventbridge as EB, lambda_svc as L, stepfunctions as SFN
from perch_local import events, streams
from perch_local.fault_plan import Place

_spawning = threading.local()
_NAMES = {"refused": "Lambda.ServiceException", "throttled": "Lambda.TooManyRequestsException", "lost-answer": "Lambda.SdkClientException"}


class Environment:
    """The one worker process behind a door: whose it is, what it works on, and how to kill it."""

    def __init__(self, worker):
        self.worker, self.function, self.event = worker, worker.config.get("FunctionName", ""), {}

    def kill(self):
        """End the process at once, as when its sandbox is lost."""
        process = self.worker._proc
        if process:
            os.kill(process.pid, signal.SIGKILL)


def _named(worker, faults):
    return bool(faults.plan.functions) and faults.plan.concerns(worker.config.get("FunctionName", ""))


def _doors(faults, proxy):
    """Give each environment of a function in the plan a door of its own."""
    spawn, environ, invoke = LR.ProvidedWorker._spawn, L._provided_worker_env, LR.ProvidedWorker.invoke
    shut_down = LR.ProvidedWorker._shutdown_server

    def spawn_behind_door(self, *args, **kwargs):
        _spawning.worker = self
        try:
            return spawn(self, *args, **kwargs)
        finally:
            _spawning.worker = None

    def environment_with_door(config, code_dir, port):
        found, worker = environ(config, code_dir, port), getattr(_spawning, "worker", None)
        if worker is not None and _named(worker, faults):
            worker._perch_behind = getattr(worker, "_perch_behind", None) or Environment(worker)
            found["AWS_ENDPOINT_URL"], worker._perch_door = proxy.open(worker._perch_behind)
        return found

    def invoke_behind_door(self, event, request_id, **more):
        self._perch_behind = getattr(self, "_perch_behind", None) or Environment(self)
        self._perch_behind.event = event
        return invoke(self, event, request_id, **more)

    def close_door(self):
        door, self._perch_door = getattr(self, "_perch_door", None), None
        if door:
            door()
        return shut_down(self)

    LR.ProvidedWorker._spawn, L._provided_worker_env = spawn_behind_door, environment_with_door
    LR.ProvidedWorker.invoke, LR.ProvidedWorker._shutdown_server = invoke_behind_door, close_door


def _tasks(faults):
    """Faults of a state machine's Tasks, before the call or after its effect."""
    invoke = SFN._invoke_resource

    def invoke_or_fail(resource, data):
        function = _function_of(resource, data)
        fault = faults.choose(Place("invoke", function, *_about_task(faults, data), operation=_operation(resource))) if function else None
        kind = fault.kind if fault else None
        if kind in ("refused", "throttled"):
            raise SFN._ExecutionError(_name(resource, kind), f"injected: {kind}")
        if kind == "delay":
            time.sleep(fault.seconds)
        result = invoke(resource, data)
        if kind == "lost-answer":
            raise SFN._ExecutionError(_name(resource, kind), "injected: the answer was lost")
        return result

    SFN._invoke_resource = invoke_or_fail


def _function_of(resource, data):
    """The function that a Task invokes, or the machine whose executions it starts or stops."""
    if not isinstance(data, dict):
        return ""
    arn = data.get("FunctionName") or data.get("StateMachineArn") or data.get("ExecutionArn") or ""
    parts = str(arn).split(":")
    return parts[6] if len(parts) > 6 else str(arn)


def _about_task(faults, data):
    return faults.about(data.get("Payload") or data.get("Input") or {"releaseId": str(data.get("ExecutionArn", "")).rpartition(":")[2]})


def _operation(resource):
    return resource.rpartition(":::")[2] or resource


def _name(resource, kind):
    """The error's name; for calls that are no invocation, as Step Functions names the SDK's exceptions."""
    return _NAMES[kind] if "lambda:invoke" in resource else {"throttled": "StepFunctions.ThrottlingException"}.get(
        kind, "StepFunctions.SdkClientException")


def _deliveries(faults):
    """Events that come late, twice, or never."""
    invoke, emit = EB._invoke_target, events._put_events

    def deliver(target, event, rule, view=None):
        function = str(target.get("Arn", "")).rpartition(":")[2]
        place = Place("event", function, *faults.about(event), operation=str(event.get("DetailType", "")))
        fault = faults.choose(place) if ":function:" in str(target.get("Arn", "")) else None
        if fault and fault.kind == "lose":
            return
        if fault:
            _later(fault.seconds, invoke, target, copy.deepcopy(event), rule)
        if not fault or fault.kind == "duplicate":
            invoke(target, event, rule, view)

    def emit_but_lose(data, allow_aws_source=False):
        kept = [entry for entry in data["Entries"] if not (entry["Source"] == "aws.ecr" and faults.loses(entry))]
        return emit(dict(data, Entries=kept), allow_aws_source=allow_aws_source) if kept else None

    # What services emit on their own; PutEvents of tests and people takes another way.
    EB._invoke_target, events._put_events = deliver, emit_but_lose


def _later(seconds, call, *args):
    timer = threading.Timer(seconds, contextvars.copy_context().run, (call, *args))
    timer.daemon = True
    timer.start()


def _batches(faults):
    """Batches of stream records that come late or twice."""
    fetch = streams._fetch

    def fetch_with_faults(mapping, table):
        key = mapping["UUID"]
        before = len(streams._work.get(key, []))
        moved = fetch(mapping, table)
        added = streams._work.get(key, [])[before:]
        function = str(mapping.get("FunctionArn", "")).partition(":function:")[2].partition(":")[0]
        for segment in added:
            text = json.dumps([record["dynamodb"].get("Keys") for record in segment[0]])
            fault = faults.choose(Place("record", function, *faults.about(text), operation=f"{len(segment[0])} records"))
            if fault and fault.kind == "duplicate":
                streams._work[key].append([segment[0], 0])
            elif fault:
                L._esm_backoff_until[key] = time.time() + fault.seconds
        return moved

    streams._fetch = fetch_with_faults


def install(faults, proxy):
    """Patch the running ministack, in which every other module is installed already."""
    _doors(faults, proxy)
    _tasks(faults)
    _deliveries(faults)
    _batches(faults)
