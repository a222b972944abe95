"""Weighted aliases, AWS/Lambda series and image functions."""
import collections
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest
from botocore.exceptions import ClientError
from conftest import FIXTURES, ROOT, durations, messages, open_queue, ready, total, until, zipped
from perch_local import oci
from perch_local.push_image import push

ENV = {"Variables": {"TABLE_NAME": "t", "TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:t", "BUILD": "1"}}
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"


def invoke(lam, name, payload, qualifier=None):
    extra = {"Qualifier": qualifier} if qualifier else {}
    got = lam.invoke(FunctionName=name, Payload=json.dumps(payload).encode(), **extra)
    return got.get("ExecutedVersion"), got.get("FunctionError"), json.load(got["Payload"])


def test_weighted_alias_and_its_series(client, bootstrap, role):
    lam = client("lambda")
    lam.create_function(FunctionName="zip", Runtime="provided.al2023", Handler="bootstrap", Role=role, Environment=ENV,
                        Code={"ZipFile": zipped(bootstrap)})
    ready(lam, "zip")
    lam.publish_version(FunctionName="zip")
    lam.update_function_configuration(FunctionName="zip", Environment={"Variables": dict(ENV["Variables"], BUILD="2")})
    ready(lam, "zip")
    lam.publish_version(FunctionName="zip")
    lam.create_alias(FunctionName="zip", Name="live", FunctionVersion="1")
    for _ in range(5):
        assert invoke(lam, "zip", {"noop": True}, "live")[0] == "1"
    one = {"FunctionName": "zip", "Resource": "zip:live"}
    assert total(client, "Invocations", one) == 5
    assert total(client, "Invocations", dict(one, ExecutedVersion="1")) == 0           # only while two versions are weighted
    lam.update_alias(FunctionName="zip", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    seen = collections.Counter(invoke(lam, "zip", {"noop": True}, "live")[0] for _ in range(100))
    assert set(seen) == {"1", "2"} and 25 < seen["2"] < 75
    assert [total(client, "Invocations", dict(one, ExecutedVersion=v)) for v in "12"] == [seen["1"], seen["2"]]
    assert invoke(lam, "zip", {"fail": True}, "2")[1]
    assert total(client, "Errors", {"FunctionName": "zip", "Resource": "zip:2"}) == 1 and total(client, "Errors", one) == 0


def test_two_images_behind_one_alias(client, bootstrap, role, tmp_path):
    lam, ecr, sqs, ev = client("lambda"), client("ecr"), client("sqs"), client("events")
    ecr.create_repository(repositoryName="team/app")
    url, arn = open_queue(client, "pushes")
    ev.put_rule(Name="push", EventPattern=json.dumps({"source": ["aws.ecr"], "detail": {"action-type": ["PUSH"]}}))
    ev.put_targets(Rule="push", Targets=[{"Id": "q", "Arn": arn}])
    digests = []
    for build in ("one", "two"):
        root = tmp_path / build / "var" / "runtime"
        root.mkdir(parents=True)
        shutil.copy(bootstrap, root / "bootstrap")
        (root / "build").write_text(build)
        digests.append(push(str(tmp_path / build), "team/app", "latest", labels={"build": build}, env={"BUILD": build}, client=ecr))
    assert len(set(digests)) == 2
    got = until(lambda: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"))
    detail = json.loads(got[0]["Body"])["detail"]
    assert detail["image-digest"] in digests and detail["repository-name"] == "team/app" and detail["image-tag"] == "latest"
    env = {"Variables": {k: v for k, v in ENV["Variables"].items() if k != "BUILD"}}
    lam.create_function(FunctionName="img", PackageType="Image", Role=role, Environment=env,
                        Code={"ImageUri": f"{REGISTRY}/team/app@{digests[0]}"})
    ready(lam, "img")
    first = lam.publish_version(FunctionName="img")
    lam.update_function_code(FunctionName="img", ImageUri=f"{REGISTRY}/team/app:latest")
    ready(lam, "img")
    second = lam.publish_version(FunctionName="img")
    assert (first["CodeSha256"], second["CodeSha256"]) == tuple(d[7:] for d in digests)
    assert lam.get_function(FunctionName="img")["Code"]["ResolvedImageUri"] == f"{REGISTRY}/team/app@{digests[1]}"
    lam.create_alias(FunctionName="img", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    seen = collections.Counter()
    for _ in range(60):
        version, failed, body = invoke(lam, "img", {"noop": True}, "live")
        assert not failed, body
        seen[version, body.get("build"), body.get("version")] += 1
    assert {v for v, _, _ in seen} == {"1", "2"} and len(seen) == 2, seen
    assert {e for _, e, _ in seen} == {"one", "two"}, seen


def image(tmp_path, bootstrap, build):
    root = tmp_path / build / "var" / "runtime"
    root.mkdir(parents=True)
    shutil.copy(bootstrap, root / "bootstrap")
    return str(tmp_path / build)


def test_image_functions_count_and_measure_like_others(client, bootstrap, role, tmp_path):
    lam, ecr = client("lambda"), client("ecr")
    ecr.create_repository(repositoryName="measured")
    digest = push(image(tmp_path, bootstrap, "m"), "measured", "v1", env={"INIT_SLEEP": "1"}, client=ecr)
    lam.create_function(FunctionName="measured", PackageType="Image", Role=role, Code={"ImageUri": f"{REGISTRY}/measured:v1"}, Publish=True)
    ready(lam, "measured")
    lam.create_alias(FunctionName="measured", Name="live", FunctionVersion="1")
    began = time.monotonic()
    for event in ({}, {"fail": "Broken"}):
        invoke(lam, "measured", event, "live")
    took = 1000 * (time.monotonic() - began)
    dims = {"FunctionName": "measured", "Resource": "measured:live"}
    assert [total(client, m, dims) for m in ("Invocations", "Errors")] == [2, 1]
    [(first, init), (second, none)] = durations(client, "measured")
    assert init > 1000 and none == 0 and first + init + second <= took
    assert max(total(client, "Duration", dims, "Maximum")) == pytest.approx(max(first, second), abs=0.01)
    found = lam.get_function(FunctionName="measured", Qualifier="live")
    assert found["Code"]["ResolvedImageUri"] == f"{REGISTRY}/measured@{digest}"


def test_image_content_comes_back_out_of_ecr(client, server, bootstrap, tmp_path):
    ecr = client("ecr")
    ecr.create_repository(repositoryName="content")
    digest = push(image(tmp_path, bootstrap, "c"), "content", "v1", client=ecr)
    got = ecr.batch_get_image(repositoryName="content", imageIds=[{"imageTag": "v1"}])["images"][0]
    assert got["imageId"]["imageDigest"] == digest == oci.digest(got["imageManifest"].encode())
    manifest = json.loads(got["imageManifest"])
    for part in [manifest["config"], *manifest["layers"]]:
        url = ecr.get_download_url_for_layer(repositoryName="content", layerDigest=part["digest"])["downloadUrl"]
        blob = urllib.request.urlopen(url).read()
        assert oci.digest(blob) == part["digest"] and len(blob) == part["size"]


def test_a_push_without_a_tag_is_announced_too(client, bootstrap, tmp_path):
    ecr = client("ecr")
    ecr.create_repository(repositoryName="untagged")
    url, arn = open_queue(client, "untagged")
    client("events").put_rule(Name="untagged", EventPattern=json.dumps({"source": ["aws.ecr"], "detail": {"repository-name": ["untagged"]}}))
    client("events").put_targets(Rule="untagged", Targets=[{"Id": "q", "Arn": arn}])
    digest = push(image(tmp_path, bootstrap, "u"), "untagged", client=ecr)
    event = json.loads(messages(client, url)[0]["Body"])
    sample = json.loads((FIXTURES / "aws-events" / "ecr-01-ecr-image-action-push.json").read_text())
    assert set(sample) == set(event) and set(sample["detail"]) <= set(event["detail"])
    assert set(event["detail"]) - set(sample["detail"]) == {"manifest-media-type", "artifact-media-type"}
    assert event["resources"] == [] and event["detail"]["image-tag"] == "" and event["detail"]["image-digest"] == digest


def test_unpacked_images_without_a_version_are_removed(client, server, bootstrap, role, tmp_path):
    lam, ecr = client("lambda"), client("ecr")
    ecr.create_repository(repositoryName="evicted")
    unpacked = lambda: {p.name for p in server.work.glob("perch-images-*/*")}
    before = unpacked()
    for build in ("one", "two"):
        (tmp_path / build).mkdir()
        (tmp_path / build / "build").write_text(build)
        uri = f"{REGISTRY}/evicted@{push(image(tmp_path / build, bootstrap, 'x'), 'evicted', env={'BUILD': build}, client=ecr)}"
        if build == "one":
            lam.create_function(FunctionName="evicted", PackageType="Image", Role=role, Code={"ImageUri": uri})
        else:
            lam.update_function_code(FunctionName="evicted", ImageUri=uri)
        ready(lam, "evicted")
        assert invoke(lam, "evicted", {})[2]["build"] == build
        assert len(unpacked() - before) == 1


def test_image_refusals(client, role):
    lam, ecr = client("lambda"), client("ecr")
    with pytest.raises(ClientError, match="does not exist"):
        lam.create_function(FunctionName="none", PackageType="Image", Role=role, Code={"ImageUri": f"{REGISTRY}/nope:1"})
    ecr.create_repository(repositoryName="bare")
    with pytest.raises(ClientError) as refused:
        ecr.put_image(repositoryName="bare", imageManifest=json.dumps({"schemaVersion": 2, "layers": [{"digest": "sha256:" + "0" * 64}]}))
    assert refused.value.response["Error"]["Code"] == "LayersNotFoundException"


def test_push_image_command(server, client, tmp_path):
    client("ecr").create_repository(repositoryName="cli")
    (tmp_path / "x").write_text("x")
    env = dict(os.environ, AWS_ENDPOINT_URL=server.url, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
               AWS_DEFAULT_REGION="us-east-1", PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    out = subprocess.run([sys.executable, "-m", "perch_local.push_image", str(tmp_path), "cli:v1", "--label", "a=b"],
                         env=env, capture_output=True, text=True, check=True).stdout.strip()
    assert client("ecr").describe_images(repositoryName="cli")["imageDetails"][0]["imageDigest"] == out
