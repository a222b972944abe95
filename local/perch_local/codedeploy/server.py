"""The protocol: JSON 1.1, target prefix CodeDeploy_20141006; one function per operation.

AWS: CodeDeploy API Reference.
"""
import asyncio
import json

from ministack import app
from ministack.core import router
from ministack.core.responses import error_response_json, json_response
from perch_local.codedeploy import applications, configs, deployments, groups, hooks, iam, store, targets
from perch_local.codedeploy.errors import Refused

PREFIX = "CodeDeploy_20141006"
OPERATIONS = {
    "CreateApplication": applications.create, "GetApplication": applications.get, "BatchGetApplications": applications.batch_get,
    "ListApplications": applications.list_names, "UpdateApplication": applications.update, "DeleteApplication": applications.delete,
    "TagResource": applications.tag, "UntagResource": applications.untag, "ListTagsForResource": applications.list_tags,
    "CreateDeploymentConfig": configs.create, "GetDeploymentConfig": configs.get, "ListDeploymentConfigs": configs.list_names,
    "DeleteDeploymentConfig": configs.delete,
    "CreateDeploymentGroup": groups.create, "GetDeploymentGroup": groups.get, "BatchGetDeploymentGroups": groups.batch_get,
    "ListDeploymentGroups": groups.list_names, "UpdateDeploymentGroup": groups.update, "DeleteDeploymentGroup": groups.delete,
    "CreateDeployment": deployments.create, "GetDeployment": deployments.get, "BatchGetDeployments": deployments.batch_get,
    "ListDeployments": deployments.list_ids, "StopDeployment": deployments.stop, "ContinueDeployment": deployments.go_on,
    "ListDeploymentTargets": targets.list_ids, "GetDeploymentTarget": targets.get, "BatchGetDeploymentTargets": targets.batch_get,
    "PutLifecycleEventHookExecutionStatus": hooks.put_status,
}


def answer(operation, body, headers, query):
    """The response to one call."""
    if operation not in OPERATIONS:
        return error_response_json("UnknownOperationException", f"{operation} is not available on this stack", 400)
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return error_response_json("SerializationException", "The body is not JSON", 400)
    if operation == "CreateDeployment" and (denied := iam.denial(headers, query, data)):
        return denied
    try:
        return json_response(OPERATIONS[operation](data))
    except Refused as wrong:
        return error_response_json(wrong.code, str(wrong), 400)


async def handle(method, path, headers, body, query):
    """Off the event loop: a call may wait for a deployment's lock."""
    operation = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    return await asyncio.to_thread(answer, operation, body, headers, query)


def install():
    """Add the service to the running ministack."""
    router.SERVICE_PATTERNS["codedeploy"] = {"target_prefixes": [PREFIX], "host_patterns": [r"codedeploy\."],
                                             "credential_scope": "codedeploy"}
    app.SERVICE_HANDLERS["codedeploy"] = handle
    reset = app._reset_all_state

    def reset_all():
        store.reset()
        reset()

    app._reset_all_state = reset_all
