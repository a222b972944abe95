"""What the functions that release models find when they are called: servers, cache, bucket, record and head.

Every call but that of an upload is of one release to two model servers, with one of them as the canary; it finds what makes
it take one way, whatever time a server needs to load a model.
"""

from __future__ import annotations

import copy
import time
from typing import Any

import boto3
from perch_local.sam_fleet import BASELINE, BUCKET, CANARY, Servers, manifest_key, upload

from stage import MODELS, Stage, stamp

Event = dict[str, Any]
WEIGHT = 50
CAUSE = {"kind": "abort", "by": "ops@example.com", "reason": "wrong answers"}


class ModelScenes:
    """The scenes of `read-replicas`, `prepare-model`, `reload-replicas`, `restore-replicas` and `on-model-upload`."""

    def __init__(self, stage: Stage, fence: int) -> None:
        self.stage, self.fence, self.s3 = stage, fence, boto3.client("s3")
        self.servers = Servers()

    def release(self, number: int, phase: dict[str, Any], done: list[str], **changes: Any) -> str:
        """A release of the canary model in this phase, which holds the target; its id."""
        self.servers.reset()
        spec = self.stage.table.get(f"TARGET#{MODELS}", "SPEC") or {}
        record = copy.deepcopy(self.stage.record)
        record["plan"].update(
            driver={"kind": "servers", **spec["service"]["modelServers"]},
            cache=self.servers.cache,
            steps=[{"weight": WEIGHT, "bake": "30m"}],
        )
        manifest = self.s3.head_object(Bucket=BUCKET, Key=manifest_key(CANARY))
        snapshot = {"kind": "servers", "replicas": self.servers.replicas, "generation": BASELINE, "others": []}
        facts = {"files": 3, "bytes": 1, "golden": 10}
        record.pop("judging", None)
        record.update(
            id=f"{MODELS}-20260101-000000-{number:06x}",
            target=MODELS,
            artifact={
                "kind": "model",
                "bucket": BUCKET,
                "key": manifest_key(CANARY),
                "object": manifest["VersionId"],
                "version": CANARY,
            },
            phase=phase,
            fence=self.fence,
            ledger={"baseline": BASELINE, "canary": CANARY, "snapshot": snapshot, "takenAt": record["ledger"]["takenAt"]},
            canary=CANARY,
            code=None,
            reload={"facts": facts, "begun": {}, "done": done, "leftOut": [], "cacheSettled": False},
        )
        record.update(changes)
        head = {"target": MODELS, "fence": self.fence, "active": record["id"], "exposed": bool(record["ledger"])}
        if record["ledger"]:
            head["ledger"] = record["ledger"]
        self.stage.table.put(f"RELEASE#{record['id']}", "RECORD", record)
        self.stage.table.put(f"TARGET#{MODELS}", "HEAD", head)
        return str(record["id"])

    def step(self, release: str) -> Event:
        """What a state machine hands to a step."""
        return {"releaseId": release, "fence": self.fence}

    def read_replicas(self, number: int) -> Event:
        """The servers of a release that bakes."""
        phase = {"name": "Baking", "step": 0, "weight": WEIGHT, "since": stamp(time.time())}
        return self.step(self.release(number, phase, [self.servers.replicas[0]["name"]]))

    def prepare_model(self, number: int) -> Event:
        """A release that has just started, and what its servers report."""
        release = self.release(number, {"name": "Pending"}, [], ledger=None, canary=None, reload=None)
        seen = [
            {"replica": replica, "state": state}
            for replica, state in zip(self.servers.replicas, self.servers.states(), strict=True)
        ]
        return {**self.step(release), "fleet": {"replicas": seen, "generation": BASELINE}}

    def reload_replicas(self, number: int) -> Event:
        """The canary server has loaded the model, and is to answer golden requests and to serve it."""
        release = self.release(number, {"name": "Shifting", "step": 0, "weight": WEIGHT}, [])
        self.servers.load(0)
        return self.step(release)

    def restore_replicas(self, number: int) -> Event:
        """The canary server goes back."""
        phase = {"name": "RollingBack", "cause": CAUSE, "from": WEIGHT}
        release = self.release(number, phase, [self.servers.replicas[0]["name"]])
        self.servers.bring_over(0)
        return self.step(release)

    def on_model_upload(self, number: int) -> Event:
        """An upload for a free target, whose servers do not answer: the release ends by itself."""
        self.stage.table.put(f"TARGET#{MODELS}", "HEAD", {"target": MODELS, "fence": self.fence, "exposed": False})
        version = f"bench-{number}"
        key, stored = manifest_key(version), upload(self.s3, version, CANARY)
        found = {"key": key, "size": 1, "etag": "0" * 32, "version-id": stored}
        return {
            "version": "0",
            "id": f"00000000-0000-4000-8000-{number:012x}",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": self.stage.account,
            "time": stamp(time.time())[:19] + "Z",
            "region": self.stage.region,
            "resources": [],
            "detail": {"bucket": {"name": BUCKET}, "object": found},
        }
