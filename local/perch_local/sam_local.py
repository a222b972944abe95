"""`sam local invoke` of every function of template.yaml against a local stack, each with its event of `events/`.

    python -m perch_local.sam_local                  the proof, on a private stack (make sam-local)
    python -m perch_local.sam_local shift-weight     the proof of some functions
    python -m perch_local.sam_local --open           have Docker ready for the stack of PERCH_LOCAL_PORT until Ctrl-C
    python -m perch_local.sam_local --prepare NAME   bring that stack into the state that the event of a function needs
"""
import argparse
import concurrent.futures
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import boto3

from perch_local import base_image, deploy, lifecycle, sam_cases, sam_fleet
from perch_local.checkout import ROOT, Stack
from perch_local.docker_daemon import DockerError, daemon
from perch_local.door import Door
from perch_local.sam_world import SAMPLE, TARGET_FILES, World, WorldError, cut
from perch_local.servers import free_port

PERCH = ROOT / "target" / "release" / "perch"
LOGS = ROOT / ".local" / "sam-local"
MOST_CALLS = 20         # prepare-canary is called once for each of its steps, and again while Lambda is busy; deployments take seconds
INVOKE_WITHIN = 120.0


class SamLocalError(Exception):
    """A message for the terminal."""


def folder_of(logical_id):
    """The folder of a function, which is also the name of its event: `OnImagePushFunction` is `on-image-push`."""
    words = "".join(f"-{c.lower()}" if c.isupper() else c for c in logical_id.removesuffix("Function"))
    return words.lstrip("-")


def functions_of(resources):
    """{folder: (logical id, name)} of the functions of a deployed stack."""
    return {folder_of(r["LogicalResourceId"]): (r["LogicalResourceId"], r["PhysicalResourceId"])
            for r in resources if r["ResourceType"] == "AWS::Lambda::Function"}


def deployed():
    """The functions of template.yaml as they are deployed on the stack of the environment."""
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=deploy.MAIN_STACK)
    return functions_of(r for page in pages for r in page["StackResourceSummaries"])


def environments(functions):
    """What `--env-vars` takes: each function's variables as CloudFormation resolved them.

    SAM alone would make up a stack name, an account and so a table and ARNs that do not exist.
    """
    client = boto3.client("lambda")
    return {logical: client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            for logical, name in functions.values()}


def settings(variables, image):
    """The samconfig file for one stack, whose keys are the options of `sam local invoke`."""
    return "\n".join(["# Options of `sam local invoke` for this local stack; made by perch_local.sam_local.", "version = 0.1", "",
             "[default.local_invoke.parameters]", "skip_pull_image = true", f"env_vars = {json.dumps(str(variables))}",
             f"invoke_image = [{json.dumps(image)}]", f'parameter_overrides = "Architecture={base_image.ARCHITECTURE}"', ""])


def command(logical_id, event, config):
    """The call that is proved."""
    return ["sam", "local", "invoke", logical_id, "-e", str(event), "--skip-pull-image", "--config-file", str(config)]


def event_of(stack, name, prepared):
    """The file of the event: that of `events/`, or a copy with the ids of what was prepared where AWS makes them."""
    if not (made := sam_cases.CASES[name].event):
        return f"events/{sam_cases.CASES[name].function}.json"
    file = stack.folder / "events" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(made(prepared), indent=2) + "\n")
    return file.relative_to(ROOT)


def answer_of(output):
    """What the function answered: the last line on standard output."""
    lines = output.strip().splitlines()
    if not lines:
        raise SamLocalError("no answer")
    try:
        answer = json.loads(lines[-1])
    except ValueError as wrong:
        raise SamLocalError(f"the answer is not JSON: {lines[-1][:200]}") from wrong
    if isinstance(answer, dict) and "errorType" in answer:
        raise SamLocalError(f"{answer['errorType']}: {answer.get('errorMessage', '').strip()}")
    return answer


