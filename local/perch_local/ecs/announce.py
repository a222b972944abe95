"""Events of service deployments and of their hooks, on the default bus.

AWS: ECS Developer Guide, "Amazon ECS service deployment state change events" (ecs_service_deployment_events) and
"service deployment hook state change events" (ecs_hook_state_change_events), with their samples. A deployment is named
by `ecs-svc/` and the number of its service revision.
"""
import time
from datetime import datetime, timezone

from perch_local import events

_ERRORS = ("SERVICE_DEPLOYMENT_FAILED", "HOOK_FAILED", "HOOK_TIMED_OUT")


def stamp(at=None):
    """A time as these events write it."""
    return datetime.fromtimestamp(time.time() if at is None else at, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def deployment(service_arn, deployment_id, name, reason):
    """SERVICE_DEPLOYMENT_IN_PROGRESS, _COMPLETED or _FAILED."""
    events.emit("aws.ecs", "ECS Deployment State Change", {
        "eventType": "ERROR" if name in _ERRORS else "INFO", "eventName": name, "deploymentId": deployment_id,
        "updatedAt": stamp(), "reason": reason}, [service_arn])


def hook(service_arn, cluster_arn, deployment_arn, stage, detail):
    """HOOK_IN_PROGRESS, _AWAITING_ACTION, _SUCCEEDED, _FAILED or _TIMED_OUT."""
    name = "HOOK_" + detail["status"]
    events.emit("aws.ecs", "ECS Hook State Change", {
        "eventType": "ERROR" if name in _ERRORS else "INFO", "eventName": name, "hookId": detail["hookId"],
        "hookType": detail["targetType"], "expiresAt": stamp(detail["expiresAt"]), "lifecycleStage": stage,
        "clusterArn": cluster_arn, "serviceArn": service_arn, "serviceDeploymentArn": deployment_arn, "updatedAt": stamp()},
        [deployment_arn])
