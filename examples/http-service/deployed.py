"""A service of this folder on a local stack: its template deployed with a first image, and where its load balancer is."""

from __future__ import annotations

from pathlib import Path

import boto3
from perch_local import deploy
from perch_local.checkout import Stack
from perch_stage.images import PushedImage

# The local stack has no networks: any names will do.
NETWORK = {"VpcId": "vpc-1", "BalancerSubnetIds": "subnet-1,subnet-2", "TaskSubnetIds": "subnet-1,subnet-2"}


def deployed(stack: Stack, folder: Path, first: PushedImage, **parameters: str | int) -> dict[str, str]:
    """Deploy the template of an example; its outputs."""
    said = {"ImageUri": first.image_uri, **NETWORK, **parameters}
    deploy.deploy(stack, folder, folder.name, [f"{key}={value}" for key, value in said.items()], say=lambda _: None)
    return outputs(folder)


def outputs(folder: Path) -> dict[str, str]:
    """The outputs of an example that was deployed."""
    stack = boto3.client("cloudformation").describe_stacks(StackName=folder.name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
