"""Who moves the traffic of ECS services: a deployment group of CodeDeploy, or ECS itself."""

from __future__ import annotations

from typing import Any

from account import PERCH, aws, role
from deployments import CANARY_MINUTES, KEPT_MINUTES, codedeploy_group, codedeploy_shifts, stop_codedeploy
from services import Service
from targets import Shift, Target

HOOK = f"CodeDeployHook_{PERCH}-answer-hook"
STAGES = ["POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT"]
RUNNING = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
PAGE = 20
RELEASE_TAG = "perch:release"


class CodeDeployService(Service):
    """A deployment group moves the production listener."""

    name = "codedeploy-ecs"

    def prepare(self) -> None:
        """A role for CodeDeploy."""
        self.mover = role("chaos-codedeploy", "codedeploy.amazonaws.com", "AWSCodeDeployRoleForECS")

    def install(self, target: Target, image: str) -> None:
        """The service, and its deployment group."""
        listeners = self.front(target)
        blue, green = self.groups[target.name]
        for arn in listeners:
            aws("elbv2").modify_listener(ListenerArn=arn, DefaultActions=[{"Type": "forward", "TargetGroupArn": blue}])
        self.splitters[target.name] = listeners[0]
        self.begin(target, image, "CODE_DEPLOY", {})
        pair = {
            "targetGroups": [{"name": arn.split("/")[1]} for arn in (blue, green)],
            "prodTrafficRoute": {"listenerArns": [listeners[0]]},
            "testTrafficRoute": {"listenerArns": [listeners[1]]},
        }
        codedeploy_group(
            target.name,
            "ECS",
            self.mover,
            "CodeDeployDefault.ECSAllAtOnce",
            ecsServices=[{"clusterName": target.name, "serviceName": target.name}],
            loadBalancerInfo={"targetGroupPairInfoList": [pair]},
            blueGreenDeploymentConfiguration={
                "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
                "terminateBlueInstancesOnDeploymentSuccess": {
                    "action": "TERMINATE",
                    "terminationWaitTimeInMinutes": KEPT_MINUTES,
                },
            },
            autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST"]},
        )

    def moved_by(self, target: Target) -> dict[str, Any]:
        """The group."""
        return {"codeDeploy": {"application": target.name, "deploymentGroup": target.name}}

    def weights(self, target: Target) -> dict[str, int]:
        """Those of the production listener."""
        found = aws("elbv2").describe_listeners(ListenerArns=[self.splitters[target.name]])["Listeners"][0]
        action = found["DefaultActions"][-1]
        groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or [action]
        return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups}

    def shifts(self, target: Target) -> list[Shift]:
        """Those of its group, once it has one."""
        try:
            return codedeploy_shifts(target.name)
        except (aws("codedeploy").exceptions.ApplicationDoesNotExistException,
                aws("codedeploy").exceptions.DeploymentGroupDoesNotExistException):
            return []

    def stop_shift(self, target: Target) -> None:
        """With rollback."""
        stop_codedeploy(target.name)

    def move(self, target: Target) -> str:
        """Nobody else can while a deployment of the group runs."""
        raise NotImplementedError


