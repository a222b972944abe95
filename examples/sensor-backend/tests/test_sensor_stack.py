"""The template on a private local stack: uploaded files reach the service, callers reach it on both listeners."""

import io
import json
import zipfile

import boto3
import demo
import pytest
import uploads
from deployed import deployed
from perch_local.checkout import Stack
from perch_local.servers import free_port
from perch_stage.callers import http_invoke
from perch_stage.command import until
from perch_stage.stage import Stage
from rich.console import Console

HOOK = "answers-for-the-test"
SUMMARY_WITHIN = 60.0


@pytest.fixture(scope="module")
def outputs():
    """The stack, with a hook that lets everything pass."""
    stage = Stage(Stack(free_port()), Console(file=io.StringIO()), demo.TARGET)
    with stage.up():
        make_hook()
        yield deployed(stage.stack, demo.HERE, demo.push("healthy"), **demo.SETTINGS, AnswerHook=HOOK)


def make_hook():
    """A function that says SUCCEEDED, in the place of Perch's."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = boto3.client("iam").create_role(RoleName=HOOK, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("hook.py", "def handler(event, context):\n    return {'hookStatus': 'SUCCEEDED'}\n")
    boto3.client("lambda").create_function(
        FunctionName=HOOK, Runtime="python3.13", Handler="hook.handler", Role=role, Code={"ZipFile": code.getvalue()}
    )


def put(bucket, name, text):
    """Upload a file of readings."""
    boto3.client("s3").put_object(Bucket=bucket, Key=f"readings/{name}.csv", Body=text.encode())


def test_an_uploaded_file_gets_its_summary(outputs):
    put(outputs["Bucket"], "morning", "boiler,61.2\nboiler,61.3\ngate,1\nboiler,61.4\nboiler,97\n")
    until(lambda: "morning" in uploads.names(outputs["Bucket"], "summaries") or None, SUMMARY_WITHIN, "the summary")
    found = boto3.client("s3").get_object(Bucket=outputs["Bucket"], Key="summaries/morning.json")["Body"].read()
    boiler, gate = json.loads(found)
    assert (boiler["sensor"], boiler["readings"], boiler["outliers"]) == ("boiler", 4, [3])
    assert (gate["sensor"], gate["readings"]) == ("gate", 1)


def test_a_file_that_cannot_be_read_is_kept_for_people(outputs):
    put(outputs["Bucket"], "torn", "boiler,61.2\nboiler\n")
    queue = outputs["FailedFilesUrl"]
    kept = until(lambda: uploads.kept(queue) or None, SUMMARY_WITHIN, "the message about the file")
    assert list(kept) == ["torn"] and "line 2" in kept["torn"]
    assert "torn" not in uploads.names(outputs["Bucket"], "summaries")
    # It is not lost, and no failing build is to blame: the demo would say so.
    assert uploads.unanswered(outputs["Bucket"], queue) == [f"an uploaded file was given up: {kept['torn']}"]


def test_callers_reach_the_first_image_on_both_listeners(outputs):
    host = outputs["Address"].split(":")[0]
    for port in (demo.PORT, 9000):
        ask = http_invoke(f"http://{host}:{port}", "/readings", demo.batch)
        answers = [ask(demo.SAMPLE.texts[0]) for _ in range(5)]
        assert not any(answer.function_error for answer in answers)
        assert len({answer.version for answer in answers}) == 1
