"""The AWS managed policy with which ECS moves a service's traffic.

AWS: AWS Managed Policy Reference, AmazonECSInfrastructureRolePolicyForLoadBalancers; ECS Developer Guide, "Amazon ECS
infrastructure IAM role for load balancers" (AmazonECSInfrastructureRolePolicyForLoadBalancers).
"""
import json

from ministack.services import iam

NAME = "AmazonECSInfrastructureRolePolicyForLoadBalancers"
_ELB = "arn:aws:elasticloadbalancing:*:*:"


def _allow(actions, *resources):
    return {"Effect": "Allow", "Action": [f"elasticloadbalancing:{action}" for action in actions], "Resource": list(resources)}


STATEMENTS = [
    _allow(["DescribeListeners", "DescribeRules", "DescribeTargetGroups", "DescribeTargetHealth"], "*"),
    _allow(["RegisterTargets", "DeregisterTargets"], _ELB + "targetgroup/*/*"),
    _allow(["ModifyListener"], _ELB + "listener/app/*/*/*", _ELB + "listener/net/*/*/*"),
    _allow(["ModifyRule"], _ELB + "listener-rule/app/*/*/*/*"),
]


def install():
    """Make the policy known to IAM."""
    document = json.dumps({"Version": "2012-10-17", "Statement": STATEMENTS})
    iam._aws_managed_policies[f"arn:aws:iam::aws:policy/{NAME}"] = iam._make_aws_managed_record(
        NAME, document, "Lets Amazon ECS manage the load balancers of its services.")
