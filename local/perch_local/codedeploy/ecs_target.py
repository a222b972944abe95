"""The ECS side of a deployment: a replacement task set, and listeners that move from the original one to it.

AWS: CodeDeploy User Guide, "Deployments on an Amazon ECS compute platform" (deployment-steps-ecs); the order of the eight
events, PRIMARY and ACTIVE during the wait before the original tasks end, and what a rollback leaves behind are as seen on
AWS. "Troubleshoot Amazon ECS deployment issues" (troubleshooting-ecs): the messages, and that health checks begin during
Install with a canary or linear configuration, but only after the traffic has moved with an all-at-once one.
"""
import time

from ministack.services import alb, ecs as ECS
from perch_local import clock
from perch_local.codedeploy import notices, role
from perch_local.codedeploy.errors import Failed, Halted
from perch_local.codedeploy.timeline import ALL_AT_ONCE

EVENTS = ("BeforeInstall", "Install", "AfterInstall", "AllowTestTraffic", "AfterAllowTestTraffic", "BeforeAllowTraffic",
          "AllowTraffic", "AfterAllowTraffic")
# An ECS deployment waits this long for a steady replacement task set (quotas: an hour for a lifecycle event).
STEADY_WITHIN = 3600
_NOT_BEHIND = "The ELB could not be updated due to the following error: Primary taskset target group must be behind listener"


def _fleet():
    from perch_local import balancers, ecs
    return balancers, ecs


