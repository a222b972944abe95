"""From the alarm's event to the alias read back at 100 % baseline, warm, against the same handler in Python."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from functions import KINDS, PYTHON, RUST, Functions, copy_of, environment_of
from scenes import Scenes
from stage import ALIAS, FUNCTION, PERCH, BenchError, Stage

REAL, TWIN_RULE = f"{PERCH}-on-alarm", "bench-twin"
WARM_UP = 5
SAFE_WITHIN = 20.0


class AliasReader:
    """Reads the alias on one kept-alive connection, with nothing between the answer and the clock."""

    def __init__(self, stage: Stage, baseline: str) -> None:
        place = urllib.parse.urlsplit(stage.stack.url)
        self.connection = http.client.HTTPConnection(str(place.hostname), place.port)
        self.path = f"/2015-03-31/functions/{FUNCTION}/aliases/{ALIAS}"
        self.url, self.region = stage.stack.url, stage.region
        self.credentials, self.baseline = boto3.Session().get_credentials(), baseline

    def headers(self) -> dict[str, str]:
        """Headers of a signed request, good for some minutes."""
        request = AWSRequest("GET", self.url + self.path)
        SigV4Auth(self.credentials, "lambda", self.region).add_auth(request)
        return dict(request.headers)

    def safe_at(self, headers: dict[str, str]) -> tuple[float, list[float]]:
        """Read until the baseline is alone: when the answer was there, and when each answer before it was."""
        answers: list[float] = []
        deadline = time.perf_counter() + SAFE_WITHIN
        while (now := time.perf_counter()) < deadline:
            self.connection.request("GET", self.path, headers=headers)
            body = self.connection.getresponse().read()
            now = time.perf_counter()
            answers.append(now)
            alias: dict[str, Any] = json.loads(body)
            weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
            if alias["FunctionVersion"] == self.baseline and not weights:
                return now, answers
        raise BenchError(f"the alias was not safe after {SAFE_WITHIN:.0f} s")


@dataclass
class Result:
    """Milliseconds per round of both, and what is needed to judge them."""

    ms: dict[str, list[float]]
    in_function_ms: list[float]
    poll_ms: list[float]
    accepted_ms: list[float]


class Alarms:
    """Rounds of the real on-alarm and of its twin, by turns; only one of their rules is enabled at a time."""

    def __init__(self, stage: Stage, scenes: Scenes, functions: Functions) -> None:
        self.stage, self.scenes, self.functions = stage, scenes, functions
        self.reader = AliasReader(stage, scenes.baseline)
        self.rules = {RUST: self._perchs_rule(), PYTHON: TWIN_RULE}
        self.served_by = {RUST: REAL, PYTHON: copy_of("on-alarm", PYTHON)}

    def _perchs_rule(self) -> str:
        arn = f"arn:aws:lambda:{self.stage.region}:{self.stage.account}:function:{REAL}"
        return str(self.stage.events.list_rule_names_by_target(TargetArn=arn)["RuleNames"][0])

    def connect_twin(self) -> None:
        """Give the twin the real rollback machine and a rule like Perch's own."""
        self.functions.renew("on-alarm", PYTHON, PERCH_ROLLBACK_ARN=self.stage.machine(f"{PERCH}-rollback"))
        pattern = self.stage.events.describe_rule(Name=self.rules[RUST])["EventPattern"]
        rule = self.stage.events.put_rule(Name=TWIN_RULE, EventPattern=pattern, State="DISABLED")["RuleArn"]
        name = self.served_by[PYTHON]
        self.stage.awslambda.add_permission(
            FunctionName=name,
            StatementId=TWIN_RULE,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule,
        )
        arn = f"arn:aws:lambda:{self.stage.region}:{self.stage.account}:function:{name}"
        self.stage.events.put_targets(Rule=TWIN_RULE, Targets=[{"Id": "twin", "Arn": arn}])

    def only(self, kind: str) -> None:
        """Enable the rule of one, disable the other's."""
        for each, rule in self.rules.items():
            (self.stage.events.enable_rule if each == kind else self.stage.events.disable_rule)(Name=rule)

    def round(self, kind: str) -> tuple[float, float, list[float]]:
        """One alarm: milliseconds to safety, milliseconds of PutEvents, and those between the polls."""
        self.only(kind)
        release = self.scenes.baking()
        headers = self.reader.headers()
        began = time.perf_counter()
        self.stage.put_alarm()
        accepted = time.perf_counter()
        safe, answers = self.reader.safe_at(headers)
        self.stage.ended(release, self.scenes.fence)
        gaps = [(later - sooner) * 1000 for sooner, later in zip([accepted, *answers], answers, strict=False)]
        return (safe - began) * 1000, (accepted - began) * 1000, gaps

    def pids(self) -> dict[str, list[int]]:
        """The environments of both."""
        return {kind: environment_of(self.stage.server, name) for kind, name in self.served_by.items()}

    def measure(self, rounds: int) -> Result:
        """Rounds by turns, after some that warm both up."""
        self.connect_twin()
        for _ in range(WARM_UP):
            for kind in KINDS:
                self.round(kind)
        warm, before = self.pids(), len(self.reports())
        result = Result({kind: [] for kind in KINDS}, [], [], [])
        for _ in range(rounds):
            for kind in KINDS:
                ms, accepted, gaps = self.round(kind)
                result.ms[kind].append(ms)
                result.accepted_ms.append(accepted)
                result.poll_ms += gaps
        if self.pids() != warm:
            raise BenchError(f"not every round was warm: {warm} became {self.pids()}")
        result.in_function_ms = self.reports()[before:]
        if len(result.in_function_ms) != rounds:
            raise BenchError(f"{REAL} handled {len(result.in_function_ms)} events in {rounds} rounds of its own")
        return result

    def reports(self) -> list[float]:
        """`durationMs` of every invocation of the real on-alarm."""
        pages = self.stage.logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{REAL}")
        messages = [event["message"] for page in pages for event in page["events"]]
        lines = [json.loads(message) for message in messages if '"platform.report"' in message]
        return [float(line["record"]["metrics"]["durationMs"]) for line in lines]
