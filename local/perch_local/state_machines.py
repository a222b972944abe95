"""Step Functions executions: idempotent start, abort and time-out that hold, ExecutedVersion, capped retries.

AWS: Step Functions API Reference, StartExecution ("with the same name and input as a running execution, the call
succeeds and returns the same response"; else ExecutionAlreadyExists) and StopExecution; Amazon States Language,
"TimeoutSeconds" of the machine (States.Timeout, status TIMED_OUT), Retry's MaxDelaySeconds and JitterStrategy;
Developer Guide, "Invoke an AWS Lambda function with Step Functions" (connect-lambda): the result has ExecutedVersion.
ministack lets a task that fails after StopExecution turn an aborted execution into a failed one, and goes on retrying.
"""
import contextvars
import json
import random
import threading
import time
import types

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as SFN
from perch_local.scope import log

_execution = contextvars.ContextVar("perch_execution", default=None)
_version = contextvars.ContextVar("perch_executed_version", default=None)


def _ended():
    execution = _execution.get()
    return bool(execution) and execution["status"] != "RUNNING"


def _start(original):
    def start(data):
        name, base = data.get("name"), SFN._resolve_state_machine_arn(data.get("stateMachineArn", "").split("#")[0])
        if name and base:
            arn = f"{base.replace(':stateMachine:', ':execution:')}:{name}"
            known = SFN._executions.get(arn)
            if known and known["status"] == "RUNNING" and known["input"] == data.get("input", "{}"):
                return SFN.json_response({"executionArn": arn, "startDate": known["startDate"]})
        return original(data)
    return start


def _run(original):
    def run(exec_arn):
        execution = SFN._executions.get(exec_arn)
        machine = SFN._state_machines.get((execution or {}).get("stateMachineArn")) or {}
        _execution.set(execution)
        try:
            limit = json.loads(machine.get("definition", "{}")).get("TimeoutSeconds")
        except ValueError:
            limit = None
        if limit:
            timer = threading.Timer(float(limit), contextvars.copy_context().run, (time_out, execution))
            timer.daemon = True
            timer.start()
        return original(exec_arn)
    return run


def time_out(execution):
    """End an execution that ran longer than its machine's TimeoutSeconds."""
    if execution["status"] == "RUNNING":
        execution.update(status="TIMED_OUT", stopDate=now_iso(), error="States.Timeout", cause=None)
        SFN._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}})
        SFN._emit_execution_status_event(execution)


def _fail(original):
    def fail(execution, error, cause):
        if execution["status"] == "RUNNING":
            original(execution, error, cause)
        else:
            log.info("execution %s is %s; a late error is ignored: %s", execution["name"], execution["status"], error)
    return fail


def _retrier(original):
    def find(retriers, error, retry_counts):
        found, index = (None, -1) if _ended() else original(retriers, error, retry_counts)
        if found is None:
            return found, index
        # ministack multiplies by itself and caps at 60 s; a flat interval computed here leaves it nothing to do.
        wait = found.get("IntervalSeconds", 1) * found.get("BackoffRate", 2.0) ** retry_counts.get(index, 0)
        wait = min(wait, found.get("MaxDelaySeconds", wait))
        if found.get("JitterStrategy") == "FULL":
            wait = random.uniform(0, wait)
        return dict(found, IntervalSeconds=wait, BackoffRate=1.0), index
    return find


def _invoke_resource(original):
    def invoke(resource, data):
        if "states:::lambda:invoke" not in resource:
            return original(resource, data)
        token = _version.set([])
        try:
            result = original(resource, data)
            seen = _version.get()
            return dict(result, ExecutedVersion=seen[-1]) if seen and isinstance(result, dict) else result
        finally:
            _version.reset(token)
    return invoke


def note_version(version):
    """Called where a function runs: remembers the version for the Task that asked for it."""
    if _version.get() is not None:
        _version.get().append(version)


def _execute_task(original):
    def execute(state_def, raw_input, execution, ctx):
        token = _execution.set(execution)
        try:
            if isinstance(state_def.get("TimeoutSeconds"), str):
                seconds = SFN._jsonata_state_field(state_def, "TimeoutSeconds", "number", raw_input, ctx)
                state_def = dict(state_def, TimeoutSeconds=seconds)
            return original(state_def, raw_input, execution, ctx)
        finally:
            _execution.reset(token)
    return execute


def _error_matches(original):
    """States.ALL does not match the two errors that always end an execution."""
    def matches(error_equals, error):
        if error in ("States.Runtime", "States.DataLimitExceeded"):
            return error in error_equals
        return original(error_equals, error)
    return matches


def scaled_sleep(seconds):
    """Sleep as a Wait or Retry does, but no longer than the execution runs."""
    until = time.monotonic() + seconds * SFN._SFN_WAIT_SCALE
    while (left := until - time.monotonic()) > 0 and not _ended():
        time.sleep(min(left, 0.25))


def _sdk_error(original):
    def prefix(service_name, error_code):
        if service_name == "sfn" and not error_code.startswith("States.") and not error_code.endswith("Exception"):
            error_code += "Exception"
        return original(service_name, error_code)
    return prefix


def _named_error(original, service):
    """Step Functions names an SDK error after the SDK's exception class: ExecutionAlreadyExistsException."""
    def invoke(resource, data):
        try:
            return original(resource, data)
        except SFN._ExecutionError as wrong:
            if "." in wrong.error or wrong.error == "AccessDeniedException":
                raise
            name = wrong.error if wrong.error.endswith("Exception") else wrong.error + "Exception"
            raise SFN._ExecutionError(f"{service}.{name}", wrong.cause) from None
    return invoke


def install():
    """Patch the interpreter of the running ministack."""
    SFN._start_execution, SFN._run_execution = _start(SFN._start_execution), _run(SFN._run_execution)
    SFN._fail_execution, SFN._invoke_resource = _fail(SFN._fail_execution), _invoke_resource(SFN._invoke_resource)
    SFN._find_matching_retrier = _retrier(SFN._find_matching_retrier)
    catcher = SFN._find_matching_catcher
    SFN._find_matching_catcher = lambda catchers, error: None if _ended() else catcher(catchers, error)
    SFN._invoke_nested_start_execution = _named_error(SFN._invoke_nested_start_execution, "StepFunctions")
    SFN._prefix_sdk_error = _sdk_error(SFN._prefix_sdk_error)
    SFN._execute_task, SFN._error_matches = _execute_task(SFN._execute_task), _error_matches(SFN._error_matches)
    SFN._scaled_sleep = scaled_sleep
    # ministack sleeps 0.15 s before the first state; its other sleeps are in _scaled_sleep, replaced above.
    SFN.time = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
