"""Targets that are Lambda aliases: Perch moves their weights, or CodeDeploy does."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from perch_local.checkout import ROOT
from perch_stage.load import Invoke

sys.path.insert(0, str(ROOT / "examples" / "news-classifier"))
import push_image  # noqa: E402
from loadgen import alias_invoke  # noqa: E402

from account import aws, role  # noqa: E402
from deployments import CANARY_MINUTES, CLOCK, MOVING_JUDGE, codedeploy_group, codedeploy_shifts, stop_codedeploy  # noqa: E402
from targets import Shares, Shift, Target  # noqa: E402

ALIAS = "live"
FAILING = {"kind": "errors", "rate": 0.8}
SLOW = {"kind": "latency", "addMs": 900, "rate": 1}


class Alias:
    """Perch moves the weights."""

    name, moves_itself = "alias", False
    targets, rounds, clock = 20, 6, 1.0
    images: dict[str, dict[str, Any] | None] = {"healthy": None, "failing": FAILING, "slow": SLOW}
    entrypoint = push_image.ENTRYPOINT

    def prepare(self) -> None:
        """A role for the functions, which call nothing."""
        self.role = role("chaos-service", "lambda.amazonaws.com")

    def assemble(self, root: Path, build: str, fault: dict[str, Any] | None) -> None:
        """The program and its model."""
        push_image.assemble(root, push_image.built_binary(), build, fault)

    def install(self, target: Target, image: str) -> None:
        """A function with a first version behind its alias."""
        code, functions = {"ImageUri": image}, aws("lambda")
        functions.create_function(
            FunctionName=target.name, PackageType="Image", Code=code, Role=self.role, Timeout=5, Publish=True
        )
        functions.create_alias(FunctionName=target.name, Name=ALIAS, FunctionVersion="1")

    def file(self, target: Target) -> dict[str, Any]:
        """Steps of five seconds."""
        return {
            "service": {"lambda": {"function": target.name, "alias": ALIAS}},
            "rollout": {"steps": [{"weight": weight, "bake": "5s"} for weight in target.steps]},
            "judge": target.judge(),
        }

    def caller(self, target: Target) -> Invoke:
        """Invokes the alias."""
        return alias_invoke(target.name, ALIAS, threads=3)

    def shares(self, target: Target) -> Shares:
        """The alias's weights."""
        found = aws("lambda").get_alias(FunctionName=target.name, Name=ALIAS)
        split = (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        shares = {version: round(100 * weight) for version, weight in split.items()}
        return {found["FunctionVersion"]: 100 - sum(shares.values())} | shares

    def versions(self, target: Target) -> int:
        """Published ones."""
        pages = aws("lambda").get_paginator("list_versions_by_function").paginate(FunctionName=target.name)
        return sum(version["Version"] != "$LATEST" for page in pages for version in page["Versions"])

    def move(self, target: Target) -> str:
        """Publish a version with other settings."""
        functions = aws("lambda")
        # With the same settings it would be the canary's version: Lambda publishes only what has changed.
        changed = {"Variables": {"CHANGED": str(time.time())}}
        functions.update_function_configuration(FunctionName=target.name, Environment=changed)
        functions.get_waiter("function_updated_v2").wait(FunctionName=target.name, WaiterConfig={"Delay": 1})
        version = str(functions.publish_version(FunctionName=target.name)["Version"])
        whole: dict[str, Any] = {"AdditionalVersionWeights": {}}
        functions.update_alias(FunctionName=target.name, Name=ALIAS, FunctionVersion=version, RoutingConfig=whole)
        return version

    def shifts(self, target: Target) -> list[Shift]:
        """Perch moves the alias itself."""
        return []

    def stop_shift(self, target: Target) -> None:
        """There is none."""
        raise NotImplementedError


class CodeDeployAlias(Alias):
    """A deployment group moves the weights."""

    name, moves_itself = "codedeploy-lambda", True
    targets, rounds, clock = 8, 3, CLOCK

    def prepare(self) -> None:
        """A role for the functions, and one for CodeDeploy."""
        super().prepare()
        self.mover = role("chaos-codedeploy", "codedeploy.amazonaws.com", "service-role/AWSCodeDeployRoleForLambda")

    def install(self, target: Target, image: str) -> None:
        """The function, and its deployment group."""
        super().install(target, image)
        codedeploy_group(target.name, "Lambda", self.mover, "CodeDeployDefault.LambdaAllAtOnce")

    def file(self, target: Target) -> dict[str, Any]:
        """A canary for so many of CodeDeploy's minutes."""
        group = {"application": target.name, "deploymentGroup": target.name}
        return {
            "service": {"lambda": {"function": target.name, "alias": ALIAS, "codeDeploy": group}},
            "rollout": {"steps": [{"weight": weight, "bake": f"{CANARY_MINUTES}s"} for weight in target.steps]},
            "judge": target.judge(**MOVING_JUDGE),
        }

    def shifts(self, target: Target) -> list[Shift]:
        """Those of its group."""
        return codedeploy_shifts(target.name)

    def stop_shift(self, target: Target) -> None:
        """With rollback."""
        stop_codedeploy(target.name)
