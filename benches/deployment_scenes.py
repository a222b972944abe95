"""What the functions that work with CodeDeploy find: one deployment that has moved all traffic to the canary."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perch_local.sam_deployment_cases import APPLICATION, GROUP, group

from stage import ALIAS, FUNCTION, stamp

if TYPE_CHECKING:
    from scenes import Scenes

Event = dict[str, Any]
CAUSE = {"kind": "abort", "by": "ops@example.com", "reason": "wrong answers"}
ENDS_WITHIN = 30.0


class DeploymentScenes:
    """The scenes of `follow-deployment`, `stop-deployment` and `on-deployment-change`."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes, self.made = scenes, ""

    def deployment(self) -> str:
        """The id of the deployment, made once."""
        if not self.made:
            self.scenes.route(split=False)
            codedeploy = group()
            versions = {"CurrentVersion": self.scenes.baseline, "TargetVersion": self.scenes.canary}
            alias = {"Type": "AWS::Lambda::Function", "Properties": {"Name": FUNCTION, "Alias": ALIAS, **versions}}
            content = json.dumps({"version": 0.0, "Resources": [{"alias": alias}]})
            self.made = codedeploy.create_deployment(
                applicationName=APPLICATION,
                deploymentGroupName=GROUP,
                deploymentConfigName="CodeDeployDefault.LambdaAllAtOnce",
                description="perch release no-such-release",
                revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
            )["deploymentId"]
            codedeploy.get_waiter("deployment_successful").wait(
                deploymentId=self.made, WaiterConfig={"Delay": 1, "MaxAttempts": int(ENDS_WITHIN)}
            )
        return self.made

    def release(self, phase: Event) -> Event:
        """A release in this phase whose deployment has succeeded, with all traffic on the canary."""
        deployment = {"askedAt": stamp(time.time() - 60), "id": self.deployment()}
        plan = dict(self.scenes.stage.record["plan"])
        target = {"application": APPLICATION, "deploymentGroup": GROUP, "whenBusy": "wait"}
        plan["driver"] = {**plan["driver"], "codeDeploy": target}
        event = self.scenes.step(self.scenes.release(phase, split=False, plan=plan, deployment=deployment))
        self.scenes.stage.awslambda.update_alias(
            FunctionName=FUNCTION, Name=ALIAS, FunctionVersion=self.scenes.canary, RoutingConfig={"AdditionalVersionWeights": {}}
        )
        return event

    def follow_deployment(self) -> Event:
        """All traffic has moved."""
        return self.release({"name": "Promoting", "from": 10})

    def stop_deployment(self) -> Event:
        """The release goes back; nothing is left to stop."""
        return self.release({"name": "RollingBack", "cause": CAUSE, "from": 100})

    def on_deployment_change(self) -> Event:
        """A deployment has ended that no release follows."""
        detail = {"application": APPLICATION, "deploymentGroup": GROUP, "deploymentId": self.deployment(), "state": "SUCCESS"}
        kind = "CodeDeploy Deployment State-change Notification"
        return self.scenes.delivered("aws.codedeploy", kind, detail, next(self.scenes.numbers))

    def of(self, name: str) -> Callable[[], Event] | None:
        """The scene of a function, if it is here."""
        return getattr(self, name, None) if name in ("follow_deployment", "stop_deployment", "on_deployment_change") else None
