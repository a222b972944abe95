"""Deployment groups of Lambda and ECS applications: Create, Get, BatchGet, List, Update, Delete.

AWS: CodeDeploy API Reference, CreateDeploymentGroup and its exceptions; User Guide, "Create a deployment group for an
Amazon ECS deployment" (deployment-groups-create-ecs): one service, one pair of target groups, at most one listener per
route; an ECS service belongs to one group.
"""
from perch_local.codedeploy import applications, inputs, store
from perch_local.codedeploy.errors import Refused

_STYLE = {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}
_KEPT = ("triggerConfigurations", "outdatedInstancesStrategy")
MOST_TERMINATION_WAIT = 2880


def create(data):
    """CreateDeploymentGroup."""
    application = store.application(inputs.application_name(data))
    name = inputs.name(data, "deploymentGroupName", "DeploymentGroup")
    key = (application["applicationName"], name)
    if key in store.groups:
        raise Refused("DeploymentGroupAlreadyExists", f"Deployment group already exists for name: {name}")
    if not data.get("serviceRoleArn"):
        raise Refused("RoleRequired", "serviceRoleArn is missing")
    platform = application["computePlatform"]
    group = {"applicationName": key[0], "deploymentGroupName": name, "deploymentGroupId": store.new_id(), "computePlatform": platform,
             "deploymentConfigName": f"CodeDeployDefault.{platform}AllAtOnce", "terminationHookEnabled": False,
             "alarmConfiguration": inputs.alarms(None), "autoRollbackConfiguration": inputs.auto_rollback(None)}
    group.update(_settings(data, group))
    _complete(group)
    store.groups[key] = group
    applications.tag({"ResourceArn": store.arn("deploymentgroup", "/".join(key)), "Tags": data.get("tags") or []})
    return {"deploymentGroupId": group["deploymentGroupId"]}


def update(data):
    """UpdateDeploymentGroup: what is given replaces what is kept."""
    application = inputs.application_name(data)
    old = inputs.name(data, "currentDeploymentGroupName", "DeploymentGroup")
    group = store.group(application, old)
    new = data.get("newDeploymentGroupName") or old
    if new != old:
        inputs.name(data, "newDeploymentGroupName", "DeploymentGroup")
        if (application, new) in store.groups:
            raise Refused("DeploymentGroupAlreadyExists", f"Deployment group already exists for name: {new}")
    changed = {**group, "deploymentGroupName": new, **_settings(data, group)}
    _complete(changed)
    with store.lock:
        if new != old:
            store.groups.pop((application, old))
            if (application, old) in store.active:
                store.active[application, new] = store.active.pop((application, old))
        store.groups[application, new] = changed
    return {"hooksNotCleanedUp": []}


def get(data):
    """GetDeploymentGroup."""
    return {"deploymentGroupInfo": _of(data)}


def batch_get(data):
    """BatchGetDeploymentGroups; names without a group are in errorMessage."""
    application, names = inputs.application_name(data), data.get("deploymentGroupNames")
    store.application(application)
    found, missing = [], []
    for name in inputs.batch(names, "DeploymentGroupNameRequired"):
        (found if (application, name) in store.groups else missing).append(name)
    message = {"errorMessage": f"No Deployment Group found for: {', '.join(missing)}"} if missing else {}
    return {"deploymentGroupsInfo": [store.groups[application, name] for name in found], **message}


def list_names(data):
    """ListDeploymentGroups."""
    application = inputs.application_name(data)
    store.application(application)
    names = [name for owner, name in store.groups if owner == application]
    return inputs.paged("deploymentGroups", names, data.get("nextToken"), applicationName=application)


def delete(data):
    """DeleteDeploymentGroup; one that does not exist is no error."""
    key = inputs.application_name(data), inputs.name(data, "deploymentGroupName", "DeploymentGroup")
    store.groups.pop(key, None)
    store.tags.pop(store.arn("deploymentgroup", "/".join(key)), None)
    return {"hooksNotCleanedUp": []}


def _of(data):
    return store.group(inputs.application_name(data), inputs.name(data, "deploymentGroupName", "DeploymentGroup"))


