"""The calls on service deployments.

AWS: ECS API Reference, ListServiceDeployments (status, createdAt; newest first; pages of 20, at most 100),
DescribeServiceDeployments (at most 20 ARNs), StopServiceDeployment (ROLLBACK; ConflictException when it is over),
ContinueServiceDeployment (CONTINUE or ROLLBACK of a pause hook).
"""
from ministack.core.responses import json_response
from ministack.services import ecs as E
from perch_local.ecs import names, revisions, service as running, sets
from perch_local.ecs.names import ApiError

MOST_AT_ONCE, PAGE, LONGEST_PAGE = 20, 20, 100
_BRIEF = ("serviceDeploymentArn", "serviceArn", "clusterArn", "startedAt", "createdAt", "finishedAt", "status", "statusReason")


def _find(arn):
    for service in running.every():
        for made in service.deployments:
            if made.arn == arn:
                return made
    return None


def _known(arn):
    made = _find(arn)
    if made is None:
        raise ApiError("ServiceDeploymentNotFoundException", "The service deploy ARN that you specified in the StopServiceDeployment "
                       "doesn't exist.")
    return made


def list_service_deployments(data):
    """ListServiceDeployments."""
    service = running.of(names.service_key(data))
    statuses, between = data.get("status") or [], data.get("createdAt") or {}
    size, start = int(data.get("maxResults") or PAGE), int(data.get("nextToken") or 0)
    if not 1 <= size <= LONGEST_PAGE:
        raise ApiError("InvalidParameterException", f"maxResults must be between 1 and {LONGEST_PAGE}.")
    rows = [made for made in reversed(service.deployments if service else []) if not statuses or made.status in statuses]
    after, before = float(between.get("after") or 0), float(between.get("before") or "inf")
    rows = [made for made in rows if after < made.created < before]
    brief = [{**{k: v for k, v in made.describe().items() if k in _BRIEF}, "targetServiceRevisionArn": made.target.arn}
             for made in rows[start:start + size]]
    more = {"nextToken": str(start + size)} if len(rows) > start + size else {}
    return json_response({"serviceDeployments": E._sanitize(brief), **more})


def describe_service_deployments(data):
    """DescribeServiceDeployments."""
    arns = data.get("serviceDeploymentArns") or []
    if not 1 <= len(arns) <= MOST_AT_ONCE:
        raise ApiError("InvalidParameterException", f"serviceDeploymentArns must have between 1 and {MOST_AT_ONCE} items.")
    found = {arn: _find(arn) for arn in arns}
    return json_response({"serviceDeployments": [E._sanitize(made.describe()) for made in found.values() if made],
                          "failures": [{"arn": arn, "reason": "MISSING"} for arn, made in found.items() if not made]})


def stop_service_deployment(data):
    """StopServiceDeployment."""
    made = _known(data.get("serviceDeploymentArn", ""))
    if data.get("stopType", "ROLLBACK") != "ROLLBACK":
        raise ApiError("InvalidParameterException", "stopType must be ROLLBACK.")
    if made.status not in ("PENDING", "IN_PROGRESS"):
        raise ApiError("ConflictException", f"The service deployment is {made.status} and can't be stopped.")
    made.move("ROLLBACK_REQUESTED", "Service deployment rolled back because of StopServiceDeployment.")
    made.wish = made.reason
    return json_response({"serviceDeploymentArn": made.arn})


def continue_service_deployment(data):
    """ContinueServiceDeployment."""
    made, action = _known(data.get("serviceDeploymentArn", "")), data.get("action", "CONTINUE")
    hook = next((one for one in made.hooks if one.detail["hookId"] == data.get("hookId")), None)
    if action not in ("CONTINUE", "ROLLBACK"):
        raise ApiError("InvalidParameterException", "action must be CONTINUE or ROLLBACK.")
    if hook is None or hook.detail["status"] != "AWAITING_ACTION" or made.status != "IN_PROGRESS":
        raise ApiError("InvalidParameterException", "The hook is not awaiting an action.")
    if action == "CONTINUE":
        hook.settle("SUCCEEDED", "SUCCEEDED")
    else:
        hook.settle("FAILED", f"Lifecycle hook at {hook.stage} was rolled back by ContinueServiceDeployment.")
    return json_response({"serviceDeploymentArn": made.arn})


CALLS = {"ListServiceDeployments": list_service_deployments, "DescribeServiceDeployments": describe_service_deployments,
         "StopServiceDeployment": stop_service_deployment, "ContinueServiceDeployment": continue_service_deployment}


def install():
    """Patch the calls of the running ministack."""
    for name, call in {**CALLS, **revisions.CALLS, **sets.CALLS}.items():
        E._ACTION_MAP[name] = names.answered(call)