class NativeService(Service):
    """ECS moves a rule of the production listener, and asks Perch's hook before each step."""

    name = "ecs"

    def prepare(self) -> None:
        """A role with which ECS moves rules and asks the hook."""
        managed = "AmazonECSInfrastructureRolePolicyForLoadBalancers"
        ask = {"Action": "lambda:InvokeFunction", "Resource": f"arn:aws:lambda:*:*:function:{HOOK}"}
        self.mover = role("chaos-ecs", "ecs.amazonaws.com", managed, ask)
        self.hook = aws("lambda").get_function(FunctionName=HOOK)["Configuration"]["FunctionArn"]

    def install(self, target: Target, image: str) -> None:
        """The service with rules that send on by weight, and its hook."""
        listeners = self.front(target)
        blue, green = self.groups[target.name]
        rules = [self.rule(listener, blue, green) for listener in listeners]
        self.splitters[target.name] = rules[0]
        advanced = {
            "alternateTargetGroupArn": green,
            "productionListenerRule": rules[0],
            "testListenerRule": rules[1],
            "roleArn": self.mover,
        }
        hook = {"hookTargetArn": self.hook, "roleArn": self.mover, "lifecycleStages": STAGES}
        first = self.canary(0, 0) | {"lifecycleHooks": [hook]}
        self.begin(target, image, "ECS", {"advancedConfiguration": advanced}, deploymentConfiguration=first)
        # The first deployment has nothing to bake against.
        later = self.canary(CANARY_MINUTES, KEPT_MINUTES) | {"lifecycleHooks": [hook]}
        aws("ecs").update_service(cluster=target.name, service=target.name, deploymentConfiguration=later)

    def canary(self, minutes: int, kept: int) -> dict[str, Any]:
        """Half of the traffic for so many minutes; the former tasks stay for so many more."""
        canary = {"canaryPercent": 50.0, "canaryBakeTimeInMinutes": minutes}
        return {"strategy": "CANARY", "bakeTimeInMinutes": kept, "canaryConfiguration": canary}

    def rule(self, listener: str, blue: str, green: str) -> str:
        """A rule for every request."""
        groups = [{"TargetGroupArn": blue, "Weight": 100}, {"TargetGroupArn": green, "Weight": 0}]
        made = aws("elbv2").create_rule(
            ListenerArn=listener,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
        )
        return str(made["Rules"][0]["RuleArn"])

    def moved_by(self, target: Target) -> dict[str, Any]:
        """Nobody else."""
        return {}

    def weights(self, target: Target) -> dict[str, int]:
        """Those of the production rule."""
        rule = aws("elbv2").describe_rules(RuleArns=[self.splitters[target.name]])["Rules"][0]
        groups = rule["Actions"][-1]["ForwardConfig"]["TargetGroups"]
        return {group["TargetGroupArn"]: int(group["Weight"]) for group in groups}

    def shifts(self, target: Target) -> list[Shift]:
        """The service's deployments after the first, which has nothing to move from; oldest first."""
        arns, more = [], {}
        while True:
            page = aws("ecs").list_service_deployments(cluster=target.name, service=target.name, **more)
            arns += [found["serviceDeploymentArn"] for found in page["serviceDeployments"]]
            if not page.get("nextToken"):
                break
            more = {"nextToken": page["nextToken"]}
        found = [
            one
            for first in range(0, len(arns), PAGE)
            for one in self.described(arns[first : first + PAGE])
        ]
        return [self.shift(one) for one in sorted(found, key=lambda one: one["createdAt"])]

    def described(self, arns: list[str]) -> list[dict[str, Any]]:
        """A page of deployments."""
        return list(aws("ecs").describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"])

    def shift(self, found: dict[str, Any]) -> Shift:
        """One deployment; its task definition is tagged with the release that it is for."""
        revision = found["targetServiceRevision"]["arn"]
        (described,) = aws("ecs").describe_service_revisions(serviceRevisionArns=[revision])["serviceRevisions"]
        definition = described["taskDefinition"]
        tags = aws("ecs").describe_task_definition(taskDefinition=definition, include=["TAGS"]).get("tags", [])
        release = next((tag["value"] for tag in tags if tag["key"] == RELEASE_TAG), None)
        version, running = definition.rpartition(":")[2], found["status"] in RUNNING
        return Shift(found["serviceDeploymentArn"], release, version, running, found["createdAt"].timestamp())

    def stop_shift(self, target: Target) -> None:
        """With rollback."""
        for shift in self.shifts(target):
            if shift.running:
                aws("ecs").stop_service_deployment(serviceDeploymentArn=shift.id, stopType="ROLLBACK")

    def move(self, target: Target) -> str:
        """A deployment of the first image with other settings: ECS ends the one that runs for it."""
        definition = self.register(target, self.image(target), CHANGED="by someone else")
        aws("ecs").update_service(cluster=target.name, service=target.name, taskDefinition=definition)
        return definition.rpartition(":")[2]
