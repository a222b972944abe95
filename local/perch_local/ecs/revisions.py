"""Service revisions: what a deployment of a service brought, and what really ran.

AWS: ECS API Reference, ServiceRevision (containerImages with imageDigest, resolvedConfiguration), DescribeServiceRevisions
(at most 20 ARNs); Developer Guide, "Container image resolution" (deployment-type-ecs): the tags of a deployment are resolved
to digests once.
"""
import time

from ministack.core.responses import json_response
from ministack.services import ecs as E
from perch_local.ecs import fleets, names, processes
from perch_local.ecs.names import ApiError
from perch_local.ecs.sets import SETTINGS

MOST_AT_ONCE = 20
_revisions = {}             # ARN -> Revision


class Revision:
    """One service revision and the tasks that run it."""

    def __init__(self, key, service, previous):
        self.number, self.created, self.service_arn = names.number(), time.time(), service["serviceArn"]
        self.arn, self.cluster_arn = names.arn("service-revision", key, self.number), service["clusterArn"]
        self.deployment_id = f"ecs-svc/{self.number}"
        self.task_definition = service["taskDefinition"]
        self.settings = {k: service[k] for k in SETTINGS if service.get(k)}
        self.load_balancers = service.get("loadBalancers") or []
        shifting = service["deploymentConfiguration"].get("strategy", "ROLLING") != "ROLLING"
        self.groups = [self._group(lb, previous) if shifting else lb.get("targetGroupArn") for lb in self.load_balancers]
        scope = (self.service_arn.split(":")[4], self.service_arn.split(":")[3])
        self.fleet = fleets.Fleet(self.deployment_id, key, scope, self.task_definition, self.settings, [
            (group, lb["containerName"], lb["containerPort"]) for lb, group in zip(self.load_balancers, self.groups, strict=True) if group])
        _revisions[self.arn] = self

    @staticmethod
    def _group(lb, previous):
        """The target group that the revision before does not serve from."""
        pair = [lb["targetGroupArn"], lb["advancedConfiguration"]["alternateTargetGroupArn"]]
        taken = previous.groups if previous else []
        return next((group for group in pair if group not in taken), pair[0])

    def summary(self, test=None, production=None):
        """Its counts and the traffic it is meant to have, as a service deployment shows them."""
        out = {"arn": self.arn, "requestedTaskCount": self.fleet.desired, "runningTaskCount": self.fleet.count("RUNNING"),
               "pendingTaskCount": self.fleet.count("PENDING")}
        if test is not None:
            out["requestedTestTrafficWeight"] = float(test)
        if production is not None:
            out["requestedProductionTrafficWeight"] = float(production)
        return out

    def describe(self):
        """As the API shows it."""
        try:
            images = self.fleet.images()
        except processes.oci.BadImage:
            td = E._task_defs.get(E._resolve_td_key(self.task_definition)) or {"containerDefinitions": []}
            images = [(c["name"], c["image"], None) for c in td["containerDefinitions"]]
        rule = lambda lb: (lb.get("advancedConfiguration") or {}).get("productionListenerRule")
        balancers = [{"targetGroupArn": group, "productionListenerRule": rule(lb)}
                     for lb, group in zip(self.load_balancers, self.groups, strict=True)]
        return {"serviceRevisionArn": self.arn, "serviceArn": self.service_arn, "clusterArn": self.cluster_arn,
                "taskDefinition": self.task_definition, **self.settings, "loadBalancers": self.load_balancers, "createdAt": self.created,
                "containerImages": [{"containerName": name, "image": image, "imageDigest": digest} for name, image, digest in images],
                "guardDutyEnabled": False, "resolvedConfiguration": {"loadBalancers": balancers}}


def describe_service_revisions(data):
    """DescribeServiceRevisions."""
    arns = data.get("serviceRevisionArns") or []
    if not 1 <= len(arns) <= MOST_AT_ONCE:
        raise ApiError("InvalidParameterException", f"serviceRevisionArns must have between 1 and {MOST_AT_ONCE} items.")
    return json_response({"serviceRevisions": [E._sanitize(_revisions[a].describe()) for a in arns if a in _revisions],
                          "failures": [{"arn": a, "reason": "MISSING"} for a in arns if a not in _revisions]})


CALLS = {"DescribeServiceRevisions": describe_service_revisions}
