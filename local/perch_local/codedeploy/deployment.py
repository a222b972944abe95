"""One deployment: what was asked, where it is, and the signals that its thread waits for."""
import random
import string
import threading
import time

from perch_local import clock, lateness
from perch_local.codedeploy import store
from perch_local.scope import log

# Seconds between two looks at the alarms. AWS names no figure; two runs on AWS stopped 12 s and at most 23 s after the alarm.
LOOK = 10
FINAL = ("Succeeded", "Failed", "Stopped")


def new_id():
    """An id such as d-UPQ98180K."""
    return "d-" + "".join(random.choices(string.ascii_uppercase + string.digits, k=9))


class Event:
    """A lifecycle event of the target."""

    def __init__(self, name):
        self.name, self.status, self.start, self.end, self.diagnostics = name, "Pending", None, None, None

    def begin(self):
        """Enter the event."""
        self.status, self.start = "InProgress", store.now()

    def finish(self, status):
        """Leave the event."""
        self.status, self.end = status, store.now()

    def info(self):
        """The event as the API writes it."""
        more = {"startTime": self.start, "endTime": self.end, "diagnostics": self.diagnostics}
        return {"lifecycleEventName": self.name, "status": self.status, **{k: v for k, v in more.items() if v is not None}}


class Deployment:
    """The state of one deployment. `target` is what it deploys to (alias or service); it does the platform's part."""

    def __init__(self, group, revision, spec, config, *, creator="user", description=None, auto_rollback=None, alarms=None,
                 override_alarms=None, rolls_back=None, external_id=None):
        self.id, self.group, self.revision, self.spec, self.config = new_id(), group, revision, spec, config
        self.creator, self.description, self.rolls_back, self.external_id = creator, description, rolls_back, external_id
        self.auto_rollback, self.alarms, self.override_alarms = auto_rollback, alarms, override_alarms
        self.status, self.created, self.started, self.completed = "Created", None, None, None
        self.error, self.rollback, self.events, self.target = None, {}, [], None
        self.previous, self.termination_wait = None, False
        self.changed, self.halted, self.continued, self.committed = threading.Condition(), None, set(), False
        self.look = lambda: None            # raises Halted when an alarm is active
        self.late = lateness.Lateness()     # measures while the deployment runs

    @property
    def key(self):
        """(application, group), as they are called now."""
        group = store.group_by_id(self.group["deploymentGroupId"]) or self.group
        return group["applicationName"], group["deploymentGroupName"]

    def halt(self, why):
        """Ask the thread to end the deployment; False when it is over already. The first reason counts."""
        with self.changed:
            if self.status in FINAL or self.committed:
                return False
            self.halted = self.halted or why
            self.changed.notify_all()
            return True

    def go_on(self, wait):
        """End the wait READY_WAIT or TERMINATION_WAIT."""
        with self.changed:
            self.continued.add(wait)
            self.changed.notify_all()

    def commit(self):
        """From here on nothing ends the deployment but success; raises Halted when a stop came first."""
        with self.changed:
            self.check()
            self.committed = True

    def check(self):
        """Raise Halted when the deployment has to end."""
        if self.halted:
            raise self.halted
        self.look()

    def pause(self, seconds, until=lambda: False):
        """Wait real seconds; True when `until` ended the wait. Raises Halted."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                self.check()
                if until():
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self.changed.wait(min(left, max(0.01, clock.seconds(LOOK))))

    def follow_time_line(self, shift):
        """Call `shift` with each weight of the configuration at its time; the log says when, and how late this process was."""
        began, late = time.monotonic(), self.late.seconds
        for minute, weight in self.config.shifts():
            due = clock.minutes(minute)
            self.pause(began + due - time.monotonic())
            at, late_by = time.monotonic() - began, self.late.seconds - late
            shift(weight)
            log.info("deployment %s: %d %% of traffic, due after %.3f s, moved after %.3f s, threads woke %.3f s late",
                     self.id, weight, due, at, late_by)

    def end(self, status, error=None, at=None):
        """Enter a final state, now or as of a time before; Halted when a stop came first."""
        with self.changed:
            if status == "Succeeded" and self.halted:
                raise self.halted
            for event in self.events:
                if event.status == "InProgress":
                    event.finish("Failed")
                elif event.status == "Pending":
                    event.status = "Skipped"
            log.info("deployment %s: %s, threads woke %.3f s late since it began", self.id, status, self.late.seconds)
            self.status, self.error, self.completed = status, error, at or store.now()
            self.changed.notify_all()

    def info(self):
        """DeploymentInfo."""
        application, name = self.key
        out = {"applicationName": application, "deploymentGroupName": name, "deploymentConfigName": self.config.name,
               "deploymentId": self.id, "revision": self.revision, "status": self.status, "createTime": self.created,
               "creator": self.creator, "ignoreApplicationStopFailures": False, "updateOutdatedInstancesOnly": False,
               "autoRollbackConfiguration": self.auto_rollback, "deploymentStyle": self.group["deploymentStyle"],
               "instanceTerminationWaitTimeStarted": self.termination_wait, "fileExistsBehavior": "DISALLOW",
               "deploymentStatusMessages": [], "computePlatform": self.group["computePlatform"]}
        more = {"previousRevision": self.previous, "startTime": self.started, "completeTime": self.completed,
                "errorInformation": self.error, "rollbackInfo": dict(self.rollback) or None, "description": self.description,
                "externalId": self.external_id, "overrideAlarmConfiguration": self.override_alarms,
                "blueGreenDeploymentConfiguration": self.group.get("blueGreenDeploymentConfiguration"),
                "loadBalancerInfo": self.group.get("loadBalancerInfo"), "deploymentOverview": self._overview()}
        return {**out, **{k: v for k, v in more.items() if v is not None}}

    def _overview(self):
        """Counts of targets; AWS has none while the deployment is under way."""
        if self.status not in FINAL:
            return None
        counts = dict.fromkeys(("Pending", "InProgress", "Succeeded", "Failed", "Skipped", "Ready"), 0)
        counts["Succeeded" if self.status == "Succeeded" else "Failed"] = 1
        return counts

