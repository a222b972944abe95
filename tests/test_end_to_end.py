"""Releases from push to end on a private local stack: the CLI, the events and what people are told.

One stack serves all tests, and the releases of one target come one after the other. Each test leaves
the alias with all traffic on one version and waits for conditions, never for time.
"""

import contextlib
import functools
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples/news-classifier"))

from perch_local import deploy, lifecycle  # noqa: E402
from perch_local.checkout import Stack  # noqa: E402

import install  # noqa: E402
import push_image  # noqa: E402
from loadgen import LoadGenerator, alias_invoke, headlines  # noqa: E402

PERCH = ROOT / "target/release/perch"
TARGET_FILE = ROOT / "tests/fixtures/target.e2e.yaml"
TARGET = FUNCTION = REPOSITORY = "news-classifier"
GUARD = "e2e-guard"
UNKNOWN_DIGEST = "sha256:" + "ab" * 32
# A release needs one settled interval under load; the machine may be busy.
RELEASE_WITHIN = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(check, what, seconds=30.0):
    """The first answer of `check` that is not false."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)
    return answer


@functools.cache
def aws(service):
    return boto3.client(service)


def output(name):
    stack = aws("cloudformation").describe_stacks(StackName="perch")["Stacks"][0]
    return next(o["OutputValue"] for o in stack["Outputs"] if o["OutputKey"] == name)


# ---- What people do ------------------------------------------------------------------------------


def perch(*arguments):
    """What `perch ... -o json` answers."""
    done = subprocess.run([PERCH, *arguments, "-o", "json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"perch {' '.join(arguments)}: {done.stderr}"
    return json.loads(done.stdout)


def releases(digest=None):
    found = perch("releases", "--target", TARGET)
    return [release for release in found if digest in (None, release["artifact"]["digest"])]


def release_of(digest, seconds=15.0):
    return until(lambda: releases(digest), f"a release of {digest}", seconds)[0]["id"]


def ended(release_id):
    def end():
        release = perch("release", release_id)
        return release if release["endedAt"] else None

    return until(end, f"the end of {release_id}", RELEASE_WITHIN)


def reached(phase, release_id):
    def there():
        release = perch("release", release_id)
        assert not release["endedAt"], release
        return release if release["phase"] == phase else None

    return until(there, f"phase {phase} of {release_id}", RELEASE_WITHIN)


def journaled(release, what):
    """The causes of the entries of this kind."""
    return [entry["cause"] for entry in release["journal"] if entry["what"] == what]


def why(release):
    return "; ".join(release["verdict"]["reasons"])


# ---- What AWS does -------------------------------------------------------------------------------


def ecr_event(digest=UNKNOWN_DIGEST, tag="v9", **detail):
    event = {
        "result": "SUCCESS",
        "repository-name": REPOSITORY,
        "image-digest": digest,
        "action-type": "PUSH",
        "image-tag": tag,
    }
    event.update(detail)
    return {name: value for name, value in event.items() if value is not None}


def put_events(*details):
    entries = [
        {"Source": "aws.ecr", "DetailType": "ECR Image Action", "Detail": json.dumps(detail)} for detail in details
    ]
    answer = aws("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 0, answer
    return [entry["EventId"] for entry in answer["Entries"]]


def deliver(event):
    """Calls the function as EventBridge does."""
    answer = aws("lambda").invoke(FunctionName="perch-on-image-push", Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()


def alias():
    """(version, other versions' weights) of the alias."""
    found = aws("lambda").get_alias(FunctionName=FUNCTION, Name="live")
    return found["FunctionVersion"], found.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})


def guard_is_quiet():
    alarm = aws("cloudwatch").describe_alarms(AlarmNames=[GUARD])["MetricAlarms"][0]
    return alarm["StateValue"] != "ALARM"


def idle():
    """Nothing is in flight, all traffic is on one version, and the guard would not stop a release."""
    target = perch("targets", TARGET)
    target = target[0] if isinstance(target, list) else target
    return not target.get("active") and not target.get("waiting") and alias()[1] == {} and guard_is_quiet()


@pytest.fixture
def quiet(stage):
    """The state that a test starts from."""
    until(idle, "the end of what another test began", RELEASE_WITHIN)
    return alias()[0]


