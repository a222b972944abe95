"""The running stack as tests and people reach it: clients that meet no faults, and what Perch's stack says of itself."""

from __future__ import annotations

import functools
import json
from typing import Any

import boto3
from perch_local import deploy

PERCH = deploy.MAIN_STACK


class ChaosError(Exception):
    """A message for the terminal."""


@functools.cache
def aws(service: str) -> Any:
    """A client of the running stack; these calls meet no faults."""
    return boto3.client(service)


def output(name: str) -> str:
    """An output of Perch's stack."""
    stack = aws("cloudformation").describe_stacks(StackName=PERCH)["Stacks"][0]
    return next(str(o["OutputValue"]) for o in stack["Outputs"] if o["OutputKey"] == name)


def role(name: str, service: str, managed: str = "", policy: dict[str, Any] | None = None) -> str:
    """A role that a service of AWS may take, with one of AWS's policies and one of its own; its ARN."""
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    arn = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if managed:
        aws("iam").attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{managed}")
    if policy:
        document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **policy}]})
        aws("iam").put_role_policy(RoleName=name, PolicyName="chaos", PolicyDocument=document)
    return str(arn)
