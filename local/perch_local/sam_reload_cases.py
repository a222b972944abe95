"""The cases of the functions that release models: what is staged, and what servers, cache and table have after."""
import boto3

from perch_local.sam_fleet import BASELINE, BUCKET, CANARY, Servers, manifest_key
from perch_local.sam_world import ago, event, expect, stamp

WEIGHT = 50     # of two replicas one is the canary


def stage(world, servers, phase, seq, **more):
    """Record a release of the canary in `phase` that holds the target; its ledger has the replicas of the cases."""
    spec = world.spec()
    own = spec["modelRelease"]
    driver = {"kind": "servers", **spec["service"]["modelServers"], "replicas": {"static": [replica["url"] for replica in servers.replicas]}}
    plan = {**world.plan(driver), "cache": servers.cache, "judge": own["judge"], "guards": own["guards"], "watch": own["watch"],
            "steps": [{"weight": WEIGHT, "bake": own["rollout"]["steps"][0]["bake"]}]}
    found = boto3.client("s3").head_object(Bucket=BUCKET, Key=manifest_key(CANARY))
    artifact = {"kind": "model", "bucket": BUCKET, "key": manifest_key(CANARY), "object": found["VersionId"], "version": CANARY}
    snapshot = {"kind": "servers", "replicas": servers.replicas, "generation": BASELINE, "others": []}
    ledger = {"baseline": BASELINE, "canary": CANARY, "snapshot": snapshot, "takenAt": stamp(ago(minutes=4))}
    world.hold({"phase": phase, "plan": plan, "artifact": artifact, "seq": seq, "ledger": ledger, "canary": CANARY, **more})


def under_way(*done):
    """How far the servers are: these replicas serve the canary."""
    return {"facts": {"files": 3, "bytes": 1, "golden": 10}, "begun": {}, "done": list(done), "leftOut": [], "cacheSettled": False}


def fresh():
    """The model servers with the baseline alone."""
    servers = Servers()
    servers.reset()
    return servers


def serves(servers, *versions):
    """Go on only if the replicas serve these versions, in their order."""
    expect(servers.active() == list(versions), f"the replicas serve {servers.active()} instead of {list(versions)}")


class ReadReplicas:
    """The replicas of a target and its cache are asked what they have."""

    @staticmethod
    def prepare(world):
        """A target that names the replicas; its own are put back after."""
        servers, spec = fresh(), world.spec()
        service = {**spec["service"]["modelServers"], "replicas": {"static": [replica["url"] for replica in servers.replicas]}}
        world.table.put_item(Item={**spec, "service": {**spec["service"], "modelServers": service}, "cache": servers.cache})
        servers.bring_over(1)
        return servers, spec

    @staticmethod
    def check(world, prepared, answer):
        """What is reported, against what the servers say themselves."""
        servers, spec = prepared
        world.table.put_item(Item=spec)
        fleet, states = answer["fleet"], servers.states()
        expect([seen["replica"] for seen in fleet["replicas"]] == servers.replicas, f"other replicas were read: {fleet}")
        for seen, state in zip(fleet["replicas"], states, strict=True):
            had = {(loaded["version"], loaded["state"]) for loaded in state["loaded"]}
            found = {(loaded["version"], loaded["state"]) for loaded in seen["state"]["loaded"]}
            expect((seen["state"]["active"], found) == (state["active"], had), f"{seen} was read of a replica that reports {state}")
        serves(servers, BASELINE, CANARY)
        expect(fleet["generation"] == BASELINE, f"the cache's generation was read as {fleet.get('generation')}")
        return f"replicas serve {', '.join(servers.active())}, as they say themselves; cache {fleet['generation']}"


class PrepareModel:
    """A new release gets its ledger, the check of its upload and its canary, a call for each."""

    @staticmethod
    def prepare(world):
        """A release of the canary that has just been planned; what replicas report is in the event."""
        servers = fresh()
        stage(world, servers, {"name": "Pending"}, seq=1, ledger=None, canary=None)
        return servers

    @staticmethod
    def check(world, servers, answer):
        """The ledger, what was found of the upload; no server was touched."""
        record, journal = world.record(), world.journal()
        expect(answer["next"] == "Shift", f"answer {answer}, phase {record['phase']}")
        found = [what for what in ("LedgerTaken", "ModelChecked", "CanaryPublished") if what in journal]
        expect(len(found) == 3, f"the journal has only {found}")
        snapshot, told = record["ledger"]["snapshot"], event("prepare-model")["fleet"]
        expect(snapshot["replicas"] == [seen["replica"] for seen in told["replicas"]], f"the ledger has {snapshot}")
        expect((record["ledger"]["baseline"], snapshot["generation"]) == (BASELINE, told["generation"]), f"the ledger is {record['ledger']}")
        expect(record["canary"] == CANARY, f"the canary is {record['canary']}")
        expect([servers.loaded(number) for number in (0, 1)] == [[BASELINE]] * 2, "a server has loaded something")
        return f"baseline {BASELINE}, canary {CANARY}; journal {journal['ModelChecked']['cause']}"


class ReloadReplicas:
    """The canary replica loads the model, answers its golden requests, and serves it."""

    @staticmethod
    def prepare(world):
        """A release that is to be shifted to its only step."""
        servers = fresh()
        stage(world, servers, {"name": "Shifting", "step": 0, "weight": WEIGHT}, seq=4, reload=under_way())
        return servers

    @staticmethod
    def check(world, servers, answer):
        """What each server and the cache have, the phase."""
        record = world.record()
        expect(answer["next"] == "Judge" and record["phase"]["name"] == "Baking", f"phase {record['phase']}, answer {answer}")
        serves(servers, CANARY, BASELINE)
        expect(servers.loaded(0) == [BASELINE, CANARY], f"the canary has {servers.loaded(0)}: the way back is not in memory")
        expect(servers.generation() == BASELINE, f"the cache's generation is {servers.generation()}")
        return f"replicas serve {', '.join(servers.active())}; cache {BASELINE}; journal {world.journal()['WeightShifted']['cause']}"


class RestoreReplicas:
    """Servers and cache go back to the baseline, and the release ends."""

    @staticmethod
    def prepare(world):
        """A canary replica and a cache that was switched, of a release that is to go back."""
        servers = fresh()
        servers.bring_over(0)
        servers.generation(CANARY)
        phase = {"name": "RollingBack", "cause": event("restore-traffic")["cause"], "from": WEIGHT}
        reload = under_way(servers.replicas[0]["name"])
        stage(world, servers, phase, seq=7, reload=reload, fence=event("restore-replicas")["fence"])
        return servers

    @staticmethod
    def check(world, servers, answer):
        """What each server and the cache have, the end."""
        serves(servers, BASELINE, BASELINE)
        expect(servers.generation() == BASELINE, f"the cache's generation is {servers.generation()}")
        expect(servers.loaded(0) == [BASELINE], f"the replica that went back still has {servers.loaded(0)}")
        record = world.record()
        expect(record["phase"]["name"] == "RolledBack" and answer["next"] == "Close", f"phase {record['phase']}, answer {answer}")
        expect("active" not in world.head(), "the release still holds the target")
        return f"replicas serve {', '.join(servers.active())}; cache {BASELINE}; journal {world.journal()['ReleaseRolledBack']['cause']}"
