"""Who may do what: one question for roles and one for service principals, answered by ministack's IAM evaluator.

AWS: IAM User Guide, "Policy evaluation logic" (reference_policies_evaluation-logic): a service that acts with a role
needs that role's identity policies; a service that acts for itself needs a statement for its principal in the
resource's own policy. Both are checked only when the server runs with AUTH=true.
"""
import json

from ministack import app
from ministack.core import iam_evaluator as IAM
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam


def on():
    """Whether this server checks permissions."""
    return app.AUTH


def role_name(role_arn):
    """The name at the end of a role ARN, without its path."""
    return role_arn.rsplit("/", 1)[-1]


def denial(role_arn, action, resource, session="perch"):
    """AWS's message when the role may not do this, else None."""
    if not on():
        return None
    account, name = get_account_id(), role_name(role_arn)
    principal = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
    context = IAM.EvalContext(principal, "AssumedRole", account, action, resource, get_region())
    if IAM.evaluate(context, IAM._gather_role_policies(name, account)).decision == "Allow":
        return None
    return f"User: {principal} is not authorized to perform: {action} on resource: {resource}"


def may_assume(service, role_arn):
    """Whether the role exists and its trust policy lets the service assume it."""
    if not on():
        return True
    role = iam._roles.get(role_name(role_arn))
    trust = (role or {}).get("AssumeRolePolicyDocument")
    return bool(role) and allowed(trust, service, "sts:AssumeRole", "*", "")


def allowed(policy, service, action, resource, source_arn):
    """Whether a resource policy lets a service principal act on behalf of the source."""
    if not on():
        return True
    if not policy:
        return False
    account = get_account_id()
    context = IAM.EvalContext("*", "Service", "", action, resource, get_region(), service_context={
        "aws:sourcearn": source_arn, "aws:sourceaccount": account, "aws:sourceowner": account})
    if action == "sts:AssumeRole":              # a trust policy names no resource
        policy = _with_resource(policy)
    return IAM.evaluate_resource_policy(policy, context, service=service).decision == "Allow"


def _with_resource(policy):
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = document.get("Statement", [])
    statements = [statements] if isinstance(statements, dict) else statements
    return {"Statement": [dict(s, Resource="*") for s in statements]}
