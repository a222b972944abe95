"""Deployments: Create, Get, BatchGet, List, Stop, Continue.

AWS: CodeDeploy API Reference, CreateDeployment, ListDeployments, StopDeployment, ContinueDeployment. CreateDeployment has
no client token: every call that is not refused makes a deployment.
"""
import hashlib

from perch_local.codedeploy import appspec, groups, inputs, runner, store
from perch_local.codedeploy.deployment import FINAL, Deployment
from perch_local.codedeploy.errors import Halted, Refused

STATUSES = ("Created", "Queued", "InProgress", "Baking", "Ready", *FINAL)


def create(data, creator="user", external_id=None):
    """CreateDeployment."""
    group = store.group(inputs.application_name(data), inputs.name(data, "deploymentGroupName", "DeploymentGroup"))
    platform = group["computePlatform"]
    revision = data.get("revision")
    if not revision:
        raise Refused("RevisionRequired", "revision is missing")
    spec = _spec(revision, platform)
    named = data if data.get("deploymentConfigName") else group
    override = data.get("overrideAlarmConfiguration")
    rollback = data.get("autoRollbackConfiguration")
    deployment = Deployment(
        group, revision, spec, groups.config_for(named, platform), creator=creator, description=inputs.description(data),
        auto_rollback=inputs.auto_rollback(rollback) if rollback is not None else group["autoRollbackConfiguration"],
        alarms=inputs.alarms(override) if override is not None else group["alarmConfiguration"],
        override_alarms=inputs.alarms(override) if override is not None else None, external_id=external_id)
    deployment.previous = group.get("targetRevision")
    for key in ("ignoreApplicationStopFailures", "updateOutdatedInstancesOnly"):
        if data.get(key):
            raise Refused(f"Invalid{key[0].upper()}{key[1:]}Value", f"{key} must be false for {platform}")
    runner.enter(deployment)
    runner.start(deployment)
    return {"deploymentId": deployment.id}


def _spec(revision, platform):
    kind = revision.get("revisionType")
    held = revision.get({"AppSpecContent": "appSpecContent", "String": "string"}.get(kind, "?"))
    if not held or not held.get("content"):
        raise Refused("InvalidRevision", f"This stack reads revisions of type AppSpecContent and String: {kind}")
    digest = held.get("sha256")
    if digest and digest.lower() != hashlib.sha256(held["content"].encode()).hexdigest():
        raise Refused("InvalidRevision", "sha256 is not the digest of the content")
    try:
        return appspec.parse(held["content"], platform)
    except appspec.BadAppSpec as wrong:
        raise Refused("InvalidRevision", str(wrong)) from wrong


def get(data):
    """GetDeployment."""
    return {"deploymentInfo": store.deployment(inputs.deployment_id(data)).info()}


def batch_get(data):
    """BatchGetDeployments; ids without a deployment are left out."""
    ids = inputs.batch(data.get("deploymentIds"), "DeploymentIdRequired")
    return {"deploymentsInfo": [store.deployments[i].info() for i in ids if i in store.deployments]}


def list_ids(data):
    """ListDeployments, newest first."""
    application, group = data.get("applicationName"), data.get("deploymentGroupName")
    if group and not application:
        raise Refused("ApplicationNameRequired", "deploymentGroupName needs applicationName")
    if application:
        store.group(application, group) if group else store.application(application)
    wanted = data.get("includeOnlyStatuses") or STATUSES
    if set(wanted) - set(STATUSES):
        raise Refused("InvalidDeploymentStatus", f"Unknown status in {wanted}")
    first, last = _range(data.get("createTimeRange") or {})
    found = [d.id for d in reversed(store.deployments.values())
             if (not application or d.key[0] == application) and (not group or d.key[1] == group) and d.status in wanted
             and first <= d.created <= last and data.get("externalId") in (None, d.external_id)]
    return inputs.paged("deployments", found, data.get("nextToken"))


def _range(given):
    first, last = given.get("start"), given.get("end")
    first, last = 0.0 if first is None else first, float("inf") if last is None else last
    if not all(isinstance(at, (int, float)) for at in (first, last)) or first > last:
        raise Refused("InvalidTimeRange", f"The time range is not valid: {given}")
    return first, last


def stop(data):
    """StopDeployment. Traffic stays where it is unless a rollback follows; a hook that runs makes the answer Pending."""
    deployment = store.deployment(inputs.deployment_id(data))
    waiting = any(execution.open for execution in store.hooks.values() if execution.deployment is deployment)
    why = Halted("MANUAL_STOP", "The deployment was stopped by a caller of StopDeployment.", "DEPLOYMENT_STOP_ON_REQUEST",
                 data.get("autoRollbackEnabled"))
    if not deployment.halt(why):
        raise Refused("DeploymentAlreadyCompleted", f"The deployment {deployment.id} is completed: {deployment.status}")
    return {"status": "Pending" if waiting else "Succeeded", "statusMessage": "No more commands will be scheduled for execution"}


def go_on(data):
    """ContinueDeployment of an ECS deployment that waits to shift traffic, or to end the original tasks."""
    deployment, wait = store.deployment(inputs.deployment_id(data)), data.get("deploymentWaitType") or "READY_WAIT"
    if wait not in ("READY_WAIT", "TERMINATION_WAIT"):
        raise Refused("InvalidDeploymentWaitType", f"The wait type must be READY_WAIT or TERMINATION_WAIT: {wait}")
    if deployment.group["computePlatform"] != "ECS":
        raise Refused("UnsupportedActionForDeploymentType", "Only blue/green deployments with instances or tasks wait")
    if deployment.status in FINAL:
        raise Refused("DeploymentAlreadyCompleted", f"The deployment {deployment.id} is completed: {deployment.status}")
    if wait == "READY_WAIT" and deployment.status != "Ready":
        raise Refused("DeploymentIsNotInReadyState", f"The deployment {deployment.id} is {deployment.status}")
    if wait == "TERMINATION_WAIT" and not deployment.termination_wait:
        raise Refused("DeploymentIsNotInReadyState", f"The deployment {deployment.id} does not wait to end the original tasks")
    deployment.go_on(wait)
    return {}
