"""Who may end a wait: a task token belongs to the state machine whose execution waits under it.

AWS: Step Functions Developer Guide, "Wait for a Callback with Task Token" (connect-to-resource); permissions for SendTaskSuccess,
SendTaskFailure and SendTaskHeartbeat are given on the state machine. ministack asks for them on every resource.
"""
import json
import threading

from ministack.core import iam_actions
from ministack.services import stepfunctions as SFN

ENDS = ("SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat")
_running = threading.local()    # the state machine whose task this thread runs
_machines = {}                  # token -> ARN of the state machine


def _execute_task(original):
    def execute(state_def, raw_input, execution, ctx):
        _running.machine = (execution or {}).get("stateMachineArn", "*")
        return original(state_def, raw_input, execution, ctx)
    return execute


def _wait(original):
    def wait(resource, input_data, token, state_def):
        _machines[token] = getattr(_running, "machine", "*")
        try:
            return original(resource, input_data, token, state_def)
        finally:
            _machines.pop(token, None)
    return wait


def _resource(original):
    def extract(service, method, path, headers, body, query_params, region, account_id):
        if headers.get("x-amz-target", "").rsplit(".", 1)[-1] in ENDS:
            try:
                return _machines.get(json.loads(body or b"{}").get("taskToken"), "*")
            except (ValueError, AttributeError):
                return "*"
        return original(service, method, path, headers, body, query_params, region, account_id)
    return extract


def install():
    """Patch the running ministack."""
    SFN._execute_task = _execute_task(SFN._execute_task)
    SFN._invoke_with_callback = _wait(SFN._invoke_with_callback)
    iam_actions.extract_resource_arn = _resource(iam_actions.extract_resource_arn)
