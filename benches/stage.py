"""The private local stack that the benches run on: Perch, the sample service, and one real release to copy from."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from perch_local import deploy, lifecycle, sam_fleet
from perch_local.checkout import ROOT, Stack
from perch_local.sam_local import deployed
from perch_local.servers import free_port

sys.path.insert(0, str(ROOT / "examples" / "news-classifier"))
import install  # noqa: E402
import push_image  # noqa: E402

PERCH = deploy.MAIN_STACK
TARGET, PACKAGES, MODELS = "news-classifier", "bench-packages", "bench-models"
FUNCTION, ALIAS, GUARD = install.FUNCTION, "live", "news-classifier-errors"
BUCKET = "bench-packages"
INERT = "bench-inert"
CLI = ROOT / "target" / "release" / "perch"
# Requests of the sample service before the rounds, so that the judge has metrics to read.
REQUESTS = 60
Answer = TypeVar("Answer")


class BenchError(Exception):
    """A message for the terminal."""


def until(found: Callable[[], Answer | None], seconds: float, what: str) -> Answer:
    """Ask until there is an answer."""
    deadline = time.monotonic() + seconds
    while (answer := found()) is None:
        if time.monotonic() > deadline:
            raise BenchError(f"{what} took more than {seconds:.0f} s")
        time.sleep(0.005)
    return answer


def stamp(seconds: float) -> str:
    """A time as Perch writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def sortable(seconds: float) -> str:
    """A time as the table compares it: nine digits behind the second."""
    return f"{stamp(seconds)[:-1]}000000Z"


def target(name: str, function: str, sources: dict[str, Any]) -> dict[str, Any]:
    """A target whose release bakes for longer than the benches take."""
    return {
        "apiVersion": "perch/v1",
        "kind": "Target",
        "name": name,
        "service": {"lambda": {"function": function, "alias": ALIAS}},
        "sources": sources,
        "rollout": {"steps": [{"weight": 10, "bake": "30m"}]},
        "judge": {
            "rule": "thresholds",
            "errorRate": {"max": "5%"},
            "latency": {"quantile": "p99", "maxIncrease": "50%", "tolerance": "100ms"},
            "minRequests": 30,
            "interval": "1m",
            "noData": "hold",
        },
        "guards": [GUARD] if function == FUNCTION else [],
        "watch": "1m",
    }


def model_target() -> dict[str, Any]:
    """A target of models. Nothing listens on the port that it names, so what starts a release of it sees that end by itself."""
    servers = {"protocol": "perch", "model": sam_fleet.MODEL, "replicas": {"static": ["http://127.0.0.1:9"]}}
    return {
        **target(MODELS, "none", {"model": {"bucket": sam_fleet.BUCKET, "prefix": sam_fleet.MODEL}}),
        "service": {"modelServers": servers},
        "modelRelease": {"judge": {"metrics": {"namespace": "Bench", "bucket": "10s"}}},
    }


class Table:
    """Items of Perch's table as plain dictionaries."""

    def __init__(self) -> None:
        self.client, self.write, self.read = boto3.client("dynamodb"), TypeSerializer(), TypeDeserializer()

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        """An item without its key."""
        found = self.client.get_item(TableName=PERCH, Key=self.key(pk, sk), ConsistentRead=True).get("Item")
        if not found:
            return None
        return {name: self.read.deserialize(value) for name, value in found.items() if name not in ("pk", "sk")}

    def put(self, pk: str, sk: str, value: dict[str, Any]) -> None:
        """Write an item whatever was there."""
        typed = {name: self.write.serialize(attribute) for name, attribute in value.items()}
        self.client.put_item(TableName=PERCH, Item={**typed, **self.key(pk, sk)})

    def clear(self, pk: str) -> None:
        """Delete the items of a partition."""
        wanted = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}}
        for found in self.client.query(TableName=PERCH, **wanted)["Items"]:
            self.client.delete_item(TableName=PERCH, Key={name: found[name] for name in ("pk", "sk")})

    @staticmethod
    def key(pk: str, sk: str) -> dict[str, Any]:
        """A key as DynamoDB takes it."""
        return {"pk": {"S": pk}, "sk": {"S": sk}}


