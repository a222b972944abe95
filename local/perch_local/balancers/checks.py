"""Health checks: real requests to each target, at the documented intervals times PERCH_CLOCK.

AWS: Application Load Balancers, "Health checks for your target groups" (target-group-health-checks). The time-out of a
check is not scaled: it is about a program that runs in real time.
"""
import concurrent.futures
import http.client
import sys
import threading
import time

from ministack.services import alb as A
from perch_local import clock, metrics
from perch_local.balancers import addresses, health, traffic
from perch_local.balancers.board import rows
from perch_local.scope import log

LOOK_EVERY = 0.05
SHORTEST = 0.05             # between two checks of a target
# A program starts in real time, whatever PERCH_CLOCK says: so long a new target is not found unhealthy.
STARTS_WITHIN = 2.0
# One that refuses connections is starting still, for longer where the machine is busy.
LISTENS_WITHIN = 20.0
AT_ONCE = 16


def ask(host, port, group):
    """(reason, status) of one check; the reason is None when it passed."""
    port = port if group["HealthCheckPort"] in ("traffic-port", None) else int(group["HealthCheckPort"])
    connection = http.client.HTTPConnection(host, port, timeout=group["HealthCheckTimeoutSeconds"])
    try:
        connection.request("GET", group["HealthCheckPath"], headers={"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"})
        status = connection.getresponse().status
    except TimeoutError:
        return "Target.Timeout", 0
    except (OSError, http.client.HTTPException):
        return "Target.FailedHealthChecks", 0
    finally:
        connection.close()
    return (None if health.matches(group["Matcher"]["HttpCode"], status) else "Target.ResponseCodeMismatch"), status


class Checker:
    """Looks which checks are due, and tells the board when a target's state changed."""

    def __init__(self, board):
        self.board, self.pool = board, concurrent.futures.ThreadPoolExecutor(AT_ONCE, "perch-elb-check")
        self.told_at, self.stopped = 0.0, threading.Event()
        threading.Thread(target=self._run, daemon=True, name="perch-elb-checks").start()

    def _run(self):
        while not self.stopped.wait(LOOK_EVERY):
            try:
                self.look(time.monotonic())
            except RuntimeError:
                if sys.is_finalizing() or self.pool._shutdown:
                    return
                log.exception("health checks of load balancers failed")
            except Exception:
                log.exception("health checks of load balancers failed")

    def look(self, now):
        """Start what is due."""
        groups, drained = rows(A._tgs), False
        for arn, targets in list(self.board.targets.items()):
            _, group = groups.get(arn, (None, None))
            if group is None:
                self.board.targets.pop(arn, None)
                continue
            for target in list(targets.values()):
                drained = drained or (target.state == "draining" and now >= target.drained_at)
                if group["LoadBalancerArns"] and target.state != "draining" and now >= target.next_check:
                    target.next_check = float("inf")        # until this one has ended
                    self.pool.submit(self.check, target, dict(group))
        if drained or (self.board.structure and not self.board.proxy.alive()):
            self.board.sync()
        if now - self.told_at >= max(1, metrics.LAMBDA_RESOLUTION / 6):
            self.told_at = now
            self._tell(groups)

    def check(self, target, group):
        """One check of one target."""
        before = target.state
        try:
            reason, status = ask(*addresses.of_target(*target.key), group)
            if not reason:
                target.passed()
            elif target.state != "initial" or time.monotonic() - target.born >= (STARTS_WITHIN if status else LISTENS_WITHIN):
                target.failed(reason, status)
        finally:
            target.next_check = time.monotonic() + max(SHORTEST, clock.seconds(group["HealthCheckIntervalSeconds"]))
        if target.state != before:
            self.board.sync()

    def _tell(self, groups):
        for arn, (scope, group) in groups.items():
            targets = list(self.board.targets.get(arn, {}).values())
            for balancer in group["LoadBalancerArns"] if targets else ():
                place = traffic.Place(*scope, balancer.split("loadbalancer/")[-1])
                count = lambda state: sum(t.state == state for t in targets)
                traffic.hosts(place, arn.rsplit(":", 1)[-1], count("healthy"), count("unhealthy"))
