"""Perch and the sample service on a local stack, as the proof of `sam local invoke` sees and prepares them.

State is read and prepared through AWS's API: items of Perch's table, versions and weights of the sample service.
Nothing here moves what an alias points at; a split is put there only where an event needs one.
"""
import contextlib
import datetime
import io
import json
import secrets
import sys
import time
import uuid

import boto3
from boto3.dynamodb.conditions import Key

from perch_local.checkout import ROOT

EVENTS = ROOT / "events"
SAMPLE = ROOT / "examples" / "news-classifier"
TARGET = FUNCTION = "news-classifier"
ZIP_TARGET = "news-classifier-zip"
MODEL_TARGET = "news-model"
TARGET_FILES = {TARGET: "examples/news-classifier/target.demo.yaml", ZIP_TARGET: "events/target-zip.yaml",
                MODEL_TARGET: "events/target-model.yaml"}
ALIAS, TABLE = "live", "perch"
IDLE_WITHIN = 60.0
# What a head keeps when it forgets a release: the rest would speak against the events, which are from March.
LASTING = ("pk", "sk", "target", "fence", "seen", "due", "dueAt")


class WorldError(Exception):
    """What is not as it has to be: a message for the terminal."""


def event(name):
    """One of the events, by its function's folder."""
    return json.loads((EVENTS / f"{name}.json").read_text())


RELEASE = event("close-release")["releaseId"]
FENCE = event("close-release")["fence"]


