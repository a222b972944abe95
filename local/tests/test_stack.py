"""The life of a local stack: up, deploy, down, several side by side; a template with all that Perch's own uses."""
import datetime
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import boto3
import pytest
from conftest import FIXTURES, calls, messages, port, total, until
from perch_local import lifecycle
from perch_local.checkout import ROOT, Stack
from perch_local.lifecycle import birth
from perch_local.push_image import push


def perch_local(number, *arguments):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PERCH_", "AWS_"))}
    return subprocess.run([sys.executable, "-m", "perch_local", "--port", str(number), *arguments], capture_output=True, text=True,
                          env=dict(env, PYTHONPATH=str(ROOT / "local")), cwd=ROOT)


@pytest.fixture(scope="module")
def stack():
    """A stack that is up, with the template of fixtures/app deployed twice."""
    made = Stack(port())
    try:
        started = perch_local(made.port, "up", "--no-deploy")
        assert started.returncode == 0, started.stderr
        made.client = lambda name: boto3.client(name, endpoint_url=made.url, region_name="us-east-1", aws_access_key_id="test",
                                                aws_secret_access_key="test")
        made.client("ecr").create_repository(repositoryName="classifier")
        image = made.folder / "image"
        (image / "var" / "runtime").mkdir(parents=True)
        shutil.copy(FIXTURES / "function" / "bootstrap", image / "var" / "runtime")
        made.digest = push(str(image), "classifier", "v1", client=made.client("ecr"))
        uri = f"000000000000.dkr.ecr.us-east-1.amazonaws.com/classifier@{made.digest}"
        for wait in (3, 0):             # the second deployment is an update
            done = perch_local(made.port, "deploy", str(FIXTURES / "app"), "--parameter", f"ImageUri={uri}", "--parameter", f"WaitSeconds={wait}")
            assert done.returncode == 0, done.stderr
        outputs = made.client("cloudformation").describe_stacks(StackName="app")["Stacks"][0]["Outputs"]
        made.out = {o["OutputKey"]: o["OutputValue"] for o in outputs}
        yield made
    finally:
        perch_local(made.port, "down")


def failure(stack, **match):
    """The first message of the failure queue that has these members somewhere."""
    for message in messages(stack.client, stack.out["Failures"]):
        if all(json.dumps(v) in message["Body"] for v in match.values()):
            return message


def test_up_again_keeps_the_server(stack):
    again = perch_local(stack.port, "up", "--no-deploy")
    assert again.returncode == 0 and "was running" in again.stdout
    assert perch_local(stack.port, "status").stdout.startswith(f"running on {stack.url}")


def test_a_taken_port_is_named():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused = perch_local(other.getsockname()[1], "up", "--no-deploy")
    assert refused.returncode == 1 and "is used by another program" in refused.stderr and "PERCH_LOCAL_PORT" in refused.stderr


PARTING = """
import pathlib, signal, sys, urllib.request
def part(*_):
    pathlib.Path(sys.argv[2]).write_text(str(urllib.request.urlopen(sys.argv[1] + "/_ministack/health").status))
    sys.exit()
signal.signal(signal.SIGTERM, part)
print("ready", flush=True)
signal.pause()
"""


def test_what_is_attached_ends_before_its_stack(tmp_path):
    second, said = Stack(port()), tmp_path / "said"
    try:
        lifecycle.start(second)
        log = second.folder / "parting.log"
        process = lifecycle.attach(second, "parting", [sys.executable, "-c", PARTING, second.url, str(said)], log)
        assert until(lambda: log.read_text() == "ready\n")
        assert lifecycle.attached(second, "parting") == process.pid and lifecycle.attached(second, "other") is None
        assert perch_local(second.port, "down").returncode == 0
        assert process.wait(30) == 0 and said.read_text() == "200"       # the stack still answered
        assert lifecycle.attached(second, "parting") is None and not second.folder.exists()
    finally:
        lifecycle.stop(second)


def test_two_stacks_side_by_side_and_down(stack):
    second = Stack(port())
    try:
        assert perch_local(second.port, "up", "--no-deploy").returncode == 0
        record = json.loads(second.pid_file.read_text())
        assert birth(record["pid"]) == record["birth"]
        assert perch_local(second.port, "down").stdout == f"ended pid {record['pid']}\n"
        assert birth(record["pid"]) is None and not second.folder.exists()
        assert perch_local(second.port, "status").returncode == 1
        assert perch_local(stack.port, "status").returncode == 0
    finally:
        perch_local(second.port, "down")


