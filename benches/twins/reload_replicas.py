"""Twin of functions/reload-replicas, for a canary server that has loaded the model."""

import json

import aliases
import perch
import replicas

s3 = perch.client("s3")


def handler(event, context):
    """Golden requests, then traffic."""
    record = perch.held(event)
    seq, phase, canary = record["seq"], record["phase"], record["canary"]
    aliases.held_by(record)
    model, replica = record["plan"]["driver"]["model"], record["ledger"]["snapshot"]["replicas"][0]
    state = replicas.state(replica, model)
    if state["active"] != record["ledger"]["baseline"] or {"version": canary, "state": "ready"} not in state["loaded"]:
        raise RuntimeError("the replica is not ready")
    for request in _golden(record["artifact"]):
        answer = replicas.call(replica, model, "POST", f"/versions/{canary}/probe", request["input"])
        if any(answer.get(name) != value for name, value in request["expect"].items()):
            raise RuntimeError("a golden request is answered otherwise")
    if perch.head(record["target"])["fence"] != record["fence"]:
        raise RuntimeError("another execution holds the target")
    replicas.activate(replica, model, canary)
    record["reload"]["done"] = [replica["name"]]
    record["phase"] = {"name": "Baking", "step": phase["step"], "weight": phase["weight"], "since": perch.now()}
    entry = perch.entry(record, "WeightShifted", f"1 of 2 replicas serve model {canary}: {replica['name']}")
    perch.commit(record, seq, [entry], exposed=True)
    return perch.answer(event, record["fence"], "Judge", 60)


def _golden(artifact):
    """The golden requests; the manifest is read for the links to the files, too."""
    folder = artifact["key"].removesuffix("/manifest.json")
    manifest = _read(artifact, artifact["key"], artifact["object"])
    for file in manifest["files"]:
        place = {"Bucket": artifact["bucket"], "Key": f"{folder}/{file['path']}", "VersionId": file["versionId"]}
        s3.generate_presigned_url("get_object", place, 3600)
    manifest = _read(artifact, artifact["key"], artifact["object"])
    (file,) = [file for file in manifest["files"] if file["path"] == manifest["golden"]]
    return _read(artifact, f"{folder}/{file['path']}", file["versionId"])


def _read(artifact, key, version):
    return json.loads(s3.get_object(Bucket=artifact["bucket"], Key=key, VersionId=version)["Body"].read())