def stamp(at=None):
    """A time as Perch writes it where the table compares texts: nine digits behind the second."""
    return (at or datetime.datetime.now(datetime.UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def ago(**span):
    """A time before now."""
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(**span)


def expect(holds, what):
    """Go on only if it holds."""
    if not holds:
        raise WorldError(what)


def cut(text, length=100):
    """The beginning of a text."""
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + " ..."


def until(found, seconds, what, every=0.2):
    """Ask until the answer is true."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        expect(time.monotonic() < deadline, f"{what} within {seconds:.0f} s")
        time.sleep(every)
    return answer


class World:
    """Perch and the sample service on one local stack, whose settings are in the environment."""

    def __init__(self):
        self.table = boto3.resource("dynamodb").Table(TABLE)
        self.functions, self.machines, self.outputs = boto3.client("lambda"), boto3.client("stepfunctions"), {}
        for output in boto3.client("cloudformation").describe_stacks(StackName=TABLE)["Stacks"][0]["Outputs"]:
            self.outputs[output["OutputKey"]] = output["OutputValue"]

    # ---- Reading -------------------------------------------------------------------------------
    def item(self, pk, sk):
        """One item of Perch's table, or {}."""
        return self.table.get_item(Key={"pk": pk, "sk": sk}, ConsistentRead=True).get("Item", {})

    def record(self, release=RELEASE):
        """A release."""
        found = self.item(f"RELEASE#{release}", "RECORD")
        expect(found, f"there is no release {release}")
        return found

    def head(self):
        """Who holds the target."""
        return self.item(f"TARGET#{TARGET}", "HEAD")

    def journal(self, release=RELEASE):
        """What happened to a release, as {what: entry}."""
        condition = Key("pk").eq(f"RELEASE#{release}") & Key("sk").begins_with("JOURNAL#")
        return {entry["what"]: entry for entry in self.table.query(KeyConditionExpression=condition, ConsistentRead=True)["Items"]}

    def alias(self):
        """(version, {other version: share}) of the alias."""
        found = self.functions.get_alias(FunctionName=FUNCTION, Name=ALIAS)
        return found["FunctionVersion"], (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}

    def digest(self, version):
        """The image that a version runs."""
        return self.functions.get_function(FunctionName=FUNCTION, Qualifier=version)["Code"]["ResolvedImageUri"].split("@")[1]

    def ended(self, release):
        """Wait until a release has ended; its phase and why, for people."""
        def over():
            found = self.record(release)
            return found if found.get("endedAt") else None
        phase = until(over, IDLE_WITHIN, f"the end of release {release}")["phase"]
        return f"{phase['name']}: {cut(str(phase.get('why') or phase.get('cause', '')))}"

    def release_of(self, identity, target=TARGET):
        """The release that an artifact had."""
        found = self.item(f"TARGET#{target}", f"ARTIFACT#{identity}")
        expect(found, f"no release of {identity} was recorded")
        return found["release"]

    def sweeps(self):
        """The runs of the sweep."""
        return self.table.query(KeyConditionExpression=Key("pk").eq("SWEEPS"), ConsistentRead=True)["Items"]

    # ---- Preparing -----------------------------------------------------------------------------
    def idle(self):
        """Wait until no release runs, and refuse to disturb one that holds the target."""
        def still():
            running = (self.machines.list_executions(stateMachineArn=self.outputs[key], statusFilter="RUNNING")["executions"]
                       for key in ("CanaryDeployArn", "ModelReloadArn", "RollbackArn"))
            return not any(running)
        until(still, IDLE_WITHIN, "no release runs")
        active = self.head().get("active", RELEASE)
        expect(active.startswith(RELEASE), f"release {active} holds the target: end it first, with `perch abort`")

    def forget(self, release=RELEASE, target=TARGET):
        """Remove what is known of a release, and let the target go."""
        condition = Key("pk").eq(f"RELEASE#{release}")
        for found in self.table.query(KeyConditionExpression=condition, ConsistentRead=True)["Items"]:
            self.table.delete_item(Key={"pk": found["pk"], "sk": found["sk"]})
        if head := self.item(f"TARGET#{target}", "HEAD"):
            self.table.put_item(Item={k: v for k, v in head.items() if k in LASTING} | {"exposed": False})

    def forget_artifact(self, identity, target=TARGET):
        """Have an artifact be new to its target."""
        if known := self.item(f"TARGET#{target}", f"ARTIFACT#{identity}"):
            self.forget(known["release"], target)
            self.table.delete_item(Key={"pk": known["pk"], "sk": known["sk"]})

    def push(self):
        """Push a new healthy build of the sample service; its image. Its tag is none of the target's, so no release starts."""
        if str(SAMPLE) not in sys.path:
            sys.path.insert(0, str(SAMPLE))
        import push_image
        with contextlib.redirect_stderr(io.StringIO()):         # a note about images for AWS
            return push_image.push_variant("healthy", tag=f"sam-local-{secrets.token_hex(4)}")

    def canary(self, baseline):
        """The newest version besides the baseline, published if there is none."""
        pages = self.functions.get_paginator("list_versions_by_function").paginate(FunctionName=FUNCTION)
        numbers = [int(v["Version"]) for page in pages for v in page["Versions"] if v["Version"] not in ("$LATEST", baseline)]
        if numbers:
            return str(max(numbers))
        self.functions.update_function_code(FunctionName=FUNCTION, ImageUri=self.push().image_uri)
        self.functions.get_waiter("function_updated_v2").wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
        return self.functions.publish_version(FunctionName=FUNCTION)["Version"]

    def split(self, weight):
        """Put so much percent of the traffic on the canary; (baseline, canary)."""
        baseline, _ = self.alias()
        canary = self.canary(baseline)
        weights = {canary: weight / 100} if weight else {}
        self.functions.update_alias(FunctionName=FUNCTION, Name=ALIAS, FunctionVersion=baseline,
                                    RoutingConfig={"AdditionalVersionWeights": weights})
        return baseline, canary

    def spec(self, target=TARGET):
        """A target as applied."""
        found = self.item(f"TARGET#{target}", "SPEC")
        expect(found, f"target {target} is not applied; apply it: target/release/perch apply -f {TARGET_FILES[target]}")
        return found

    def plan(self, driver=None):
        """What the target's releases follow, with what they move: the alias unless it is said."""
        spec = self.spec()
        expect("steps" in spec["rollout"], f"target {TARGET} has a preset; apply the one with steps: {TARGET_FILES[TARGET]}")
        driver = driver or {"kind": "alias", **spec["service"]["lambda"]}
        return {"driver": driver, "steps": spec["rollout"]["steps"], "judge": spec["judge"],
                "guards": spec.get("guards", []), "alarmAtStart": spec.get("alarmAtStart", "block"), "watch": spec["watch"]}

    def stage(self, phase, *, weight=0, seq=4, release=RELEASE, artifact=None, **more):
        """Record a release in `phase` that holds the target with the alias split; (baseline, canary)."""
        baseline, canary = self.split(weight)
        before = event("on-image-push")["time"].replace("Z", ".000000000Z")
        # A guard takes back only what began before it went into ALARM, and the alarm of `events/` is from March.
        snapshot = {"kind": "alias", "lambda": {"function": FUNCTION, "alias": ALIAS}, "code": self.digest(baseline),
                    "revision": self.functions.get_alias(FunctionName=FUNCTION, Name=ALIAS)["RevisionId"]}
        image = self.digest(canary)
        self.hold({
            "id": release, "phase": phase, "plan": self.plan(), "seq": seq,
            "artifact": artifact or {"kind": "image", "repository": FUNCTION, "digest": image, "tag": "v1-healthy"},
            "ledger": {"baseline": baseline, "canary": canary, "snapshot": snapshot, "takenAt": before},
            "code": image.removeprefix("sha256:"), "canary": canary, **more})
        return baseline, canary

    def hold(self, known):
        """Record a release, and have it hold the target unless it has ended."""
        pushed = stamp(ago(minutes=5))
        record = {
            "id": RELEASE, "target": TARGET, "fence": FENCE, "code": None,
            "cause": {"kind": "event", "id": event("on-image-push")["id"], "pushedAt": pushed}, "startedAt": pushed,
            "deadline": stamp(ago(hours=-1)), "due": stamp(), "endedAt": None, "verdict": None, "order": None, **known}
        fence, ledger = record["fence"], record["ledger"]
        head = {"target": TARGET, "fence": fence, "active": record["id"], "exposed": ledger is not None, "ledger": ledger}
        if record["endedAt"]:
            head = {"target": TARGET, "fence": fence, "exposed": False}
        self.table.put_item(Item={"pk": f"RELEASE#{record['id']}", "sk": "RECORD", **record})
        lasting = {k: v for k, v in self.head().items() if k in LASTING}
        self.table.put_item(Item={"pk": f"TARGET#{TARGET}", "sk": "HEAD", **lasting, **{k: v for k, v in head.items() if v is not None}})

    def wait_for_turn(self):
        """Have an image wait for the target's next turn; its digest."""
        digest = f"sha256:{secrets.token_hex(32)}"
        waiting = {"artifact": {"kind": "image", "repository": FUNCTION, "digest": digest, "tag": "v2-waiting"},
                   "event": str(uuid.uuid4()), "pushedAt": stamp(ago(minutes=1))}
        self._set_head("waiting = :value", waiting)
        return digest

    def due_now(self):
        """Have the target be due for the sweep, which has seen all that was pushed."""
        self._set_head("seen = :value", stamp())
        self._set_head("due = :due, dueAt = :value", stamp(ago(minutes=1)), {":due": "DUE"})

    def _set_head(self, change, value, more=None):
        self.table.update_item(Key={"pk": f"TARGET#{TARGET}", "sk": "HEAD"}, UpdateExpression=f"SET {change}",
                               ExpressionAttributeValues={":value": value, **(more or {})})

    def interval(self):
        """Seconds between two looks; one minute where it is not written in seconds."""
        text = self.plan()["judge"]["interval"]
        return int(text[:-1]) if text[:-1].isdigit() and text.endswith("s") else 60

    def step(self, index):
        """(place, weight) of a step of the plan."""
        steps = self.plan()["steps"]
        return index % len(steps), int(steps[index]["weight"])


def execution(world, release):
    """The state of the release's execution."""
    arn = world.outputs["CanaryDeployArn"].replace(":stateMachine:", ":execution:")
    return world.machines.describe_execution(executionArn=f"{arn}:{release}")["status"]


def shown(alias):
    """An alias for people."""
    version, weights = alias
    split = ", ".join(f"{share:.0%} on version {other}" for other, share in weights.items())
    return f"on version {version} with {split}" if split else f"on version {version} alone"
