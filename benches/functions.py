"""Every Perch function twice: its own binary, and its Python twin, with the same role, memory and environment."""

from __future__ import annotations

import functools
import io
import json
import os
import pathlib
import sys
import time
import zipfile
from dataclasses import dataclass
from typing import Any

from perch_local.checkout import ROOT
from perch_local.lifecycle import birth

from scenes import Event
from stage import INERT, BenchError, Stage, until

TWINS = pathlib.Path(__file__).resolve().parent / "twins"
BINARIES = ROOT / "target" / "lambda"
NAMES = sorted(path.name for path in (ROOT / "functions").iterdir() if path.is_dir())
RUST, PYTHON = "rust", "python"
KINDS = (RUST, PYTHON)
SERVICES = ("DYNAMODB", "LAMBDA", "SFN", "CLOUDWATCH", "SNS", "SSM", "ECR", "EVENTBRIDGE", "S3", "CODEDEPLOY")
INERT_MACHINE = {"StartAt": "Nothing", "States": {"Nothing": {"Type": "Succeed"}}}


@dataclass(frozen=True)
class Sample:
    """One invocation as its caller saw it, and what the platform reported."""

    ms: float
    pid: int


@functools.cache
def packed(name: str) -> bytes:
    """The function's zip: its bootstrap alone, deflated at level 9."""
    bootstrap = BINARIES / name / "bootstrap"
    if not bootstrap.is_file():
        raise BenchError(f"no binary of {name} yet; build it first: make build")
    info = zipfile.ZipInfo("bootstrap")
    info.external_attr, info.compress_type = 0o100755 << 16, zipfile.ZIP_DEFLATED
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, bootstrap.read_bytes(), compresslevel=9)
    return out.getvalue()


def packed_twin(name: str) -> bytes:
    """The zip of a twin: its handler and the modules that it imports."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for module in (name.replace("-", "_"), "perch", "aliases", "announce", "replicas", "deployments"):
            archive.write(TWINS / f"{module}.py", f"{module}.py")
    return out.getvalue()


def environment_of(server: int, function: str) -> list[int]:
    """The processes that serve a function, as the server's children with its name in their environment."""
    wanted, found = f"AWS_LAMBDA_FUNCTION_NAME={function}".encode(), []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            names = (entry / "environ").read_bytes().split(b"\0") if parent == server else []
        except OSError:
            continue
        if wanted in names:
            found.append(int(entry.name))
    return [pid for pid in found if birth(pid)]


