"""What `make sam-local` is made of, as far as it needs no Docker: names, options, events, the way in, what it says without."""
import hashlib
import json
import os
import re
import socket
import threading
import tomllib
from types import SimpleNamespace

import boto3
import pytest
import yaml
from perch_local import base_image, docker_daemon, sam_cases, sam_local
from perch_local.checkout import ROOT
from perch_local.docker_daemon import DockerError
from perch_local.door import Door
from perch_local.sam_world import EVENTS, RELEASE, TARGET_FILES, cut, event, shown
from perch_local.servers import free_port

FUNCTIONS = sorted(p.name for p in (ROOT / "functions").iterdir() if p.is_dir())


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's tags as their values."""


Loader.add_multi_constructor("!", lambda loader, tag, node: loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode)
                             else loader.construct_sequence(node))


def logical_ids():
    template = yaml.load((ROOT / "template.yaml").read_text(), Loader)
    return [name for name, r in template["Resources"].items() if r["Type"] == "AWS::Serverless::Function"]


def test_every_function_has_an_event_and_a_case():
    assert sorted(map(sam_local.folder_of, logical_ids())) == FUNCTIONS
    assert sorted(p.stem for p in EVENTS.glob("*.json")) == FUNCTIONS == sorted({case.function for case in sam_cases.CASES.values()})


def test_a_function_may_have_more_than_one_case():
    both = ["follow-deployment", "follow-deployment-of-service"]
    assert sam_local.cases_of("follow-deployment") == both == sam_local.in_order({"follow-deployment": 1})
    assert sam_local.cases_of(both[1]) == both[1:] and sam_local.cases_of("rename-me") == ["rename-me"]
    assert sam_local.event_of(None, both[1], None) == "events/follow-deployment.json"
    assert "-e events/follow-deployment.json:" in sam_local.line(True, 1, "FollowDeploymentFunction", both[1], {}, "moved")


def test_functions_are_found_among_a_stacks_resources():
    found = sam_local.functions_of([
        {"LogicalResourceId": "OnImagePushFunction", "PhysicalResourceId": "perch-on-image-push", "ResourceType": "AWS::Lambda::Function"},
        {"LogicalResourceId": "OnImagePushFunctionRole", "PhysicalResourceId": "role", "ResourceType": "AWS::IAM::Role"}])
    assert found == {"on-image-push": ("OnImagePushFunction", "perch-on-image-push")}


def test_a_function_without_a_case_comes_last_and_fails():
    assert sam_local.in_order({"rename-me": 1, "notify": 1, "on-image-push": 1}) == ["on-image-push", "notify", "rename-me"]


def test_the_options_are_readable_toml(tmp_path):
    text = sam_local.settings(tmp_path / 'a "b".json', "perch-local/port-4566:latest")
    options = tomllib.loads(text)["default"]["local_invoke"]["parameters"]
    assert options["env_vars"] == str(tmp_path / 'a "b".json') and options["skip_pull_image"] is True
    assert options["invoke_image"] == ["perch-local/port-4566:latest"]


def test_the_proved_call_is_the_documented_one():
    call = sam_local.command("NotifyFunction", "events/notify.json", "samconfig.toml")
    assert " ".join(call) == "sam local invoke NotifyFunction -e events/notify.json --skip-pull-image --config-file samconfig.toml"


