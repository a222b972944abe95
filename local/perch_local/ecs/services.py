"""Services: what runs for them, and the calls that create, change, describe and delete them.

AWS: ECS API Reference, CreateService, UpdateService, DescribeServices, DeleteService; Developer Guide, "Amazon ECS service
deployment controllers and strategies": with the controller ECS a change of what runs is a service deployment; with
CODE_DEPLOY and EXTERNAL it is refused here and done with task sets.
"""
import json

from ministack.core.responses import json_response, new_uuid
from ministack.services import ecs as E
from perch_local.ecs import balancing, deployments, names, revisions, rolling, sets, shifting, strategy
from perch_local.ecs.names import ApiError

_services = {}              # service ARN -> Service, for the controller ECS
# A change of one of these is a deployment.
_WHAT_RUNS = ("taskDefinition", "networkConfiguration", "platformVersion", "loadBalancers", "capacityProviderStrategy", "serviceRegistries")
_SETTINGS = ("healthCheckGracePeriodSeconds", "enableExecuteCommand", "propagateTags", "enableECSManagedTags")
_TOOL = {"CODE_DEPLOY": "Use AWS CodeDeploy to trigger a new deployment.", "EXTERNAL": "Use task sets."}
_NAMES = {"taskDefinition": "task definition", "loadBalancers": "load balancers", "networkConfiguration": "network parameters",
          "platformVersion": "platform version", "forceNewDeployment": "force new deployment"}


class Service:
    """A service of the controller ECS: its revisions and deployments."""

    def __init__(self, key, record):
        self.key, self.record = key, record
        self.current, self.deployments, self.abandoned = None, [], []

    def deploy(self):
        """Start a deployment of what the record says now; one that is under way gives way."""
        before = self.deployments[-1] if self.deployments and self.deployments[-1].status in deployments.OPEN else None
        target = revisions.Revision(self.key, self.record, self.current)
        left = [made.target.fleet for made in self.deployments if made.target is not self.current and made.target.fleet.desired]
        self.abandoned = list(dict.fromkeys(self.abandoned + left))
        drive = rolling if self.record["deploymentConfiguration"]["strategy"] == "ROLLING" else shifting
        made = deployments.Deployment(self, target, self.current, drive)
        self.deployments.append(made)
        if before:
            before.replaced_by = made
        made.begin(before)

    def take_abandoned(self):
        """The fleets of deployments that were replaced."""
        left, self.abandoned = [f for f in self.abandoned if f.tasks() or f.desired], []
        return left

    def became(self, revision, deployment):
        """A deployment has ended well."""
        if self.current and self.current is not revision:
            self.current.fleet.desired = 0
        self.current = revision
        self._event(f"(service {self.record['serviceName']}) (deployment {revision.deployment_id}) deployment completed.")
        self._event(f"(service {self.record['serviceName']}) has reached a steady state.")

    def went_back(self, revision, deployment):
        """A deployment was rolled back to this revision."""
        self.record["taskDefinition"], self.record["loadBalancers"] = revision.task_definition, revision.load_balancers
        deployment.target.fleet.desired = 0
        self._event(f"(service {self.record['serviceName']}) rolled back to deployment {revision.deployment_id}.")

    def _event(self, message):
        self.record["events"].insert(0, {"id": new_uuid(), "createdAt": E._iso(), "message": message})
        del self.record["events"][100:]

    def open(self):
        """The deployment that is under way, or None."""
        last = self.deployments[-1] if self.deployments else None
        return last if last and last.status in deployments.OPEN else None

    def rescale(self):
        """Bring the revisions that serve to the service's number of tasks."""
        if self.current:
            self.current.fleet.desired = self.record["desiredCount"]
        under_way = self.open()
        if under_way and under_way.target.fleet.desired:
            under_way.target.fleet.desired = self.record["desiredCount"]

    def views(self):
        """The members `deployments` and `currentService...` of DescribeServices."""
        under_way, out, shown = self.open(), [], []
        for made in reversed(self.deployments):
            first = made.target is (under_way.target if under_way and under_way.rollback is None else self.current or made.target)
            if made.target in shown or not (first or made.target.fleet.tasks()):
                continue
            shown.append(made.target)
            fleet, state = made.target.fleet, made.status
            rollout = "COMPLETED" if state == "SUCCESSFUL" else "IN_PROGRESS" if state in deployments.OPEN and not made.rollback else "FAILED"
            out.append({"id": made.target.deployment_id, "status": "PRIMARY" if first else "ACTIVE",
                        "taskDefinition": made.target.task_definition, "desiredCount": fleet.desired, "pendingCount": fleet.count("PENDING"),
                        "runningCount": fleet.count("RUNNING"), "failedTasks": fleet.failures, "createdAt": made.created,
                        "updatedAt": made.updated, **made.target.settings, "rolloutState": rollout,
                        "rolloutStateReason": made.reason or f"ECS deployment {made.target.deployment_id} {rollout.lower().replace('_', ' ')}."})
        out.sort(key=lambda d: d["status"] != "PRIMARY")
        more = {"currentServiceDeployment": under_way.arn} if under_way else {}
        live = [r for r in dict.fromkeys([self.current, under_way and under_way.target]) if r]
        return {"deployments": out, "currentServiceRevisions": [r.summary() for r in live], **more}


def of(key):
    """The Service of CLUSTER/SERVICE, or None for another controller."""
    return _services.get(E._services[key]["serviceArn"]) if key in E._services else None


def refresh(key):
    """Bring a service's record up to date."""
    record = E._services[key]
    mine = [t for t in list(E._tasks.values())
            if t.get("group") == f"service:{record['serviceName']}" and t["clusterArn"] == record["clusterArn"]]
    live = [t for t in mine if t["desiredStatus"] == "RUNNING" and t["lastStatus"] != "STOPPED"]
    record["runningCount"] = sum(t["lastStatus"] == "RUNNING" for t in live)
    record["pendingCount"] = len(live) - record["runningCount"]
    service = of(key)
    record["deployments"] = []
    record.pop("currentServiceDeployment", None)
    if service:
        record.update(service.views())
    else:
        record["taskSets"] = [one.describe() for one in sets.of(key)]
    if record["status"] == "DRAINING" and not any(t["lastStatus"] != "STOPPED" for t in mine):
        record["status"] = "INACTIVE"
        _services.pop(record["serviceArn"], None)
    return record


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
            service = _services[record["serviceArn"]] = Service(key, record)
            service.deploy()
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
