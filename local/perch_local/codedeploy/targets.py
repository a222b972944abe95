"""The one target of a deployment, an alias or an ECS service: List, Get, BatchGet."""
from perch_local.codedeploy import inputs, store
from perch_local.codedeploy.errors import Refused

_TARGET_STATUS = {"Created": "Pending", "Queued": "Pending", "Ready": "Ready", "Succeeded": "Succeeded", "Failed": "Failed", "Stopped": "Failed"}


def list_ids(data):
    """ListDeploymentTargets."""
    deployment = store.deployment(inputs.deployment_id(data))
    filters = data.get("targetFilters") or {}
    if set(filters) - {"TargetStatus", "ServerInstanceLabel"}:
        raise Refused("InvalidTargetFilterName", f"Unknown filter in {sorted(filters)}")
    shown = status(deployment) in filters.get("TargetStatus", [status(deployment)])
    return {"targetIds": [deployment.target.id] if shown else []}


def get(data):
    """GetDeploymentTarget."""
    deployment = store.deployment(inputs.deployment_id(data))
    return {"deploymentTarget": _of(deployment, data.get("targetId"))}


def batch_get(data):
    """BatchGetDeploymentTargets; a Lambda or ECS deployment has exactly one."""
    deployment, ids = store.deployment(inputs.deployment_id(data)), data.get("targetIds") or []
    if len(ids) > 1:
        raise Refused("DeploymentTargetListSizeExceeded", "A Lambda or ECS deployment has exactly one target")
    return {"deploymentTargets": [_of(deployment, ids[0] if ids else None)]}


def status(deployment):
    """The status of the target."""
    return _TARGET_STATUS.get(deployment.status, "InProgress")


def _of(deployment, target_id):
    if not target_id:
        raise Refused("DeploymentTargetIdRequired", "targetId is missing")
    target = deployment.target
    if target_id != target.id:
        raise Refused("DeploymentTargetDoesNotExist", f"The target {target_id} does not belong to the deployment {deployment.id}")
    own, arn = target.info()
    times = [at for event in deployment.events for at in (event.start, event.end) if at]
    shared = {"deploymentId": deployment.id, "targetId": target.id, "targetArn": arn, "status": status(deployment),
              "lastUpdatedAt": max(times, default=deployment.created), "lifecycleEvents": [event.info() for event in deployment.events]}
    name = {"lambda": "lambdaTarget", "ecs": "ecsTarget"}[target.kind]
    return {"deploymentTargetType": {"lambda": "LambdaTarget", "ecs": "ECSTarget"}[target.kind], name: {**shared, **own}}