def _settings(data, group):
    """The members of a call that change a group, checked."""
    platform, out = group["computePlatform"], {key: data[key] for key in _KEPT if data.get(key) is not None}
    if platform == "Server":
        raise Refused("InvalidInput", "This stack deploys to Lambda and ECS; Server has no deployment groups here")
    if data.get("deploymentConfigName"):
        out["deploymentConfigName"] = config_for(data, platform).name
    if "serviceRoleArn" in data:
        if not str(data["serviceRoleArn"]).startswith("arn:aws:iam::"):
            raise Refused("InvalidRole", f"The service role is not valid: {data['serviceRoleArn']}")
        out["serviceRoleArn"] = data["serviceRoleArn"]
    if data.get("deploymentStyle"):
        out["deploymentStyle"] = data["deploymentStyle"]
    if data.get("alarmConfiguration") is not None:
        out["alarmConfiguration"] = inputs.alarms(data["alarmConfiguration"])
    if data.get("autoRollbackConfiguration") is not None:
        out["autoRollbackConfiguration"] = inputs.auto_rollback(data["autoRollbackConfiguration"])
    if platform == "ECS":
        out.update({key: data[key] for key in ("ecsServices", "loadBalancerInfo", "blueGreenDeploymentConfiguration") if data.get(key)})
    return out


def config_for(data, platform):
    """The configuration that a call names; it has to be of the platform."""
    config = store.config(inputs.name(data, "deploymentConfigName", "DeploymentConfig"))
    if config.platform != platform:
        raise Refused("InvalidDeploymentConfigName", f"{config.name} is for {config.platform}, the application is {platform}")
    return config


def _complete(group):
    if group.get("deploymentStyle") != _STYLE:
        raise Refused("InvalidDeploymentStyle",
                      f"{group['computePlatform']} deployments are BLUE_GREEN and WITH_TRAFFIC_CONTROL")
    if group["computePlatform"] == "ECS":
        _complete_ecs(group)


def _complete_ecs(group):
    services = group.get("ecsServices") or []
    if len(services) != 1 or not services[0].get("serviceName"):
        raise Refused("InvalidECSService", "A deployment group has exactly one ECS service")
    services[0].setdefault("clusterName", "default")
    key = (group["applicationName"], group["deploymentGroupName"])
    for other, info in store.groups.items():
        if other != key and info["deploymentGroupId"] != group["deploymentGroupId"] and info.get("ecsServices") == services:
            raise Refused("ECSServiceMappingLimitExceeded", f"The service is in the deployment group {other[1]} already")
    pairs = (group.get("loadBalancerInfo") or {}).get("targetGroupPairInfoList") or []
    if len(pairs) != 1:
        raise Refused("InvalidLoadBalancerInfo", "An ECS deployment group needs exactly one pair of target groups")
    names = [target.get("name") for target in pairs[0].get("targetGroups") or []]
    routes = [(pairs[0].get(route) or {}).get("listenerArns") or [] for route in ("prodTrafficRoute", "testTrafficRoute")]
    if len(set(names)) != 2 or not all(names) or len(routes[0]) != 1 or len(routes[1]) > 1:
        raise Refused("InvalidTargetGroupPair", "A pair has two target groups, one production listener and at most one test listener")
    blue_green = group.get("blueGreenDeploymentConfiguration") or {}
    end, ready = (blue_green.get(key) for key in ("terminateBlueInstancesOnDeploymentSuccess", "deploymentReadyOption"))
    if not end or end.get("action") not in ("TERMINATE", "KEEP_ALIVE") or not ready or ready.get("actionOnTimeout") not in (
            "CONTINUE_DEPLOYMENT", "STOP_DEPLOYMENT"):
        raise Refused("InvalidBlueGreenDeploymentConfiguration",
                      "terminateBlueInstancesOnDeploymentSuccess and deploymentReadyOption are needed, each with its action")
    if not 0 <= end.get("terminationWaitTimeInMinutes", 0) <= MOST_TERMINATION_WAIT:
        raise Refused("InvalidBlueGreenDeploymentConfiguration",
                      f"terminationWaitTimeInMinutes is between 0 and {MOST_TERMINATION_WAIT}")
