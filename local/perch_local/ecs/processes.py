"""Containers as processes of this machine: the image is unpacked and its entry point run natively, as for Lambda images.

AWS: ECS API Reference, ContainerDefinition (environment, secrets, entryPoint, command, workingDirectory, stopTimeout:
SIGTERM, then SIGKILL, 30 s by default), RegisterTaskDefinition (taskRoleArn). No namespace of its own: a program takes its
port from PORT, and PORT_<containerPort> for each further mapping. A container whose image is in another registry than this
stack's own is a record without a process.
"""
import atexit
import hashlib
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import time

from ministack import app
from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs as E, sts
from perch_local import images, oci
from perch_local.scope import acting_as, log
from perch_local.servers import free_port

STOP_TIMEOUT = 30
LOGS = pathlib.Path(os.environ.get("STATE_DIR") or tempfile.gettempdir()) / "ecs"
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_running = {}               # pid -> Container


def is_local(image):
    """Whether an image is in this stack's own registry."""
    match = images._URI.match(image or "")
    return bool(match) and match.group(1) == get_account_id()


def pin(image):
    """(digest, image by digest) of an image of this stack's registry; raises BadImage."""
    repository, digest = images.resolve(image)
    account, region = images._URI.match(image).groups()[:2]
    return digest, f"{account}.dkr.ecr.{region}.amazonaws.com/{repository}@{digest}"


def session(role, task_arn):
    """Credentials of the task's role, known to the stack's IAM; none without a role, as on AWS."""
    if not role:
        return {}
    if not app.AUTH:
        return {"AWS_ACCESS_KEY_ID": get_account_id(), "AWS_SECRET_ACCESS_KEY": "test"}
    name, task = role.rsplit("/", 1)[-1], task_arn.rsplit("/", 1)[-1]
    digest = hashlib.sha256(f"{task_arn}:{role}".encode()).hexdigest()
    keys = {"AWS_ACCESS_KEY_ID": f"ASIA{digest[:16].upper()}", "AWS_SECRET_ACCESS_KEY": digest[16:56], "AWS_SESSION_TOKEN": digest * 2}
    sts.register_session(keys["AWS_ACCESS_KEY_ID"], {
        "Arn": f"arn:aws:sts::{get_account_id()}:assumed-role/{name}/{task}", "UserId": f"{name}:{task}",
        "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"], "SessionToken": keys["AWS_SESSION_TOKEN"]})
    return keys


def ports(cdef, network_mode):
    """{container port: port of this machine} of a container."""
    out = {}
    for mapping in cdef.get("portMappings") or []:
        inside = int(mapping["containerPort"])
        fixed = inside if network_mode == "host" else 0 if network_mode == "awsvpc" else int(mapping.get("hostPort") or 0)
        out[inside] = fixed or free_port()
    return out


class Container:
    """One running container of a task."""

    def __init__(self, name, process, stop_timeout):
        self.name, self.process, self.stop_timeout = name, process, stop_timeout

    def exit_code(self):
        """None while it runs; 128 and the signal for one that was killed, as Docker has it."""
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def stop(self, wait=True):
        """SIGTERM, then SIGKILL after the stop time-out."""
        if self.process.poll() is None:
            self.process.terminate()
        if wait:
            try:
                self.process.wait(self.stop_timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        _running.pop(self.process.pid, None)


def start(task, td, cdef, override, digest, real_ports):
    """Start a container of a task; raises BadImage or OSError."""
    account, region, repository = images._URI.match(cdef["image"]).groups()[:3]
    words = {"EntryPoint": cdef.get("entryPoint"), "Command": override.get("command") or cdef.get("command"),
             "WorkingDirectory": cdef.get("workingDirectory")}
    folder = images.unpack(account, region, repository, digest, {k: v for k, v in words.items() if v})
    env = {k: os.environ[k] for k in _KEPT if k in os.environ}
    env.update({e["name"]: e["value"] for e in cdef.get("environment") or []})
    env.update(E._resolve_container_secrets(cdef))
    env.update({e["name"]: e["value"] for e in override.get("environment") or []})
    for i, (inside, real) in enumerate(real_ports.items()):
        env[f"PORT_{inside}"] = str(real)
        if i == 0:
            env["PORT"] = str(real)
    token = E._register_metadata(task["taskArn"], task["clusterArn"], td, cdef, task.get("launchType"), env, True, None)
    task.setdefault("_metadata_tokens", []).append(token)
    for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        env.pop(name, None)         # ministack's answer there is not known to its IAM
    env.update(session(td.get("taskRoleArn"), task["taskArn"]), AWS_REGION=get_region(), AWS_DEFAULT_REGION=get_region())
    process = subprocess.Popen(["/bin/sh", os.path.join(folder, "bootstrap")], env=env, cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    container = _running[process.pid] = Container(cdef["name"], process, float(cdef.get("stopTimeout") or STOP_TIMEOUT))
    threading.Thread(target=_keep_log, args=(process, task["taskArn"], cdef, account, get_region()), daemon=True,
                     name=f"perch-ecs-log-{process.pid}").start()
    return container


def _keep_log(process, task_arn, cdef, account, region):
    """Write what a container prints to a file, and to CloudWatch Logs where its awslogs driver says so."""
    task_id = task_arn.rsplit("/", 1)[-1]
    folder = LOGS / task_arn.split("/")[-2]
    folder.mkdir(parents=True, exist_ok=True)
    with acting_as(account, region), open(folder / f"{task_id}-{cdef['name']}.log", "ab") as out:
        driver = E._awslogs_config(cdef, task_id, task_id)
        shipped = driver and E._ensure_awslogs_stream(driver)
        for line in process.stdout:
            out.write(line)
            out.flush()
            if shipped:
                try:
                    E._emit_awslogs_event(driver, line.decode(errors="replace").rstrip("\n"))
                except Exception:
                    log.exception("a log line of task %s was not sent", task_id)


def image_digests():
    """Digests of images that tasks of this stack run, which must stay unpacked."""
    return {c["imageDigest"] for task in list(E._tasks._data.values()) if task["lastStatus"] != "STOPPED"
            for c in task["containers"] if c.get("imageDigest")}


def _end_all():
    left = list(_running.values())
    for container in left:
        container.stop(wait=False)
    deadline = time.monotonic() + 2
    for container in left:
        try:
            container.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            container.process.kill()


def install():
    """End every container with the server, and keep the images they run."""
    atexit.register(_end_all)
    images.also_used.append(image_digests)


def failure(wrong):
    """The stoppedReason of a container that could not be started."""
    text = re.sub(r"^Error: ", "", str(wrong))
    kind = "CannotPullContainerError" if isinstance(wrong, oci.BadImage) else "CannotStartContainerError"
    return f"{kind}: {text}"
