"""Faults in the running ministack: the plan from the environment, the way to change it, and the hooks that follow it.

Only `faulty_server` installs this module. Its files go to the server's working directory, the stack's folder.
"""
import http.server
import json
import os
import pathlib
import threading

from perch_local import fault_hooks, fault_proxy, turns
from perch_local.fault_plan import FIRST_PLAN, BadPlan, Faults, Plan


def control(faults):
    """Serve the counts (GET) and take another plan (PUT) on a port of its own; returns the address."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.answer(200, json.dumps(faults.counts).encode())

        def do_PUT(self):
            try:
                faults.follow(Plan.read(self.rfile.read(int(self.headers["Content-Length"]))))
            except BadPlan as wrong:
                self.answer(400, str(wrong).encode())
                return
            self.do_GET()

        def log_message(self, *_):
            pass

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True, name="perch-fault-control").start()
    return f"http://127.0.0.1:{found.server_port}/"


def install():
    """Patch the running ministack and say where the plan can be changed."""
    folder = pathlib.Path.cwd()
    faults = Faults(Plan.read(os.environ.get(FIRST_PLAN) or "{}"), open(folder / "faults.jsonl", "a"))
    proxy = fault_proxy.Proxy("127.0.0.1", int(os.environ["GATEWAY_PORT"]), faults, open(folder / "calls.jsonl", "a"))
    fault_hooks.install(faults, proxy)
    if faults.plan.at_once:
        turns.install(faults.plan.concerns, faults.plan.at_once)
    (folder / "control.json").write_text(json.dumps({"url": control(faults)}))
