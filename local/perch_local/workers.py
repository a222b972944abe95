"""Execution environments of Lambda functions: no fixed waits, time and memory of each invocation, idle ones end.

AWS: Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle" (lambda-runtime-environment):
each environment serves one invocation at a time, concurrent invocations get environments of their own, Lambda ends
environments that stay idle, and Duration starts when initialisation has ended.
Waits removed from ministack, together about 90 ms of a warm invocation: the Runtime API answered in two small writes
(Nagle against delayed ACK, 43 ms), and 50 ms were spent waiting for a first log line; 3 ms, and 2 ms after a line, are enough here.
"""
import functools
import pathlib
import re
import socketserver
import threading
import time
import uuid

from ministack.core import lambda_runtime as LR
from ministack.services import lambda_svc as L

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_here = threading.local()       # the measurement of the invocation this thread has just made


class Measured:
    """What one invocation took: handler time, initialisation (0 when warm), peak memory, environment."""

    def __init__(self, ms=0.0, init_ms=0.0, peak_mb=0, environment=""):
        self.ms, self.init_ms, self.peak_mb, self.environment = ms, init_ms, peak_mb, environment


def take():
    """The measurement of this thread's last invocation, once; None when it was not made on an environment of ours."""
    found, _here.last = getattr(_here, "last", None), None
    return found


def peak_mb(pid):
    """Highest resident memory of a process so far, in MB rounded up; 0 when it is gone."""
    try:
        found = _PEAK.search(pathlib.Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return -(-int(found.group(1)) // 1024) if found else 0


def _measured_spawn(original):
    def spawn(self, *args, **kwargs):
        began = time.perf_counter()
        self._perch_environment = uuid.uuid4().hex
        try:
            return original(self, *args, **kwargs)
        except RuntimeError as failed:
            if "exited during init" in str(failed) and not getattr(failed, "error_type", ""):
                failed.error_type = "Runtime.ExitError"         # ministack names no type here
            raise
        finally:
            self._perch_ready = time.perf_counter()
            self._perch_init = getattr(self, "_perch_init", 0.0) + self._perch_ready - began
    return spawn


def _measured_result(original):
    def record(self, *args, **kwargs):
        # Measured first: the result wakes the invoking thread, which reads the figures at once.
        before = getattr(self, "_perch_done", None), getattr(self, "_perch_peak", 0)
        self._perch_done, self._perch_peak = time.perf_counter(), peak_mb(self._proc.pid) if self._proc else 0
        accepted = original(self, *args, **kwargs)
        if not accepted:
            self._perch_done, self._perch_peak = before
        return accepted
    return record


def _measured_invoke(original):
    def invoke(self, *args, **kwargs):
        began = self._perch_ready = time.perf_counter()
        self._perch_init, self._perch_done, self._perch_peak = 0.0, None, 0
        try:
            return original(self, *args, **kwargs)
        finally:
            ended = self._perch_done or time.perf_counter()
            _here.last = Measured(max(0.0, ended - max(began, self._perch_ready)) * 1000, self._perch_init * 1000,
                                  self._perch_peak, getattr(self, "_perch_environment", ""))
    return invoke


def reap_idle_workers(ttl=None):
    """End every environment idle for longer than the time to live; ministack keeps one per version for ever."""
    limit = LR._LOCAL_WORKER_TTL if ttl is None else ttl
    now, ended = time.time(), []
    with LR._lock:
        for key, workers in list(LR._workers.items()):
            kept = [w for w in workers if w.in_use or now - getattr(w, "last_used", now) < limit]
            ended += [w for w in workers if w not in kept]
            if kept:
                LR._workers[key] = kept
            else:
                del LR._workers[key]
    LR.kill_workers(ended)
    return len(ended)


def install():
    """Patch the workers of the running ministack."""
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    LR.Worker._drain_stderr_bounded = functools.partialmethod(LR.Worker._drain_stderr_bounded, first_line_wait=0.003, idle_confirm=0.002)
    provided = LR.ProvidedWorker
    provided._spawn = _measured_spawn(provided._spawn)
    provided._record_result = _measured_result(provided._record_result)
    provided.invoke = _measured_invoke(provided.invoke)
    LR.reap_idle_workers = L.reap_idle_workers = reap_idle_workers
