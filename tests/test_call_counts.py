"""What an event and a step cost does not depend on how much there is: the same AWS calls with 10 targets and 10 past
releases as with 10,000 of each.

Runs every function on a private stack whose proxy writes down each call (the one that faults come from, without faults).
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.config import Config

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benches"))

from perch_local import deploy, faulty_server, lifecycle, sam_fleet  # noqa: E402
from perch_local.checkout import Stack  # noqa: E402
from perch_local.fault_plan import Plan  # noqa: E402
from perch_local.servers import free_port  # noqa: E402

import stage as benches  # noqa: E402
from deployment_scenes import DeploymentScenes  # noqa: E402
from model_scenes import ModelScenes  # noqa: E402
from scenes import Scenes  # noqa: E402
from service_scenes import SCENES as SERVICE_SCENES  # noqa: E402

FEW, MANY = 10, 10_000
FUNCTIONS = sorted(path.name for path in (ROOT / "functions").iterdir() if path.is_dir())
MEASURED = [name for name in FUNCTIONS if any(hasattr(scenes, name.replace("-", "_")) for scenes in (Scenes, ModelScenes, DeploymentScenes))]
# Functions that do something else where ECS moves the traffic.
VARIANTS = [scene.replace("_of_a_service", " of a service").replace("_", "-") for scene in SERVICE_SCENES]
CALLED = MEASURED + VARIANTS
ITEMS_PER_WRITE = 25
QUIET_WITHIN = 180.0
NOT_DUE = "2099-01-01T00:00:00.000000000Z"
SERIALIZER = TypeSerializer()


def typed(**values):
    """Attributes as DynamoDB takes them."""
    return {name: SERIALIZER.serialize(value) for name, value in values.items()}


class Filler:
    """Puts targets and past releases straight into the table, in the shape that real ones have."""

    def __init__(self, stage):
        # The items are copies of real ones: nobody has to look at the type of every field again.
        self.dynamodb = boto3.client("dynamodb", config=Config(parameter_validation=False))
        listed = self.dynamodb.query(
            TableName=benches.PERCH,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={":pk": {"S": f"TARGET#{benches.TARGET}"}, ":sk": {"S": "RELEASE#"}},
        )["Items"][0]
        release = f"RELEASE#{listed['release']['S']}"
        self.spec, self.head = (self.item(f"TARGET#{benches.TARGET}", sk) for sk in ("SPEC", "HEAD"))
        self.record, self.entry = self.item(release, "RECORD"), self.item(release, f"JOURNAL#{1:010}")

    def item(self, pk, sk):
        """A real item to copy."""
        return self.dynamodb.get_item(TableName=benches.PERCH, Key=typed(pk=pk, sk=sk), ConsistentRead=True)["Item"]

    def write(self, items):
        """Write items in batches, one while the next is made; a table that is asked for more than it takes gives the rest back."""
        items = list(items)

        def put(first):
            wanted = {benches.PERCH: [{"PutRequest": {"Item": item}} for item in items[first : first + ITEMS_PER_WRITE]]}
            while wanted:
                wanted = self.dynamodb.batch_write_item(RequestItems=wanted).get("UnprocessedItems")

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(put, range(0, len(items), ITEMS_PER_WRITE)))

    def targets(self, numbers):
        """Targets as `perch apply` writes them, each with its sources, guard, service and head."""
        # The sweep finds heads by their time; these are not due.
        due = {"due": self.head["due"], **typed(dueAt=NOT_DUE)} if "due" in self.head else {}
        for number in numbers:
            name = f"other-{number:05}"
            own = typed(
                name=name,
                service={"lambda": {"function": name, "alias": "live"}},
                sources={"image": {"repository": name, "tags": ["v*"]}},
                guards=[f"{name}-guard"],
            )
            spec = {**self.spec, **own}
            yield {**spec, **typed(pk=f"TARGET#{name}", sk="SPEC")}
            yield {**spec, **typed(pk="TARGETS", sk=name)}
            yield {**due, **typed(pk=f"TARGET#{name}", sk="HEAD", target=name, fence=1, exposed=False)}
            yield typed(pk=f"SOURCE#ecr#{name}", sk=f"TARGET#{name}", target=name, globs=["v*"])
            yield typed(pk=f"GUARD#{name}-guard", sk=f"TARGET#{name}", target=name, globs=[])
            yield typed(pk=f"SERVICE#lambda#{name}#live", sk="TARGET", target=name)

    def releases(self, numbers):
        """Releases that have ended, of the target that is measured."""
        target = benches.TARGET
        for number in numbers:
            at = benches.stamp(time.time() - 100_000 - number)
            release = f"{target}-20260101-000000-{0x800000 + number:06x}"
            digest = f"sha256:{0xABC000000 + number:064x}"
            artifact = {"M": {**self.record["artifact"]["M"], "digest": {"S": digest}}}
            key = {"pk": {"S": f"RELEASE#{release}"}}
            yield {**self.record, **key, "id": {"S": release}, "artifact": artifact}
            yield {**self.entry, **key, "release": {"S": release}}
            yield typed(pk=f"TARGET#{target}", sk=f"RELEASE#{at}#{release}", release=release)
            yield typed(pk=f"RELEASES#{at[:7]}", sk=f"{at}#{release}", release=release)
            yield typed(pk=f"TARGET#{target}", sk=f"ARTIFACT#{digest}", release=release, outcome="RolledBack")

    def fill(self, before, after):
        """Have `after` targets and past releases where there were `before`."""
        self.write(self.targets(range(before, after)))
        self.write(self.releases(range(before, after)))


def quiet(stage):
    """Wait for the end of what a measured function has started."""
    machines = [stage.machine(f"{benches.PERCH}-{name}") for name in ("canary-deploy", "model-reload", "rollback")]

    def none_runs():
        lists = (stage.executions.list_executions(stateMachineArn=arn, statusFilter="RUNNING") for arn in machines)
        return True if not any(found["executions"] for found in lists) else None

    benches.until(none_runs, QUIET_WITHIN, "the end of what a function has started")


def calls_of(stage, scenes, control, name):
    """The calls of one invocation, in order."""
    function = stage.names[name.partition(" ")[0]]
    event = scenes.prepare(name)
    known = len(control.lines("calls"))
    answer = stage.awslambda.invoke(FunctionName=function, Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()
    quiet(stage)
    # What an event starts runs other functions, and the same one for other releases.
    made = [call for call in control.lines("calls")[known:] if call["function"] == function]
    return [call["operation"] for call in made if call["release"] == event.get("releaseId", "")]


@pytest.fixture(scope="module")
def counted():
    """{function: (calls with few, calls with many)}."""
    stack = Stack(free_port())
    before = dict(os.environ)
    with faulty_server.running(stack, Plan(functions=f"{benches.PERCH}-"), LAMBDA_WARM_TTL_SECONDS="900") as control:
        try:
            os.environ.update(stack.client_env())
            deploy.deploy(stack, say=lambda _: None)
            benches.install.install(stack)
            stage = benches.Stage(stack, lifecycle.running(stack))
            stage.apply_targets()
            stage.release_to_copy()
            stage.stop_telling()
            with sam_fleet.opened(stack):
                scenes, filler, found = Scenes(stage), Filler(stage), {}
                for have, want in ((0, FEW), (FEW, MANY)):
                    filler.fill(have, want)
                    for name in CALLED:
                        found.setdefault(name, []).append(calls_of(stage, scenes, control, name))
            yield found
        finally:
            os.environ.clear()
            os.environ.update(before)


def test_every_step_and_event_is_measured():
    assert set(FUNCTIONS) == set(MEASURED), "give it a scene in benches/scenes.py"


@pytest.mark.parametrize("name", CALLED)
def test_the_number_of_calls_is_the_same_with_many(counted, name):
    few, many = counted[name]
    assert few == many and few


@pytest.mark.parametrize("name", CALLED)
def test_nothing_is_scanned(counted, name):
    assert not [call for calls in counted[name] for call in calls if call.endswith(".Scan")]
