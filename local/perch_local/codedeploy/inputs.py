"""Checks of what callers send, with the exceptions the API names for each.

AWS: CodeDeploy API Reference, the exceptions of CreateDeploymentGroup and CreateDeployment; quotas (limits).
"""
import re

from perch_local.codedeploy.errors import Refused

MOST_ALARMS, MOST_DESCRIPTION, MOST_BATCH, PAGE = 10, 256, 100, 100
_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,100}")
_EVENTS = {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"}


def name(data, key, what):
    """A required name; `what` is the middle of the exceptions' names."""
    value = data.get(key)
    if not value:
        raise Refused(f"{what}NameRequired", f"{key} is missing")
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Refused(f"Invalid{what}Name", f"{key} must have 1 to 100 letters, digits, or any of + = , . @ _ - : {value}")
    return value


def application_name(data):
    """The required applicationName."""
    return name(data, "applicationName", "Application")


def deployment_id(data, key="deploymentId"):
    """The required id of a deployment."""
    value = data.get(key)
    if not value:
        raise Refused("DeploymentIdRequired", f"{key} is missing")
    if not re.fullmatch(r"d-[A-Z0-9]{9}", str(value)):
        raise Refused("InvalidDeploymentId", f"Specified DeploymentId is not in the valid format: {value}")
    return value


def batch(values, required):
    """A list of 1 to 100 names or ids; `required` is the exception for an empty one."""
    if not values:
        raise Refused(required, "The list is empty")
    if len(values) > MOST_BATCH:
        raise Refused("BatchLimitExceeded", f"At most {MOST_BATCH} names or ids are allowed in a request: {len(values)}")
    return values


def alarms(given):
    """An alarmConfiguration as it is kept."""
    given = given or {}
    names = [alarm.get("name") if isinstance(alarm, dict) else None for alarm in given.get("alarms") or []]
    if any(not n or len(n) > 255 for n in names):
        raise Refused("InvalidAlarmConfig", "The name of an alarm is empty, or longer than 255 characters")
    if len(set(names)) != len(names):
        raise Refused("InvalidAlarmConfig", "Two alarms have the same name")
    if len(names) > MOST_ALARMS:
        raise Refused("AlarmsLimitExceeded", f"At most {MOST_ALARMS} alarms are allowed: {len(names)}")
    if given.get("enabled") and not names:
        raise Refused("InvalidAlarmConfig", "The alarm configuration is enabled, but the list of alarms is empty")
    return {"enabled": bool(given.get("enabled")), "ignorePollAlarmFailure": bool(given.get("ignorePollAlarmFailure")),
            "alarms": [{"name": n} for n in names]}


def auto_rollback(given):
    """An autoRollbackConfiguration as it is kept."""
    given = given or {}
    events = list(given.get("events") or [])
    if set(events) - _EVENTS:
        raise Refused("InvalidAutoRollbackConfig", f"Unknown event in {events}")
    if given.get("enabled") and not events:
        raise Refused("InvalidAutoRollbackConfig", "Automatic rollback is enabled, but no event is listed")
    return {"enabled": bool(given.get("enabled")), "events": events}


def description(data):
    """The description of a deployment, or None."""
    text = data.get("description")
    if text and len(text) > MOST_DESCRIPTION:
        raise Refused("DescriptionTooLong", f"The description has more than {MOST_DESCRIPTION} characters")
    return text


def page(items, token):
    """(the items of this page, the token of the next one or None)."""
    try:
        start = int(token or 0)
    except ValueError:
        start = -1
    if start < 0 or start > len(items):
        raise Refused("InvalidNextToken", f"The token is not valid: {token}")
    end = start + PAGE
    return items[start:end], str(end) if end < len(items) else None


def paged(key, items, token, **more):
    """The answer of a List call."""
    shown, following = page(items, token)
    return {**more, key: shown, **({"nextToken": following} if following else {})}
