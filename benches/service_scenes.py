"""What the functions that work with ECS find: the service of examples/sensor-backend behind its load balancer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
from perch_local import deploy
from perch_local.checkout import ROOT

sys.path.insert(0, str(ROOT / "examples" / "http-service"))
import push_service  # noqa: E402
from deployed import NETWORK  # noqa: E402

from stage import until  # noqa: E402

if TYPE_CHECKING:
    from scenes import Scenes

Event = dict[str, Any]
NAME, CLUSTER = "sensor-backend", "sensors"
FOLDER = ROOT / "examples" / NAME
# One task, and a first deployment that ends as soon as it is healthy.
SETTINGS = {"Port": 8080, "Tasks": 1, "CanaryMinutes": 0, "BakeMinutes": 0, "AlarmPeriod": 10}
CAUSE = {"kind": "abort", "by": "ops@example.com", "reason": "wrong answers"}
ENDS_WITHIN = 90.0
SCENES = ("follow_deployment_of_a_service", "stop_deployment_of_a_service")


class ServiceScenes:
    """The scenes of `follow-deployment` and `stop-deployment` where ECS moves the traffic."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes, self.image = scenes, ""

    def service(self) -> dict[str, Any]:
        """The service as ECS describes it, deployed once and left to settle."""
        ecs = boto3.client("ecs")
        if not self.image:
            pushed = push_service.push_variant(NAME, "healthy", NAME)
            said = {"ImageUri": pushed.image_uri, **NETWORK, **SETTINGS, "AnswerHook": self.scenes.stage.names["answer-hook"]}
            parameters = [f"{key}={value}" for key, value in said.items()]
            deploy.deploy(self.scenes.stage.stack, FOLDER, NAME, parameters, say=lambda _: None)
            self.image = pushed.image_uri

            def settled() -> bool | None:
                made = ecs.list_service_deployments(cluster=CLUSTER, service=NAME)["serviceDeployments"]
                return True if made and all(one["status"] == "SUCCESSFUL" for one in made) else None

            until(settled, ENDS_WITHIN, f"the first deployment of {NAME}")
        return dict(ecs.describe_services(cluster=CLUSTER, services=[NAME])["services"][0])

    def release(self, phase: Event, **changes: Any) -> Event:
        """A release of the service in this phase."""
        of = {"cluster": CLUSTER, "service": NAME}
        plan = {**self.scenes.stage.record["plan"], "driver": {"kind": "service", **of}}
        artifact = {**self.scenes.stage.record["artifact"], "repository": NAME}
        release = self.scenes.release(phase, split=False, plan=plan, artifact=artifact, **changes)
        return self.scenes.step(release)

    def follow_deployment_of_a_service(self) -> Event:
        """Nobody deploys, and the ledger is still to be taken."""
        self.service()
        return self.release({"name": "Pending"}, exposed=False, ledger=None, code=None, canary=None)

    def stop_deployment_of_a_service(self) -> Event:
        """The release goes back, and the baseline has all traffic already."""
        service = self.service()
        balancing = service["loadBalancers"][0]
        family, _, revision = service["taskDefinition"].rpartition("/")[2].partition(":")
        groups = {
            "balancer": "/".join(balancing["advancedConfiguration"]["productionListenerRule"].split("/")[1:4]),
            "baseline": balancing["targetGroupArn"].rpartition(":")[2],
            "canary": balancing["advancedConfiguration"]["alternateTargetGroupArn"].rpartition(":")[2],
        }
        snapshot = {
            "kind": "service",
            "service": {"cluster": CLUSTER, "service": NAME},
            "family": family,
            "image": self.image,
            "container": balancing["containerName"],
            "port": balancing["containerPort"],
            "groups": groups,
        }
        ledger = {**self.scenes.stage.record["ledger"], "baseline": revision, "snapshot": snapshot}
        return self.release({"name": "RollingBack", "cause": CAUSE, "from": 10}, ledger=ledger, canary=str(int(revision) + 1))

    def of(self, name: str) -> Callable[[], Event] | None:
        """The scene of a function, if it is here."""
        return getattr(self, name, None) if name in SCENES else None
