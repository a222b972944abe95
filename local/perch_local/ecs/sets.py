"""Task sets of services whose deployments somebody else runs: CodeDeploy, or an external controller.

AWS: ECS API Reference, CreateTaskSet, UpdateTaskSet, UpdateServicePrimaryTaskSet, DeleteTaskSet, DescribeTaskSets,
TaskSet (computedDesiredCount is rounded up; stabilityStatus): only services of type EXTERNAL take these calls.
CodeDeploy uses the functions below; they take ARNs and raise `names.ApiError`.
"""
import math
import time

from ministack.core.responses import json_response
from ministack.services import ecs as E
from perch_local.ecs import fleets, names
from perch_local.ecs.names import ApiError

SETTINGS = ("launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration")
_sets = {}                  # service key -> [TaskSet]


class TaskSet:
    """One task set and its fleet."""

    def __init__(self, service, td, load_balancers, scale, settings, started_by=None, external_id=None, tags=()):
        key = names.key_of(service["serviceArn"])
        self.id, self.service, self.load_balancers, self.scale = f"ecs-svc/{names.number()}", service, load_balancers, scale
        self.status, self.settings, self.external_id, self.started_by = "ACTIVE", settings, external_id, started_by
        self.created = self.updated = time.time()
        self.tags, self.client_token = list(tags), None
        self.arn = names.arn("task-set", key, self.id)
        scope = (service["serviceArn"].split(":")[4], service["serviceArn"].split(":")[3])
        groups = [(lb["targetGroupArn"], lb["containerName"], lb["containerPort"]) for lb in load_balancers if lb.get("targetGroupArn")]
        self.fleet = fleets.Fleet(self.id, key, scope, td, settings, groups)
        self.rescale()

    def rescale(self):
        """Bring its number of tasks to its share of the service's."""
        share = 0 if self.status == "DRAINING" else self.scale * self.service["desiredCount"] / 100
        self.fleet.desired = math.ceil(round(share, 6))

    def describe(self):
        """As the API shows it."""
        return {"id": self.id, "taskSetArn": self.arn, "serviceArn": self.service["serviceArn"], "clusterArn": self.service["clusterArn"],
                "startedBy": self.started_by, "externalId": self.external_id, "status": self.status,
                "taskDefinition": self.fleet.task_definition, "computedDesiredCount": self.fleet.desired,
                "pendingCount": self.fleet.count("PENDING"), "runningCount": self.fleet.count("RUNNING"), "createdAt": self.created,
                "updatedAt": self.updated, **self.settings, "loadBalancers": self.load_balancers, "serviceRegistries": [],
                "scale": {"value": float(self.scale), "unit": "PERCENT"},
                "stabilityStatus": "STEADY_STATE" if self.fleet.stable() else "STABILIZING", "stabilityStatusAt": time.time(), "tags": self.tags}


def of(key):
    """The task sets of a service; those that have drained are gone."""
    rows = _sets.setdefault(key, [])
    for one in [s for s in rows if s.status == "DRAINING" and not s.fleet.tasks()]:
        one.fleet.remove()
        rows.remove(one)
    return rows


def add(service, td, load_balancers, scale=100, settings=None, **more):
    """Make a task set of a service."""
    kept = {k: service.get(k) for k in SETTINGS if service.get(k)}
    made = TaskSet(service, td, load_balancers, scale, {**kept, **(settings or {})}, **more)
    of(names.key_of(service["serviceArn"])).append(made)
    return made


def find(key, ref):
    """A task set by id or ARN; raises ApiError."""
    for one in of(key):
        if ref in (one.id, one.arn, one.id.split("/")[1]):
            return one
    raise ApiError("TaskSetNotFoundException", "The specified task set wasn't found.")


def primary(key):
    """The task set that serves, or None."""
    return next((s for s in of(key) if s.status == "PRIMARY"), None)


def make_primary(key, one):
    """This task set serves from now on."""
    for other in of(key):
        if other.status == "PRIMARY":
            other.status = "ACTIVE"
    one.status, one.updated = "PRIMARY", time.time()
    one.service["taskDefinition"], one.service["loadBalancers"] = one.fleet.task_definition, one.load_balancers


def drain(one):
    """Stop its tasks; it is gone when they are."""
    one.status, one.updated = "DRAINING", time.time()
    one.rescale()


def _external(data):
    key = names.service_key(data)
    service = E._services[key]
    kind = (service.get("deploymentController") or {}).get("type", "ECS")
    if kind != "EXTERNAL":
        raise ApiError("InvalidParameterException", "Amazon ECS only supports task set management on services configured to use "
                       f"external deployment controllers; this one has {kind}.")
    return key, service


def create_task_set(data):
    """CreateTaskSet."""
    key, service = _external(data)
    scale = (data.get("scale") or {}).get("value", 100)
    if not 0 <= scale <= 100:
        raise ApiError("InvalidParameterException", "scale must be between 0 and 100.")
    same = next((s for s in of(key) if data.get("clientToken") and s.client_token == data["clientToken"]), None)
    if same is None:
        if sum(s.status != "DRAINING" for s in of(key)) >= 5:
            raise ApiError("LimitExceededException", "A service can have at most 5 task sets.")
        settings = {k: data[k] for k in SETTINGS if data.get(k)}
        same = add(service, names.task_definition(data.get("taskDefinition", "")), data.get("loadBalancers") or [], scale, settings,
                   external_id=data.get("externalId"), tags=data.get("tags") or ())
        same.client_token = data.get("clientToken")
    return json_response({"taskSet": E._sanitize(same.describe())})


def update_task_set(data):
    """UpdateTaskSet."""
    key, _ = _external(data)
    one, scale = find(key, data.get("taskSet", "")), (data.get("scale") or {}).get("value", 100)
    if not 0 <= scale <= 100:
        raise ApiError("InvalidParameterException", "scale must be between 0 and 100.")
    one.scale, one.updated = scale, time.time()
    one.rescale()
    return json_response({"taskSet": E._sanitize(one.describe())})


def delete_task_set(data):
    """DeleteTaskSet: one that is scaled above zero only with force."""
    key, _ = _external(data)
    one = find(key, data.get("taskSet", ""))
    if one.fleet.desired and not data.get("force"):
        raise ApiError("InvalidParameterException", "The task set can't be deleted while it is scaled above 0.")
    drain(one)
    return json_response({"taskSet": E._sanitize(one.describe())})


def update_service_primary_task_set(data):
    """UpdateServicePrimaryTaskSet."""
    key, _ = _external(data)
    one = find(key, data.get("primaryTaskSet", ""))
    make_primary(key, one)
    return json_response({"taskSet": E._sanitize(one.describe())})


def describe_task_sets(data):
    """DescribeTaskSets."""
    key = names.service_key(data)
    wanted, found, failures = data.get("taskSets") or [s.id for s in of(key)], [], []
    for ref in wanted:
        try:
            found.append(E._sanitize(find(key, ref).describe()))
        except ApiError:
            failures.append({"arn": ref if ref.startswith("arn:") else names.arn("task-set", key, ref), "reason": "MISSING"})
    return json_response({"taskSets": found, "failures": failures})


CALLS = {"CreateTaskSet": create_task_set, "UpdateTaskSet": update_task_set, "DeleteTaskSet": delete_task_set,
         "UpdateServicePrimaryTaskSet": update_service_primary_task_set, "DescribeTaskSets": describe_task_sets}