def test_down_ends_the_workers_too():
    third = Stack(port())
    try:
        perch_local(third.port, "up", "--no-deploy")
        lam = boto3.client("lambda", endpoint_url=third.url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        iam = boto3.client("iam", endpoint_url=third.url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        from conftest import ready, zipped
        role = iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        lam.create_function(FunctionName="f", Runtime="provided.al2023", Handler="bootstrap", Role=role,
                            Code={"ZipFile": zipped(FIXTURES / "function" / "bootstrap")})
        ready(lam, "f")
        pid = json.load(lam.invoke(FunctionName="f", Payload=b"{}")["Payload"])["pid"]
        assert birth(pid)
    finally:
        perch_local(third.port, "down")
    assert until(lambda: birth(pid) is None)


def test_a_dead_server_is_replaced():
    stack = Stack(port())
    try:
        perch_local(stack.port, "up", "--no-deploy")
        pid = json.loads(stack.pid_file.read_text())["pid"]
        os.kill(pid, 9)
        assert until(lambda: birth(pid) is None)
        assert perch_local(stack.port, "status").returncode == 1
        assert perch_local(stack.port, "up", "--no-deploy").returncode == 0
        assert json.loads(stack.pid_file.read_text())["pid"] != pid
    finally:
        perch_local(stack.port, "down")


def test_env_sh(stack):
    script = f"cd {ROOT}/local/tests && . ../env.sh && . ../env.sh && echo $AWS_ENDPOINT_URL $PERCH_STACK $AWS_REGION && command -v aws && command -v sam && command -v cfn-lint"
    done = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "PERCH_LOCAL_PORT": str(stack.port)})
    assert done.stdout.splitlines() == [f"{stack.url} perch us-east-1", f"{ROOT}/.venv/bin/aws", f"{ROOT}/.venv-sam/bin/sam",
                                        f"{ROOT}/.venv-sam/bin/cfn-lint"], done.stderr


def test_the_image_function_answers_through_its_alias(stack):
    lam, name = stack.client("lambda"), stack.out["Classifier"]
    got = lam.invoke(FunctionName=name, Qualifier="live", Payload=b"{}")
    assert json.load(got["Payload"])["build"] == "image" and got["ExecutedVersion"] == "1"
    assert lam.get_function(FunctionName=name)["Code"]["ResolvedImageUri"].endswith(stack.digest)


def test_a_push_reaches_its_function_and_a_failure_its_queue(stack):
    before = len(calls(stack.client, stack.out["OnPush"]))
    entry = {"Source": "aws.ecr", "DetailType": "ECR Image Action", "Detail": json.dumps(
        {"action-type": "PUSH", "result": "SUCCESS", "fail": "Broken"})}
    assert stack.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    record = json.loads(failure(stack, kind="RetriesExhausted")["Body"])
    assert record["requestContext"]["approximateInvokeCount"] == 2 and record["requestPayload"]["source"] == "aws.ecr"
    assert len(calls(stack.client, stack.out["OnPush"])) == before + 2


def test_the_configuration_of_a_published_alias_counts(stack):
    stack.client("events").put_events(Entries=[{"Source": "force.judge", "DetailType": "x", "Detail": '{"fail":"Conflict"}'}])
    record = json.loads(failure(stack, kind="Conflict")["Body"])
    assert record["requestContext"]["approximateInvokeCount"] == 1 and record["requestContext"]["functionArn"].endswith(":live")


def test_an_upload_starts_the_machine_and_the_stream_reaches_notify(stack):
    stack.client("s3").put_object(Bucket=stack.out["Models"], Key="model.bin", Body=b"x")
    sfn = stack.client("stepfunctions")
    ended = lambda: [e["status"] for e in sfn.list_executions(stateMachineArn=stack.out["Release"])["executions"] if e["status"] != "RUNNING"]
    assert until(ended) == ["SUCCEEDED"]
    dims = {"FunctionName": stack.out["Judge"], "Resource": stack.out["Judge"]}
    assert total(stack.client, "Invocations", dims) == 1
    assert until(lambda: total(stack.client, "Invocations", {"FunctionName": stack.out["Notify"]})) == 1


def test_alarm_of_ten_seconds_follows_the_errors(stack):
    lam, cw = stack.client("lambda"), stack.client("cloudwatch")
    fail = lambda: lam.invoke(FunctionName=stack.out["Classifier"], Qualifier="live", Payload=b'{"fail":"Broken"}')
    described = lambda: {a["AlarmName"]: a for a in sum((
        cw.describe_alarms(AlarmNames=[stack.out["Errors"], stack.out["Guard"]], AlarmTypes=["MetricAlarm", "CompositeAlarm"])[k]
        for k in ("MetricAlarms", "CompositeAlarms")), [])}
    began = time.time()
    fail()
    failed = time.time()
    assert until(lambda: fail() and {a["StateValue"] for a in described().values()} == {"ALARM"}), described()
    data = json.loads(described()[stack.out["Errors"]]["StateReasonData"])
    rang_for = datetime.datetime.strptime(data["startDate"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    assert data["period"] == 10 and began - 10 < rang_for <= failed, "the first period with an error"
