"""Lifecycle hooks of a service deployment: functions that are asked, and pauses that wait for a person.

AWS: ECS Developer Guide, "Lambda hooks" (lambda-lifecycle-hooks: SUCCEEDED, FAILED, IN_PROGRESS again after callBackDelay
with the returned hookDetails; anything else rolls back), "Pause hooks" (pause-lifecycle-hooks). Hooks of one stage run
in parallel, and all have to agree. The event has the members that functions get on AWS: executionDetails,
executionId, lifecycleStage, resourceArn and hookDetails; AWS's page shows those of executionDetails only.
"""
import contextvars
import secrets
import threading
import time
import uuid

from ministack.services import stepfunctions as SFN
from perch_local import clock, permissions
from perch_local.ecs import announce, strategy

LOOK_EVERY = 0.02


class HookFailed(Exception):
    """Why the deployment has to roll back."""


def payload(deployment, stage, hook_id, details, test, production):
    """The event of a function."""
    event = {"executionDetails": {"serviceArn": deployment.service_arn, "targetServiceRevisionArn": deployment.target.arn,
                                  "testTrafficWeights": test, "productionTrafficWeights": production},
             "executionId": hook_id, "lifecycleStage": stage, "resourceArn": deployment.arn}
    return {**event, "hookDetails": details} if details is not None else event


def call(hook, event):
    """What the function returned; raises HookFailed when it may not be called or fails."""
    arn, role = hook["hookTargetArn"], hook["roleArn"]
    if not permissions.may_assume("ecs.amazonaws.com", role):
        raise HookFailed(f"Amazon ECS could not assume the role {role}")
    refused = permissions.denial(role, "lambda:InvokeFunction", arn, "ecs")
    if refused:
        raise HookFailed(refused)
    try:
        return SFN._call_lambda(arn, event)
    except SFN._ExecutionError as failed:
        raise HookFailed(f"lifecycle hook {arn} failed: {failed}") from failed


class Hook:
    """One run of a hook at a stage; `answer` is SUCCEEDED or why to roll back, once it is known."""

    def __init__(self, deployment, hook, stage, test, production):
        kind = hook["targetType"]
        timeout = hook["timeoutConfiguration"]
        self.deployment, self.hook, self.stage, self.weights = deployment, hook, stage, (test, production)
        self.ends = time.monotonic() + clock.minutes(timeout["timeoutInMinutes"])
        self.detail = {"hookId": f"ecs-pause-{secrets.token_urlsafe(32)}" if kind == "PAUSE" else str(uuid.uuid4()),
                       "targetType": kind, "status": "AWAITING_ACTION" if kind == "PAUSE" else "IN_PROGRESS",
                       "expiresAt": time.time() + clock.minutes(timeout["timeoutInMinutes"]), "timeoutAction": timeout["action"]}
        if kind != "PAUSE":
            self.detail["targetArn"] = hook["hookTargetArn"]
        self.answer, self.cancelled = None, threading.Event()
        self._tell()
        if kind != "PAUSE":
            context = contextvars.copy_context()
            threading.Thread(target=context.run, args=(self._ask,), daemon=True, name=f"perch-ecs-hook-{stage}").start()

    def _tell(self):
        announce.hook(self.deployment.service_arn, self.deployment.cluster_arn, self.deployment.arn, self.stage, self.detail)

    def settle(self, status, answer):
        """The hook is done; the first word counts."""
        if self.answer is None:
            self.detail["status"], self.answer = status, answer
            self._tell()

    def _ask(self):
        details = self.hook.get("hookDetails")
        while not self.cancelled.is_set() and self.answer is None:
            try:
                event = payload(self.deployment, self.stage, self.detail["hookId"], details, *self.weights)
                status, delay, kept = strategy.verdict(call(self.hook, event))
            except (HookFailed, strategy.Refused) as why:
                return self.settle("FAILED", f"Lifecycle hook {self.hook['hookTargetArn']} at {self.stage}: {why}")
            except Exception as why:
                return self.settle("FAILED", f"Lifecycle hook {self.hook['hookTargetArn']} at {self.stage}: {why!r}")
            if status != "IN_PROGRESS":
                return self.settle(status, "SUCCEEDED" if status == "SUCCEEDED" else
                                   f"Lifecycle hook {self.hook['hookTargetArn']} at {self.stage} returned FAILED")
            details = details if kept is None else kept
            self.cancelled.wait(clock.seconds(delay))

    def overdue(self):
        """Take the time-out's action when the time is over."""
        if self.answer is None and time.monotonic() >= self.ends:
            goes_on = self.detail["timeoutAction"] == "CONTINUE"
            self.settle("TIMED_OUT", "SUCCEEDED" if goes_on else f"Lifecycle hook at {self.stage} timed out")


def run(deployment, stage, test, production, check):
    """Run the hooks of a stage to their end; raises HookFailed. `check` may raise to end the wait."""
    wanted = [h for h in deployment.config["lifecycleHooks"] if stage in h["lifecycleStages"]]
    running = deployment.hooks = [Hook(deployment, h, stage, test, production) for h in wanted]
    try:
        while True:
            for one in running:
                one.overdue()
            wrong = next((one.answer for one in running if one.answer not in (None, "SUCCEEDED")), None)
            if wrong:
                raise HookFailed(wrong)
            if all(one.answer for one in running):
                return
            check()
            time.sleep(LOOK_EVERY)
    finally:
        for one in running:
            one.cancelled.set()


