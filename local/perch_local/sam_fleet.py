"""What cases and benches about models need beside the stack: two model servers with a cache, a bucket with two models.

`opened` runs them for as long as `sam local invoke` may be called; `Servers` reads and prepares them, in the same
process or in another one. The bucket tells nobody of uploads, so no model of it is released.
"""
import base64
import contextlib
import hashlib
import json
import sys
import urllib.request

import boto3

from perch_local import servers
from perch_local.checkout import Stack
from perch_local.door import Door
from perch_local.sam_world import SAMPLE, WorldError, expect, stamp, until

MODEL, BUCKET = "news-classifier", "sam-local-models"
BASELINE, CANARY = "v1", "v2"
REPLICAS = 2
LOADED_WITHIN = 10.0


@contextlib.contextmanager
def opened(stack, gateway=None, host="127.0.0.1"):
    """Run them, each with a way in from the host's address on Docker's bridge where there is one; functions call it `host`."""
    sys.path.insert(0, str(SAMPLE))
    import replicas
    places = replicas.Places.free(REPLICAS)
    with contextlib.ExitStack() as ending:
        try:
            ending.enter_context(replicas.Fleet(places))
        except (replicas.FleetError, servers.ServerError) as wrong:
            raise WorldError(str(wrong)) from wrong
        for port in (*places.replicas, places.redis) if gateway else ():
            ending.enter_context(Door(gateway, port))
        _make_bucket()
        file = _file(stack)
        file.write_text(json.dumps({"host": host, "replicas": places.replicas, "redis": places.redis}) + "\n")
        ending.callback(file.unlink)
        yield


def manifest_key(version):
    """Where the manifest of a model version is."""
    return f"{MODEL}/{version}/manifest.json"


def _file(stack):
    return stack.folder / "sam-local-servers.json"


def _make_bucket():
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for version in (BASELINE, CANARY):
        if not s3.list_objects_v2(Bucket=BUCKET, Prefix=manifest_key(version)).get("KeyCount"):
            upload(s3, version, version)


def upload(s3, version, model):
    """What `perch model push` does: every file of one of the sample's models with its SHA-256, then the manifest; its S3 version."""
    folder, files = SAMPLE / "models" / model, []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        digest = hashlib.sha256(data)
        stored = s3.put_object(Bucket=BUCKET, Key=f"{MODEL}/{version}/{path.name}", Body=data,
                               ChecksumSHA256=base64.b64encode(digest.digest()).decode())
        files.append({"path": path.name, "size": len(data), "sha256": digest.hexdigest(), "versionId": stored["VersionId"]})
    manifest = {"schemaVersion": 1, "model": MODEL, "version": version, "files": files, "golden": "golden.json",
                "metrics": json.loads((folder / "metrics.json").read_text()), "createdBy": "sam-local", "createdAt": stamp()}
    return s3.put_object(Bucket=BUCKET, Key=manifest_key(version), Body=json.dumps(manifest).encode())["VersionId"]


class Servers:
    """The model servers that `opened` runs for the stack of the environment."""

    def __init__(self):
        file = _file(Stack())
        expect(file.is_file(), "the model servers do not run: python -m perch_local.sam_local --open")
        where = json.loads(file.read_text())
        self.ports, self.redis_port = where["replicas"], where["redis"]
        names = [f"{where['host']}:{port}" for port in self.ports]
        self.replicas = [{"name": name, "url": f"http://{name}"} for name in names]
        self.cache = {"redis": {"url": f"redis://{where['host']}:{self.redis_port}"}}

    def states(self):
        """What each replica reports."""
        return [self._call(number, "GET") for number in range(len(self.ports))]

    def active(self):
        """The version that each replica serves."""
        return [state["active"] for state in self.states()]

    def loaded(self, number):
        """The versions that a replica has, by name."""
        return sorted(loaded["version"] for loaded in self._call(number, "GET")["loaded"])

    def generation(self, value=None):
        """Set the cache's pointer where there is a value; what it is."""
        with contextlib.closing(servers.Redis(port=self.redis_port)) as cache:
            if value:
                cache.command("SET", f"{MODEL}:generation", value)
            return cache.command("GET", f"{MODEL}:generation")

    def reset(self):
        """Have the baseline alone everywhere, as before a release."""
        for number in range(len(self.ports)):
            self._call(number, "PUT", "/active", {"version": BASELINE})
            self._call(number, "DELETE", f"/versions/{CANARY}")
        self.generation(BASELINE)

    def load(self, number):
        """Have a replica load the canary."""
        s3, source = boto3.client("s3"), f"{MODEL}/{CANARY}/"
        files = json.loads(s3.get_object(Bucket=BUCKET, Key=manifest_key(CANARY))["Body"].read())["files"]
        for file in files:
            file["url"] = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": source + file["path"]})
        self._call(number, "PUT", f"/versions/{CANARY}", {"version": CANARY, "source": f"s3://{BUCKET}/{source}",
                                                          "bytes": sum(file["size"] for file in files), "files": files})
        ready = {"version": CANARY, "state": "ready"}
        until(lambda: ready in self._call(number, "GET")["loaded"], LOADED_WITHIN, f"replica {number} has model {CANARY}")

    def bring_over(self, number):
        """Have a replica load the canary and serve it."""
        self.load(number)
        self._call(number, "PUT", "/active", {"version": CANARY})

    def _call(self, number, method, path="", body=None):
        url = f"http://127.0.0.1:{self.ports[number]}/perch/v1/models/{MODEL}{path}"
        request = urllib.request.Request(url, json.dumps(body).encode() if body else None, {"content-type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")
