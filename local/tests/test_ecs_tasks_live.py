"""ECS tasks as processes: environment, addresses, target groups, replacement, the way to their end (ECS Developer Guide)."""
import json
import os
import urllib.request

import pytest
from botocore.exceptions import ClientError
from conftest import until
from ecs_stack import System, push
from test_balancers_live import balancer, builds, get, group  # noqa: F401


@pytest.fixture
def system(client, group, balancer):  # noqa: F811
    image, _ = push(client, "small")
    made = System(client, group, balancer, image)
    yield made
    if made.ecs.list_services(cluster=made.cluster)["serviceArns"]:
        made.delete()


def processes(marker):
    """Process ids whose environment has this text."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as env, open(f"/proc/{pid}/cmdline", "rb") as command:
                if marker.encode() in env.read() and b"http_server" in command.read():
                    found.append(int(pid))
        except OSError:
            continue
    return found


def test_tasks_are_processes_behind_the_load_balancer(system, server):
    system.create(env={"MARK": system.name})
    latest = system.ended()
    assert latest["targetServiceRevision"]["runningTaskCount"] == 2
    assert builds(system.url, 20) == {"1": 20}
    tasks = system.tasks()
    assert [t["lastStatus"] for t in tasks] == ["RUNNING", "RUNNING"]
    for task in tasks:
        details = {d["name"]: d["value"] for d in task["attachments"][0]["details"]}
        address = details["privateIPv4Address"]
        assert task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] == address
        assert task["containers"][0]["imageDigest"].startswith("sha256:")
        assert get(f"http://{address}:8080")[0] == 200, "reached at its own address and container port"
    registered = system.client("elbv2").describe_target_health(TargetGroupArn=system.blue)["TargetHealthDescriptions"]
    assert {t["Target"]["Port"] for t in registered} == {8080} and len({t["Target"]["Id"] for t in registered}) == 2
    env = json.loads(get(system.url, "/env")[1])["env"]
    assert env["SAID_BY_IMAGE"] == "yes" and env["BUILD"] == "1" and env["PORT"] == env["PORT_8080"]
    assert env["AWS_ENDPOINT_URL"] == server.url and "AWS_ACCESS_KEY_ID" not in env, "no role, no credentials"
    with urllib.request.urlopen(env["ECS_CONTAINER_METADATA_URI_V4"] + "/task", timeout=5) as answer:
        assert json.loads(answer.read())["TaskARN"] in {t["taskArn"] for t in tasks}
    logs = list((server.work / "state" / "ecs" / system.cluster).glob("*-app.log"))
    assert len(logs) == 2 and "build 1 listens" in logs[0].read_text()
    assert len(processes(system.name)) == 2


def test_a_dead_process_is_replaced_and_a_stopped_task_drains(system):
    system.create(env={"MARK": system.name})
    system.ended()
    before = {t["taskArn"] for t in system.tasks()}
    os.kill(processes(system.name)[0], 9)
    assert until(lambda: len([t for t in system.tasks() if t["taskArn"] not in before and t["lastStatus"] == "RUNNING"]) == 1, every=0.05)
    dead = system.tasks("STOPPED")[0]
    assert (dead["stopCode"], dead["containers"][0]["exitCode"]) == ("EssentialContainerExited", 137)
    health = lambda: [t["TargetHealth"]["State"] for t in system.client("elbv2").describe_target_health(
        TargetGroupArn=system.blue)["TargetHealthDescriptions"]]
    assert until(lambda: health() == ["healthy", "healthy"], every=0.05), health()
    victim = system.tasks()[0]["taskArn"]
    system.ecs.stop_task(cluster=system.cluster, task=victim, reason="a test")
    stopped = lambda: system.ecs.describe_tasks(cluster=system.cluster, tasks=[victim])["tasks"][0]
    assert until(lambda: stopped()["lastStatus"] == "STOPPED", every=0.05), stopped()
    assert (stopped()["stopCode"], stopped()["stoppedReason"]) == ("UserInitiated", "a test")
    assert {get(system.url)[0] for _ in range(20)} == {200}


def test_sigkill_follows_after_the_stop_timeout(system):
    system.create(count=1, env={"MARK": system.name, "STUBBORN": "1"})
    system.ended()
    task = system.tasks()[0]["taskArn"]
    system.update(desiredCount=0)
    stopped = lambda: system.ecs.describe_tasks(cluster=system.cluster, tasks=[task])["tasks"][0]
    assert until(lambda: stopped()["lastStatus"] == "STOPPED", every=0.05)
    assert stopped()["containers"][0]["exitCode"] == 137 and not processes(system.name)
    assert system.describe()["runningCount"] == 0


def test_an_unhealthy_task_is_replaced(system):
    system.create(count=1, env={"HEALTH": "503"})
    assert until(lambda: any("failed ELB health checks" in t["stoppedReason"] for t in system.tasks("STOPPED")), every=0.05)
    system.update(desiredCount=0)


def test_a_missing_image_fails_the_task(system):
    with pytest.raises(ClientError, match="TaskDefinition not found"):
        system.update(taskDefinition="nothing:1") if system.create(count=0) else None
    td = system.task_definition("2", image=system.image.rsplit(":", 1)[0] + ":nowhere")
    task = system.ecs.run_task(cluster=system.cluster, taskDefinition=td)["tasks"][0]["taskArn"]
    stopped = lambda: system.ecs.describe_tasks(cluster=system.cluster, tasks=[task])["tasks"][0]
    assert until(lambda: stopped()["lastStatus"] == "STOPPED", every=0.05)
    assert stopped()["stopCode"] == "TaskFailedToStart" and "CannotPullContainerError" in stopped()["stoppedReason"]


def test_an_image_of_another_registry_is_a_record(system):
    td = system.task_definition("1", image="nvcr.io/nvidia/tritonserver:24.01-py3")
    task = system.ecs.run_task(cluster=system.cluster, taskDefinition=td)["tasks"][0]["taskArn"]
    found = lambda: system.ecs.describe_tasks(cluster=system.cluster, tasks=[task])["tasks"][0]
    assert until(lambda: found()["lastStatus"] == "RUNNING", every=0.02)
    system.ecs.stop_task(cluster=system.cluster, task=task)
    assert until(lambda: found()["lastStatus"] == "STOPPED", every=0.02)
