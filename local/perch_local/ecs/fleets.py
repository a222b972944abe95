"""Tasks of one kind that a service wants running: those of a task set or of a service revision.

AWS: ECS Developer Guide, "Amazon ECS services" (ecs_services): a task that stops or fails its load balancer's health checks
is replaced; "Amazon ECS service throttling logic" (service-throttle-logic): tasks that fail to start are tried again
after longer and longer waits; health checks count after the grace period. A thread looks at every fleet.
"""
import threading
import time

from ministack.services import alb as A, ecs as E
from perch_local import balancers, clock
from perch_local.ecs import processes, tasks
from perch_local.scope import acting_as, log

LOOK_EVERY = 0.05
STOPPED_FOR, FORGET_EVERY = 3600, 10.0                      # DescribeTasks shows a stopped task for at least an hour
SHORTEST_WAIT, LONGEST_WAIT, FREE_TRIES = 0.2, 900, 3       # documented seconds, at most 15 minutes

lock = threading.RLock()
_fleets = {}                # id -> Fleet


def group_in_use(arn):
    """Whether a load balancer sends requests to a target group."""
    group = A._tgs.get(arn)
    return bool(group and group["LoadBalancerArns"])


class Fleet:
    """Some tasks of a service that are alike."""

    def __init__(self, ident, service, scope, task_definition, settings, groups, desired=0, started_by=None):
        self.id, self.service, self.scope, self.settings = ident, service, scope, settings
        self.task_definition, self.groups, self.desired = task_definition, groups, desired     # groups: (arn, container, port)
        self.started_by = started_by or ident
        self.failures, self.failed_in_all, self.next_start = 0, 0, 0.0
        self.pinned = None
        self.steady = False     # every task was healthy at some time
        with lock:
            _fleets[ident] = self

    def tasks(self):
        """Its tasks that were not stopped."""
        return [t for t in list(E._tasks.values()) if t.get("_deployment_id") == self.id and t["lastStatus"] != "STOPPED"]

    def live(self):
        """Those that nobody asked to stop."""
        return [t for t in self.tasks() if t["desiredStatus"] == "RUNNING"]

    def count(self, status):
        """How many are RUNNING, or on their way there (PENDING)."""
        running = sum(t["lastStatus"] == "RUNNING" for t in self.live())
        return running if status == "RUNNING" else len(self.live()) - running

    def healthy(self):
        """The running tasks that every target group in use says are healthy."""
        states = {arn: balancers.states(arn) for arn, _, _ in self.groups if group_in_use(arn)}
        sound = lambda task: task["lastStatus"] == "RUNNING" and all(
            states[arn].get((ident, port)) == "healthy" for arn, ident, port in task.get("_targets", []) if arn in states)
        return [t for t in self.live() if sound(t)]

    def stable(self):
        """Whether as many tasks as wanted run and are healthy, and no other."""
        return len(self.live()) == self.desired == len(self.healthy())

    def images(self):
        """[(container, image, digest or None)] that its tasks run; the tags are resolved once, at the first call that can."""
        td = E._task_defs.get(E._resolve_td_key(self.task_definition)) or {"containerDefinitions": []}
        if self.pinned is None:
            self.pinned = {c["name"]: processes.pin(c["image"])[0] for c in td["containerDefinitions"] if processes.is_local(c["image"])}
        return [(c["name"], c["image"], self.pinned.get(c["name"])) for c in td["containerDefinitions"]]

    def reconcile(self, now):
        """Start what is missing, stop what is too much, replace what is unhealthy."""
        if (E._services.get(self.service) or {}).get("status") != "ACTIVE":
            self.desired = 0
        live = self.live()
        if len(live) > self.desired:
            for task in sorted(live, key=lambda t: t["createdAt"], reverse=True)[:len(live) - self.desired]:
                tasks.stop(task, f"Scaling activity initiated by (deployment {self.id})", "ServiceSchedulerInitiated")
        elif len(live) < self.desired and now >= self.next_start:
            self._start(self.desired - len(live))
        self._replace_unhealthy(live, now)
        if self.desired and self.stable():
            self.steady = True
            self.failures = 0

    def _start(self, count):
        try:
            self.images()
        except processes.oci.BadImage as wrong:
            log.warning("%s: %s", self.id, wrong)           # each task says so in its stoppedReason
        E._run_task({"cluster": self.service.split("/")[0], "taskDefinition": self.task_definition, "count": count,
                     "group": f"service:{self.service.split('/')[1]}", "startedBy": self.started_by, "_deploymentId": self.id,
                     **self.settings})

    def _replace_unhealthy(self, live, now):
        states = {arn: balancers.states(arn) for arn, _, _ in self.groups}
        for task in live:
            for arn, ident, port in task.get("_targets", []):
                if states[arn].get((ident, port)) == "unhealthy" and now >= task["_grace"]:
                    self.failed()
                    tasks.stop(task, f"Task failed ELB health checks in (target-group {arn})", "ServiceSchedulerInitiated")
                    break

    def failed(self):
        """A task did not start, ended by itself or was unhealthy."""
        self.failures += 1
        self.failed_in_all += 1
        wait = 0 if self.failures < FREE_TRIES else min(2 ** (self.failures - FREE_TRIES), LONGEST_WAIT)
        self.next_start = time.monotonic() + max(SHORTEST_WAIT, clock.seconds(wait))

    def remove(self):
        """Forget it, once its tasks are gone."""
        with lock:
            _fleets.pop(self.id, None)


def of(task):
    """The fleet of a task, or None."""
    return _fleets.get(task.get("_deployment_id"))


def _on_task(task, what):
    fleet = of(task)
    if fleet is None:
        return
    if what == "running":
        grace = float((E._services.get(fleet.service) or {}).get("healthCheckGracePeriodSeconds") or 0)
        task["_grace"], task["_targets"] = time.monotonic() + clock.seconds(grace), []
        for arn, container, port in fleet.groups if task.get("_ports") else ():      # a task without a process answers nobody
            ident, real = tasks.target(task, container, int(port))
            task["_targets"].append((arn, ident, real))
            balancers.register(arn, ident, real)
    elif task.get("stopCode") in ("EssentialContainerExited", "TaskFailedToStart"):
        fleet.failed()


def forget_stopped():
    """Forget tasks that stopped an hour ago (documented time, at least a minute)."""
    limit = time.time() - max(60.0, clock.seconds(STOPPED_FOR))
    for key, task in list(E._tasks._data.items()):
        if task["lastStatus"] == "STOPPED" and task.get("_stopped_at", limit + 1) < limit:
            E._tasks._data.pop(key, None)


def _look_after():
    forgot = time.monotonic()
    while True:
        time.sleep(LOOK_EVERY)
        if time.monotonic() - forgot > FORGET_EVERY:
            forgot = time.monotonic()
            forget_stopped()
        for fleet in list(_fleets.values()):
            try:
                with acting_as(*fleet.scope):
                    fleet.reconcile(time.monotonic())
            except Exception:
                log.exception("the tasks of %s were not looked after", fleet.id)


def install():
    """Start the scheduler."""
    tasks.listeners.append(_on_task)
    tasks.pinned.append(lambda task: (of(task) and of(task).pinned) or {})
    threading.Thread(target=_look_after, daemon=True, name="perch-ecs-scheduler").start()
