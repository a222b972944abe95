"""Starts the server once per test session on a free port and gives clients for it."""
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile

import boto3
import pytest
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
ROLE = "arn:aws:iam::000000000000:role/lambda"


def port():
    if os.environ.get("PERCH_TEST_PORT"):
        return int(os.environ["PERCH_TEST_PORT"])
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    work, number = tmp_path_factory.mktemp("server"), port()
    url = f"http://127.0.0.1:{number}"
    env = dict(os.environ, AWS_ENDPOINT_URL=url, GATEWAY_PORT=str(number), BIND_HOST="127.0.0.1", MINISTACK_HOST="127.0.0.1",
               S3_DATA_DIR=str(work / "s3"), STATE_DIR=str(work / "state"), TMPDIR=str(work), AUTH="true",
               PERCH_ALARM_SCALE="0.05", PERCH_LAMBDA_RESOLUTION="1", PERCH_RETRY_SCALE="0.002",
               PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    with open(work / "log", "w") as log:
        process = subprocess.Popen([sys.executable, "-m", "perch_local", "serve"], env=env, cwd=work, stdout=log, stderr=log)
        try:
            for _ in range(200):
                try:
                    urllib.request.urlopen(url + "/_ministack/health", timeout=1)
                    break
                except OSError:
                    assert process.poll() is None, (work / "log").read_text()
                    time.sleep(0.1)
            yield type("Server", (), {"url": url, "pid": process.pid, "log": work / "log"})
        finally:
            process.terminate()
            process.wait(20)


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


def open_queue(client, name, service="events.amazonaws.com"):
    """(url, ARN) of a new queue that a service may send to."""
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service},
                                                      "Action": "sqs:SendMessage", "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return url, arn


def until(check, seconds=30, every=0.2):
    deadline = time.time() + seconds
    while True:
        got = check()
        if got or time.time() > deadline:
            return got
        time.sleep(every)
