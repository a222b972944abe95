"""What a run plays on: a private stack with faults, Perch, many small services with their targets, and callers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from perch_local import deploy, faulty_server
from perch_local.checkout import ROOT, Stack
from perch_local.fault_plan import Plan
from perch_local.push_image import push
from perch_local.servers import free_port
from perch_stage.images import repository_uri
from perch_stage.load import LoadGenerator, Snapshot

sys.path.insert(0, str(ROOT / "examples" / "news-classifier"))
from loadgen import headlines  # noqa: E402

from account import PERCH, ChaosError, aws  # noqa: E402
from targets import Driver, Target  # noqa: E402

# Faults concern Perch's own functions; what they are about is the target's name in their events.
FUNCTIONS, SUBJECT = (f"{PERCH}-", f"CodeDeployHook_{PERCH}-"), r"chaos-\d\d"
# The sweep's five minutes become 15 s.
SWEEPS = {"PERCH_SCHEDULE_SCALE": "0.05"}
# Where a minute of a deployment takes a second, a hook that failed is tried again within its hour: after 6 s and 12 s.
RETRIES = "0.1"
# Nine digits, as Perch writes times that a condition compares.
LONG_AGO = "2026-01-01T00:00:00.000000000Z"
# Pushes whose tag ends like this have no event.
LOST = "-lost"


class Stage:
    """The stack under test, and what people and callers do with it."""

    def __init__(self, control: faulty_server.Control, folder: Path, driver: Driver) -> None:
        self.control, self.folder, self.driver = control, folder, driver
        self.cli = folder / "perch"
        shutil.copy2(ROOT / "target" / "release" / "perch", self.cli)
        self.load: dict[str, LoadGenerator] = {}

    def perch(self, *arguments: str) -> Any:
        """What `perch ... -o json` answers."""
        done = subprocess.run([str(self.cli), *arguments, "-o", "json"], capture_output=True, text=True)
        if done.returncode:
            raise ChaosError(f"perch {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def install(self, targets: list[Target]) -> None:
        """Make each target's service with a first version that serves, and apply the targets."""
        self.driver.prepare()
        for target in targets:
            uri = repository_uri(aws("ecr"), target.name)
            digest = self.push(target, "healthy", "first", tag="first")
            self.driver.install(target, f"{uri}@{digest}")
            self.guard(target, quiet=True)
        self.apply([target.file() for target in targets])

    def apply(self, targets: list[dict[str, Any]]) -> None:
        """Apply target files."""
        path = self.folder / "targets.yaml"
        # JSON is YAML, too.
        path.write_text("\n---\n".join(json.dumps(target) for target in targets))
        self.perch("apply", "-f", str(path))

    def push(self, target: Target, kind: str, build: str, tag: str | None = None) -> str:
        """Push one build of the service, of one of the kinds that its driver has; its digest."""
        driver = self.driver
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            root = Path(folder) / "root"
            driver.assemble(root, f"{target.name}-{build}", driver.images[kind])
            return str(push(str(root), target.name, tag or f"v-{build}", (driver.entrypoint,), client=aws("ecr")))

    def guard(self, target: Target, quiet: bool) -> None:
        """Have the guard go into ALARM, or out of it, at its next evaluation: what it measures never happens."""
        aws("cloudwatch").put_metric_alarm(
            AlarmName=target.guard,
            Namespace="perch/chaos",
            MetricName="Never",
            Statistic="Sum",
            Period=10,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching" if quiet else "breaching",
        )

    def guard_is_quiet(self, target: Target) -> bool:
        """Whether the guard would let a release begin."""
        alarm = aws("cloudwatch").describe_alarms(AlarmNames=[target.guard])["MetricAlarms"][0]
        return bool(alarm["StateValue"] != "ALARM")

    def features(self) -> set[str]:
        """What this installation can do, of what stories may need."""
        commands = subprocess.run([str(self.cli), "--help"], capture_output=True, text=True, check=True).stdout
        pages = aws("lambda").get_paginator("list_functions").paginate()
        names = [function["FunctionName"] for page in pages for function in page["Functions"]]
        has = {
            "policies": "whileReleasing" in json.dumps(self.perch("schema")),
            "reconcile": f"{PERCH}-reconcile" in names,
            "orders": " hold " in commands and " stop " in commands,
        }
        moving = self.driver.moves_itself
        has |= {"moves-itself": moving, "holds": has["orders"] and not moving, "tests-in-a-hook": "wrong" in self.driver.images}
        has["takes-over"] = self.driver.name == "ecs"
        return {name for name, there in has.items() if there}

    def make_due(self, target: Target) -> None:
        """Have the next sweep look at the target, as when its time has come."""
        with contextlib.suppress(aws("dynamodb").exceptions.ConditionalCheckFailedException):
            aws("dynamodb").update_item(
                TableName=PERCH,
                Key={"pk": {"S": f"TARGET#{target.name}"}, "sk": {"S": "HEAD"}},
                UpdateExpression="SET dueAt = :long",
                ConditionExpression="attribute_exists(dueAt)",
                ExpressionAttributeValues={":long": {"S": LONG_AGO}},
            )

    def call(self, targets: list[Target]) -> None:
        """Begin to send requests to every target that has callers."""
        for target in (target for target in targets if target.rate):
            invoke = self.driver.caller(target)
            self.load[target.name] = LoadGenerator(invoke, headlines(), rate=target.rate, threads=3, slow_ms=2000).start()

    def hang_up(self) -> dict[str, Snapshot]:
        """End the requests; what the callers of each target saw."""
        return {name: load.stop() for name, load in self.load.items()}


@contextlib.contextmanager
def staged(
    seed: int,
    say: Callable[[str], None],
    driver: Driver,
    subject: str = SUBJECT,
    at_once: int = 0,
    **settings: str,
) -> Iterator[Stage]:
    """A stack with Perch on it, whose faults have not begun; ended at the end."""
    if not (ROOT / "target" / "release" / "perch").is_file():
        raise ChaosError("no release binaries yet; build them first: make build")
    stack, before = Stack(free_port()), dict(os.environ)
    plan = Plan(seed=seed, functions=FUNCTIONS, subject=subject, at_once=at_once)
    clock = {} if driver.clock == 1 else {"PERCH_CLOCK": repr(driver.clock), "PERCH_RETRY_SCALE": RETRIES}
    minute = [] if driver.clock == 1 else [f"MinuteSeconds={60 * driver.clock:g}"]
    with faulty_server.running(stack, plan, **{**SWEEPS, **clock, **settings}) as control:
        os.environ.update(stack.client_env())
        try:
            deploy.deploy(stack, parameters=minute, say=say)
            yield Stage(control, stack.folder, driver)
        finally:
            os.environ.clear()
            os.environ.update(before)
            aws.cache_clear()
