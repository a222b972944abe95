"""The model servers as tasks of ECS: their template, found and asked as Perch does it."""

import io
import json
import urllib.request
from collections.abc import Iterator

import boto3
import pytest
from perch_local import deploy
from perch_local.checkout import Stack
from perch_local.servers import free_port
from perch_stage.stage import Stage
from rich.console import Console

import push_server

SERVERS = 3


@pytest.fixture(scope="module")
def addresses() -> Iterator[list[str]]:
    """Where the tasks of the service are."""
    stage = Stage(Stack(free_port()), Console(file=io.StringIO()), "news-classifier")
    with stage.up():
        image = push_server.push_server().image_uri
        said = (f"ImageUri={image}", f"Tasks={SERVERS}", "VpcId=vpc-1", "TaskSubnetIds=subnet-1,subnet-2")
        deploy.deploy(stage.stack, push_server.HERE / "server", "news-servers", said, say=lambda _: None)
        ecs = boto3.client("ecs")
        arns = ecs.list_tasks(cluster="news", serviceName="news-classifier")["taskArns"]
        tasks = ecs.describe_tasks(cluster="news", tasks=arns)["tasks"]
        details = [{d["name"]: d["value"] for d in task["attachments"][0]["details"]} for task in tasks]
        yield [f"http://{found['privateIPv4Address']}:8080" for found in details]


def ask(url: str, body: object = None) -> dict[str, object]:
    """The JSON that a server answers."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
        said: dict[str, object] = json.load(answer)
    return said


def test_every_task_answers_and_speaks_the_contract(addresses: list[str]) -> None:
    assert len(set(addresses)) == SERVERS
    for url in addresses:
        assert ask(f"{url}/perch/v1/models/news-classifier")["active"] == "v1"
        said = ask(f"{url}/classify", {"text": "Striker scores in cup final"})
        assert (said["category"], said["modelVersion"]) == ("sport", "v1")
