"""Starts the server once per test session on a free port and gives clients for it."""
import contextlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request
import zipfile

import boto3
import pytest
from botocore.config import Config
from perch_local.servers import free_port

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
ROLE = "arn:aws:iam::000000000000:role/lambda"


def port():
    if os.environ.get("PERCH_TEST_PORT"):
        return int(os.environ["PERCH_TEST_PORT"])
    return free_port()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    work, number = tmp_path_factory.mktemp("server"), port()
    url = f"http://127.0.0.1:{number}"
    env = dict(os.environ, AWS_ENDPOINT_URL=url, GATEWAY_PORT=str(number), BIND_HOST="127.0.0.1", MINISTACK_HOST="127.0.0.1",
               S3_DATA_DIR=str(work / "s3"), STATE_DIR=str(work / "state"), TMPDIR=str(work), AUTH="true",
               PERCH_ALARM_SCALE="0.02", PERCH_LAMBDA_RESOLUTION="1", PERCH_RETRY_SCALE="0.002", PERCH_SCHEDULE_SCALE="0.02",
               PERCH_CLOCK="0.01",
               PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    with open(work / "log", "w") as log:
        process = subprocess.Popen([sys.executable, "-m", "perch_local", "serve"], env=env, cwd=work, stdout=log, stderr=log)
        try:
            def answers():
                assert process.poll() is None, (work / "log").read_text()
                with contextlib.suppress(OSError):
                    return urllib.request.urlopen(url + "/_ministack/health", timeout=5)
            assert until(answers, 60), (work / "log").read_text()
            yield type("Server", (), {"url": url, "pid": process.pid, "log": work / "log", "work": work})
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="session")
def client(server):
    made = {}

    def get(name):
        if name not in made:
            made[name] = boto3.client(name, endpoint_url=server.url, region_name="us-east-1", aws_access_key_id="test",
                                      aws_secret_access_key="test", config=Config(retries={"max_attempts": 1}))
        return made[name]
    return get


@pytest.fixture(scope="session")
def bootstrap():
    return FIXTURES / "function" / "bootstrap"


def zipped(path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        info = zipfile.ZipInfo("bootstrap")
        info.external_attr = 0o755 << 16
        z.writestr(info, path.read_bytes())
    return out.getvalue()


@pytest.fixture(scope="session")
def role(client):
    iam = client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
             "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]}}]}
    iam.create_role(RoleName="lambda", AssumeRolePolicyDocument=json.dumps(trust))
    iam.attach_role_policy(RoleName="lambda", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    return ROLE


@pytest.fixture(scope="session")
def function(client, role, bootstrap):
    """Creates a function of fixtures/function/bootstrap and waits until it is active."""
    def make(name, env=None, **more):
        lam = client("lambda")
        lam.create_function(**{"FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": role,
                               "Environment": {"Variables": env or {}}, "Timeout": 10, "Code": {"ZipFile": zipped(bootstrap)}, **more})
        ready(lam, name)
        return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    return make


def ready(lam, name):
    """Wait until a function has been created or updated."""
    def settled():
        found = lam.get_function_configuration(FunctionName=name)
        return (found["State"], found["LastUpdateStatus"]) == ("Active", "Successful")
    assert until(settled, every=0.05)


def two_versions(client, function, name, weight=0.5, **more):
    """Function with versions 1 and 2 behind the alias `live`, weight on 2."""
    lam = client("lambda")
    arn = function(name, {"BUILD": "1"}, Publish=True, **more)
    lam.update_function_configuration(FunctionName=name, Environment={"Variables": {"BUILD": "2"}})
    ready(lam, name)
    lam.publish_version(FunctionName=name)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": weight}})
    return arn


def log_lines(client, name):
    """The log of a function, oldest first; empty before its first call."""
    groups = client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    if not any(g["logGroupName"] == f"/aws/lambda/{name}" for g in groups):
        return []
    return [e["message"] for e in client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]


def durations(client, name):
    """[(Duration, Init Duration or 0)] of the REPORT lines of a function in milliseconds, oldest first."""
    reports = [line for line in log_lines(client, name) if "REPORT RequestId" in line]
    field = lambda word, line: float((re.findall(rf"\t{word}: ([\d.]+) ms", line) or [0])[0])
    return [(field("Duration", line), field("Init Duration", line)) for line in reports]


def calls(client, name):
    """The events a function was called with."""
    return [json.loads(line.split("CALL ", 1)[1]) for line in log_lines(client, name) if "CALL " in line]


def messages(client, url, want=1, seconds=60):
    """At least `want` messages of a queue, removed from it."""
    got = []

    def receive():
        for m in client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", []):
            client("sqs").delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
            got.append(m)
        return len(got) >= want
    until(receive, seconds)
    return got


def total(client, metric, dims, stat="Sum", namespace="AWS/Lambda"):
    """A metric over the last five minutes: the sum of its periods, or the values for another statistic."""
    now = time.time()
    query = {"Id": "m", "MetricStat": {"Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions":
             [{"Name": k, "Value": v} for k, v in dims.items()]}, "Period": 60, "Stat": stat}}
    got = client("cloudwatch").get_metric_data(StartTime=now - 300, EndTime=now + 60, MetricDataQueries=[query])
    values = got["MetricDataResults"][0]["Values"]
    return sum(values) if stat in ("Sum", "SampleCount") else values


def open_queue(client, name, service="events.amazonaws.com"):
    """(url, ARN) of a new queue that a service may send to."""
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service},
                                                      "Action": "sqs:SendMessage", "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return url, arn


def until(check, seconds=30, every=0.1):
    deadline = time.time() + seconds
    while True:
        got = check()
        if got or time.time() > deadline:
            return got
        time.sleep(every)
