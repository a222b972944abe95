#!/usr/bin/env python3
"""One HTTP service in a container: what `service.py` beside it answers, its health, and the faults of its build.

GET /health      200, or 503 when the build's fault says so
POST <PATH>      service.PATH; the JSON that service.answer(JSON) returns, 400 for a ValueError

PORT is where it listens. build.json names the build and when it was made; fault.json, if there is one, breaks it on purpose.
"""

import json
import os
import random
import signal
import sys
import time
from itertools import count
from pathlib import Path

from bottle import Bottle, HTTPResponse, request, response
from waitress import serve

import service

HERE = Path(__file__).resolve().parent


def read(name):
    """A JSON file of the image, or {} when it has none."""
    path = HERE / name
    return json.loads(path.read_text()) if path.exists() else {}


MADE, FAULT = read("build.json"), read("fault.json")
BUILD = MADE.get("build", "none")
SAYS = {"x-image-build": BUILD}
# A caller keeps its session as a cookie. A build reads the format that it writes, and the one before.
OLD, NEW = "1", "2"
READS = (OLD, NEW) if FAULT.get("kind") == "sessions" else (OLD,)
ANSWERS = count()
app = Bottle()


def faulty(kind):
    """Whether this request meets the build's fault."""
    if FAULT.get("kind") != kind or time.time() - MADE["at"] < FAULT.get("afterSeconds", 0):
        return False
    return random.random() < FAULT.get("share", 1)


@app.get("/health")
def health():
    """What the load balancer asks."""
    return HTTPResponse({"build": BUILD}, status=503 if faulty("unhealthy") else 200)


def failed(why):
    """An error of the service, which begins a new session."""
    return HTTPResponse({"error": why}, status=500, headers={**SAYS, "set-cookie": f"session={OLD}"})


@app.post(service.PATH)
def answer():
    """One request of a caller."""
    response.headers.update(SAYS)
    if request.get_cookie("session", OLD) not in READS:
        return failed("this build can't read the session")
    response.set_cookie("session", NEW if faulty("sessions") else OLD)
    if next(ANSWERS) >= FAULT.get("afterAnswers", 0) and faulty("failing"):
        return failed("this build fails on purpose")
    if faulty("slow"):
        time.sleep(FAULT["milliseconds"] / 1000)
    try:
        said = service.answer(request.json or {})
    except (KeyError, TypeError, ValueError) as wrong:
        return HTTPResponse({"error": f"bad request: {wrong}"}, status=400, headers=SAYS)
    return {**said, **FAULT.get("says", {})} if faulty("wrong") else said


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the first process of a container has no default for it
    serve(app, host="0.0.0.0", port=int(os.environ.get("PORT", "8080")), threads=8, _quiet=True)
