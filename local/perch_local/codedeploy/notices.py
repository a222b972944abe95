"""Deployment state-change events on the default bus.

AWS: CodeDeploy User Guide, "Monitoring deployments with Amazon CloudWatch Events" (monitoring-cloudwatch-events); the
members are those of AWS's sample event. State is START, READY, SUCCESS, FAILURE or STOP.
"""
from ministack.core.responses import get_region
from perch_local import events
from perch_local.codedeploy import store


def tell(deployment, state):
    """Emit a state change."""
    application, group = deployment.key
    detail = {"instanceGroupId": deployment.group["deploymentGroupId"], "region": get_region(), "application": application,
              "deploymentId": deployment.id, "state": state, "deploymentGroup": group}
    events.emit("aws.codedeploy", "CodeDeploy Deployment State-change Notification", detail,
                [store.arn("application", application), store.arn("deploymentgroup", f"{application}/{group}")])
