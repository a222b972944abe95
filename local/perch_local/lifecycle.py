"""Starts, ends and describes the server of one local stack; ends only the process it started itself."""
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

HEALTHY_WITHIN = 60.0
ENDED_WITHIN = 10.0


class LocalStackError(Exception):
    """A message for the terminal."""


def birth(pid):
    """When a process started, in clock ticks since boot, or None when it is gone; a reused pid has another one."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def running(stack):
    """The pid of this stack's server, or None."""
    return _recorded(stack.pid_file)


def _recorded(path):
    """The pid in a record, if that process still runs."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return record["pid"] if record["birth"] and birth(record["pid"]) == record["birth"] else None


def healthy(stack):
    """True when the server answers."""
    try:
        with urllib.request.urlopen(stack.url + "/_ministack/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _taken(stack):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", stack.port))
        except OSError:
            return True
    return False


@contextlib.contextmanager
def alone(stack):
    """Two commands on one stack wait for each other."""
    path = stack.folder.parent / f"{stack.port}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(path, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists() or path.stat().st_ino != os.fstat(lock.fileno()).st_ino:
                continue                # the command that held it has removed it
            try:
                yield
            finally:
                if not stack.folder.exists():
                    path.unlink(missing_ok=True)
            return


def _wait(condition, seconds, every=0.05):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def start(stack):
    """Start the server in the background and wait until it answers; returns (pid, whether it was started now)."""
    pid = running(stack)
    if pid:
        if not _wait(lambda: healthy(stack), HEALTHY_WITHIN):
            raise LocalStackError(f"the server (pid {pid}) does not answer on port {stack.port}; see {stack.log}")
        return pid, False
    if _taken(stack):
        raise LocalStackError(f"port {stack.port} is used by another program; choose another one: PERCH_LOCAL_PORT=4666")
    _end_attached(stack)
    shutil.rmtree(stack.folder, ignore_errors=True)             # what a server that died has left
    (stack.folder / "tmp").mkdir(parents=True)
    with open(stack.log, "w") as log:
        # A session of its own: its Lambda workers are in the same process group, which stop() ends as a whole.
        process = subprocess.Popen([sys.executable, "-m", "perch_local", "serve"], env=stack.server_env(), cwd=stack.folder,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    stack.pid_file.write_text(json.dumps({"pid": process.pid, "birth": birth(process.pid)}))
    if not _wait(lambda: healthy(stack) or process.poll() is not None, HEALTHY_WITHIN) or process.poll() is not None:
        tail = "\n".join(stack.log.read_text(errors="replace").splitlines()[-15:])
        raise LocalStackError(f"the server did not start; the end of {stack.log}:\n{tail}")
    return process.pid, True


def _signal_group(pid, number):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _reap(pid):
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _end(pid):
    """End a process that leads a group, and whatever of the group outlives it."""
    def gone():
        _reap(pid)
        return birth(pid) is None
    os.kill(pid, signal.SIGTERM)
    if not _wait(gone, ENDED_WITHIN):
        os.kill(pid, signal.SIGKILL)
        _wait(gone, ENDED_WITHIN)
    _signal_group(pid, signal.SIGKILL)


def attach(stack, name, command, log):
    """Start a program that ends with this stack, such as the servers of a sample; returns its process."""
    folder = stack.folder / "attached"
    folder.mkdir(exist_ok=True)
    with open(log, "w") as out:
        process = subprocess.Popen(command, env=stack.client_env(), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   start_new_session=True)
    (folder / f"{name}.json").write_text(json.dumps({"pid": process.pid, "birth": birth(process.pid)}))
    return process


def attached(stack, name):
    """The pid of a program that `attach` started, or None when it does not run."""
    return _recorded(stack.folder / "attached" / f"{name}.json")


def _end_attached(stack):
    for record in sorted((stack.folder / "attached").glob("*.json")):
        if pid := _recorded(record):
            _end(pid)


def stop(stack):
    """End this stack's server, its Lambda workers and what is attached, and remove its folder; returns the pid, or None if none ran."""
    _end_attached(stack)
    pid = running(stack)
    if pid:
        _end(pid)                                               # its workers too
    shutil.rmtree(stack.folder, ignore_errors=True)
    return pid
