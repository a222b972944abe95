"""The local stack with faults between functions and AWS: starts its server, and changes the plan while it runs.

    with faulty_server.running(Stack(port), Plan(functions="perch-")) as control: control.follow(Plan(...))

`python -m perch_local up` never loads this module: faults are a server of their own, started by what wants them.
In the stack's folder: `faults.jsonl`, every fault injected; `calls.jsonl`, every call of a function; `control.json`, the
address that takes a plan (PUT /) and tells the counts (GET /).
"""
import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict

from perch_local import lifecycle, server
from perch_local.fault_plan import FIRST_PLAN, BadPlan


class Control:
    """The plan of a running server."""

    def __init__(self, folder):
        self.folder = folder
        self.url = json.loads((folder / "control.json").read_text())["url"]

    def follow(self, plan):
        """Inject by this plan from now on."""
        self._ask(json.dumps(asdict(plan)).encode())

    def counts(self):
        """{site.kind: faults injected so far}."""
        return self._ask(None)

    def lines(self, name):
        """The lines of `faults` or `calls`, oldest first."""
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _ask(self, body):
        request = urllib.request.Request(self.url, body, method="PUT" if body else "GET")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise BadPlan(refused.read().decode()) from None


def serve():
    """Run the server in this process with faults on top of every other module."""
    server.MODULES += ("faults",)
    server.serve()


@contextlib.contextmanager
def running(stack, plan, **settings):
    """A server with this plan on a free port, ended with everything it started; gives its control."""
    if lifecycle.running(stack) or lifecycle.healthy(stack):
        raise lifecycle.LocalStackError(f"port {stack.port} is used already")
    (stack.folder / "tmp").mkdir(parents=True, exist_ok=True)
    environment = {**stack.server_env(), **settings, FIRST_PLAN: json.dumps(asdict(plan))}
    with open(stack.log, "w") as log:
        process = subprocess.Popen([sys.executable, "-m", "perch_local.faulty_server"], env=environment, cwd=stack.folder,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    stack.pid_file.write_text(json.dumps({"pid": process.pid, "birth": lifecycle.birth(process.pid)}))
    try:
        _await(stack, process)
        yield Control(stack.folder)
    finally:
        lifecycle.stop(stack)


def _await(stack, process):
    deadline = time.monotonic() + lifecycle.HEALTHY_WITHIN
    while not lifecycle.healthy(stack):
        if process.poll() is not None or time.monotonic() > deadline:
            raise lifecycle.LocalStackError(f"the server did not start:\n{stack.log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


if __name__ == "__main__":
    serve()
