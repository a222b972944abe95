"""What the service role of a group lets CodeDeploy do, and the AWS managed policies for such roles.

AWS: CodeDeploy User Guide, "Step 2: Create a service role for CodeDeploy" (getting-started-create-service-role);
"Troubleshoot Amazon ECS deployment issues" (troubleshooting-ecs), the message of a missing permission; AWS Managed Policy
Reference, AWSCodeDeployRoleForLambda, -LambdaLimited, -ECS, -ECSLimited.
"""
import json

from ministack.services import iam
from perch_local import permissions
from perch_local.codedeploy.errors import Failed
from perch_local.scope import log

SERVICE = "codedeploy.amazonaws.com"
_CALLED = {"lambda": "AWSLambda", "ecs": "AmazonECS", "elasticloadbalancing": "AmazonElasticLoadBalancing", "cloudwatch": "AmazonCloudWatch"}
_OWN_HOOKS = "arn:aws:lambda:*:*:function:CodeDeployHook_*"
_S3 = [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": "*",
        "Condition": {"StringEquals": {"s3:ExistingObjectTag/UseWithCodeDeploy": "true"}}}]
_LAMBDA = {"Effect": "Allow", "Resource": "*", "Action": [
    "cloudwatch:DescribeAlarms", "lambda:UpdateAlias", "lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "sns:Publish"]}
_ECS = {"Effect": "Allow", "Resource": "*", "Action": [
    "ecs:DescribeServices", "ecs:CreateTaskSet", "ecs:UpdateServicePrimaryTaskSet", "ecs:DeleteTaskSet", "cloudwatch:DescribeAlarms"]}
_ECS_BALANCERS = {"Effect": "Allow", "Resource": "*", "Action": [
    "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:ModifyListener",
    "elasticloadbalancing:DescribeRules", "elasticloadbalancing:ModifyRule"]}
_PASS = {"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": "*",
         "Condition": {"StringLike": {"iam:PassedToService": ["ecs-tasks.amazonaws.com"]}}}


def _invoke(resource):
    return {"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": resource}


def _publish(resource):
    return {"Effect": "Allow", "Action": ["sns:Publish"], "Resource": resource}


_OWN_TOPICS = "arn:aws:sns:*:*:CodeDeployTopic_*"
# By path and name: those for ECS have no path.
MANAGED = {
    "service-role/AWSCodeDeployRoleForLambda": [_LAMBDA, *_S3, _invoke(_OWN_HOOKS)],
    "service-role/AWSCodeDeployRoleForLambdaLimited": [dict(_LAMBDA, Action=_LAMBDA["Action"][:-1]), *_S3, _invoke(_OWN_HOOKS), _publish(_OWN_TOPICS)],
    "AWSCodeDeployRoleForECS": [_ECS, _ECS_BALANCERS, _invoke("*"), _publish("*"), *_S3, _PASS],
    "AWSCodeDeployRoleForECSLimited": [_ECS, _ECS_BALANCERS, _invoke(_OWN_HOOKS), _publish(_OWN_TOPICS), *_S3, _PASS],
}


def need(deployment, action, resource):
    """Raise Failed unless the group's role may do this."""
    arn = deployment.group["serviceRoleArn"]
    if not permissions.may_assume(SERVICE, arn):
        raise Failed("IAM_ROLE_MISSING", f"CodeDeploy may not assume the service role {arn}, or it does not exist.")
    if refused := permissions.denial(arn, action, resource, "codedeploy"):
        log.warning("deployment %s: %s", deployment.id, refused)
        raise Failed("IAM_ROLE_PERMISSIONS", f"The IAM role {arn} does not give you permission to perform operations in the "
                     f"following AWS service: {_CALLED[action.split(':')[0]]}.")


def install():
    """Make the managed policies known to IAM."""
    for name, statements in MANAGED.items():
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam._aws_managed_policies[f"arn:aws:iam::aws:policy/{name}"] = iam._make_aws_managed_record(
            name, document, "Service role policy of CodeDeploy.")
