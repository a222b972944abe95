"""Uploads of models on a private local stack: `perch model push`, S3's event, on-model-upload, and what is recorded."""

import base64
import hashlib
import json
import os
import subprocess

import pytest

from stack import PERCH, ROOT, aws, perch, until

TARGET, BUCKET, FOLDER = "uploads", "uploads", "models/news"
PART = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def bucket(stage):
    s3 = aws("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}})
    perch("apply", "-f", str(ROOT / "tests/fixtures/target.model.yaml"))
    return BUCKET


@pytest.fixture
def model(tmp_path):
    """A folder with a small model."""
    (tmp_path / "1").mkdir()
    (tmp_path / "1/model.onnx").write_bytes(b"weights")
    (tmp_path / "metrics.json").write_text('{"accuracy": 0.93}')
    (tmp_path / "golden.json").write_text('[{"name": "a", "input": {"text": "x"}, "expect": {"label": "sport"}}]')
    return tmp_path


def push(folder, version, *more):
    return perch("model", "push", str(folder), "--target", TARGET, "--version", version, *more)


def fails(folder, version, *more):
    """(exit code, what is said) of a push that can't be made."""
    command = [PERCH, "model", "push", str(folder), "--target", TARGET, "--version", version, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode, done.stdout
    return done.returncode, done.stderr


def release_of(version):
    def found():
        of = [r for r in perch("releases", "--target", TARGET) if r["artifact"].get("version") == version]
        return of[0] if of else None

    return until(found, f"a release of {version}")


def about(version):
    """The texts of the notes about a model version."""
    return [note["text"] for note in perch("journal", TARGET) if note["subject"] == f"model {version}"]


def keys(prefix):
    return [found["Key"] for found in aws("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def summed(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_a_push_is_checked_and_released(bucket, model):
    pushed = push(model, "v1", "--training", "s3://data/1")
    assert (pushed["files"], pushed["skipped"]) == (3, 0)
    release = release_of("v1")
    artifact = release["artifact"]
    assert (artifact["kind"], artifact["key"], artifact["object"]) == ("model", f"{FOLDER}/v1/manifest.json", pushed["object"])
    shown = perch("model", "show", "v1", "--target", TARGET)
    assert (shown["refusal"], shown["release"]) == (None, release["id"])
    manifest = shown["manifest"]
    assert (manifest["metrics"], manifest["golden"], manifest["training"]) == ({"accuracy": 0.93}, "golden.json", "s3://data/1")
    listed = perch("model", "list", "--target", TARGET)
    assert [(m["version"], m["release"]) for m in listed] == [("v1", release["id"])]


def test_a_name_is_given_once(bucket, model):
    push(model, "once")
    code, said = fails(model, "once")
    assert code == 4 and "the name of a version is given once" in said


def test_a_push_that_was_broken_off_goes_on(bucket, model):
    """The first of three parts and one file are there; an upload of another content is there, too."""
    s3, data, key = aws("s3"), os.urandom(2 * PART + 77), f"{FOLDER}/resumed/1/model.onnx"
    (model / "1/model.onnx").write_bytes(data)
    golden = (model / "golden.json").read_bytes()
    s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/resumed/golden.json", Body=golden, ChecksumSHA256=summed(golden))
    for first in (data[:PART], b"x" * PART):
        begun = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE")
        s3.upload_part(Bucket=BUCKET, Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=first, ChecksumSHA256=summed(first))
    pushed = push(model, "resumed", "--part-size", "5MiB")
    assert pushed["skipped"] == PART + len(golden)
    assert not s3.list_multipart_uploads(Bucket=BUCKET, Prefix=key).get("Uploads")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == data
    (file,) = [f for f in perch("model", "show", "resumed", "--target", TARGET)["manifest"]["files"] if f["path"] == "1/model.onnx"]
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    parts = [data[:PART], data[PART : 2 * PART], data[2 * PART :]]
    composite = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
    assert file["multipart"] == {"partSize": PART, "parts": 3, "composite": composite}
    head = s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == base64.b64encode(bytes.fromhex(composite)).decode() + "-3"
    assert perch("model", "show", "resumed", "--target", TARGET)["refusal"] is None


def test_half_an_upload_leaves_a_note_and_nothing_else(bucket, model):
    """A pipeline of its own that writes the manifest although a file never came."""
    s3 = aws("s3")
    whole = push(model, "whole")
    manifest = json.loads(s3.get_object(Bucket=BUCKET, Key=whole["key"])["Body"].read())
    s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/half/manifest.json", Body=json.dumps(manifest | {"version": "half"}))
    (note,) = until(lambda: about("half"), "a note about the half upload")
    assert "the upload is not complete: 3 of 3 files: 1/model.onnx: is not there" in note
    assert not [r for r in perch("releases", "--target", TARGET) if r["artifact"].get("version") == "half"]


def test_a_model_that_is_not_good_enough_leaves_a_note_and_is_refused_by_push(bucket, model):
    (model / "metrics.json").write_text('{"accuracy": 0.89}')
    code, said = fails(model, "weak")
    assert code == 2 and "accuracy is 0.89, the limit is 0.9; nothing was uploaded" in said
    assert keys(f"{FOLDER}/weak/") == []
    s3, good = aws("s3"), push(model, "strong", "--metric", "accuracy=0.95")
    manifest = json.loads(s3.get_object(Bucket=BUCKET, Key=good["key"])["Body"].read())
    weak = manifest | {"version": "weak", "metrics": {"accuracy": 0.89}}
    s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/weak/manifest.json", Body=json.dumps(weak))
    (note,) = until(lambda: about("weak"), "a note about the weak model")
    assert "accuracy is 0.89, the limit is 0.9" in note


def test_a_bucket_without_versions_gets_nothing(bucket, model):
    s3 = aws("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    try:
        code, said = fails(model, "unversioned")
        assert code == 2 and "keeps no versions of its objects, and nothing was uploaded" in said
        assert keys(f"{FOLDER}/unversioned/") == []
        s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/unversioned/manifest.json", Body=b"{}")
        (note,) = until(lambda: about("unversioned"), "a note about the bucket")
        assert "aws s3api put-bucket-versioning --bucket uploads" in note
    finally:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
