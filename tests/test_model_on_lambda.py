"""A model on a Lambda function, on a private local stack: upload, golden requests, canary, promotion, and an image after it."""

import hashlib
import json
import time
import uuid

import pytest
import yaml

from stack import (
    FUNCTION,
    TARGET,
    TARGET_FILE,
    alias,
    aws,
    ended,
    journaled,
    perch,
    release_of,
    releases,
    until,
    why,
)

import push_image  # isort: skip; `stack` says where it is

HEADLINE = {"text": "Striker scores in cup final"}
SECRET = "postgres://user:hunter2@db"


@pytest.fixture(scope="module")
def bucket(stage):
    """A versioned bucket whose uploads EventBridge hears of."""
    name = f"models-{uuid.uuid4().hex[:8]}"
    aws("s3").create_bucket(Bucket=name)
    aws("s3").put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    aws("s3").put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}})
    return name


@pytest.fixture(scope="module")
def takes_models(stage, bucket, tmp_path_factory):
    """The target takes models of the bucket, too; its function has a secret in its environment."""
    target = yaml.safe_load(TARGET_FILE.read_text())
    target["sources"]["model"] = {"bucket": bucket, "prefix": "models"}
    file = tmp_path_factory.mktemp("target") / "target.yaml"
    file.write_text(yaml.safe_dump(target))
    perch("apply", "-f", str(file))
    yield
    perch("apply", "-f", str(TARGET_FILE))


def upload(bucket, version, category):
    """Puts a model whose golden request expects this category; the manifest comes last."""

    def put(path, content):
        checksum = {"ChecksumAlgorithm": "SHA256"}
        put = aws("s3").put_object(Bucket=bucket, Key=f"models/{version}/{path}", Body=content, **checksum)
        digest = hashlib.sha256(content).hexdigest()
        return {"path": path, "size": len(content), "sha256": digest, "versionId": put["VersionId"]}

    golden = [{"name": "a goal", "input": HEADLINE, "expect": {"category": category}}]
    manifest = {
        "schemaVersion": 1,
        "model": TARGET,
        "version": version,
        "files": [put("model.json", b"{}"), put("golden.json", json.dumps(golden).encode())],
        "metrics": {"accuracy": 0.9},
        "createdBy": "ada",
        "createdAt": "2026-11-21T10:00:00Z",
        "golden": "golden.json",
    }
    body = json.dumps(manifest).encode()
    return aws("s3").put_object(Bucket=bucket, Key=f"models/{version}/manifest.json", Body=body)["VersionId"]


def model_release(version):
    def found():
        return [r for r in releases() if r["artifact"].get("version") == version and r["artifact"]["kind"] == "model"]

    return until(found, f"a release of model {version}")[0]["id"]


def variables(qualifier):
    found = aws("lambda").get_function_configuration(FunctionName=FUNCTION, Qualifier=qualifier)
    return found.get("Environment", {}).get("Variables", {})


def pointer(environment):
    return {name: value for name, value in environment.items() if name.startswith("PERCH_MODEL_")}


def test_a_model_is_released_by_a_version_that_points_at_it(stage, takes_models, bucket, quiet):
    before = aws("lambda").get_function_configuration(FunctionName=FUNCTION)
    kept = before.get("Environment", {}).get("Variables", {})
    aws("lambda").update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": {**kept, "DATABASE_URL": SECRET}})
    began = time.time()
    manifest = upload(bucket, "v2", "sport")
    release = ended(model_release("v2"))
    assert release["phase"] == "Promoted", why(release)
    version, split = alias()
    assert (split, version != quiet) == ({}, True)
    assert variables(version) == {
        **kept,
        "DATABASE_URL": SECRET,
        "PERCH_MODEL_VERSION": "v2",
        "PERCH_MODEL_URI": f"s3://{bucket}/models/v2/",
        "PERCH_MODEL_MANIFEST_VERSION": manifest,
    }
    # The code is what served before.
    code = [aws("lambda").get_function_configuration(FunctionName=FUNCTION, Qualifier=v)["CodeSha256"] for v in (quiet, version)]
    assert code[0] == code[1]
    assert "2 files" in journaled(release, "ModelChecked")[0]
    assert SECRET not in json.dumps(perch("release", release["id"]))
    answered = stage.load.ledger.between(began, time.time())
    failed = answered.function_errors + answered.transport_errors
    assert (failed, answered.requests > 50) == (0, True), "no request fails on the way"


def test_a_wrong_model_never_gets_traffic_and_the_next_image_does_not_have_it(takes_models, bucket, quiet):
    served = pointer(variables(quiet))
    upload(bucket, "v3", "politics")
    release = ended(model_release("v3"))
    assert release["phase"] == "Rejected"
    assert "golden request 1 of 1, `a goal`: $.category: expected \"politics\", got \"sport\"" in why(release)
    assert alias() == (quiet, {})
    assert journaled(release, "WeightShifted") == []
    # The unpublished function still points at it.
    assert variables("$LATEST")["PERCH_MODEL_VERSION"] == "v3"

    image = push_image.push_variant("healthy")
    release = ended(release_of(image.digest))
    assert release["phase"] == "Promoted", why(release)
    version, _ = alias()
    assert (version != quiet, pointer(variables(version))) == (True, served)
    assert variables(version).get("DATABASE_URL") == variables(quiet).get("DATABASE_URL")


def test_a_model_never_goes_out_with_code_that_was_not_released(takes_models, bucket, quiet):
    released = aws("lambda").get_function_configuration(FunctionName=FUNCTION, Qualifier=quiet)["CodeSha256"]
    # Somebody sets the code of an image that is no release's.
    other = push_image.push_variant("failing", tag=f"nightly-{uuid.uuid4().hex[:8]}")
    aws("lambda").update_function_code(FunctionName=FUNCTION, ImageUri=other.image_uri)
    upload(bucket, "v4", "sport")
    release = ended(model_release("v4"))
    assert release["phase"] == "Promoted", why(release)
    version, _ = alias()
    found = aws("lambda").get_function_configuration(FunctionName=FUNCTION, Qualifier=version)
    assert (found["CodeSha256"], variables(version)["PERCH_MODEL_VERSION"]) == (released, "v4")
