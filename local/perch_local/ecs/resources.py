"""Services and task definitions of a template: every property, and a stack that waits for the deployment.

AWS: CloudFormation Template Reference, AWS::ECS::Service (Ref is the ARN; GetAtt Name and ServiceArn; a stack waits until
the service is stable, and fails when its deployment was rolled back), AWS::ECS::TaskDefinition. ministack drops
DeploymentController, HealthCheckGracePeriodSeconds, ServiceRegistries and more.
"""
import json
import time

from ministack.services import ecs as E
from ministack.services.cloudformation import provisioners as P, stacks
from perch_local.ecs import deployments, names, service as running, sets
from perch_local.ecs.typed import typed

WAIT = 3600.0               # real seconds a stack waits for a service
_LOOK_EVERY = 0.05
_VERBATIM = ("Options", "DockerLabels", "HookDetails")       # their keys are the user's
# Properties of a task definition that ministack leaves out.
_KEPT = ("EphemeralStorage", "RuntimePlatform", "ProxyConfiguration", "InferenceAccelerators", "EnableFaultInjection")
_REPLACES = ("ServiceName", "Cluster", "LaunchType", "SchedulingStrategy", "Role")


def camel(value):
    """A property as the API names it; keys that a user has chosen stay."""
    if isinstance(value, list):
        return [camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, one in value.items():
        plain = json.loads(one) if key == "HookDetails" and isinstance(one, str) else one
        out[key[:1].lower() + key[1:]] = plain if key in _VERBATIM else camel(one)
    return out


def _request(logical_id, props, stack_name):
    request = camel({k: v for k, v in props.items() if k not in ("Tags", "Role")})
    request.setdefault("serviceName", f"{stack_name}-{logical_id}")
    request.setdefault("desiredCount", 1)
    request["tags"] = camel(props.get("Tags") or [])
    return typed("CreateService", request)


def _checked(response, verb):
    status, _, body = response
    if status >= 400:
        raise ValueError(f"AWS::ECS::Service {verb} failed: {json.loads(body).get('message')}")
    return json.loads(body)["service"]["serviceArn"]


def _wait(arn):
    """Until the deployment is over and the tasks are stable; raises when it was rolled back."""
    key, ends = names.key_of(arn), time.monotonic() + WAIT
    service = running.of(key)
    made = service.deployments[-1] if service and service.deployments else None
    while time.monotonic() < ends:
        if made and made.status not in deployments.OPEN:
            if made.status != "SUCCESSFUL":
                raise ValueError(f"AWS::ECS::Service: the deployment is {made.status}: {made.reason}")
            return
        if not made and all(one.fleet.stable() for one in sets.of(key)):
            return
        time.sleep(_LOOK_EVERY)
    raise ValueError("AWS::ECS::Service: the service did not become stable")


def create(logical_id, props, stack_name):
    """Create the service and wait for it."""
    arn = _checked(E._create_service(_request(logical_id, props, stack_name)), "create")
    _wait(arn)
    return arn, {"ServiceArn": arn, "Name": arn.rsplit("/", 1)[-1]}


def update(physical_id, old_props, new_props, stack_name, logical_id=None):
    """Change the service and wait for its deployment; some properties replace it."""
    if any(old_props.get(name) != new_props.get(name) for name in _REPLACES):
        made = create(logical_id or physical_id, new_props, stack_name)
        delete(physical_id, old_props)
        return made
    changed = typed("UpdateService", camel({k: v for k, v in new_props.items() if old_props.get(k) != v and k != "Tags"}))
    cluster, name = names.key_of(physical_id).split("/")
    _checked(E._update_service({**changed, "cluster": cluster, "service": name}), "update")
    _wait(physical_id)
    return physical_id, {"ServiceArn": physical_id, "Name": name}


def delete(physical_id, props):
    """Delete the service and wait until its tasks are gone."""
    cluster, name = names.key_of(physical_id).split("/")
    key, ends = f"{cluster}/{name}", time.monotonic() + WAIT
    if key not in E._services or E._services[key]["status"] == "INACTIVE":
        return
    E._delete_service({"cluster": cluster, "service": name, "force": True})
    while running.refresh(key)["status"] != "INACTIVE" and time.monotonic() < ends:
        time.sleep(_LOOK_EVERY)


def _complete(arn, props):
    td = E._task_defs[E._resolve_td_key(arn)]
    td.update(camel({k: props[k] for k in _KEPT if k in props}), volumes=camel(props.get("Volumes") or []))
    if "FARGATE" in (props.get("RequiresCompatibilities") or []):
        td["networkMode"] = props.get("NetworkMode", "awsvpc")
    for container in td["containerDefinitions"]:
        container.setdefault("essential", True)
        container.setdefault("cpu", 0)
        for mapping in container.get("portMappings") or []:
            mapping.update({k: int(mapping[k]) for k in ("containerPort", "hostPort") if k in mapping})


def _task_definition(handler):
    def call(*args):
        arn, attributes = handler(*args)
        props = next(a for a in reversed(args) if isinstance(a, dict))
        _complete(arn, props)
        return arn, attributes
    return call


def _register(original):
    """RegisterTaskDefinition keeps every member that it was given."""
    def call(data):
        response = original(data)
        if response[0] < 400:
            td = E._task_defs[E._resolve_td_key(json.loads(response[2])["taskDefinition"]["taskDefinitionArn"])]
            more = {k: v for k, v in data.items() if k not in td and k != "tags"}
            td.update(more)
            body = json.loads(response[2])
            body["taskDefinition"].update(more)
            response = E.json_response(body)
        return response
    return call


def install():
    """Patch the resource handlers of the running ministack."""
    P._normalize_container_defs = camel
    P._RESOURCE_HANDLERS["AWS::ECS::Service"] = {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}
    handlers = P._RESOURCE_HANDLERS["AWS::ECS::TaskDefinition"]
    handlers.update(create=_task_definition(handlers["create"]), update=_task_definition(handlers["update"]))
    # A stack waits for a service, whose hooks call this server.
    blocks = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda resource_type: resource_type == "AWS::ECS::Service" or blocks(resource_type)
    E._ACTION_MAP["RegisterTaskDefinition"] = E._register_task_definition = _register(E._register_task_definition)
