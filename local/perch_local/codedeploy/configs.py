"""Deployment configurations: the 14 predefined ones of Lambda and ECS, and custom ones."""
import uuid

from perch_local.codedeploy import inputs, store, timeline
from perch_local.codedeploy.errors import Refused

BUILT_IN = "CodeDeployDefault."


def create(data):
    """CreateDeploymentConfig for Lambda or ECS."""
    name, platform = inputs.name(data, "deploymentConfigName", "DeploymentConfig"), data.get("computePlatform") or "Server"
    if name.startswith(BUILT_IN):
        raise Refused("InvalidDeploymentConfigName", f"Names that begin with {BUILT_IN} are reserved")
    if name in store.configs:
        raise Refused("DeploymentConfigAlreadyExists", f"Deployment configuration already exists for name: {name}")
    if platform not in ("Lambda", "ECS"):
        raise Refused("InvalidComputePlatform", f"This stack has Lambda and ECS: {platform}")
    if data.get("minimumHealthyHosts"):
        raise Refused("InvalidMinimumHealthyHostValue", "minimumHealthyHosts belongs to the Server platform")
    try:
        config = timeline.from_routing(name, platform, data.get("trafficRoutingConfig") or {})
    except ValueError as wrong:
        raise Refused("InvalidTrafficRoutingConfiguration", str(wrong)) from wrong
    if config.problem():
        raise Refused("InvalidTrafficRoutingConfiguration", config.problem())
    store.configs[name] = (config, store.new_id(), store.now())
    return {"deploymentConfigId": store.configs[name][1]}


def get(data):
    """GetDeploymentConfig."""
    name = inputs.name(data, "deploymentConfigName", "DeploymentConfig")
    config = store.config(name)
    _, identity, created = store.configs.get(name) or (config, str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), 1511500000.0)
    return {"deploymentConfigInfo": {"deploymentConfigId": identity, "deploymentConfigName": name, "createTime": created,
                                     "computePlatform": config.platform, "trafficRoutingConfig": config.routing()}}


def list_names(data):
    """ListDeploymentConfigs: the predefined ones and the account's own."""
    return inputs.paged("deploymentConfigsList", [*timeline.PREDEFINED, *store.configs], data.get("nextToken"))


def delete(data):
    """DeleteDeploymentConfig, unless it is predefined or a group uses it."""
    name = inputs.name(data, "deploymentConfigName", "DeploymentConfig")
    if name.startswith(BUILT_IN):
        raise Refused("InvalidOperation", f"{name} is predefined and can't be deleted")
    users = [group for (_, group), info in store.groups.items() if info["deploymentConfigName"] == name]
    if users:
        raise Refused("DeploymentConfigInUse", f"{name} is used by {', '.join(users)}")
    store.configs.pop(name, None)
    return {}
