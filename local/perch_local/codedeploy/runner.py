"""Runs a deployment on a thread of its own: lifecycle events, alarms, the end, and the rollback that follows.

AWS: CodeDeploy User Guide, "Redeploy and roll back a deployment with CodeDeploy" (deployments-rollback-and-redeploy): a
rollback is a new deployment with an id of its own. The messages and the all-at-once configuration of rollbacks are as seen
on AWS. Alarms and hooks have no say in a rollback.
"""
import contextvars
import threading

from perch_local.codedeploy import alarm_looks, hooks, notices, store
from perch_local.codedeploy.deployment import Deployment, Event
from perch_local.codedeploy.ecs_target import EcsTarget
from perch_local.codedeploy.errors import Failed, Refused
from perch_local.codedeploy.lambda_target import LambdaTarget
from perch_local.codedeploy.timeline import PREDEFINED
from perch_local.scope import log


def enter(deployment):
    """Take the group's only place; Refused when another deployment has it."""
    with store.lock:
        taken = store.active.get(deployment.key)
        if taken:
            raise Refused("DeploymentLimitExceeded",
                          f"The Deployment Group '{deployment.key[1]}' already has an active Deployment '{taken}'")
        _keep(deployment)


def _keep(deployment):
    """Give it the group's place. Its time is from here: before, another deployment may still have been under way."""
    deployment.created = store.now()
    deployment.target = {"Lambda": LambdaTarget, "ECS": EcsTarget}[deployment.group["computePlatform"]](deployment)
    deployment.events = [Event(name) for name in deployment.target.events]
    if not deployment.rolls_back:
        deployment.look = lambda: alarm_looks.look_at(deployment)
    store.active[deployment.key] = deployment.id
    store.deployments[deployment.id] = deployment


def start(deployment):
    """Run on a thread, in the account and region of the caller."""
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run, deployment), daemon=True, name=f"codedeploy-{deployment.id}").start()


def run(deployment):
    """From Created to a final state, and through the rollback if there is one."""
    with deployment.late.watched():
        rollback = _run(deployment)
    if rollback:
        run(rollback)


def _run(deployment):
    """From Created to a final state; the rollback that follows, if one does."""
    try:
        _begin(deployment)
        _events(deployment)
        deployment.target.finish()
        with store.lock:
            deployment.end("Succeeded")
            _leave(deployment)
    except Failed as why:
        return _ended(deployment, why)
    except Exception as wrong:
        log.exception("deployment %s", deployment.id)
        return _ended(deployment, Failed("INTERNAL_ERROR", str(wrong)))
    notices.tell(deployment, "SUCCESS")
    return None


def _begin(deployment):
    with deployment.changed:
        deployment.status, deployment.started = "InProgress", store.now()
    notices.tell(deployment, "START")
    deployment.check()
    if not deployment.rolls_back:
        deployment.target.check()


def _events(deployment):
    failed = deployment.rolls_back
    for event in deployment.events:
        deployment.check()
        event.begin()
        if not failed:
            deployment.target.act(event)
            hooks.run(deployment, event)
        elif event.name == "AllowTraffic":
            deployment.target.restore(failed.target)
        event.finish("Succeeded")


def _leave(deployment):
    for key in [key for key, taken in store.active.items() if taken == deployment.id]:
        store.active.pop(key)
    last = {"deploymentId": deployment.id, "status": deployment.status, "createTime": deployment.created, "endTime": deployment.completed}
    group = store.group_by_id(deployment.group["deploymentGroupId"])
    if group is None:
        return
    group["lastAttemptedDeployment"] = last
    if deployment.status == "Succeeded":
        group.update(lastSuccessfulDeployment=last, targetRevision=deployment.revision)


def _ended(deployment, why):
    with store.lock:
        # The rollback first: whoever sees that the deployment is over sees what follows, too.
        over = store.now()
        rollback = _rollback(deployment) if _wanted(deployment, why) else None
        deployment.end(why.status, {"code": why.code, "message": str(why)}, over)
        _leave(deployment)
    notices.tell(deployment, why.notice)
    return rollback


def _wanted(deployment, why):
    """Whether a rollback follows: what StopDeployment said counts before the configuration."""
    if deployment.rolls_back or not deployment.target.restorable():
        return False
    said = getattr(why, "rollback", None)
    settings = deployment.auto_rollback
    return said if said is not None else settings["enabled"] and why.trigger in settings["events"]


def _rollback(failed):
    """The deployment that undoes another one; it has the group's place before anybody else can take it."""
    spec, revision = failed.target.way_back()
    config = PREDEFINED[f"CodeDeployDefault.{failed.group['computePlatform']}AllAtOnce"]
    undo = Deployment(failed.group, revision, spec, config, creator="codeDeployRollback", rolls_back=failed,
                      auto_rollback=failed.auto_rollback, external_id=failed.external_id)
    undo.rollback = {"rollbackTriggeringDeploymentId": failed.id,
                     "rollbackMessage": f"Deployment {undo.id} is triggered to roll back deployment {failed.id}."}
    failed.rollback = {"rollbackDeploymentId": undo.id, "rollbackMessage":
                       f"Deployment {failed.id} terminated. Automatic rollback is triggered with a DeploymentId {undo.id}."}
    _keep(undo)
    return undo
