"""The private local stack of the end-to-end tests: Perch, the sample service under load, and those who listen.

What people and AWS do is a function here; waiting is for conditions, never for time.
"""

import contextlib
import functools
import http.server
import json
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples/news-classifier"))

from loadgen import LoadGenerator, alias_invoke, headlines  # noqa: E402

PERCH = ROOT / "target/release/perch"
TARGET_FILE = ROOT / "tests/fixtures/target.e2e.yaml"
TARGET = FUNCTION = REPOSITORY = "news-classifier"
GUARD = "e2e-guard"
UNKNOWN_DIGEST = "sha256:" + "ab" * 32
# A release needs one settled interval under load; the machine may be busy.
RELEASE_WITHIN = 180


def until(check, what, seconds=60.0):
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
    return [release for release in found if digest in (None, release["artifact"].get("digest"))]


def release_of(digest):
    return until(lambda: releases(digest), f"a release of {digest}")[0]["id"]


def ended(release_id, seconds=RELEASE_WITHIN):
    def end():
        release = perch("release", release_id)
        return release if release["endedAt"] else None

    return until(end, f"the end of {release_id}", seconds)


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

        return until(lambda: self.about(release_id, what), f"the notification {what} of {release_id}")[0]

    def about(self, release_id, what):
        """The notifications of one kind about a release that came so far."""

        def of(message):
            # The message of an alarm has no attributes.
            attributes = json.loads(message["Body"]).get("MessageAttributes", {})
            values = {name: value["Value"] for name, value in attributes.items()}
            return (values.get("release"), values.get("what")) == (release_id, what)

        return [message for message in self.messages() if of(message)]


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