class Queue:
    """A queue and every message that was in it."""

    def __init__(self, url):
        self.url, self.seen = url, []

    @classmethod
    def subscribed(cls, name, topic, **attributes):
        """A new queue that gets the topic's messages."""
        url = aws("sqs").create_queue(QueueName=name)["QueueUrl"]
        arn = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return cls(url)

    def messages(self):
        found = aws("sqs").receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        for message in found.get("Messages", []):
            aws("sqs").delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            self.seen.append(message)
        return self.seen

    def notified(self, release_id, what):
        """The notification of one kind about a release, once it came."""

        def of(message):
            attributes = json.loads(message["Body"])["MessageAttributes"]
            return (attributes["release"]["Value"], attributes["what"]["Value"]) == (release_id, what)

        def found():
            return next((message for message in self.messages() if of(message)), None)

        return until(found, f"the notification {what} of {release_id}")


class Slack:
    """A server in Slack's place, which answers, fails or hangs as a test says."""

    def __init__(self):
        self.mode, self.bodies, self.open = "ok", [], threading.Event()
        slack = self

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["content-length"])
                slack.bodies.append((slack.mode, json.loads(self.rfile.read(length))))
                if slack.mode == "hangs":
                    slack.open.wait(60)
                with contextlib.suppress(OSError):
                    self.send_response(500 if slack.mode == "fails" else 200)
                    self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/T000/B000/XXXX"

    def received(self, mode):
        return [body for seen, body in self.bodies if seen == mode]

    def close(self):
        self.open.set()
        self.server.shutdown()


def make_guard():
    """An alarm that only tests set off: what it measures never happens."""
    aws("cloudwatch").put_metric_alarm(
        AlarmName=GUARD,
        Namespace="perch/e2e",
        MetricName="Never",
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )


class Stage:
    """The stack with Perch, the sample service under load, and those who listen."""

    def __init__(self):
        topic = output("TopicArn")
        self.failing = None  # the version that is meant to fail
        self.slack = Slack()
        aws("ssm").put_parameter(Name="/perch/slack", Type="SecureString", Value=self.slack.url)
        self.everything = Queue.subscribed("everything", topic)
        self.warnings = Queue.subscribed(
            "warnings", topic, FilterPolicy=json.dumps({"severity": ["warning", "page"]})
        )
        self.failed = Queue(output("FailedEventsUrl"))
        self.load = LoadGenerator(alias_invoke(), headlines(), rate=20).start()

    def close(self):
        self.load.stop()
        self.slack.close()


@pytest.fixture(scope="module")
def stage():
    stack, before = Stack(free_port()), dict(os.environ)
    lifecycle.start(stack)
    try:
        os.environ.update(stack.client_env())
        deploy.deploy(stack, say=lambda _: None)
        install.install(stack)
        make_guard()
        perch("apply", "-f", str(TARGET_FILE))
        stage = Stage()
        try:
            yield stage
        finally:
            stage.close()
    finally:
        os.environ.clear()
        os.environ.update(before)
        aws.cache_clear()
        lifecycle.stop(stack)


# ---- Events that lead to nothing -----------------------------------------------------------------


def test_an_unknown_image_is_rejected_and_named(quiet):
    began = time.monotonic()
    put_events(ecr_event())
    release_id = release_of(UNKNOWN_DIGEST, seconds=10)
    assert time.monotonic() - began < 2
    release = ended(release_id)
    assert release["phase"] == "Rejected"
    assert f"{REPOSITORY}:v9" in why(release) and UNKNOWN_DIGEST[7:19] in why(release)
    assert alias() == (quiet, {})


def test_one_event_twice_has_one_effect(quiet):
    digest = "sha256:" + "cd" * 32
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "ECR Image Action",
        "source": "aws.ecr",
        "account": "000000000000",
        "region": "us-east-1",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": [],
        "detail": ecr_event(digest),
    }
    deliver(event)
    first = ended(release_of(digest))
    deliver(event)
    assert [release["id"] for release in releases(digest)] == [first["id"]]
    assert perch("release", first["id"])["journal"] == first["journal"]
    executions = aws("stepfunctions").list_executions(stateMachineArn=output("CanaryDeployArn"))["executions"]
    assert [e["name"] for e in executions].count(first["id"]) == 1


def test_events_that_no_release_follows_leave_a_note_and_change_nothing(quiet):
    known = {release["id"] for release in releases()}
    unknown, foreign, untagged, _ = put_events(
        ecr_event(**{"repository-name": "team/unknown"}),
        ecr_event(tag="nightly"),
        ecr_event(tag=None),
        ecr_event(**{"action-type": "DELETE"}),
    )

    def note(event, *target):
        return until(
            lambda: next((note for note in perch("journal", *target) if note["event"] == event), None),
            f"a note about {event}",
        )

    assert "no target takes artifacts from this source" in note(unknown)["text"]
    assert "tag nightly matches none of the target's globs: v*" in note(foreign, TARGET)["text"]
    assert "only tagged pushes start a release" in note(untagged, TARGET)["text"]
    assert {release["id"] for release in releases()} == known
    assert alias() == (quiet, {})