def peak_mb(pid: int) -> float:
    """The highest resident memory of a process so far, in MB of 2^20 bytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise BenchError(f"process {pid} reports no peak memory")


class Functions:
    """The copies of Perch's functions that are measured one at a time; no event reaches them by itself."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.client = stage, stage.awslambda
        self.variables: dict[str, dict[str, str]] = {}
        self.rounds = 0

    def create(self, name: str) -> None:
        """Both copies of a function."""
        original = self.client.get_function_configuration(FunctionName=self.stage.names[name])
        variables = dict(original["Environment"]["Variables"])
        machines = [key for key in variables if key in ("PERCH_CANARY_DEPLOY_ARN", "PERCH_MODEL_RELOAD_ARN", "PERCH_ROLLBACK_ARN")]
        # What the function starts is not part of the measurement, and would run on while the next one is measured.
        variables.update({key: self.stage.machine(INERT) for key in machines})
        if machines:
            self._allow_inert(original["Role"])
        self.variables[name] = variables
        for kind, runtime, handler, code in (
            (RUST, "provided.al2023", "bootstrap", packed(name)),
            (PYTHON, f"python{sys.version_info.major}.{sys.version_info.minor}", f"{name.replace('-', '_')}.handler", packed_twin(name)),
        ):
            self.client.create_function(
                FunctionName=copy_of(name, kind),
                Runtime=runtime,
                Handler=handler,
                Role=original["Role"],
                Code={"ZipFile": code},
                MemorySize=original["MemorySize"],
                Timeout=original["Timeout"],
                Environment={"Variables": variables},
                LoggingConfig={"LogFormat": "JSON"},
            )
            self._settled(copy_of(name, kind))

    def _allow_inert(self, role: str) -> None:
        statement = {"Effect": "Allow", "Action": "states:StartExecution", "Resource": self.stage.machine(INERT)}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.stage.iam.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName=INERT, PolicyDocument=document)

    def inert_machine(self) -> None:
        """A state machine that does nothing, for the functions that start one."""
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
        role = self.stage.iam.create_role(RoleName=INERT, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        self.stage.executions.create_state_machine(
            name=INERT, definition=json.dumps(INERT_MACHINE), roleArn=role["Arn"], type="STANDARD"
        )

    def renew(self, name: str, kind: str, **variables: str) -> None:
        """Change the function's environment, so that the next invocation starts cold."""
        self.rounds += 1
        function = copy_of(name, kind)
        self.client.update_function_configuration(
            FunctionName=function,
            Environment={"Variables": {**self.variables[name], "BENCH_ROUND": str(self.rounds), **variables}},
        )
        self._settled(function)
        until(lambda: True if not self.pids(name, kind) else None, 10, f"the end of the old environment of {function}")

    def _settled(self, function: str) -> None:
        def ready() -> bool | None:
            found = self.client.get_function_configuration(FunctionName=function)
            return True if (found["State"], found["LastUpdateStatus"]) == ("Active", "Successful") else None

        until(ready, 10, f"the update of {function}")

    def pids(self, name: str, kind: str) -> list[int]:
        """The processes that serve a copy."""
        return environment_of(self.stage.server, copy_of(name, kind))

    def invoke(self, name: str, kind: str, event: Event) -> Sample:
        """Invoke a copy and wait for its answer."""
        payload = json.dumps(event).encode()
        began = time.perf_counter()
        answer = self.client.invoke(FunctionName=copy_of(name, kind), Payload=payload)
        body = answer["Payload"].read()
        ms = (time.perf_counter() - began) * 1000
        if answer.get("FunctionError") or body.startswith(b'{"batchItemFailures":[{'):
            raise BenchError(f"{copy_of(name, kind)} failed: {body.decode()}")
        pids = self.pids(name, kind)
        if len(pids) != 1:
            raise BenchError(f"{copy_of(name, kind)} has {len(pids)} environments instead of one")
        return Sample(ms, pids[0])

    def proxied(self, url: str) -> dict[str, str]:
        """Variables that send every call of a function elsewhere.

        The local stack sets AWS_ENDPOINT_URL itself; the services' own variables come before it in every SDK.
        """
        return {f"AWS_ENDPOINT_URL_{service}": url for service in SERVICES}


def copy_of(name: str, kind: str) -> str:
    """The name of a copy."""
    return f"bench-{kind}-{name}"


def reported_peaks(stage: Stage, function: str) -> list[int]:
    """`maxMemoryUsedMB` of every invocation in the function's log; a function that never ran has none."""
    group, found = f"/aws/lambda/{function}", []
    if not stage.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return found
    for page in stage.logs.get_paginator("filter_log_events").paginate(logGroupName=group):
        for event in page["events"]:
            if '"platform.report"' in event["message"]:
                found.append(int(json.loads(event["message"])["record"]["metrics"]["maxMemoryUsedMB"]))
    return found


def machine() -> dict[str, Any]:
    """What the measurements ran on."""
    memory = pathlib.Path("/proc/meminfo").read_text().split()[1]
    model = next(
        (
            line.partition(":")[2].strip()
            for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        os.uname().machine,
    )
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "memoryGiB": round(int(memory) / 2**20, 1),
        "kernel": f"{os.uname().sysname} {os.uname().release}",
        "loadBefore": os.getloadavg()[0],
    }
