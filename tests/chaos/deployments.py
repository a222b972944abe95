"""What drivers that move by themselves share: their clock, and deployment groups of CodeDeploy."""

from __future__ import annotations

import json
from typing import Any

from account import aws
from targets import Shift

# A minute of CodeDeploy or ECS takes a second.
CLOCK = 1 / 60
# Perch looks for a shift every 10 s, and has to be done with its judgement before the next: 15 s for the last look and late
# readings, and what is left of 40 s is for faults.
CANARY_MINUTES, KEPT_MINUTES = 40, 20
MOVING_JUDGE = {"settle": "10s"}
ASKED_BY = "perch release "
OVER = ("Succeeded", "Failed", "Stopped")


def codedeploy_group(name: str, platform: str, role: str, config: str, **more: Any) -> None:
    """An application and its one group, of the same name."""
    aws("codedeploy").create_application(applicationName=name, computePlatform=platform)
    aws("codedeploy").create_deployment_group(
        applicationName=name,
        deploymentGroupName=name,
        serviceRoleArn=role,
        deploymentConfigName=config,
        deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        **more,
    )


def infos(name: str) -> list[dict[str, Any]]:
    """The deployments of a group, oldest first."""
    pages = aws("codedeploy").get_paginator("list_deployments").paginate(applicationName=name, deploymentGroupName=name)
    ids = [found for page in pages for found in page["deployments"]]
    found = [aws("codedeploy").get_deployment(deploymentId=one)["deploymentInfo"] for one in ids]
    return sorted(found, key=lambda info: info["createTime"])


def codedeploy_shifts(name: str) -> list[Shift]:
    """The deployments of a group."""
    shifts = []
    for info in infos(name):
        said = info.get("description") or ""
        ours = said.removeprefix(ASKED_BY) if said.startswith(ASKED_BY) and " " not in said.removeprefix(ASKED_BY) else None
        running = info["status"] not in OVER
        shifts.append(Shift(info["deploymentId"], ours, version_of(info), running, info["createTime"].timestamp()))
    return shifts


def version_of(info: dict[str, Any]) -> str:
    """The version that a deployment brings, by its AppSpec."""
    revision = info.get("revision") or {}
    content = (revision.get("appSpecContent") or revision.get("string") or {}).get("content")
    if not content:
        return ""
    (resource,) = json.loads(content)["Resources"][0].values()
    properties = resource["Properties"]
    return str(properties.get("TargetVersion") or properties["TaskDefinition"].rpartition(":")[2])


def stop_codedeploy(name: str) -> None:
    """Stop the deployment that runs in a group, with rollback."""
    for info in infos(name):
        if info["status"] not in OVER:
            aws("codedeploy").stop_deployment(deploymentId=info["deploymentId"], autoRollbackEnabled=True)
