"""Lifecycle hooks: a Lambda function is invoked, and the event waits for the status that it puts.

AWS: CodeDeploy User Guide, "AppSpec 'hooks' section" (reference-appspec-file-structure-hooks): each hook is executed once
per deployment; its payload has DeploymentId and LifecycleEventHookExecutionId. CodeDeploy quotas (limits): a hook
function has to start within 5 minutes and to answer within an hour. "Troubleshoot Amazon ECS deployment issues"
(troubleshooting-ecs) has the messages. One that fails without an answer is waited for.
"""
import base64
import contextvars
import os
import threading
import time

from ministack.services import lambda_svc as L
from perch_local import clock
from perch_local.codedeploy import inputs, role, store
from perch_local.codedeploy.errors import Failed, Refused
from perch_local.scope import log

STARTS_WITHIN, ANSWERS_WITHIN, AGAIN = 300, 3600, 1
NO_ANSWER = ("The deployment timed out while waiting for a status callback. CodeDeploy expects a status callback within one hour "
             "after a deployment hook is invoked.")
FAILED = "The deployment failed because one or more of the lifecycle event validation functions failed."


_invoking = contextvars.ContextVar("perch_hook", default=None)


class Execution:
    """One hook that a deployment waits for."""

    def __init__(self, deployment, event, function):
        self.id = base64.b64encode(os.urandom(48)).decode()
        self.deployment, self.event, self.function = deployment, event, function
        self.status, self.open, self.began = None, True, False

    def begin(self):
        """The function runs."""
        with self.deployment.changed:
            self.began = True
            self.deployment.changed.notify_all()


def run(deployment, event):
    """Run the hook of an event, if it has one; Failed when it fails or does not answer in time."""
    function = deployment.spec.hooks.get(event.name)
    if not function:
        return
    name, qualifier = _called(deployment, function)
    execution = Execution(deployment, event, function)
    store.hooks[execution.id] = execution
    _start(execution, name, qualifier)
    try:
        if not deployment.pause(clock.seconds(STARTS_WITHIN), lambda: execution.began or execution.status):
            raise _failed(execution, "ScriptTimedOut", f"The function {function} did not start within 5 minutes", NO_ANSWER)
        if not deployment.pause(clock.seconds(ANSWERS_WITHIN), lambda: execution.status):
            raise _failed(execution, "ScriptTimedOut", f"The function {function} did not answer within an hour", NO_ANSWER)
        if execution.status == "Failed":
            raise _failed(execution, "ScriptFailed", f"The function {function} answered Failed")
        event.diagnostics = {"errorCode": "Success", "scriptName": function, "message": "Succeeded", "logTail": ""}
    finally:
        execution.open = False


def _called(deployment, function):
    """(name, qualifier) of a hook that exists and that the role may invoke."""
    name, qualifier = L._lambda_function_name_and_qualifier_from_arn(function) if function.startswith("arn:") else (
        function.split(":")[0], function.partition(":")[2] or None)
    if not L._function_qualifier_exists(L._functions.get(name), qualifier):
        raise Failed("HOOK_EXECUTION_FAILURE", f"{FAILED} Function not found: {function}")
    role.need(deployment, "lambda:InvokeFunction", L._func_arn(name) + (f":{qualifier}" if qualifier else ""))
    return name, qualifier


def _failed(execution, code, message, why=FAILED):
    execution.event.diagnostics = {"errorCode": code, "scriptName": execution.function, "message": message, "logTail": ""}
    return Failed("HOOK_EXECUTION_FAILURE", why)


def _start(execution, name, qualifier):
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_invoke, execution, name, qualifier), daemon=True, name=f"hook-{name}").start()


def _invoke(execution, name, qualifier):
    _invoking.set(execution)
    payload = {"DeploymentId": execution.deployment.id, "LifecycleEventHookExecutionId": execution.id}
    while execution.open:
        record, config = L._get_func_record_for_qualifier(name, qualifier)
        if not record:
            return log.warning("the hook %s is gone", execution.function)
        result = L._execute_function(L._execution_record_for_config(record, config), payload)
        if not result.get("throttle"):
            if result.get("error"):
                log.warning("the hook %s of %s failed: %s", execution.function, execution.deployment.id, result.get("body"))
            return None
        time.sleep(clock.seconds(AGAIN))
    return None


def put_status(data):
    """PutLifecycleEventHookExecutionStatus: once per execution, Succeeded or Failed."""
    deployment = store.deployment(inputs.deployment_id(data))
    execution = store.hooks.get(data.get("lifecycleEventHookExecutionId"))
    if execution is None or execution.deployment is not deployment:
        raise Refused("InvalidLifecycleEventHookExecutionId", "The lifecycle event hook execution is not one of this deployment")
    if data.get("status") not in ("Succeeded", "Failed"):
        raise Refused("InvalidLifecycleEventHookExecutionStatus", f"The status must be Succeeded or Failed: {data.get('status')}")
    with deployment.changed:
        if execution.status or not execution.open:
            raise Refused("LifecycleEventAlreadyCompleted", f"The lifecycle event {execution.event.name} is completed already")
        execution.status, execution.began = data["status"], True
        deployment.changed.notify_all()
    return {"lifecycleEventHookExecutionId": execution.id}


def install():
    """Notice when a hook function begins; a throttled one does not."""
    dispatch = L._execute_function_dispatch

    def begun(*args):
        if _invoking.get():
            _invoking.get().begin()
        return dispatch(*args)

    L._execute_function_dispatch = begun
