"""Deploys SAM templates to a local stack with the same `sam deploy` that goes to AWS."""
import pathlib
import subprocess
import time

from perch_local import clock
from perch_local.checkout import ROOT
from perch_local.lifecycle import LocalStackError

MAIN_STACK = "perch"
# `sam deploy` asks for a repository as soon as one function is an image; it pushes only images built by Docker.
IMAGES = "000000000000.dkr.ecr.us-east-1.amazonaws.com/unused"


def command(template, name, parameters=()):
    """The `sam deploy` call for one template."""
    call = ["sam", "deploy", "--template-file", str(template), "--stack-name", name, "--resolve-s3", "--capabilities",
            "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "CAPABILITY_NAMED_IAM", "--no-confirm-changeset",
            "--no-fail-on-empty-changeset", "--no-progressbar", "--image-repository", IMAGES]
    return call + (["--parameter-overrides", *parameters] if parameters else [])


def deploy(stack, folder=None, name=None, parameters=(), say=print):
    """Deploy `template.yaml` of a folder (default: the repository root, stack name `perch`)."""
    place = pathlib.Path(folder).resolve() if folder else ROOT
    template = place / "template.yaml"
    if not template.is_file():
        raise LocalStackError(f"{template} does not exist")
    name = name or (place.name if folder and place != ROOT else MAIN_STACK)
    if place == ROOT and clock.SCALE != 1:
        parameters = [*parameters, f"MinuteSeconds={clock.minutes(1):g}"]
    began, log = time.monotonic(), stack.folder / f"deploy-{name}.log"
    with open(log, "w") as out:
        done = subprocess.run(command(template, name, parameters), env=stack.client_env(), cwd=place, stdin=subprocess.DEVNULL,
                              stdout=out, stderr=subprocess.STDOUT)
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
        raise LocalStackError(f"sam deploy of {template} failed; the end of {log}:\n{tail}")
    say(f"deployed {name} in {time.monotonic() - began:.1f} s")