def invoke(docker, stack, logical_id, name, event, config):
    """One `sam local invoke`; returns the answer. What it says besides is kept in `.local/sam-local`."""
    call = command(logical_id, event, config)
    with open(LOGS / f"{name}.log", "a") as log:
        log.write(f"$ {' '.join(call)}\n")
        log.flush()
        done = subprocess.run(call, cwd=ROOT, env={**docker.env(), **stack.client_env()}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=log, text=True, timeout=INVOKE_WITHIN)
        log.write(f"\n{done.stdout}\n")
    if done.returncode:
        raise SamLocalError(f"sam ended with {done.returncode}; see {(LOGS / f'{name}.log').relative_to(ROOT)}")
    return answer_of(done.stdout)


def prove(docker, stack, world, name, logical_id, config):
    """Prepare, invoke, read back; prints a line and returns whether all is as it has to be."""
    began, answer, read, proved = time.monotonic(), None, "", False
    try:
        if name not in sam_cases.CASES:
            raise SamLocalError("there is no case for it in perch_local/sam_cases.py")
        prepared = sam_cases.prepare(world, name)
        file = event_of(stack, name, prepared)
        (LOGS / f"{name}.log").unlink(missing_ok=True)
        for _ in range(MOST_CALLS):
            answer = invoke(docker, stack, logical_id, name, file, config)
            if not sam_cases.CASES[name].again(answer):
                break
        read, proved = sam_cases.CASES[name].check(world, prepared, answer), True
    except (SamLocalError, WorldError, lifecycle.LocalStackError, subprocess.TimeoutExpired) as wrong:
        read = str(wrong)
    print(line(proved, time.monotonic() - began, logical_id, name, answer, read), flush=True)
    return proved


def line(proved, seconds, logical_id, name, answer, read):
    """One function's line."""
    shown = cut(json.dumps({k: v for k, v in answer.items() if k != "releaseId"} if isinstance(answer, dict) else answer))
    return f"{'ok    ' if proved else 'FAILED'} {seconds:5.1f} s  {logical_id} -e events/{function_of(name)}.json: {shown} -> {read}"


@contextlib.contextmanager
def ready(docker, stack):
    """Have the image, the way in, the model servers and the options for one stack; gives the options' file."""
    try:
        with Door(base_image.gateway(docker), stack.port) as door:
            # Files of a model are read by servers outside of containers, too: an address that holds for both.
            host = door.address if door.needed else base_image.HOST
            image = base_image.copy_for(docker, stack.port, host)
            variables, config = stack.folder / "sam-local.json", stack.folder / "samconfig.toml"
            variables.write_text(json.dumps(environments(deployed()), indent=2) + "\n")
            config.write_text(settings(variables, image))
            with sam_fleet.opened(stack, door.address, host):
                yield config
    finally:
        base_image.remove_copy(docker, stack.port)


