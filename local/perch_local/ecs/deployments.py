"""Service deployments: what one is, how it stops and how it ends. How it proceeds: `rolling` and `shifting`.

AWS: ECS API Reference, ServiceDeployment, StopServiceDeployment; Developer Guide, "View service history using Amazon ECS
service deployments" (service-deployment), "How CloudWatch alarms detect deployment failures"
(deployment-alarm-failure: an alarm that is in ALARM at the start is ignored for that deployment), "How the Amazon ECS
deployment circuit breaker detects failures" (deployment-circuit-breaker).
"""
import contextvars
import threading
import time

from ministack.services import cloudwatch as CW
from perch_local.ecs import announce, hooks, names, strategy
from perch_local.scope import log

LOOK_EVERY = 0.02
OPEN = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


class RollBack(Exception):
    """The deployment has to go back; the reason is its message."""


class Replaced(Exception):
    """A newer deployment takes over."""


class Deployment:
    """One service deployment. `service` is a `service.Service`."""

    def __init__(self, service, target, source, drive):
        record = service.record
        self.service, self.target, self.source, self.drive = service, target, source, drive
        self.service_arn, self.cluster_arn = record["serviceArn"], record["clusterArn"]
        self.arn = names.arn("service-deployment", service.key, names.token())
        self.config = record["deploymentConfiguration"]
        self.status, self.reason, self.stage, self.hooks = "PENDING", None, None, []
        self.created = self.updated = time.time()
        self.started = self.finished = self.stopped = self.rollback = None
        self.production, self.test = None, None         # percent of traffic meant for the target
        self.wish, self.replaced_by = None, None        # why to roll back; the deployment that takes over
        alarms = self.config.get("alarms") or {}
        self.watched = list(alarms.get("alarmNames") or []) if alarms.get("enable") else []
        self.ignored = {name for name in self.watched if self._in_alarm(name)}
        self.triggered = []
        self.tripped = False
        self.over = threading.Event()

    def begin(self, after=None):
        """Start it on a thread of its own, once the one before has let go."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run, after), daemon=True, name=f"perch-ecs-deploy-{self.arn[-8:]}").start()

    def _run(self, after):
        try:
            if after:
                after.over.wait()
            self.move("IN_PROGRESS", None)
            self.started = time.time()
            self.tell("SERVICE_DEPLOYMENT_IN_PROGRESS", f"ECS deployment {self.target.deployment_id} in progress.")
            self._forward()
        except Replaced:
            deleted = self.service.record["status"] != "ACTIVE"
            self.end("STOPPED", "The service was deleted." if deleted else "A new service deployment was started.")
        except Exception:
            log.exception("service deployment %s", self.arn)
            self.end("STOPPED", "The local stack failed; see its log.")
        finally:
            self.over.set()

    def _forward(self):
        try:
            self.drive.forward(self)
        except (RollBack, hooks.HookFailed) as why:
            return self._back(str(why))
        self.service.became(self.target, self)
        self.end("SUCCESSFUL", None)
        self.tell("SERVICE_DEPLOYMENT_COMPLETED", f"ECS deployment {self.target.deployment_id} completed.")

    def _back(self, reason):
        breaker, alarms = self.config["deploymentCircuitBreaker"], self.config.get("alarms") or {}
        wanted = not (self.tripped and not breaker.get("rollback")) and not (self.triggered and not alarms.get("rollback"))
        if self.tripped or self.triggered:
            self.tell("SERVICE_DEPLOYMENT_FAILED", reason)
        if not wanted or self.source is None:
            self.drive.halt(self)
            self.end("STOPPED", reason)
            return
        self.rollback = {"reason": reason, "startedAt": time.time(), "serviceRevisionArn": self.source.arn}
        self.move("ROLLBACK_IN_PROGRESS", reason)
        cause = "circuit breaker" if self.tripped else "alarms" if self.triggered else None
        self.tell("SERVICE_DEPLOYMENT_IN_PROGRESS", (f"ECS deployment {cause}" if cause else "ECS deployment")
                  + f": rolling back to deploymentId {self.source.deployment_id}.")
        self.drive.back(self)
        self.service.went_back(self.source, self)
        self.end("ROLLBACK_SUCCESSFUL", reason)
        if not cause:
            self.tell("SERVICE_DEPLOYMENT_FAILED", reason)

    def move(self, status, reason):
        """Change its status."""
        self.status, self.reason, self.updated = status, reason, time.time()

    def end(self, status, reason):
        """It is over."""
        self.hooks = []
        self.move(status, reason)
        if status == "STOPPED":
            self.stopped = time.time()
        self.finished = time.time()

    def tell(self, name, reason):
        """Send its event."""
        announce.deployment(self.service_arn, self.target.deployment_id, name, reason)

    def enter(self, stage, run_hooks=True, test=None, production=None):
        """Enter a stage and run its hooks, with the weights that are meant."""
        self.at(stage)
        if run_hooks:
            hooks.run(self, stage, self.weights(test), self.weights(production), self.check)

    def at(self, stage):
        """Be in a stage."""
        self.stage, self.updated = stage, time.time()
        log.info("%s: stage %s", self.arn, stage)
        self.check()

    def weights(self, percent):
        """{service revision: percent} with the target at `percent`; empty for None."""
        if percent is None:
            return {}
        whole = lambda value: int(value) if float(value).is_integer() else round(value, 1)
        split = {self.target.arn: whole(percent)}
        return {**split, self.source.arn: whole(100 - percent)} if self.source else split

    def wait(self, seconds):
        """Let time pass, looking all the while."""
        self.until(lambda: False, seconds)

    def until(self, condition, seconds=None):
        """Wait for a condition, or so long; looks for what ends the deployment."""
        ends = None if seconds is None else time.monotonic() + seconds
        while not condition() and (ends is None or time.monotonic() < ends):
            self.check()
            time.sleep(LOOK_EVERY)

    def check(self):
        """Raise when the deployment has to end."""
        if self.status == "ROLLBACK_IN_PROGRESS":
            return
        if self.replaced_by:
            raise Replaced()
        if self.wish:
            raise RollBack(self.wish)
        self.triggered = [n for n in self.watched if n not in self.ignored and self._in_alarm(n)]
        if self.triggered:
            raise RollBack(f"ECS deployment alarms: {', '.join(self.triggered)} in ALARM.")
        breaker = self.config["deploymentCircuitBreaker"]
        if breaker.get("enable") and self.target.fleet.failures >= self.threshold():
            self.tripped = True
            raise RollBack("ECS deployment circuit breaker: tasks failed to start.")

    def threshold(self):
        """The failures that trip the circuit breaker."""
        return strategy.breaker_threshold(self.service.record["desiredCount"], self.config["deploymentCircuitBreaker"])

    @staticmethod
    def _in_alarm(name):
        alarm = CW._alarms.get(name) or CW._composite_alarms.get(name)
        return bool(alarm) and alarm["StateValue"] == "ALARM"

    def _monitor(self, on, triggered):
        if not on:
            return "DISABLED"
        return "TRIGGERED" if triggered else "MONITORING" if self.status in OPEN else "MONITORING_COMPLETE"

    def describe(self):
        """As the API shows it."""
        share = lambda percent: None if percent is None else 100 - percent
        breaker = self.config["deploymentCircuitBreaker"]
        return {"serviceDeploymentArn": self.arn, "serviceArn": self.service_arn, "clusterArn": self.cluster_arn,
                "createdAt": self.created, "startedAt": self.started, "finishedAt": self.finished, "stoppedAt": self.stopped,
                "updatedAt": self.updated, "status": self.status, "statusReason": self.reason, "lifecycleStage": self.stage,
                "sourceServiceRevisions": [self.source.summary(share(self.test), share(self.production))] if self.source else [],
                "targetServiceRevision": self.target.summary(self.test, self.production),
                "lifecycleHookDetails": [dict(one.detail) for one in self.hooks], "deploymentConfiguration": self.config,
                "rollback": self.rollback, "deploymentCircuitBreaker": {
                    "status": self._monitor(breaker.get("enable"), self.tripped), "failureCount": self.target.fleet.failures,
                    "threshold": self.threshold()},
                "alarms": {"status": self._monitor(self.watched, self.triggered), "alarmNames": self.watched,
                           "triggeredAlarmNames": self.triggered}}
