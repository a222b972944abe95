"""A Docker daemon: the one that runs, or one of this checkout's own for as long as it is needed.

The private daemon keeps everything under `.local/docker`, writes no firewall rules, and is the only process that is
ended. Installing Docker is for root on a system with apt; everyone else is told what is missing.
"""
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from perch_local import lifecycle
from perch_local.checkout import ROOT

FOLDER = ROOT / ".local" / "docker"
READY_WITHIN, ENDED_WITHIN = 60.0, 30.0
BRIDGE = pathlib.Path("/sys/class/net/docker0")
# Functions only talk to the local stack, so containers need the bridge and no way beyond it.
FLAGS = ("--iptables=false", "--ip-masq=false", "--ip-forward=false")
# A socket's path has room for 107 bytes, and containerd's lies three folders deeper.
LONGEST_FOLDER = 60


class DockerError(Exception):
    """A message for the terminal."""


@dataclasses.dataclass(frozen=True)
class Docker:
    """A daemon that answers."""

    host: str | None = None     # None: what the docker command takes by itself
    private: bool = False

    def env(self):
        """The caller's environment, with this daemon in it."""
        return {**os.environ, **({"DOCKER_HOST": self.host} if self.host else {})}

    def run(self, *arguments, seconds=60.0, stdin=None):
        """Run a docker command; returns what it completed with."""
        return subprocess.run(["docker", *arguments], env=self.env(), stdin=stdin or subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=seconds)

    def ask(self, *arguments, seconds=60.0, stdin=None):
        """The output of a docker command that has to succeed."""
        done = self.run(*arguments, seconds=seconds, stdin=stdin)
        if done.returncode:
            raise DockerError(f"docker {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def answers(self):
        """Whether there is a daemon behind it."""
        try:
            done = self.run("version", "--format", "{{.Server.Version}}", seconds=10)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0 and bool(done.stdout.strip())


def is_root():
    """Whether this process may install packages and start a daemon."""
    return os.geteuid() == 0


def apt_install(*packages, say=print):
    """Install Debian packages; services they bring are not started."""
    if not is_root() or not shutil.which("apt-get"):
        raise DockerError(f"missing: {', '.join(packages)}")
    say(f"installing {', '.join(packages)}")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    for call in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", *call], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise DockerError(f"apt-get {' '.join(call)} failed:\n{_tail(done.stderr or done.stdout)}")


def missing():
    """Why no daemon can be used or started here, and what to do; None when one can."""
    if not is_root():
        found = "the docker command is there, but no daemon answers" if shutil.which("docker") else "Docker is not installed"
        return (f"{found}. `sam local invoke` runs functions in containers: start Docker, or install it "
                "(https://docs.docker.com/engine/install), and make sure that `docker info` works for you. "
                "As root this command installs and starts a private daemon itself (Debian and Ubuntu).")
    if not (shutil.which("dockerd") and shutil.which("docker")) and not shutil.which("apt-get"):
        return ("Docker is not installed, and without apt-get this command can't install it: "
                "install it (https://docs.docker.com/engine/install) and make sure that `docker info` works.")
    return None


@contextlib.contextmanager
def daemon(say=print):
    """A daemon that answers; a private one is ended at the end."""
    found = Docker()
    if not found.answers():
        found = of_other_command()
    if found:
        say(f"Docker: the running daemon, version {found.ask('version', '--format', '{{.Server.Version}}')}")
        yield found
        return
    if why := missing():
        raise DockerError(why)
    if not (shutil.which("dockerd") and shutil.which("docker")):
        apt_install("docker.io", say=say)
        if Docker().answers():                      # the package may start the system's own
            yield Docker()
            return
    with _one_on_this_machine(say):
        had_bridge, process = end_orphan().get("hadBridge", BRIDGE.exists()), None
        try:
            process = start(had_bridge)
            private = Docker(socket_of(), private=True)
            say(f"Docker: a private daemon (pid {process.pid}), version {private.ask('version', '--format', '{{.Server.Version}}')}")
            yield private
        finally:
            if process:
                end(process)
            if not had_bridge and BRIDGE.exists() and shutil.which("ip"):
                subprocess.run(["ip", "link", "delete", BRIDGE.name], capture_output=True)


def run_folder():
    """Where the sockets are: `.local/docker/run`, or a short path when that one is too long for a socket."""
    own = FOLDER / "run"
    if len(str(own)) <= LONGEST_FOLDER:
        return own
    return pathlib.Path(tempfile.gettempdir()) / f"perch-docker-{hashlib.sha256(str(own).encode()).hexdigest()[:8]}"


def socket_of():
    """The address of the private daemon."""
    return f"unix://{run_folder()}/docker.sock"


def _record():
    """What is known of the private daemon and the command that started it."""
    try:
        return json.loads((FOLDER / "daemon.json").read_text())
    except (OSError, ValueError):
        return {}


def _alive(process):
    return bool(process) and process["birth"] is not None and lifecycle.birth(process["pid"]) == process["birth"]


def _process(pid):
    return {"pid": pid, "birth": lifecycle.birth(pid)}


def of_other_command():
    """This checkout's private daemon, while the command that started it still runs."""
    own = Docker(socket_of(), private=True)
    return own if _alive(_record().get("owner")) and own.answers() else None


def end_orphan():
    """End the private daemon of a command that was killed; returns what that one had written down."""
    record = _record()
    left = record.get("daemon")
    if _alive(left):
        os.kill(left["pid"], signal.SIGTERM)
        deadline = time.monotonic() + ENDED_WITHIN
        while _alive(left) and time.monotonic() < deadline:
            time.sleep(0.1)
    return record


def start(had_bridge):
    """Start the private daemon and wait until it answers."""
    run = run_folder()
    shutil.rmtree(run, ignore_errors=True)          # what a daemon that died has left
    for folder in (FOLDER, run):
        folder.mkdir(parents=True, exist_ok=True)
    call = ["dockerd", "--host", socket_of(), "--data-root", str(FOLDER / "data"), "--exec-root", str(run / "exec"),
            "--pidfile", str(run / "docker.pid"), *FLAGS]
    log = FOLDER / "dockerd.log"
    with open(log, "w") as out:
        process = subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    record = {"daemon": _process(process.pid), "owner": _process(os.getpid()), "hadBridge": had_bridge}
    (FOLDER / "daemon.json").write_text(json.dumps(record))
    docker, deadline = Docker(socket_of()), time.monotonic() + READY_WITHIN
    while not docker.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            end(process)
            raise DockerError(f"dockerd did not start (log: {_short(log)}):\n{_tail(log.read_text(errors='replace'))}")
        time.sleep(0.1)
    return process


def end(process):
    """End the private daemon, which ends its containerd."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(ENDED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    (FOLDER / "daemon.json").unlink(missing_ok=True)
    shutil.rmtree(run_folder(), ignore_errors=True)


@contextlib.contextmanager
def _one_on_this_machine(say):
    """Private daemons share the bridge `docker0`, so one runs at a time."""
    with open(pathlib.Path(tempfile.gettempdir()) / "perch-docker.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for the private Docker daemon of another checkout to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tail(text, lines=12):
    return "\n".join(text.strip().splitlines()[-lines:])


def _short(path):
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
