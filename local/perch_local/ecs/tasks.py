"""The life of one task: PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING, STOPPING, DEPROVISIONING, STOPPED.

AWS: ECS Developer Guide, "Amazon ECS task lifecycle" (task-lifecycle): while DEACTIVATING a task leaves its target
groups and drains; while STOPPING its containers get SIGTERM, then SIGKILL. An essential container that exits stops the
task. Records are ministack's; a thread per task moves them on.
"""
import threading
import time

from ministack.core.responses import error_response_json, json_response, new_uuid, request_scope
from ministack.services import alb as A, ecs as E, ecs_metadata
from perch_local import balancers, clock, oci
from perch_local.balancers import addresses
from perch_local.balancers.board import attribute
from perch_local.ecs import doors, processes
from perch_local.scope import log

NATIVE = object()           # stands where ministack has a Docker client
LOOK_EVERY = 0.05
_ends = {}                  # task ARN -> Event: somebody wants it to stop
listeners = []              # called with (task, "running" | "stopped")
pinned = [lambda task: {}]  # the last one says {container: digest} of a task; a service's tasks share theirs


def _tell(task, what):
    for listener in listeners:
        listener(task, what)


def run(task, td, overrides, _docker, account, region):
    """The thread of a task, from its start to its end."""
    with request_scope(account, region):
        try:
            _live(task, td, overrides)
        except Exception as failed:
            log.exception("task %s failed", task["taskArn"])
            finish(task, f"ResourceInitializationError: {failed}", "TaskFailedToStart")


def _live(task, td, overrides):
    wanted = _ends.setdefault(task["taskArn"], threading.Event())
    E._mark_task_pending(task["taskArn"], task)
    E._mark_task_activating(task["taskArn"], task)
    local = [c for c in td["containerDefinitions"] if processes.is_local(c["image"])]
    started = []
    try:
        started = _start(task, td, overrides) if local else []
    except (oci.BadImage, OSError, E._SecretResolutionError) as wrong:
        for container in task.get("_started", []):
            container.stop()
        return finish(task, processes.failure(wrong), "TaskFailedToStart")
    _address(task, td)
    if not wanted.is_set():
        E._mark_task_running(task["taskArn"], task)
        for container in task["containers"]:
            container["lastStatus"] = "RUNNING"
        _tell(task, "running")
    essential = {c["name"] for c in td["containerDefinitions"] if c.get("essential", True)}
    while not wanted.wait(LOOK_EVERY):
        over = [c for c in started if c.exit_code() is not None]
        if any(c.name in essential for c in over) or (started and len(over) == len(started)):
            task.update(stoppedReason="Essential container in task exited", stopCode="EssentialContainerExited")
            break
    _end(task, started, drain=wanted.is_set())


def _start(task, td, overrides):
    started = task["_started"] = []
    pins = pinned[-1](task)
    for i, cdef in enumerate(td["containerDefinitions"]):
        if not processes.is_local(cdef["image"]):
            continue
        digest = pins.get(cdef["name"]) or processes.pin(cdef["image"])[0]
        real = processes.ports(cdef, td.get("networkMode"))
        task["containers"][i].update(imageDigest=digest, runtimeId=new_uuid().replace("-", ""))
        task.setdefault("_ports", {})[cdef["name"]] = real
        override = E._container_override_for(overrides, cdef["name"])
        started.append(processes.start(task, td, cdef, override, digest, real))
    return started


def _address(task, td):
    """Give the task its network interface, or its containers their bindings."""
    mode = td.get("networkMode")
    address = addresses.loopback(task["taskArn"], 128) if mode == "awsvpc" else "127.0.0.1"
    task["_container_ip"] = address
    for container in task["containers"]:
        real = task.get("_ports", {}).get(container["name"], {})
        if mode == "awsvpc":
            container["networkInterfaces"] = [{"attachmentId": new_uuid(), "privateIpv4Address": address}]
        else:
            container["networkBindings"] = [{"bindIP": "0.0.0.0", "containerPort": inside, "hostPort": port, "protocol": "tcp"}
                                            for inside, port in real.items()]
        for inside, port in real.items() if mode == "awsvpc" else ():
            addresses.place(address, inside, "127.0.0.1", port)
            doors.open_at(address, inside, port)
    if mode == "awsvpc":
        details = [{"name": "subnetId", "value": task["_subnet"]}] if task.get("_subnet") else []
        task["attachments"] = [{"id": new_uuid(), "type": "ElasticNetworkInterface", "status": "ATTACHED",
                                "details": [*details, {"name": "privateIPv4Address", "value": address}]}]


