"""Twin of functions/on-model-upload, for a complete upload to a free target."""

import json
import os

import announce
import perch

s3 = perch.client("s3")
MACHINE = os.environ["PERCH_MODEL_RELOAD_ARN"]


def handler(event, context):
    """Check the model, and start its release."""
    detail = event["detail"]
    bucket, key, version_id = detail["bucket"]["name"], detail["object"]["key"], detail["object"]["version-id"]
    folder = key.removesuffix("/manifest.json")
    artifact = {"kind": "model", "bucket": bucket, "key": key, "object": version_id, "version": folder.rpartition("/")[2]}
    for found in perch.query(f"SOURCE#models#{bucket}", "TARGET#"):
        target = perch.get(f"TARGET#{found['target']}", "SPEC")
        identity = f"s3://{bucket}/{folder}"
        if perch.get(f"TARGET#{target['name']}", f"ARTIFACT#{identity}"):
            raise RuntimeError("the model has a release")
        perch.head(target["name"])
        _check(bucket, key, folder, version_id)
        driver = {"kind": "servers", **target["service"]["modelServers"]}
        announce.plan(target, artifact, identity, event, driver, MACHINE)
        perch.hear(target["name"], target["sources"]["model"], artifact["version"])


def _check(bucket, key, folder, version_id):
    """Whether all that the manifest names is there."""
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        raise RuntimeError("the bucket has no versions")
    versions = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    if [found["VersionId"] for found in versions if found["Key"] == key] != [version_id]:
        raise RuntimeError("the manifest was written again")
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=key, VersionId=version_id)["Body"].read())
    for file in manifest["files"]:
        found = s3.head_object(Bucket=bucket, Key=f"{folder}/{file['path']}", ChecksumMode="ENABLED")
        if (found["ContentLength"], found["VersionId"]) != (file["size"], file["versionId"]):
            raise RuntimeError("a file is not what the manifest says")
    (golden,) = [file for file in manifest["files"] if file["path"] == manifest["golden"]]
    place = {"Bucket": bucket, "Key": f"{folder}/{golden['path']}", "VersionId": golden["versionId"]}
    if not json.loads(s3.get_object(**place)["Body"].read()):
        raise RuntimeError("there are no golden requests")
