"""The calls that create, change, describe and delete services.

AWS: ECS API Reference, CreateService, UpdateService, DescribeServices, DeleteService; Developer Guide, "Amazon ECS service
deployment controllers and strategies": with the controller ECS a change of what runs is a service deployment; with
CODE_DEPLOY and EXTERNAL it is refused here and done with task sets.
"""
import json

from ministack.core.responses import json_response
from ministack.services import ecs as E
from perch_local.ecs import balancing, names, sets, strategy
from perch_local.ecs.names import ApiError
from perch_local.ecs.service import make, of, refresh

# A change of one of these is a deployment.
_WHAT_RUNS = ("taskDefinition", "networkConfiguration", "platformVersion", "loadBalancers", "capacityProviderStrategy", "serviceRegistries")
_SETTINGS = ("healthCheckGracePeriodSeconds", "enableExecuteCommand", "propagateTags", "enableECSManagedTags")
_TOOL = {"CODE_DEPLOY": "Use AWS CodeDeploy to trigger a new deployment.", "EXTERNAL": "Use task sets."}
_NAMES = {"taskDefinition": "task definition", "loadBalancers": "load balancers", "networkConfiguration": "network parameters",
          "platformVersion": "platform version", "forceNewDeployment": "force new deployment"}


def view(key):
    """The response that shows a service."""
    return json_response({"service": E._sanitize(refresh(key))})


def _normal(config):
    try:
        return strategy.normal(config)
    except strategy.Refused as wrong:
        raise ApiError("InvalidParameterException", str(wrong)) from wrong


def create(original):
    """CreateService."""
    @names.answered
    def call(data):
        cluster, name = E._resolve_cluster_name(data.get("cluster") or "default"), data.get("serviceName")
        key = f"{cluster}/{name}"
        if key in E._services and refresh(key)["status"] == "DRAINING":
            raise ApiError("InvalidParameterException", "Unable to Start a service that is still Draining.")
        kind = (data.get("deploymentController") or {}).get("type", "ECS")
        config = _normal(data.get("deploymentConfiguration")) if kind == "ECS" else data.get("deploymentConfiguration") or {}
        if kind != "EXTERNAL":
            data = dict(data, taskDefinition=names.task_definition(data.get("taskDefinition", "")))
        balancing.check(config, data.get("loadBalancers") or [], data)
        response = original(dict(data, deploymentConfiguration=config))
        if response[0] >= 400:
            return response
        key = names.key_of(json.loads(response[2])["service"]["serviceArn"])
        record = E._services[key]
        if kind == "ECS":
            make(key)
        elif kind == "CODE_DEPLOY":
            sets.make_primary(key, sets.add(record, record["taskDefinition"], record["loadBalancers"]))
        return view(key)
    return call


@names.answered
def update(data):
    """UpdateService."""
    key = names.service_key(data)
    record, service = E._services[key], of(key)
    if record["status"] != "ACTIVE":
        raise ApiError("ServiceNotActiveException", "Service was not ACTIVE.")
    kind = (record.get("deploymentController") or {}).get("type", "ECS")
    if kind != ((data.get("deploymentController") or {}).get("type") or kind):
        raise ApiError("UnsupportedFeatureException", "this stack does not change the deployment controller of a service")
    changes = {name: data[name] for name in _WHAT_RUNS if data.get(name) is not None}
    if changes.get("taskDefinition"):
        changes["taskDefinition"] = names.task_definition(changes["taskDefinition"])
    if kind != "ECS":
        for name in [*changes, *(["forceNewDeployment"] if data.get("forceNewDeployment") else [])]:
            raise ApiError("InvalidParameterException", f"Unable to update {_NAMES.get(name, name)} on services with a {kind} "
                           f"deployment controller. {_TOOL[kind]}")
    config = record["deploymentConfiguration"]
    if data.get("deploymentConfiguration") is not None:
        merged = {**config, **data["deploymentConfiguration"]}
        wanted = merged.get("strategy", "ROLLING")
        kept = {k: v for k, v in merged.items() if k in data["deploymentConfiguration"] or strategy.PARTS.get(k, (wanted,))[0] == wanted}
        config = _normal(kept) if kind == "ECS" else merged
    if kind == "ECS":
        balancing.check(config, changes.get("loadBalancers", record["loadBalancers"]), {**record, **changes}, first=False)
    changes = {name: value for name, value in changes.items() if record.get(name) != value}
    record.update(changes, deploymentConfiguration=config, **{n: data[n] for n in _SETTINGS if data.get(n) is not None})
    if data.get("desiredCount") is not None:
        record["desiredCount"] = data["desiredCount"]
        for one in sets.of(key):
            one.rescale()
        if service:
            service.rescale()
    if service and (changes or data.get("forceNewDeployment")):
        service.deploy()
    return view(key)


@names.answered
def delete(data):
    """DeleteService: its tasks drain, then it is INACTIVE."""
    key = names.service_key(data)
    record, service = E._services[key], of(key)
    if record["desiredCount"] and not data.get("force"):
        raise ApiError("InvalidParameterException", "The service cannot be stopped while it is scaled above 0.")
    record.update(status="DRAINING", desiredCount=0)
    if service:
        for made in service.deployments:
            made.replaced_by = made.replaced_by or made
            made.target.fleet.desired = 0
    for one in sets.of(key):
        sets.drain(one)
    return view(key)


def describe(original):
    """DescribeServices, of records that are up to date."""
    def call(data):
        for key in list(E._services):
            refresh(key)
        return original(data)
    return call


def install():
    """Patch the calls on services of the running ministack."""
    E._reconcile_service_tasks = lambda cluster_name, svc_key: None
    calls = {"CreateService": create(E._create_service), "UpdateService": update, "DeleteService": delete,
             "DescribeServices": describe(E._describe_services)}
    E._ACTION_MAP.update(calls)
    E._create_service, E._update_service = calls["CreateService"], calls["UpdateService"]
    E._delete_service, E._describe_services = calls["DeleteService"], calls["DescribeServices"]
