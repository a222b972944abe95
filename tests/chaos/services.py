"""Targets that are ECS services behind a load balancer: their tasks, listeners and callers, whoever moves the traffic."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from perch_local.checkout import ROOT
from perch_stage.callers import http_invoke
from perch_stage.load import Invoke

sys.path.insert(0, str(ROOT / "examples" / "http-service"))
import push_service  # noqa: E402

from account import ChaosError, aws  # noqa: E402
from deployments import CANARY_MINUTES, CLOCK, MOVING_JUDGE  # noqa: E402
from targets import Shares, Shift, Target  # noqa: E402

EXAMPLE, PATH, CONTAINER = "engagement-ml", "/score", "app"
PORT, TEST_PORT, TASKS = 8080, 9000, 2
VISIT = {"secondsOnPage": 240, "scrollDepth": 0.95, "returning": True, "articlesToday": 5}
SMOKE = {
    "name": "a keen reader scores high",
    "http": {"path": PATH, "method": "POST", "body": VISIT},
    "expect": {"within": "5s", "json": {"$.score": {"min": 0.7, "max": 1}}},
}
NOTHING = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
# Documented seconds: three of this clock, in which requests under way end.
DRAIN = "180"
STEADY_WITHIN = 60.0


class Service:
    """What both kinds share: tasks, a load balancer with two target groups, a production and a test listener."""

    name, moves_itself = "", True
    targets, rounds, clock = 5, 3, CLOCK
    images: dict[str, dict[str, Any] | None] = {
        "healthy": None,
        "failing": {"kind": "failing", "share": 1},
        "slow": {"kind": "slow", "share": 1, "milliseconds": 900},
        "wrong": {"kind": "wrong", "says": {"score": -1}},
    }
    entrypoint = push_service.ENTRYPOINT

    def __init__(self) -> None:
        self.groups: dict[str, tuple[str, str]] = {}
        self.splitters: dict[str, str] = {}
        self.addresses: dict[str, str] = {}

    def assemble(self, root: Path, build: str, fault: dict[str, Any] | None) -> None:
        """The server, its packages and the service."""
        push_service.assemble(root, EXAMPLE, build, fault)

    def file(self, target: Target) -> dict[str, Any]:
        """A canary for so many documented minutes; the smoke tests are on the test listener."""
        smoke = {"url": f"http://{self.addresses[target.name]}:{TEST_PORT}", "checks": [SMOKE]}
        return {
            "service": {"ecs": {"cluster": target.name, "service": target.name, **self.moved_by(target)}},
            **({"smoke": smoke} if target.tested else {}),
            "rollout": {"steps": [{"weight": weight, "bake": f"{CANARY_MINUTES}s"} for weight in target.steps]},
            "judge": target.judge(**MOVING_JUDGE, healthyTargets="50%"),
        }

    def moved_by(self, target: Target) -> dict[str, Any]:
        """What the target file says of the driver."""
        raise NotImplementedError

    def caller(self, target: Target) -> Invoke:
        """Asks the production listener."""
        return http_invoke(f"http://{self.addresses[target.name]}:{PORT}", PATH, lambda _: json.dumps(VISIT))

    def front(self, target: Target) -> tuple[str, str]:
        """A load balancer with both listeners, which answer nothing yet; their ARNs."""
        balancing = aws("elbv2")
        balancer = balancing.create_load_balancer(Name=target.name, Subnets=["subnet-1", "subnet-2"], Scheme="internal")
        (made,) = balancer["LoadBalancers"]
        self.addresses[target.name] = made["DNSName"].split(":")[0]
        arns = [self.group(f"{target.name}-{side}") for side in ("blue", "green")]
        self.groups[target.name] = (arns[0], arns[1])
        listeners = [
            balancing.create_listener(
                LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=port, DefaultActions=[NOTHING]
            )["Listeners"][0]["ListenerArn"]
            for port in (PORT, TEST_PORT)
        ]
        return listeners[0], listeners[1]

    def group(self, name: str) -> str:
        """A target group that finds out fast."""
        balancing = aws("elbv2")
        settings = {"HealthCheckIntervalSeconds": 10, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 3}
        made = balancing.create_target_group(
            Name=name, Protocol="HTTP", Port=8080, VpcId="vpc-1", TargetType="ip", HealthCheckPath="/health", **settings
        )
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        drain = {"Key": "deregistration_delay.timeout_seconds", "Value": DRAIN}
        balancing.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[drain])
        return arn

    def register(self, target: Target, image: str, **said: str) -> str:
        """A revision of its task definition."""
        container = {
            "name": CONTAINER,
            "image": image,
            "essential": True,
            "stopTimeout": 5,
            "portMappings": [{"containerPort": 8080}],
            "environment": [{"name": name, "value": value} for name, value in said.items()],
        }
        made = aws("ecs").register_task_definition(
            family=target.name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[container],
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def begin(self, target: Target, image: str, controller: str, advanced: dict[str, Any], **more: Any) -> None:
        """Create the service and wait until it is steady."""
        aws("ecs").create_cluster(clusterName=target.name)
        balancer = {"targetGroupArn": self.groups[target.name][0], "containerName": CONTAINER, "containerPort": 8080}
        aws("ecs").create_service(
            cluster=target.name,
            serviceName=target.name,
            taskDefinition=self.register(target, image),
            desiredCount=TASKS,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
            deploymentController={"type": controller},
            loadBalancers=[{**balancer, **advanced}],
            **more,
        )
        deadline = time.monotonic() + STEADY_WITHIN
        while self.healthy(target) < TASKS or any(shift.running for shift in self.shifts(target)):
            if time.monotonic() > deadline:
                raise ChaosError(f"{target.name}: the first tasks are not healthy within {STEADY_WITHIN:.0f} s")
            time.sleep(0.2)

    def healthy(self, target: Target) -> int:
        """Healthy targets behind the production listener."""
        found = [self.health(arn) for arn in self.groups[target.name]]
        return sum(one["TargetHealth"]["State"] == "healthy" for group in found for one in group)

    def health(self, arn: str) -> list[dict[str, Any]]:
        """The targets of a group."""
        return list(aws("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"])

    def weights(self, target: Target) -> dict[str, int]:
        """Weights by target group."""
        raise NotImplementedError

    def shares(self, target: Target) -> Shares:
        """The weights of the groups, by the revision of the tasks behind them."""
        shares: Shares = {}
        weights = {arn: weight for arn, weight in self.weights(target).items() if weight}
        revisions = self.revisions(target)
        for arn, weight in weights.items():
            behind = {revisions.get(one["Target"]["Id"], "?") for one in self.health(arn)} - {"?"}
            for revision in behind or {"?"}:
                shares[revision] = shares.get(revision, 0) + round(100 * weight / sum(weights.values()))
        return shares

    def revisions(self, target: Target) -> dict[str, str]:
        """The revision of each task that runs, by its address."""
        tasks = aws("ecs").list_tasks(cluster=target.name, serviceName=target.name, desiredStatus="RUNNING")["taskArns"]
        found = aws("ecs").describe_tasks(cluster=target.name, tasks=tasks)["tasks"] if tasks else []
        return {
            detail["value"]: str(task["taskDefinitionArn"].rpartition(":")[2])
            for task in found
            for attachment in task.get("attachments", [])
            for detail in attachment["details"]
            if detail["name"] == "privateIPv4Address"
        }

    def versions(self, target: Target) -> int:
        """Revisions of its task definition."""
        pages = aws("ecs").get_paginator("list_task_definitions").paginate(familyPrefix=target.name, status="ACTIVE")
        return sum(len(page["taskDefinitionArns"]) for page in pages)

    def image(self, target: Target) -> str:
        """The image of the first revision."""
        found = aws("ecs").describe_task_definition(taskDefinition=f"{target.name}:1")["taskDefinition"]
        return str(found["containerDefinitions"][0]["image"])

    def shifts(self, target: Target) -> list[Shift]:
        """Its deployments."""
        raise NotImplementedError