class Stage:
    """Clients of the running stack, and what the copied release looked like while it baked."""

    def __init__(self, stack: Stack, server: int) -> None:
        self.stack, self.server = stack, server
        self.table = Table()
        self.awslambda, self.events = boto3.client("lambda"), boto3.client("events")
        self.executions, self.logs, self.iam = boto3.client("stepfunctions"), boto3.client("logs"), boto3.client("iam")
        self.account = boto3.client("sts").get_caller_identity()["Account"]
        self.region = os.environ["AWS_REGION"]
        self.record: dict[str, Any] = {}
        self.head: dict[str, Any] = {}
        self.metrics_since = 0.0
        self.told_url = self._told_queue()
        self.names: dict[str, str] = {folder: name for folder, (_, name) in deployed().items()}

    def machine(self, name: str) -> str:
        """The ARN of a state machine."""
        return f"arn:aws:states:{self.region}:{self.account}:stateMachine:{name}"

    def apply_targets(self) -> None:
        """Apply the targets with the command line, as people do."""
        image = {"image": {"repository": push_image.REPOSITORY, "tags": ["v*"]}}
        package = {"package": {"bucket": BUCKET, "keys": ["*.zip"]}}
        for spec in (target(TARGET, FUNCTION, image), target(PACKAGES, "bench-zip", package), model_target()):
            # JSON is YAML, too.
            file = self.stack.folder / f"{spec['name']}.yaml"
            file.write_text(json.dumps(spec))
            done = subprocess.run([str(CLI), "apply", "-f", str(file)], capture_output=True, text=True)
            if done.returncode:
                raise BenchError(f"perch apply of {spec['name']} failed: {done.stderr.strip()}")

    def release_to_copy(self) -> None:
        """Push an image, keep record and head of its release while it bakes, then have an alarm end it."""
        image = push_image.push_variant("healthy")
        head = until(self._exposed, 60, f"the release of {image.tag}")
        release = str(head["active"])

        def baking() -> dict[str, Any] | None:
            record = self.table.get(f"RELEASE#{release}", "RECORD")
            return record if record and record["phase"]["name"] == "Baking" else None

        self.record = until(baking, 60, f"the bake of {release}")
        self.head = self.table.get(f"TARGET#{TARGET}", "HEAD") or head
        self.metrics_since = time.time() - 60
        for _ in range(REQUESTS):
            self.awslambda.invoke(FunctionName=FUNCTION, Qualifier=ALIAS, Payload=b'{"text": "Stocks rally"}')
        self.put_alarm()
        self.ended(release, int(self.head["fence"]))

    def _exposed(self) -> dict[str, Any] | None:
        head = self.table.get(f"TARGET#{TARGET}", "HEAD")
        return head if head and head.get("active") and head.get("exposed") else None

    def put_alarm(self) -> None:
        """The event that CloudWatch sends when the guard goes into ALARM."""
        answer = self.events.put_events(Entries=[alarm_entry(self.account, self.region)])
        if answer["FailedEntryCount"]:
            raise BenchError(f"PutEvents refused the alarm: {answer['Entries']}")

    def _told_queue(self) -> str:
        """A queue that gets what people are told about releases that were rolled back."""
        self.queues, topics = boto3.client("sqs"), boto3.client("sns")
        topic = f"arn:aws:sns:{self.region}:{self.account}:{PERCH}-releases"
        url = str(self.queues.create_queue(QueueName="bench-told")["QueueUrl"])
        arn = f"arn:aws:sqs:{self.region}:{self.account}:bench-told"
        sender = {"Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **sender}]})
        self.queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        filters = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"what": ["ReleaseRolledBack"]})}
        topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=filters)
        return url

    def stop_sweeping(self) -> None:
        """End the schedule: the sweep would mend what the rounds leave behind."""
        arn = f"arn:aws:lambda:{self.region}:{self.account}:function:{PERCH}-reconcile"
        for rule in self.events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]:
            self.events.disable_rule(Name=rule)

    def stop_telling(self) -> None:
        """End the journal's way to people, so that nothing runs beside what is measured."""
        for mapping in self.awslambda.list_event_source_mappings()["EventSourceMappings"]:
            self.awslambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)

    def told(self, release: str) -> bool | None:
        """Whether the message about this release has come; messages come in the order of the rounds."""
        answer = self.queues.receive_message(QueueUrl=self.told_url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.queues.delete_message(QueueUrl=self.told_url, ReceiptHandle=message["ReceiptHandle"])
            if f"Entry: {release}/" in message["Body"]:
                return True
        return None

    def ended(self, release: str, fence: int) -> None:
        """Wait until the rollback that took this release's fence has closed it, and people have been told."""
        machine = self.machine(f"{PERCH}-rollback").replace(":stateMachine:", ":execution:")
        arn = f"{machine}:{release}-f{fence + 1}"

        def status() -> str | None:
            try:
                found = str(self.executions.describe_execution(executionArn=arn)["status"])
            except self.executions.exceptions.ExecutionDoesNotExist:
                return None
            return None if found == "RUNNING" else found

        if (found := until(status, 30, f"the rollback of {release}")) != "SUCCEEDED":
            raise BenchError(f"the rollback of {release} ended {found}")
        record = self.table.get(f"RELEASE#{release}", "RECORD") or {}
        if record.get("phase", {}).get("name") != "RolledBack":
            raise BenchError(f"release {release} ended in {record.get('phase')}")
        until(lambda: self.told(release), 30, f"the message about {release}")


def alarm_entry(account: str, region: str) -> dict[str, Any]:
    """A `CloudWatch Alarm State Change` (CloudWatch User Guide, "Alarm events and EventBridge")."""
    now = stamp(time.time()).replace("Z", "+0000")
    metric = {"namespace": "AWS/Lambda", "name": "Errors", "dimensions": {"FunctionName": FUNCTION}}
    statistic = {"metric": metric, "period": 60, "stat": "Sum"}
    detail = {
        "alarmName": GUARD,
        "configuration": {
            "description": "More than 5 % of the invocations fail",
            "metrics": [{"id": "errors", "metricStat": statistic, "returnData": True}],
        },
        "previousState": {"reason": "Unchecked: Initial alarm creation", "timestamp": now, "value": "INSUFFICIENT_DATA"},
        "state": {
            "reason": "Threshold Crossed: 1 out of the last 1 datapoints was greater than the threshold (5.0).",
            "timestamp": now,
            "value": "ALARM",
        },
    }
    return {
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Resources": [f"arn:aws:cloudwatch:{region}:{account}:alarm:{GUARD}"],
        "Detail": json.dumps(detail),
    }


@contextlib.contextmanager
def staged(say: Callable[[str], None]) -> Iterator[Stage]:
    """A stack with Perch and the sample service, ended at the end."""
    if not CLI.is_file():
        raise BenchError("no release binaries yet; build them first: make build")
    # No environment may end for idleness between two rounds.
    os.environ["LAMBDA_WARM_TTL_SECONDS"] = "900"
    stack = Stack(free_port())
    server, _ = lifecycle.start(stack)
    try:
        os.environ.update(stack.client_env())
        deploy.deploy(stack, say=say)
        install.install(stack)
        stage = Stage(stack, server)
        stage.stop_sweeping()
        stage.apply_targets()
        stage.release_to_copy()
        say("one release was pushed, baked and rolled back by an alarm; the rounds copy it")
        with sam_fleet.opened(stack):
            yield stage
    finally:
        lifecycle.stop(stack)
