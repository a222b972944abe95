"""The alarms of a deployment: one in ALARM stops it, before the first shift or at any time until it is over.

AWS: CodeDeploy User Guide, "Monitoring deployments with CloudWatch alarms" (deployments-create-alarms). That an alarm in
ALARM at the start ends a deployment as Stopped within a second was seen on AWS; so was the message.
"""
from ministack.services import cloudwatch as CW
from perch_local.codedeploy import role
from perch_local.codedeploy.errors import Failed, Halted

_ACTIVE = ("One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected "
           "deployments have been stopped. Activated alarms: {}")


def look_at(deployment):
    """Raise Halted when an alarm is active, or can't be read and that is not ignored."""
    alarms = deployment.alarms
    if not alarms or not alarms["enabled"]:
        return
    names = [alarm["name"] for alarm in alarms["alarms"]]
    unread = _unreadable(deployment, names)
    if unread and not alarms["ignorePollAlarmFailure"]:
        raise Halted("ALARM_ACTIVE", f"The state of the alarms could not be retrieved from Amazon CloudWatch: {unread}",
                     "DEPLOYMENT_STOP_ON_ALARM")
    if active := [] if unread else [f"<{name}>" for name in names if _state(name) == "ALARM"]:
        raise Halted("ALARM_ACTIVE", _ACTIVE.format(" ".join(active)), "DEPLOYMENT_STOP_ON_ALARM")


def _state(name):
    return (CW._alarms.get(name) or CW._composite_alarms.get(name) or {}).get("StateValue")


def _unreadable(deployment, names):
    try:
        role.need(deployment, "cloudwatch:DescribeAlarms", "*")
    except Failed as denied:
        return str(denied)
    return ", ".join(name for name in names if _state(name) is None)