def test_ids_that_aws_makes_are_put_into_a_copy_of_the_event(monkeypatch, tmp_path):
    monkeypatch.setattr(sam_local, "ROOT", tmp_path)
    stack, waiting = SimpleNamespace(folder=tmp_path / ".local" / "4566"), {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e"}
    assert sam_local.event_of(stack, "notify", None) == "events/notify.json"
    file = sam_local.event_of(stack, "answer-hook", (None, waiting))
    assert str(file) == ".local/4566/events/answer-hook.json" and json.loads((tmp_path / file).read_text()) == waiting
    assert set(waiting) == set(event("answer-hook"))


@pytest.mark.parametrize("output, answer", [("null", None), ('noise\n{"next": "End"}\n', {"next": "End"})])
def test_the_answer_is_the_last_line(output, answer):
    assert sam_local.answer_of(output) == answer


@pytest.mark.parametrize("output, said", [("", "no answer"), ("Killed", "not JSON: Killed"),
                                          ('{"errorType": "Invalid", "errorMessage": "missing field"}', "Invalid: missing field")])
def test_an_answer_that_is_none_is_an_error(output, said):
    with pytest.raises(sam_local.SamLocalError, match=said):
        sam_local.answer_of(output)


def test_a_line_says_what_was_proved():
    line = sam_local.line(True, 2.34, "ShiftWeightFunction", "shift-weight", {"releaseId": "r", "next": "Judge"}, "alias moved")
    assert line == 'ok       2.3 s  ShiftWeightFunction -e events/shift-weight.json: {"next": "Judge"} -> alias moved'
    assert sam_local.line(False, 0.1, "F", "f", None, "no answer").startswith("FAILED")


def test_an_alias_reads_as_a_sentence():
    assert shown(("1", {})) == "on version 1 alone"
    assert shown(("1", {"2": 0.1})) == "on version 1 with 10% on version 2"
    assert cut("word " * 40, 12) == "word word ..."


# ---- The events ----------------------------------------------------------------------------------
def test_the_release_of_the_steps_is_the_one_of_the_push():
    push = event("on-image-push")
    digest, when = push["detail"]["image-digest"], re.sub(r"[-:Z]", "", push["time"]).replace("T", "-")
    hashed = hashlib.sha256(f"news-classifier|{digest}|{push['id']}".encode()).hexdigest()[:6]
    assert RELEASE == f"news-classifier-{when}-{hashed}"
    steps = [event(name) for name in FUNCTIONS if "releaseId" in event(name)]
    assert len(steps) == 12 and {step["releaseId"] for step in steps} == {RELEASE}


def test_the_targets_take_the_events():
    image, package, model = (yaml.safe_load((ROOT / file).read_text()) for file in TARGET_FILES.values())
    assert event("on-image-push")["detail"]["repository-name"] == image["sources"]["image"]["repository"]
    assert event("on-alarm")["detail"]["alarmName"] in image["guards"]
    detail = event("on-package-upload")["detail"]
    assert detail["bucket"]["name"] == package["sources"]["package"]["bucket"]
    detail, source = event("on-model-upload")["detail"], model["sources"]["model"]
    assert detail["bucket"]["name"] == source["bucket"]
    assert detail["object"]["key"] == f"{source['prefix']}/v2/manifest.json"


def test_what_people_are_told_is_keyed_as_the_table_keys_it():
    change, notice = (record["dynamodb"] for record in event("notify")["Records"])
    assert [change, notice] == [record["dynamodb"] for record in event("publish-events")["Records"]]
    for each in (change, notice):
        assert each["Keys"] == {key: each["NewImage"][key] for key in ("pk", "sk")}
    assert notice["Keys"]["sk"]["S"] == f"NOTICE#{notice['NewImage']['at']['S']}#{notice['NewImage']['id']['S']}"
    assert change["Keys"]["sk"]["S"] == f"JOURNAL#{int(change['NewImage']['seq']['N']):010}"


@pytest.mark.parametrize("path", sorted(EVENTS.rglob("*.json")), ids=lambda path: path.stem)
def test_an_event_has_aws_envelope_and_a_line_in_the_readme(path):
    assert f"`{path.name}`" in (EVENTS / "README.md").read_text()
    found = json.loads(path.read_text())
    if "detail-type" in found:
        assert sorted(found) == sorted(["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"])
        if found["source"] == "aws.cloudwatch":
            reason = found["detail"]["state"].get("reasonData", "{}")
            assert isinstance(reason, str) and json.loads(reason)


def test_no_two_events_have_one_id():
    ids = [found["id"] for path in EVENTS.rglob("*.json") if "id" in (found := json.loads(path.read_text()))]
    assert len(ids) == len(set(ids))


# ---- Docker --------------------------------------------------------------------------------------
def test_the_gateway_is_named_or_the_first_address():
    assert base_image.gateway_of([{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}]) == "172.17.0.9"
    assert base_image.gateway_of([{"Subnet": "fd00::/80"}, {"Subnet": "172.18.0.0/16"}]) == "172.18.0.1"
    with pytest.raises(DockerError, match="no address"):
        base_image.gateway_of(None)


def test_sam_derives_another_image_for_each_stack():
    assert base_image.image_for(4566).split(":")[0] != base_image.image_for(4666).split(":")[0]


def test_sockets_have_short_paths(monkeypatch, tmp_path):
    monkeypatch.setattr(docker_daemon, "FOLDER", tmp_path / ("x" * 80))
    assert len(docker_daemon.socket_of()) < 80
    monkeypatch.setattr(docker_daemon, "FOLDER", tmp_path.__class__("/srv/perch/.local/docker"))
    assert docker_daemon.socket_of() == "unix:///srv/perch/.local/docker/run/docker.sock"


def without_docker(monkeypatch, tmp_path, root):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(docker_daemon, "FOLDER", tmp_path)
    monkeypatch.setattr(docker_daemon, "is_root", lambda: root)


@pytest.mark.parametrize("root, said", [(False, "As root this command installs"), (True, "without apt-get")])
def test_without_docker_it_says_what_is_missing(monkeypatch, tmp_path, capsys, root, said):
    without_docker(monkeypatch, tmp_path, root)
    assert sam_local.main([]) == 1
    told = capsys.readouterr().err
    assert told.startswith("sam-local: Docker is not installed") and said in told and "docker info" in told


def test_a_docker_command_without_a_daemon_is_told_apart(monkeypatch, tmp_path, capsys):
    without_docker(monkeypatch, tmp_path, root=False)
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    assert sam_local.main([]) == 1
    assert "no daemon answers" in capsys.readouterr().err


def test_the_daemon_of_a_command_that_ended_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr(docker_daemon, "FOLDER", tmp_path)
    (tmp_path / "daemon.json").write_text(json.dumps({"daemon": {"pid": os.getpid(), "birth": "1"}, "owner": {"pid": 1, "birth": None}}))
    assert docker_daemon.of_other_command() is None
    docker_daemon.end_orphan()          # another process has the pid by now: it is left alone


def test_a_stack_that_is_not_there_is_named(monkeypatch, capsys):
    monkeypatch.setenv("PERCH_LOCAL_PORT", str(free_port()))
    assert sam_local.main(["--prepare", "notify"]) == 1
    assert "start it with: make up" in capsys.readouterr().err


# ---- The way in ----------------------------------------------------------------------------------
@pytest.fixture
def echo():
    """A server on 127.0.0.1 that answers the first line in capitals and ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(connection.recv(1000).upper())
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_the_door_leads_to_the_stack(echo):
    with Door("127.0.0.2", echo) as door:
        assert door.needed
        for text in (b"one", b"two"):
            with socket.create_connection(("127.0.0.2", echo), timeout=5) as container:
                container.sendall(text)
                assert container.recv(1000) == text.upper() and container.recv(1000) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", echo), timeout=5)


def test_no_door_is_needed_where_the_bridge_is_elsewhere(echo):
    with Door("192.0.2.1", echo) as door:
        assert not door.needed


def test_a_port_that_is_taken_is_named(echo):
    with Door("127.0.0.2", echo), pytest.raises(DockerError, match=f"127.0.0.2:{echo} for containers"):
        Door("127.0.0.2", echo).__enter__()


# ---- What the cases prepare, on the emulator -----------------------------------------------------
def test_variables_are_those_of_the_deployed_functions(server, client, function, monkeypatch):
    function("perch-notify", {"PERCH_TABLE": "perch"})
    monkeypatch.setattr(boto3, "client", client)
    assert sam_local.environments({"notify": ("NotifyFunction", "perch-notify")}) == {"NotifyFunction": {"PERCH_TABLE": "perch"}}
