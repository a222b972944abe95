#!/usr/bin/env python3
"""A burst of pushes on a private local stack: one for each of many targets, all at once, some announced twice or late.

    burst.py [--targets N] [--seed N]

Each push has to lead to one release, and to one execution of the state machine: none lost, none doubled.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perch_local import lifecycle, oci
from perch_local.fault_plan import Plan
from perch_stage.images import repository_uri
from rich.console import Console
from rich.table import Table

from account import PERCH, ChaosError, aws, output
from functions import ALIAS, Alias
from installation import FUNCTIONS, Stage, staged
from table import Item, everything

TARGETS, PUSHERS = 1000, 8
# Invocations that this machine works on at a time; the others wait.
AT_ONCE = 12
# What waits is not refused: the emulator counts it against a limit that it takes from the machine's free memory.
UNLIMITED = {"LAMBDA_ACCOUNT_CONCURRENCY": "0"}
# Without steps there is nothing to bake, so a release needs no callers; the watch is as short as it can be looked at.
ROLLOUT, WATCH = {"preset": "LambdaAllAtOnce"}, "5s"
RATES = {"event": {"duplicate": 0.2, "delay": 0.2}}
RECORDED_WITHIN, ENDED_WITHIN = 300.0, 900.0
BEGAN = time.monotonic()


def say(text: str) -> None:
    """Progress, apart from the summary."""
    print(f"{time.monotonic() - BEGAN:4.0f} s  {text}", file=sys.stderr, flush=True)


def name_of(number: int) -> str:
    """The name of a target, its function and its repository."""
    return f"burst-{number:04}"


def target_file(name: str) -> dict[str, Any]:
    """A target without steps."""
    return {
        "apiVersion": "perch/v1",
        "kind": "Target",
        "name": name,
        "service": {"lambda": {"function": name, "alias": ALIAS}},
        "sources": {"image": {"repository": name, "tags": ["v*"]}},
        "rollout": ROLLOUT,
        "watch": WATCH,
    }


class Images:
    """Two builds of the smallest image that Lambda takes: their layers are in every repository, a push is its manifest."""

    def __init__(self) -> None:
        self.builds = {}
        for build in ("first", "second"):
            with tempfile.TemporaryDirectory() as folder:
                program = Path(folder) / "bootstrap"
                program.write_text(f"#!/bin/sh\n# {build}\n")
                program.chmod(0o755)
                self.builds[build] = oci.pack(folder, ["/bootstrap"])

    def upload(self, repository: str) -> None:
        """The layers of both builds."""
        for _, blobs in self.builds.values():
            for digest, blob in blobs.items():
                upload = aws("ecr").initiate_layer_upload(repositoryName=repository)["uploadId"]
                part = {"partFirstByte": 0, "partLastByte": len(blob) - 1, "layerPartBlob": blob}
                aws("ecr").upload_layer_part(repositoryName=repository, uploadId=upload, **part)
                aws("ecr").complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])

    def put(self, repository: str, build: str, tag: str) -> str:
        """Push a build; its digest."""
        manifest = self.builds[build][0].decode()
        image = aws("ecr").put_image(
            repositoryName=repository, imageManifest=manifest, imageManifestMediaType=oci.MANIFEST, imageTag=tag
        )
        return str(image["image"]["imageId"]["imageDigest"])


def install(stage: Stage, images: Images, names: list[str]) -> None:
    """A function with an alias for each target, and the target itself."""
    driver = Alias()
    driver.prepare()

    def make(name: str) -> None:
        uri = repository_uri(aws("ecr"), name)
        images.upload(name)
        code = {"ImageUri": f"{uri}@{images.put(name, 'first', 'first')}"}
        aws("lambda").create_function(FunctionName=name, PackageType="Image", Code=code, Role=driver.role, Publish=True)
        aws("lambda").create_alias(FunctionName=name, Name=ALIAS, FunctionVersion="1")

    with ThreadPoolExecutor(PUSHERS) as pool:
        list(pool.map(make, names))
    stage.apply([target_file(name) for name in names])


@dataclass
class Burst:
    """What a burst left behind."""

    names: list[str]
    digest: str
    seconds: dict[str, float]
    releases: dict[str, Item]
    executions: Counter[str]
    aliases: dict[str, str]
    dead: int

    def problems(self) -> list[str]:
        """Every push that was lost or doubled."""
        found, made = [], Counter(release["target"] for release in self.releases.values())
        for name in self.names:
            if made[name] != 1:
                found.append(f"{name}: {made[name]} releases for one push")
        for name, release in self.releases.items():
            if self.executions[name] != 1:
                found.append(f"{name}: {self.executions[name]} executions")
            if release["artifact"]["digest"] != self.digest:
                found.append(f"{name}: a release of {release['artifact']['digest']}")
            promoted = release["phase"]["name"] == "Promoted"
            if not release["endedAt"]:
                found.append(f"{name}: has not ended, phase {release['phase']['name']}")
            elif self.aliases[release["target"]] != ("2" if promoted else "1"):
                found.append(f"{name}: {release['phase']['name']}, but the alias is at {self.aliases[release['target']]}")
        return found


class Progress:
    """How many pushes have their release, and how many of these have ended, by the items of their artifacts."""

    def __init__(self, names: list[str], digest: str) -> None:
        self.names, self.digest = names, digest

    def recorded(self) -> int:
        """Pushes that have a release."""
        return sum("release" in item for item in self.artifacts())

    def ended(self) -> int:
        """Pushes whose release has ended."""
        return sum("outcome" in item for item in self.artifacts())

    def artifacts(self) -> list[Item]:
        """What is known of each target's image."""
        found: list[Item] = []
        sk = {"S": f"ARTIFACT#{self.digest}"}
        for first in range(0, len(self.names), 100):
            keys = [{"pk": {"S": f"TARGET#{name}"}, "sk": sk} for name in self.names[first : first + 100]]
            answer = aws("dynamodb").batch_get_item(RequestItems={PERCH: {"Keys": keys, "ConsistentRead": True}})
            found += answer["Responses"].get(PERCH, [])
        return found


