"""What the functions that work with CodeDeploy find: one deployment that has moved all traffic to the canary."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perch_local.sam_deployment_cases import APPLICATION, GROUP, SILENT, asked, group, silent_hook

from stage import ALIAS, FUNCTION, TARGET, stamp, until

if TYPE_CHECKING:
    from scenes import Scenes

Event = dict[str, Any]
CAUSE = {"kind": "abort", "by": "ops@example.com", "reason": "wrong answers"}
ENDS_WITHIN = 30.0
# The release that the hook's deployment names. The answer to its hook counts once, and the release starts anew each time.
HOOKED = f"{TARGET}-20260101-000000-ffffff"


SCENES = ("follow_deployment", "stop_deployment", "on_deployment_change", "answer_hook")


class DeploymentScenes:
    """The scenes of `follow-deployment`, `stop-deployment`, `on-deployment-change` and `answer-hook`."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes, self.made, self.hook = scenes, "", {}

    def deploy(self, description: str, hooks: list[dict[str, str]]) -> str:
        """A deployment to the canary, all at once; its id."""
        self.scenes.route(split=False)
        versions = {"CurrentVersion": self.scenes.baseline, "TargetVersion": self.scenes.canary}
        alias = {"Type": "AWS::Lambda::Function", "Properties": {"Name": FUNCTION, "Alias": ALIAS, **versions}}
        content = json.dumps({"version": 0.0, "Resources": [{"alias": alias}], "Hooks": hooks})
        made = group().create_deployment(
            applicationName=APPLICATION,
            deploymentGroupName=GROUP,
            deploymentConfigName="CodeDeployDefault.LambdaAllAtOnce",
            description=description,
            revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
        )
        return str(made["deploymentId"])

    @staticmethod
    def succeeds(deployment: str) -> None:
        """Wait for the end of a deployment."""
        waiter = group().get_waiter("deployment_successful")
        waiter.wait(deploymentId=deployment, WaiterConfig={"Delay": 1, "MaxAttempts": int(ENDS_WITHIN)})

    def deployment(self) -> str:
        """The id of a deployment that has succeeded, made once."""
        if not self.made:
            self.made = self.deploy("perch release no-such-release", [])
            self.succeeds(self.made)
        return self.made

    def answer_hook(self) -> Event:
        """A hook of a release that has one smoke test to pass. It has its answer already, from a try that nobody heard of."""
        if not self.hook:
            self.deployment()
            silent_hook()
            deployment = self.deploy(f"perch release {HOOKED}", [{"BeforeAllowTraffic": SILENT}])
            self.hook = until(lambda: asked(deployment), ENDS_WITHIN, "the deployment calls its hook")
            ids = {"deploymentId": deployment, "lifecycleEventHookExecutionId": self.hook["LifecycleEventHookExecutionId"]}
            group().put_lifecycle_event_hook_execution_status(**ids, status="Succeeded")
            self.succeeds(deployment)
        check = {"name": "the stack is there", "http": {"path": "/_ministack/health"}, "expect": {"within": "10s", "status": 200}}
        smoke = {"url": self.scenes.stage.stack.url, "checks": [check]}
        plan = {**self.scenes.stage.record["plan"], "smoke": smoke}
        self.scenes.stage.table.clear(f"RELEASE#{HOOKED}")
        self.scenes.release({"name": "Shifting", "step": 0, "weight": 10}, split=False, release=HOOKED, plan=plan)
        return dict(self.hook)

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
        return getattr(self, name, None) if name in SCENES else None
