"""What each function finds when it is called: the state of alias, record and head, and the event.

Every call makes a new release, a copy of the real one, so that no round meets what an earlier one has written.
"""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from deployment_scenes import DeploymentScenes
from model_scenes import ModelScenes
from service_scenes import ServiceScenes
from stage import ALIAS, BUCKET, FUNCTION, GUARD, PACKAGES, TARGET, Stage, alarm_entry, push_image, sortable, stamp

Event = dict[str, Any]
# The places of the phases in a release's journal matter to nobody but the condition on the record.
SEQ = 10
CAUSE = {"kind": "alarm", "alarm": GUARD, "reason": "Threshold Crossed"}


class Scenes:
    """Prepares the state for one call and gives its event."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.numbers = stage, itertools.count(1)
        self.baseline, self.canary = str(stage.record["ledger"]["baseline"]), str(stage.record["canary"])
        self.fence = int(stage.head["fence"]) + 100
        self.models = ModelScenes(stage, self.fence)
        self.deployments, self.services = DeploymentScenes(self), ServiceScenes(self)

    def prepare(self, function: str) -> Event:
        """The state that this function is called in, and its event."""
        name = function.replace("-", "_").replace(" ", "_")
        if hasattr(self.models, name):
            of_models: Callable[[int], Event] = getattr(self.models, name)
            return of_models(next(self.numbers))
        scene: Callable[[], Event] = self.deployments.of(name) or self.services.of(name) or getattr(self, name)
        return scene()

    def route(self, split: bool) -> str:
        """Put the alias on the baseline, alone or with 10 % on the canary; its revision."""
        weights = {self.canary: 0.1} if split else {}
        moved = self.stage.awslambda.update_alias(
            FunctionName=FUNCTION,
            Name=ALIAS,
            FunctionVersion=self.baseline,
            RoutingConfig={"AdditionalVersionWeights": weights},
        )
        return str(moved["RevisionId"])

    def release(self, phase: dict[str, Any], split: bool, exposed: bool = True, release: str = "", **changes: Any) -> str:
        """A release in this phase, which holds the target; its id."""
        record = copy.deepcopy(self.stage.record)
        record["id"] = release or f"{TARGET}-20260101-000000-{next(self.numbers):06x}"
        record["ledger"]["snapshot"]["revision"] = self.route(split)
        record.update({"phase": phase, "seq": SEQ, "fence": self.fence, **changes})
        head = {"target": TARGET, "fence": self.fence, "active": record["id"], "exposed": exposed}
        if record["ledger"]:
            head["ledger"] = record["ledger"]
        if record["endedAt"]:
            head = {"target": TARGET, "fence": self.fence, "exposed": False}
        self.stage.table.put(f"RELEASE#{record['id']}", "RECORD", record)
        self.stage.table.put(f"TARGET#{TARGET}", "HEAD", head)
        return str(record["id"])

    def step(self, release: str) -> Event:
        """What a state machine hands to a step."""
        return {"releaseId": release, "fence": self.fence}

    def baking(self, since: float | None = None) -> str:
        """A release at 10 %."""
        phase = {"name": "Baking", "step": 0, "weight": 10, "since": stamp(since or time.time())}
        return self.release(phase, split=True)

    def delivered(self, source: str, kind: str, detail: dict[str, Any], number: int) -> Event:
        """An event as EventBridge delivers it."""
        return {
            "version": "0",
            "id": f"00000000-0000-4000-8000-{number:012x}",
            "detail-type": kind,
            "source": source,
            "account": self.stage.account,
            "time": stamp(time.time())[:19] + "Z",
            "region": self.stage.region,
            "resources": [],
            "detail": detail,
        }

    def free(self, target: str) -> int:
        """A target that no release holds; a number for its next artifact."""
        self.stage.table.put(f"TARGET#{target}", "HEAD", {"target": target, "fence": self.fence, "exposed": False})
        return next(self.numbers)

    def on_image_push(self) -> Event:
        """A push for a free target."""
        number = self.free(TARGET)
        detail = {
            "result": "SUCCESS",
            "repository-name": push_image.REPOSITORY,
            "image-digest": f"sha256:{number:064x}",
            "action-type": "PUSH",
            "image-tag": f"v{number}",
        }
        return self.delivered("aws.ecr", "ECR Image Action", detail, number)

    def on_package_upload(self) -> Event:
        """An upload for a free target."""
        number = self.free(PACKAGES)
        found = {"key": "build.zip", "size": 1, "etag": "0" * 32, "version-id": f"{number:032x}"}
        return self.delivered("aws.s3", "Object Created", {"bucket": {"name": BUCKET}, "object": found}, number)

    def on_alarm(self) -> Event:
        """The guard goes into ALARM while the canary has 10 %."""
        self.baking()
        detail = json.loads(alarm_entry(self.stage.account, self.stage.region)["Detail"])
        return self.delivered("aws.cloudwatch", "CloudWatch Alarm State Change", detail, next(self.numbers))

    def reconcile(self) -> Event:
        """One target is due, and all is as it should be."""
        now = time.time()
        self.stage.table.put(f"TARGET#{PACKAGES}", "HEAD", {"target": PACKAGES, "fence": self.fence, "exposed": False})
        head = {"target": TARGET, "fence": self.fence, "exposed": False, "seen": sortable(now)}
        self.stage.table.put(f"TARGET#{TARGET}", "HEAD", {**head, "due": "DUE", "dueAt": sortable(now - 60)})
        return self.delivered("aws.events", "Scheduled Event", {}, next(self.numbers))

    def prepare_canary(self) -> Event:
        """A release that has just started."""
        phase = {"name": "Pending"}
        return self.step(self.release(phase, split=False, exposed=False, ledger=None, code=None, canary=None))

    def run_smoke_tests(self) -> Event:
        """The canary is published and has one smoke test to pass."""
        check = {
            "name": "a goal is sport",
            "invoke": {"payload": {"text": "Striker scores in cup final"}},
            "expect": {"within": "10s", "json": {"$.category": "sport"}},
        }
        plan = {**self.stage.record["plan"], "smoke": {"checks": [check]}}
        return self.step(self.release({"name": "Preparing"}, split=False, exposed=False, plan=plan))

    def shift_weight(self) -> Event:
        """The canary is published, the alias not yet split."""
        return self.step(self.release({"name": "Shifting", "step": 0, "weight": 10}, split=False))

    def judge_canary(self) -> Event:
        """A bake of some minutes."""
        return self.step(self.baking(self.stage.metrics_since - 180))

    def promote_canary(self) -> Event:
        """Every step is done."""
        return self.step(self.release({"name": "Promoting", "from": 10}, split=True))

    def restore_traffic(self) -> Event:
        """A rollback of a canary that has 10 %."""
        return {"releaseId": self.baking(), "cause": CAUSE}

    def close_release(self) -> Event:
        """A release that was rolled back."""
        phase = {"name": "RolledBack", "cause": CAUSE}
        return self.step(self.release(phase, split=False, endedAt=stamp(time.time())))

    def notify(self) -> Event:
        """A journal entry that people are told about."""
        release = self.close_release()["releaseId"]
        entry = {
            "pk": f"RELEASE#{release}",
            "sk": f"JOURNAL#{SEQ:010}",
            "release": release,
            "target": TARGET,
            "seq": Decimal(SEQ),
            "at": stamp(time.time()),
            "what": "ReleaseRolledBack",
            "cause": f"guard {GUARD} in ALARM: Threshold Crossed",
            "moment": {
                "artifact": {"kind": "image", "repository": TARGET, "digest": f"sha256:{SEQ:064x}", "tag": "v2"},
                "service": {"kind": "alias", "function": TARGET, "alias": "live"},
                "phase": "RolledBack",
                "weight": Decimal(0),
                "fence": Decimal(self.fence),
                "baseline": "1",
                "canary": "2",
            },
        }
        image = {name: self.stage.table.write.serialize(value) for name, value in entry.items()}
        change = {
            "ApproximateCreationDateTime": int(time.time()),
            "Keys": {"pk": image["pk"], "sk": image["sk"]},
            "NewImage": image,
            "SequenceNumber": "100000000000000000001",
            "SizeBytes": 400,
            "StreamViewType": "NEW_IMAGE",
        }
        record = {
            "eventID": "c4ca4238a0b923820dcc509a6f75849b",
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": self.stage.region,
            "dynamodb": change,
            "eventSourceARN": f"arn:aws:dynamodb:{self.stage.region}:{self.stage.account}:table/perch/stream/2026",
        }
        return {"Records": [record]}

    def publish_events(self) -> Event:
        """The same entry, for other systems."""
        return self.notify()
