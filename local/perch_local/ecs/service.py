"""A service of the controller ECS while it runs: its revisions, its deployments, and how DescribeServices shows it.

AWS: ECS API Reference, Service and Deployment; Developer Guide, "Amazon ECS service deployment controllers and strategies".
"""
from ministack.core.responses import new_uuid
from ministack.services import ecs as E
from perch_local.ecs import deployments, revisions, rolling, sets, shifting

_services = {}              # service ARN -> Service


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
        for made in self.deployments:
            if made.target not in (revision, self.current) and not made.target.fleet.tasks():
                made.target.fleet.remove()
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

    def shown(self):
        """The members `deployments` and `currentService...` of DescribeServices."""
        under_way, out, seen = self.open(), [], []
        serves = under_way.target if under_way and under_way.rollback is None else self.current
        for made in reversed(self.deployments):
            first = made.target is (serves or made.target)
            if made.target not in seen and (first or made.target.fleet.tasks()):
                seen.append(made.target)
                out.append(_deployment(made, "PRIMARY" if first else "ACTIVE"))
        out.sort(key=lambda d: d["status"] != "PRIMARY")
        more = {"currentServiceDeployment": under_way.arn} if under_way else {}
        live = [r for r in dict.fromkeys([self.current, under_way and under_way.target]) if r]
        return {"deployments": out, "currentServiceRevisions": [r.summary() for r in live], **more}


def _deployment(made, status):
    fleet, rollout = made.target.fleet, "FAILED"
    if made.status == "SUCCESSFUL":
        rollout = "COMPLETED"
    elif made.status in deployments.OPEN and not made.rollback:
        rollout = "IN_PROGRESS"
    reason = made.reason or f"ECS deployment {made.target.deployment_id} {rollout.lower().replace('_', ' ')}."
    return {"id": made.target.deployment_id, "status": status, "taskDefinition": made.target.task_definition,
            "desiredCount": fleet.desired, "pendingCount": fleet.count("PENDING"), "runningCount": fleet.count("RUNNING"),
            "failedTasks": fleet.failures, "createdAt": made.created, "updatedAt": made.updated, **made.target.settings,
            "rolloutState": rollout, "rolloutStateReason": reason}


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
        record.update(service.shown())
    else:
        record["taskSets"] = [one.describe() for one in sets.of(key)]
    if record["status"] == "DRAINING" and not any(t["lastStatus"] != "STOPPED" for t in mine):
        record["status"] = "INACTIVE"
        _services.pop(record["serviceArn"], None)
    return record


def make(key):
    """The Service of a record that was just made, with its first deployment under way."""
    record = E._services[key]
    made = _services[record["serviceArn"]] = Service(key, record)
    made.deploy()


def every():
    """All services of the controller ECS."""
    return list(_services.values())