def target(task, container, port):
    """(id, port) that a task is registered by in a target group."""
    real = task.get("_ports", {}).get(container, {}).get(port, port)
    return task["_container_ip"], port if task.get("_network_mode") == "awsvpc" else real


def _end(task, started, drain):
    targets = task.get("_targets", [])
    task["desiredStatus"], task["stoppingAt"] = "STOPPED", task.get("stoppingAt") or E._iso()
    task["lastStatus"] = "DEACTIVATING"
    delay = 0.0
    for group, ident, port in targets:
        balancers.deregister(group, ident, port)
        rows = A._tg_attrs.get(group)
        delay = max(delay, float(attribute(rows, "deregistration_delay.timeout_seconds", "300")))
    if targets and drain:
        time.sleep(clock.seconds(delay))
    task["lastStatus"] = "STOPPING"
    for container in started:
        container.stop(wait=False)
    for container in started:
        container.stop()
    for record in task["containers"]:
        record["exitCode"] = next((c.exit_code() for c in started if c.name == record["name"]), None)
    finish(task, None, None)


def finish(task, reason, code):
    """Make a task STOPPED."""
    for inside in {p for real in task.get("_ports", {}).values() for p in real}:
        if task.get("_network_mode") == "awsvpc" and task.get("_container_ip"):
            doors.shut(task["_container_ip"], inside)
            addresses.forget(task["_container_ip"], inside)
    now = E._iso()
    for _ in range(2):
        E._bump_task_version(task)
    task.update(desiredStatus="STOPPED", lastStatus="STOPPED", stoppedAt=now, executionStoppedAt=now,
                stoppingAt=task.get("stoppingAt") or now, stoppedReason=reason or task.get("stoppedReason", ""),
                stopCode=code or task.get("stopCode", ""), _stopped_at=time.time())
    for container in task["containers"]:
        container["lastStatus"] = "STOPPED"
    ecs_metadata.set_task_status(task["taskArn"], known_status="STOPPED", desired_status="STOPPED")
    for token in task.get("_metadata_tokens") or []:
        ecs_metadata.unregister_token(token)
    _ends.pop(task["taskArn"], None)
    E._recount_cluster(E._cluster_name_from_arn(task["clusterArn"]))
    _tell(task, "stopped")


def stop(task, reason, code="UserInitiated"):
    """Ask a task to stop; its own thread does it."""
    if task["lastStatus"] == "STOPPED" or task["desiredStatus"] == "STOPPED":
        return
    E._bump_task_version(task)
    task.update(desiredStatus="STOPPED", stoppingAt=E._iso(), stoppedReason=reason, stopCode=code)
    _ends.setdefault(task["taskArn"], threading.Event()).set()


def stop_task(data):
    """StopTask."""
    cluster = E._resolve_cluster_name(data.get("cluster", "default"))
    task = E._resolve_task(data.get("task", ""), cluster) if cluster else None
    if cluster is None:
        return error_response_json("ClusterNotFoundException", "Cluster not found.", 400)
    if not task:
        return error_response_json("InvalidParameterException", "The referenced task was not found.", 400)
    stop(task, data.get("reason", "Task stopped by user"))
    return json_response({"task": E._sanitize(task)})


def install():
    """Let ministack start tasks as if it had Docker, on the threads of this module."""
    E._get_docker = lambda: NATIVE
    E._run_task_worker, E._ensure_ecs_reaper_thread = run, lambda: None
    E._stop_task = E._ACTION_MAP["StopTask"] = stop_task
    E._maybe_mark_stopped = lambda task, docker_client=None: None
    E._refresh_service_state = lambda cluster_name, group: None
    processes.install()