def all_of(count: Any, wanted: int, seconds: float, what: str) -> bool:
    """Wait until `count` says `wanted`; whether it did."""
    deadline, shown = time.monotonic() + seconds, 0.0
    while (found := count()) < wanted:
        if time.monotonic() > deadline:
            return False
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            say(f"{found} of {wanted} {what}")
        threading.Event().wait(0.5)
    return True


def whole_burst(options: argparse.Namespace) -> Burst:
    """Install, push, wait for every end, and read what is left."""
    names, images = [name_of(number) for number in range(options.targets)], Images()
    with staged(options.seed, say, Alias(), subject=r"burst-\d{4}", at_once=AT_ONCE, **UNLIMITED) as stage:
        install(stage, images, names)
        say(f"{len(names)} targets are installed")
        stage.control.follow(Plan(seed=options.seed, rates=RATES, functions=FUNCTIONS, subject=r"burst-\d{4}"))
        began = time.monotonic()
        with ThreadPoolExecutor(PUSHERS) as pool:
            digest = list(pool.map(lambda name: images.put(name, "second", "v2"), names))[0]
        seconds, progress = {"pushed": time.monotonic() - began}, Progress(names, digest)
        all_of(progress.recorded, len(names), RECORDED_WITHIN, "recorded")
        seconds["recorded"] = time.monotonic() - began
        all_of(progress.ended, len(names), ENDED_WITHIN, "ended")
        seconds["ended"] = time.monotonic() - began
        pages = aws("stepfunctions").get_paginator("list_executions").paginate(stateMachineArn=output("CanaryDeployArn"))
        executions = Counter(found["name"] for page in pages for found in page["executions"])
        queue = {"QueueUrl": output("FailedEventsUrl"), "AttributeNames": ["ApproximateNumberOfMessages"]}
        dead = int(aws("sqs").get_queue_attributes(**queue)["Attributes"]["ApproximateNumberOfMessages"])
        aliases = {name: aws("lambda").get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"] for name in names}
        say(f"faults: {stage.control.counts()}")
        return Burst(names, digest, seconds, everything().releases, executions, aliases, dead)


def show(burst: Burst, problems: list[str], console: Console) -> None:
    """The summary."""
    shown = Table(title=f"{len(burst.names)} pushes for {len(burst.names)} targets", title_justify="left")
    shown.add_column("")
    shown.add_column("after", justify="right")
    for what, seconds in burst.seconds.items():
        shown.add_row(f"all {what}", f"{seconds:.1f} s")
    console.print(shown)
    ends = Counter(release["phase"]["name"] for release in burst.releases.values())
    console.print(f"releases {len(burst.releases)}: " + ", ".join(f"{count} {end}" for end, count in ends.most_common()))
    console.print(f"dead letters {burst.dead}; lost or doubled {len(problems)}")
    for problem in problems[:20]:
        console.print(f"[red]{problem}", highlight=False)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--targets", type=int, default=TARGETS, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="decides which events come twice or late; default: %(default)s")
    options = parser.parse_args()
    try:
        burst = whole_burst(options)
    except (ChaosError, lifecycle.LocalStackError) as wrong:
        print(f"burst: {wrong}", file=sys.stderr)
        return 1
    problems = burst.problems()
    show(burst, problems, Console(width=110))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