class EcsTarget:
    """The service whose traffic a deployment moves."""

    kind = "ecs"
    events = EVENTS

    def __init__(self, deployment):
        self.deployment, self.spec = deployment, deployment.spec
        service = deployment.group["ecsServices"][0]
        self.cluster, self.service = service["clusterName"], service["serviceName"]
        pair = deployment.group["loadBalancerInfo"]["targetGroupPairInfoList"][0]
        self.names = [target["name"] for target in pair["targetGroups"]]
        self.production = pair["prodTrafficRoute"]["listenerArns"][0]
        self.test = ((pair.get("testTrafficRoute") or {}).get("listenerArns") or [None])[0]
        self.blue = self.green = None               # (task set id, target group ARN)
        self.shown = None                           # the task sets as they were at the end

    @property
    def id(self):
        """The target's id: cluster:service."""
        return f"{self.cluster}:{self.service}"

    @property
    def arn(self):
        """The ARN of the service, or None when it is gone."""
        found = [s for s in ECS._services.values() if s["serviceName"] == self.service and
                 s["clusterArn"].rsplit("/", 1)[-1] == self.cluster and s["status"] == "ACTIVE"]
        return found[0]["serviceArn"] if found else None

    def check(self):
        """Raise Failed unless the service has one primary task set, behind one group of the pair."""
        self._need("ecs:DescribeServices")
        if self.arn is None:
            raise Failed("INVALID_ECS_SERVICE", f"The service {self.service} does not exist in the cluster {self.cluster}.")
        balancers, ecs = _fleet()
        primary = [task_set for task_set in ecs.task_sets(self.arn) if task_set["status"] == "PRIMARY"]
        if len(primary) != 1:
            raise Failed("INVALID_ECS_SERVICE", f"The service {self.service} has {len(primary)} primary task sets; one is expected.")
        groups = {tg["TargetGroupName"]: arn for arn, tg in alb._tgs.items() if tg["TargetGroupName"] in self.names}
        blue = primary[0]["targetGroup"]
        if len(groups) != 2 or blue not in groups.values():
            raise Failed("ELASTIC_LOAD_BALANCING_INVALID", _NOT_BEHIND)
        green = next(arn for arn in groups.values() if arn != blue)
        self.blue, self.green = (primary[0]["id"], blue), (None, green)
        if balancers.weights(self.production).get(blue) != 100:
            raise Failed("ELASTIC_LOAD_BALANCING_INVALID", _NOT_BEHIND)

    def act(self, event):
        """What happens in an event besides its hook."""
        if event.name == "Install":
            self.install()
        elif event.name == "AllowTestTraffic" and self.test:
            self._listen(self.test, 100)
        elif event.name == "BeforeAllowTraffic":
            self.ready()
        elif event.name == "AllowTraffic":
            self.allow_traffic()

    def install(self):
        """Create the replacement task set and wait until it is steady."""
        for action in ("ecs:CreateTaskSet", "elasticloadbalancing:DescribeTargetGroups"):
            self._need(action)
        ecs = _fleet()[1]
        if self.deployment.config.kind != ALL_AT_ONCE:
            self._listen(self.production, 0)        # a group that no listener names has no health checks
        try:
            made = ecs.create_task_set(self.arn, self.spec.task_definition, self.green[1], self.spec.container, self.spec.port,
                                       external_id=self.deployment.id)
        except Exception as wrong:
            raise Failed("ECS_UPDATE_ERROR", f"The replacement task set was not created: {wrong}") from wrong
        self.green = (made, self.green[1])
        if not self._steady(made):
            raise Failed("TIMEOUT", "The deployment timed out while waiting for the replacement task set to become "
                         "healthy. This time out period is 60 minutes.")

    def _steady(self, task_set_id):
        """Wait for the tasks; looks a few times in each documented second, with the deployment's signals in between."""
        until = time.monotonic() + clock.seconds(STEADY_WITHIN)
        while time.monotonic() < until:
            found = self._task_set(task_set_id)
            if found and found["steady"]:
                return True
            self.deployment.pause(min(0.2, clock.seconds(1)))
        return False

    def _task_set(self, task_set_id):
        return next((t for t in _fleet()[1].task_sets(self.arn) if t["id"] == task_set_id), None)

    def ready(self):
        """Wait for ContinueDeployment where the group says so."""
        option = self.deployment.group["blueGreenDeploymentConfiguration"]["deploymentReadyOption"]
        if option["actionOnTimeout"] != "STOP_DEPLOYMENT":
            return
        self.deployment.status = "Ready"
        notices.tell(self.deployment, "READY")
        minutes = option.get("waitTimeInMinutes", 0)
        if not self.deployment.pause(clock.minutes(minutes), lambda: "READY_WAIT" in self.deployment.continued):
            raise Halted("TIMEOUT", "The deployment timed out while waiting for a notification to continue. This time out period is "
                         f"{minutes} minutes.", "DEPLOYMENT_STOP_ON_REQUEST")
        self.deployment.status = "InProgress"

    def allow_traffic(self):
        """Shift by the time line; the replacement is primary when it has everything."""
        self.deployment.follow_time_line(lambda weight: self._listen(self.production, weight))
        self._primary(self.green[0])

    def _listen(self, listener, weight):
        self._need("elasticloadbalancing:ModifyListener")
        _fleet()[0].set_weights(listener, {self.green[1]: weight, self.blue[1]: 100 - weight})

    def _primary(self, task_set_id):
        self._need("ecs:UpdateServicePrimaryTaskSet")
        _fleet()[1].set_primary(self.arn, task_set_id)

    def finish(self):
        """Wait before the original tasks end; until then a rollback has somewhere to go."""
        end = self.deployment.group["blueGreenDeploymentConfiguration"]["terminateBlueInstancesOnDeploymentSuccess"]
        if self.deployment.rolls_back or end["action"] != "TERMINATE":
            return
        self.deployment.termination_wait = True
        wait = clock.minutes(end.get("terminationWaitTimeInMinutes", 0))
        self.deployment.pause(wait, lambda: "TERMINATION_WAIT" in self.deployment.continued)
        self.deployment.commit()
        self._delete(self.blue[0])

    def _delete(self, task_set_id):
        self._need("ecs:DeleteTaskSet")
        self.shown = self._sets()
        _fleet()[1].delete_task_set(self.arn, task_set_id)

    def way_back(self):
        """The spec and the revision of a rollback: what ran before."""
        original = self._task_set(self.blue[0])
        spec = type(self.spec)(original["taskDefinition"], self.spec.container, self.spec.port)
        return spec, self.deployment.previous or {"revisionType": "AppSpecContent", "appSpecContent": {"content": spec.content()}}

    def restorable(self):
        """Whether a rollback is possible: once the replacement exists, and as long as the original does."""
        return bool(self.green and self.green[0] and self.arn and self._task_set(self.blue[0]))

    def restore(self, failed):
        """The work of a rollback deployment: both listeners to the original at once, then the replacement ends."""
        self.blue, self.green = failed.blue, failed.green
        self._listen(self.production, 0)
        if self.test:
            self._listen(self.test, 0)
        self._primary(self.blue[0])
        failed.shown = failed._sets()
        self._delete(self.green[0])

    def _need(self, action):
        role.need(self.deployment, action, "*")

    def _sets(self):
        """The two task sets as the API writes them."""
        if not self.blue or self.arn is None:
            return []
        weights, out = _fleet()[0].weights(self.production), []
        for label, (task_set_id, group) in (("Blue", self.blue), ("Green", self.green)):
            found = self._task_set(task_set_id) if task_set_id else None
            if found:
                out.append({"identifer": task_set_id, "desiredCount": found["desiredCount"], "pendingCount": found["pendingCount"],
                            "runningCount": found["runningCount"], "status": found["status"], "taskSetLabel": label,
                            "trafficWeight": float(weights.get(group, 0)), "targetGroup": {"name": alb._tgs[group]["TargetGroupName"]}})
        return out

    def info(self):
        """EcsTarget, without the members that every target has."""
        return {"taskSetsInfo": self.shown or self._sets()}, self.arn or ""