def test_a_malformed_event_ends_in_the_dead_letters_with_its_field(stage, quiet):
    (event,) = put_events(ecr_event(digest=None))

    def letter():
        return next((m for m in stage.failed.messages() if event in m["Body"]), None)

    body = json.loads(until(letter, "the dead letter")["Body"])
    assert body["requestPayload"]["id"] == event
    assert "image-digest" in json.dumps(body["responsePayload"])
    assert alias() == (quiet, {})


def test_an_alias_that_someone_else_split_is_not_touched(quiet):
    digest = "sha256:" + "ef" * 32
    # An alias splits to a second version, and a change of the configuration makes one.
    functions = aws("lambda")
    settings = functions.get_function_configuration(FunctionName=FUNCTION)
    variables = settings.get("Environment", {}).get("Variables", {}) | {"CHANGED": str(uuid.uuid4())}
    functions.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": variables})
    state = functools.partial(functions.get_function_configuration, FunctionName=FUNCTION)
    until(lambda: state()["LastUpdateStatus"] == "Successful", "the update of the function")
    other = functions.publish_version(FunctionName=FUNCTION)["Version"]
    assert other != quiet
    split = {"AdditionalVersionWeights": {other: 0.2}}
    functions.update_alias(FunctionName=FUNCTION, Name="live", RoutingConfig=split)
    try:
        put_events(ecr_event(digest))
        release = ended(release_of(digest))
        assert release["phase"] == "Rejected"
        assert f"split already (20% on version {other})" in why(release)
        assert alias() == (quiet, {other: 0.2})
    finally:
        whole = {"AdditionalVersionWeights": {}}
        functions.update_alias(FunctionName=FUNCTION, Name="live", RoutingConfig=whole)


def test_the_image_that_serves_already_is_rejected(quiet):
    version = aws("lambda").get_function(FunctionName=FUNCTION, Qualifier=quiet)
    digest = version["Code"]["ResolvedImageUri"].split("@")[1]
    put_events(ecr_event(digest))
    release = ended(release_of(digest))
    assert release["phase"] == "Rejected"
    assert f"serves already, as version {quiet}" in why(release)
    assert alias() == (quiet, {})


def test_a_target_without_its_alias_says_how_to_make_one(quiet, tmp_path):
    target = yaml.safe_load(TARGET_FILE.read_text())
    target |= {"name": "beta", "guards": [], "notify": {}}
    target["service"]["lambda"]["alias"] = "beta"
    target["sources"]["image"]["tags"] = ["beta-*"]
    path = tmp_path / "beta.yaml"
    path.write_text(yaml.safe_dump(target))
    perch("apply", "-f", str(path))
    put_events(ecr_event(tag="beta-1"))
    release_id = until(lambda: perch("releases", "--target", "beta"), "a release of beta")[0]["id"]
    release = ended(release_id)
    assert release["phase"] == "Rejected"
    assert "has no alias beta" in why(release) and "aws lambda create-alias" in why(release)


# ---- Releases ------------------------------------------------------------------------------------


@contextlib.contextmanager
def right_taken(function, action):
    """A function's role without one of its rights."""
    arn = aws("lambda").get_function_configuration(FunctionName=function)["Role"]
    role = arn.rsplit("/", 1)[1]
    iam = aws("iam")
    kept = {}
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        document = json.loads(urllib.parse.unquote(document)) if isinstance(document, str) else document
        kept[name] = json.dumps(document)
        for statement in document["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            statement["Action"] = [known for known in actions if known != action]
        document["Statement"] = [statement for statement in document["Statement"] if statement["Action"]]
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
    assert any(action in document for document in kept.values())
    try:
        yield
    finally:
        for name, document in kept.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)


def test_a_missing_right_moves_no_traffic_and_is_named(quiet):
    with right_taken("perch-shift-weight", "lambda:UpdateAlias"):
        image = push_image.push_variant("healthy")
        release = ended(release_of(image.digest))
    assert release["phase"] == "RolledBack"
    assert "Denied" in why(release) and "lambda:UpdateAlias" in why(release)
    assert journaled(release, "WeightShifted") == []
    assert alias() == (quiet, {})


