"""The IAM action and the resource of each CodeDeploy call, and what CreateDeployment needs besides its own.

AWS: Service Authorization Reference, "Actions, resources, and condition keys for AWS CodeDeploy" (list_awscodedeploy);
CodeDeploy User Guide, "CodeDeploy permissions reference" (auth-and-access-control-permissions-reference). CreateDeployment
reads the configuration (GetDeploymentConfig) and registers the revision (RegisterApplicationRevision) as its caller.
"""
import json

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_region
from perch_local.codedeploy import store

_ON_CONFIG = {"CreateDeploymentConfig", "GetDeploymentConfig", "DeleteDeploymentConfig"}
_ON_APPLICATION = {"CreateApplication", "GetApplication", "BatchGetApplications", "UpdateApplication", "DeleteApplication",
                   "ListDeploymentGroups"}


def resource(action, data):
    """The ARN that a call is about, or "*"."""
    application, group = data.get("applicationName"), data.get("deploymentGroupName") or data.get("currentDeploymentGroupName")
    if data.get("ResourceArn"):
        return data["ResourceArn"]
    if action in _ON_CONFIG:
        return store.arn("deploymentconfig", data.get("deploymentConfigName") or "*")
    if action in _ON_APPLICATION:
        return store.arn("application", application or (data.get("applicationNames") or ["*"])[0])
    if application:
        return store.arn("deploymentgroup", f"{application}/{group or (data.get('deploymentGroupNames') or ['*'])[0]}")
    found = store.deployments.get(data.get("deploymentId") or (data.get("deploymentIds") or [""])[0])
    return store.arn("deploymentgroup", "/".join(found.key)) if found else "*"


def denial(headers, query, data):
    """A response that denies what a caller of CreateDeployment may not do besides, or None."""
    if not app.AUTH:
        return None
    group = store.groups.get((data.get("applicationName"), data.get("deploymentGroupName"))) or {}
    config = data.get("deploymentConfigName") or group.get("deploymentConfigName")
    needed = [("GetDeploymentConfig", store.arn("deploymentconfig", config or "*")),
              ("RegisterApplicationRevision", store.arn("application", data.get("applicationName") or "*"))]
    for name, arn in needed:
        action = f"codedeploy:{name}"
        refused = iam_evaluator.enforce(app.extract_access_key_id(headers, query), action, "codedeploy", get_region(), resource_arn=arn)
        if refused:
            return iam_actions.access_denied_response("codedeploy", action, refused.principal_arn, "", headers=headers,
                                                      resource_arn=arn, explicit_deny=refused.decision == "Deny")
    return None


def install():
    """Teach ministack the namespace and the resources."""
    iam_actions.SERVICE_TO_IAM_NAMESPACE["codedeploy"] = "codedeploy"
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(service, method, path, headers, body, query_params, region, account_id):
        if service != "codedeploy":
            return extract(service, method, path, headers, body, query_params, region, account_id)
        try:
            data = json.loads(body or b"{}")
        except ValueError:
            return "*"
        action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
        return resource(action, data) if isinstance(data, dict) else "*"

    iam_actions.extract_resource_arn = extract_resource_arn
