"""The Dockerfiles of the examples: what they copy is there, and is what the local stack's images are made of.

The call that builds one is the comment at its head; its paths are read from there.
"""

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from perch_local.checkout import ROOT

import push_service

EXAMPLES = ROOT / "examples"
FILES = sorted(EXAMPLES.glob("*/Dockerfile"))
# Base images that are published: AWS Lambda Developer Guide, "Deploy Python Lambda functions with container images"; Docker's
# official images, `library/python`, which public.ecr.aws/docker has as well.
BASES = {"public.ecr.aws/lambda/python:3.13", "public.ecr.aws/docker/library/python:3.13-slim"}


@dataclass(frozen=True)
class Recipe:
    """A Dockerfile, and the folders that its documented call gives it."""

    context: Path
    named: dict[str, Path]
    steps: tuple[tuple[str, ...], ...]

    def of(self, name: str) -> list[tuple[str, ...]]:
        """The arguments of each step of a kind."""
        return [step[1:] for step in self.steps if step[0] == name]

    def copied(self) -> list[tuple[Path, str]]:
        """(source, destination) of all that is copied."""
        found = []
        for step in self.of("COPY"):
            flags = dict(word.removeprefix("--").split("=", 1) for word in step if word.startswith("--"))
            *sources, destination = (word for word in step if not word.startswith("--"))
            start = self.named[flags["from"]] if "from" in flags else self.context
            found += [(start / source, destination) for source in sources]
        return found


def recipe(file: Path) -> Recipe:
    """Read a Dockerfile: no line of these goes on after its end."""
    lines = file.read_text().splitlines()
    call = shlex.split(next(line for line in lines if "docker " in line and " build" in line).lstrip("# "))
    pairs = [call[place + 1].split("=", 1) for place, word in enumerate(call) if word == "--build-context"]
    steps = tuple(tuple(line.split()) for line in lines if line and not line.startswith("#"))
    return Recipe((ROOT / call[-1]).resolve(), {name: ROOT / path for name, path in pairs}, steps)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_what_is_copied_is_there_and_the_base_is_published(file):
    read = recipe(file)
    assert read.context in (file.parent, ROOT)
    assert read.copied() and [source for source, _ in read.copied() if not source.exists()] == []
    assert {step[0] for step in read.of("FROM")} <= BASES


def test_every_image_example_has_one():
    assert [file.parent.name for file in FILES] == ["http-service", "ml-inference"]


@pytest.mark.parametrize("example", ["engagement-ml", "sensor-backend"])
def test_the_service_has_the_files_that_the_local_image_has(example, tmp_path):
    read = recipe(EXAMPLES / "http-service" / "Dockerfile")
    named = {"service": EXAMPLES / example / "service"}
    copied = set()
    for source, destination in Recipe(read.context, named, read.steps).copied():
        assert destination == "."
        copied |= {path.name for path in source.iterdir()} if source.is_dir() else {source.name}
    push_service.assemble(tmp_path, example, "b1", None)
    packed = {path.name for path in (tmp_path / "app").iterdir()} - set(push_service.PACKAGES)
    assert copied - {"requirements.txt", "__pycache__"} == packed - {"build.json"}
    # The packages of the local image are installed here, and the build's name is written here.
    installs = [step for step in read.of("RUN") if "requirements.txt" in step]
    assert installs and any("build.json" in step for step in read.of("RUN"))
    wanted = {line.split("==")[0] for line in (EXAMPLES / "http-service/requirements.txt").read_text().splitlines() if "==" in line}
    assert wanted == {name.removesuffix(".py") for name in push_service.PACKAGES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_it_writes_the_name_of_its_build(file, tmp_path):
    (step,) = [" ".join(step) for step in recipe(file).of("RUN") if "build.json" in " ".join(step)]
    said = {"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(tmp_path)}
    done = subprocess.run(["sh", "-c", step], cwd=tmp_path, env={**said, "BUILD": "42"}, check=False)
    assert done.returncode == 0 and json.loads((tmp_path / "build.json").read_text())["build"]
    if "${BUILD:?" in step:
        refused = subprocess.run(["sh", "-c", step], cwd=tmp_path, env=said, capture_output=True, text=True, check=False)
        assert refused.returncode and "--build-arg" in refused.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_it_starts_what_is_there(file):
    read = recipe(file)
    (command,) = [json.loads(" ".join(step)) for step in read.of("CMD")]
    started = {"python server.py": "server.py", "app.handler": "app.py"}[" ".join(command)]
    sources = [source for source, _ in read.copied()]
    inside = {path.name for source in sources for path in (source.iterdir() if source.is_dir() else [source])}
    assert started in inside