def test_a_failing_image_is_rolled_back_by_the_judge_and_people_are_told(stage, quiet):
    image = push_image.push_variant("failing")
    release = ended(release_of(image.digest))
    stage.failing = release["canary"]
    assert release["phase"] == "RolledBack"
    assert release["verdict"]["outcome"] == "Fail" and "canary requests failed" in why(release)
    judged = [entry for entry in release["journal"] if entry["what"] == "BakeJudged"]
    assert judged[-1]["evidence"]["readings"]["canary"]["errors"] > 0
    assert release["weight"] == 0
    assert alias() == (quiet, {})

    notified = json.loads(stage.everything.notified(release["id"], "ReleaseRolledBack")["Body"])
    assert f"perch release {release['id']}" in notified["Message"]
    attributes = {name: value["Value"] for name, value in notified["MessageAttributes"].items()}
    assert attributes["severity"] == "warning" and attributes["target"] == TARGET
    stage.everything.notified(release["id"], "WeightShifted")
    stage.warnings.notified(release["id"], "ReleaseRolledBack")
    filtered = [json.loads(message["Body"])["MessageAttributes"] for message in stage.warnings.seen]
    assert {attributes["severity"]["Value"] for attributes in filtered} <= {"warning", "page"}

    def posted():
        return [b for b in stage.slack.received("ok") if release["id"] in json.dumps(b) and "rolled back" in b["text"]]

    body = until(posted, "the message in Slack")[0]
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "section", "context"]


def test_a_guard_in_alarm_brings_the_baseline_back_within_seconds(quiet):
    image = push_image.push_variant("healthy")
    release_id = reached("Baking", release_of(image.digest))["id"]
    began = time.monotonic()
    aws("cloudwatch").set_alarm_state(AlarmName=GUARD, StateValue="ALARM", StateReason="set by hand")
    until(lambda: alias() == (quiet, {}), "the baseline alone", 10)
    assert time.monotonic() - began < 5
    release = ended(release_id)
    assert release["phase"] == "RolledBack"
    assert f"guard {GUARD} in ALARM: set by hand" in why(release)
    aws("cloudwatch").set_alarm_state(AlarmName=GUARD, StateValue="OK", StateReason="set by hand")


def test_a_second_push_waits_and_people_abort_and_promote(stage, quiet):
    stage.slack.mode = "hangs"
    first = push_image.push_variant("healthy")
    first_id = reached("Baking", release_of(first.digest))["id"]
    second = push_image.push_variant("healthy")
    waits = f"waits for the end of release {first_id}"
    until(lambda: any(note["text"] == waits for note in perch("journal", TARGET)), "a note that the second push waits")
    assert releases(second.digest) == []

    perch("abort", TARGET, "--reason", "wrong model", "--by", "ada")
    aborted = ended(first_id)
    assert aborted["phase"] == "RolledBack"
    assert journaled(aborted, "RollbackDecided") == ["aborted by ada: wrong model"]

    second_id = release_of(second.digest)
    assert reached("Baking", second_id)["cause"]["kind"] == "waited"
    stage.slack.mode = "fails"
    perch("promote", TARGET, "--reason", "hot fix", "--by", "bob")
    promoted = ended(second_id)
    assert promoted["phase"] == "Promoted", promoted
    assert journaled(promoted, "OrderGiven") == ["promote, by bob: hot fix"]
    assert journaled(promoted, "PromotionDecided") == ["ordered by bob: hot fix"]
    assert alias() == (promoted["canary"], {}) and promoted["canary"] != quiet

    # A Slack that hung or failed held nobody up: the topic has every message.
    for release_id, what in ((first_id, "ReleaseRolledBack"), (second_id, "ReleasePromoted")):
        stage.everything.notified(release_id, what)
    assert stage.slack.received("hangs") and stage.slack.received("fails")


def test_an_image_that_passed_still_goes_back_while_it_is_watched(quiet):
    image = push_image.push_variant("healthy")
    release_id = reached("Watching", release_of(image.digest))["id"]
    perch("rollback", TARGET, "--reason", "wrong labels", "--by", "ada")
    release = ended(release_id)
    assert release["phase"] == "RolledBack"
    assert journaled(release, "PromotionDecided") == ["every step of the plan is done"]
    assert journaled(release, "RollbackDecided") == ["aborted by ada: wrong labels"]
    assert alias() == (quiet, {})


def test_callers_were_harmed_by_the_failing_image_alone(stage):
    counted = stage.load.snapshot()
    assert counted.total.requests > 100
    assert counted.total.transport_errors == 0
    harmful = {version for version, counts in counted.versions.items() if counts.function_errors}
    assert harmful <= {stage.failing}
