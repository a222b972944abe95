"""What a run plays on: a private stack with faults, Perch, many small services with their targets, and callers."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from perch_local import deploy, faulty_server
from perch_local.checkout import ROOT, Stack
from perch_local.fault_plan import Plan
from perch_local.push_image import push

SAMPLE = ROOT / "examples" / "news-classifier"
sys.path.insert(0, str(SAMPLE))
import push_image  # noqa: E402
from loadgen import LoadGenerator, Snapshot, alias_invoke, headlines  # noqa: E402

PERCH = deploy.MAIN_STACK
ALIAS = "live"
# Faults concern Perch's own functions; what they are about is the target's name in their events.
FUNCTIONS, SUBJECT = f"{PERCH}-", r"chaos-\d\d"
# The sweep's five minutes become 15 s.
SWEEPS = {"PERCH_SCHEDULE_SCALE": "0.05"}
# Nine digits, as Perch writes times that a condition compares.
LONG_AGO = "2026-01-01T00:00:00.000000000Z"
# Pushes whose tag ends like this have no event.
LOST = "-lost"
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


class ChaosError(Exception):
    """A message for the terminal."""


@dataclass(frozen=True)
class Target:
    """One target: a function, its alias, repository and guard share its name."""

    name: str
    steps: tuple[int, ...] = (50,)
    watch: int = 12
    # Requests per second; a target without callers has no data.
    rate: float = 3.0
    policy: str | None = None

    @property
    def guard(self) -> str:
        """The alarm that protects it."""
        return f"{self.name}-guard"

    def file(self) -> dict[str, Any]:
        """The target file."""
        found: dict[str, Any] = {
            "apiVersion": "perch/v1",
            "kind": "Target",
            "name": self.name,
            "service": {"lambda": {"function": self.name, "alias": ALIAS}},
            "sources": {"image": {"repository": self.name, "tags": ["v*"]}},
            "rollout": {"steps": [{"weight": weight, "bake": "5s"} for weight in self.steps]},
            "judge": {
                "rule": "thresholds",
                "errorRate": {"max": "20%"},
                "latency": {"quantile": "p50", "maxIncrease": "200%", "tolerance": "300ms"},
                "minRequests": 4,
                "interval": "5s",
                "noData": "hold" if self.rate else "fail",
            },
            "guards": [self.guard],
            "watch": f"{self.watch}s",
        }
        return found | ({"whileReleasing": self.policy} if self.policy else {})


@functools.cache
def aws(service: str) -> Any:
    """A client of the running stack; these calls meet no faults."""
    return boto3.client(service)


def output(name: str) -> str:
    """An output of Perch's stack."""
    stack = aws("cloudformation").describe_stacks(StackName=PERCH)["Stacks"][0]
    return next(str(o["OutputValue"]) for o in stack["Outputs"] if o["OutputKey"] == name)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stage:
    """The stack under test, and what people and callers do with it."""

    def __init__(self, control: faulty_server.Control, folder: Path, seed: int) -> None:
        self.control, self.folder, self.seed = control, folder, seed
        self.cli, self.program = folder / "perch", folder / "service"
        shutil.copy2(ROOT / "target" / "release" / "perch", self.cli)
        shutil.copy2(push_image.built_binary(), self.program)
        self.load: dict[str, LoadGenerator] = {}
        self.failing: set[tuple[str, str]] = set()

    def perch(self, *arguments: str) -> Any:
        """What `perch ... -o json` answers."""
        done = subprocess.run([str(self.cli), *arguments, "-o", "json"], capture_output=True, text=True)
        if done.returncode:
            raise ChaosError(f"perch {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def install(self, targets: list[Target]) -> None:
        """Make each target's service with a first version behind its alias, and apply the targets."""
        role = self.role()
        for target in targets:
            uri = push_image.repository_uri(aws("ecr"), target.name)
            digest = self.push(target, None, "first", tag="first")
            aws("lambda").create_function(
                FunctionName=target.name,
                PackageType="Image",
                Code={"ImageUri": f"{uri}@{digest}"},
                Role=role,
                Timeout=5,
                Publish=True,
            )
            aws("lambda").create_alias(FunctionName=target.name, Name=ALIAS, FunctionVersion="1")
            self.guard(target, quiet=True)
        self.apply([target.file() for target in targets])

    def role(self) -> str:
        """The role of the services, which call nothing."""
        trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        return str(aws("iam").create_role(RoleName="chaos-service", AssumeRolePolicyDocument=trust)["Role"]["Arn"])

    def apply(self, targets: list[dict[str, Any]]) -> None:
        """Apply target files."""
        path = self.folder / "targets.yaml"
        # JSON is YAML, too.
        path.write_text("\n---\n".join(json.dumps(target) for target in targets))
        self.perch("apply", "-f", str(path))

    def push(self, target: Target, fault: dict[str, Any] | None, build: str, tag: str | None = None) -> str:
        """Push one build of the service, broken as `fault` says; its digest."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            root = Path(folder) / "root"
            push_image.assemble(root, self.program, f"{target.name}-{build}", fault)
            return str(push(str(root), target.name, tag or f"v-{build}", (push_image.ENTRYPOINT,), client=aws("ecr")))

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

    def move(self, target: Target) -> str:
        """Publish a version with other settings and give it all traffic, as another tool would; the version."""
        functions = aws("lambda")
        # With the same settings it would be the canary's version: Lambda publishes only what has changed.
        changed = {"Variables": {"CHANGED": str(time.time())}}
        functions.update_function_configuration(FunctionName=target.name, Environment=changed)
        functions.get_waiter("function_updated_v2").wait(FunctionName=target.name, WaiterConfig={"Delay": 1})
        version = str(functions.publish_version(FunctionName=target.name)["Version"])
        whole: dict[str, Any] = {"AdditionalVersionWeights": {}}
        functions.update_alias(FunctionName=target.name, Name=ALIAS, FunctionVersion=version, RoutingConfig=whole)
        return version

    def alias(self, target: Target) -> tuple[str, dict[str, float]]:
        """(version, other versions' weights) of a target's alias."""
        found = aws("lambda").get_alias(FunctionName=target.name, Name=ALIAS)
        return found["FunctionVersion"], (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}

    def call(self, targets: list[Target]) -> None:
        """Begin to send requests to every target that has callers."""
        for target in (target for target in targets if target.rate):
            invoke = alias_invoke(target.name, ALIAS, threads=3)
            self.load[target.name] = LoadGenerator(invoke, headlines(), rate=target.rate, threads=3, slow_ms=2000).start()

    def hang_up(self) -> dict[str, Snapshot]:
        """End the requests; what the callers of each target saw."""
        return {name: load.stop() for name, load in self.load.items()}


@contextlib.contextmanager
def staged(
    seed: int, say: Callable[[str], None], subject: str = SUBJECT, at_once: int = 0, **settings: str
) -> Iterator[Stage]:
    """A stack with Perch on it, whose faults have not begun; ended at the end."""
    if not (ROOT / "target" / "release" / "perch").is_file():
        raise ChaosError("no release binaries yet; build them first: make build")
    stack, before = Stack(free_port()), dict(os.environ)
    plan = Plan(seed=seed, functions=FUNCTIONS, subject=subject, at_once=at_once)
    with faulty_server.running(stack, plan, **{**SWEEPS, **settings}) as control:
        os.environ.update(stack.client_env())
        try:
            deploy.deploy(stack, say=say)
            yield Stage(control, stack.folder, seed)
        finally:
            os.environ.clear()
            os.environ.update(before)
            aws.cache_clear()