def perch(*arguments):
    """Run the CLI against the stack of the environment."""
    if not PERCH.is_file():
        raise SamLocalError(f"{PERCH.relative_to(ROOT)} does not exist; build it first: make build")
    done = subprocess.run([str(PERCH), *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SamLocalError(f"perch {' '.join(arguments)} failed: {done.stderr.strip()}")


@contextlib.contextmanager
def private_stack():
    """A stack of its own with Perch, the sample service and the target of the events."""
    sys.path.insert(0, str(SAMPLE))
    import install
    stack = Stack(free_port())
    try:
        with lifecycle.alone(stack):
            lifecycle.start(stack)
            os.environ.update(stack.client_env())
            deploy.deploy(stack, say=lambda _: None)
            with contextlib.redirect_stderr(io.StringIO()):     # a note about images for AWS
                install.install(stack)
        for file in TARGET_FILES.values():
            perch("apply", "-f", file)
        yield stack
    finally:
        lifecycle.stop(stack)


def in_order(functions):
    """The cases of these functions in the order of a release; the functions without a case last."""
    cases = [name for name, case in sam_cases.CASES.items() if case.function in functions]
    return cases + [name for name in functions if name not in sam_cases.CASES]


def cases_of(name):
    """The cases of a function, or the one of this name; a function without a case stands for itself."""
    return [case for case in sam_cases.CASES if name in (case, function_of(case))] or [name]


def function_of(name):
    """The function of a case."""
    return sam_cases.CASES[name].function if name in sam_cases.CASES else name


def prove_all(docker, wanted):
    """The proof on a private stack; returns the exit code."""
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        image = pool.submit(base_image.base_image, docker)      # the first time this takes as long as the stack
        with private_stack() as stack:
            print(f"base image {base_image.BASE}: {image.result()}")
            print(f"local stack on {stack.url}: Perch and the sample service deployed ({time.monotonic() - began:.0f} s)", flush=True)
            functions, world = deployed(), World()
            if unknown := [name for name in wanted if function_of(name) not in functions]:
                raise SamLocalError(f"no such function: {', '.join(unknown)}; there are {', '.join(in_order(functions))}")
            names = [case for name in wanted for case in cases_of(name)] or in_order(functions)
            for ahead in {sam_cases.CASES[name].ahead for name in names if name in sam_cases.CASES} - {None}:
                pool.submit(ahead, stack)           # the case waits for it, and says what went wrong
            LOGS.mkdir(parents=True, exist_ok=True)
            with ready(docker, stack) as config:
                proved = [prove(docker, stack, world, name, functions[function_of(name)][0], config) for name in names]
    print(f"{sum(proved)} of {len(proved)} cases proved in {time.monotonic() - began:.0f} s")
    return 0 if all(proved) else 1


def hold_open(docker, stack):
    """Stay until Ctrl-C, with everything ready for `sam local invoke` by hand."""
    print(f"base image {base_image.BASE}: {base_image.base_image(docker)}")
    with ready(docker, stack) as config:
        port = "" if stack.port == 4566 else f"export PERCH_LOCAL_PORT={stack.port}; "
        print("Ready until Ctrl-C. In another terminal, at the root of the repository:\n"
              f"  {port}. local/env.sh" + (f"; export DOCKER_HOST={docker.host}" if docker.host else "") + "\n"
              "  python -m perch_local.sam_local --prepare shift-weight\n"
              f"  sam local invoke ShiftWeightFunction -e events/shift-weight.json --config-file {config.relative_to(ROOT)}", flush=True)
        threading.Event().wait()


def arguments_of(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m perch_local.sam_local", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="*", help="folders of functions; default: all")
    parser.add_argument("--open", action="store_true", help="have Docker ready for a running stack until Ctrl-C")
    parser.add_argument("--prepare", metavar="NAME", help="the state that the event of a function needs, on a running stack")
    return parser.parse_args(arguments)


def running_stack():
    """The stack of PERCH_LOCAL_PORT, whose settings go to the environment."""
    stack = Stack()
    if not lifecycle.running(stack):
        raise SamLocalError(f"nothing is running on port {stack.port}; start it with: make up")
    os.environ.update(stack.client_env())
    return stack


def prepare(name):
    """Prepare one event on the running stack."""
    stack = running_stack()
    if name not in sam_cases.CASES:
        raise SamLocalError(f"no such function: {name}; there are {', '.join(sam_cases.CASES)}")
    print(f"prepared for {event_of(stack, name, sam_cases.prepare(World(), name))}")


def main(arguments=None):
    """Run one command; returns the exit code."""
    options = arguments_of(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))         # so that the daemon and the stack are ended
    try:
        if options.prepare:
            prepare(options.prepare)
            return 0
        stack = running_stack() if options.open else None
        with daemon() as docker:
            if stack:
                hold_open(docker, stack)
            return prove_all(docker, options.functions)
    except KeyboardInterrupt:
        return 0 if options.open else 130
    except (SamLocalError, WorldError, DockerError, lifecycle.LocalStackError) as wrong:
        print(f"sam-local: {wrong}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
