"""What keeps a release from starting: images that are gone, provisioned concurrency; and the lists that find lost pushes."""
import hashlib
import json

import pytest
from botocore.exceptions import ClientError
from conftest import two_versions
from perch_local.image_lists import page
from perch_local.schedules import look_every, scaled
from test_sweep_live import denied, user


def refused(call, code):
    with pytest.raises(ClientError) as wrong:
        call()
    assert wrong.value.response["Error"]["Code"] == code, wrong.value
    return wrong.value.response["Error"]["Message"]


@pytest.fixture(scope="module")
def images(client):
    """A repository with three tagged images and an untagged one, as (client, digests)."""
    ecr = client("ecr")
    ecr.create_repository(repositoryName="listed")
    blob = b"{}"
    upload = ecr.initiate_layer_upload(repositoryName="listed")["uploadId"]
    ecr.upload_layer_part(repositoryName="listed", uploadId=upload, partFirstByte=0, partLastByte=len(blob) - 1, layerPartBlob=blob)
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    ecr.complete_layer_upload(repositoryName="listed", uploadId=upload, layerDigests=[digest])
    made = {}
    for name in ("v1", "v2", "v3", None):
        manifest = json.dumps({"schemaVersion": 2, "config": {"digest": digest}, "layers": [], "annotations": {"of": name or "none"}})
        tag = {"imageTag": name} if name else {}
        made[name] = ecr.put_image(repositoryName="listed", imageManifest=manifest, **tag)["image"]["imageId"]["imageDigest"]
    return ecr, made


def test_images_come_page_by_page_and_by_tag(images):
    ecr, made = images
    found, token = [], {}
    for _ in range(3):
        got = ecr.describe_images(repositoryName="listed", filter={"tagStatus": "TAGGED"}, maxResults=1, **token)
        found += [(i["imageTags"], i["imageDigest"]) for i in got["imageDetails"]]
        assert all(i["imagePushedAt"].timestamp() > 0 for i in got["imageDetails"])
        token = {"nextToken": got.get("nextToken")}
    assert found == [([n], made[n]) for n in ("v1", "v2", "v3")] and token == {"nextToken": None}
    assert len(ecr.describe_images(repositoryName="listed")["imageDetails"]) == 4
    untagged = ecr.describe_images(repositoryName="listed", filter={"tagStatus": "UNTAGGED"})["imageDetails"]
    assert [i["imageDigest"] for i in untagged] == [made[None]]


def test_an_image_that_is_gone_is_an_error(images):
    ecr, made = images
    wanted = lambda digest: dict(repositoryName="listed", imageIds=[{"imageDigest": digest}])
    assert ecr.describe_images(**wanted(made["v1"]))["imageDetails"][0]["imageDigest"] == made["v1"]
    gone = f"sha256:{'0' * 64}"
    assert gone in refused(lambda: ecr.describe_images(**wanted(gone)), "ImageNotFoundException")
    refused(lambda: ecr.describe_images(repositoryName="nowhere"), "RepositoryNotFoundException")
    refused(lambda: ecr.describe_images(**wanted(made["v1"]), maxResults=10), "InvalidParameterException")
    refused(lambda: ecr.describe_images(repositoryName="listed", nextToken="?"), "InvalidParameterException")


def test_images_may_be_described_where_the_policy_says(server, client, images):
    repository = "arn:aws:ecr:us-east-1:000000000000:repository/"
    for name, resource, fine in (("mine", "listed", True), ("others", "other", False)):
        ecr = user(server, client, f"ecr-{name}", ("ecr:DescribeImages", repository + resource))("ecr")
        assert denied(lambda: ecr.describe_images(repositoryName="listed")) is not fine


def test_weights_and_provisioned_concurrency_exclude_each_other(server, client, function):
    lam = client("lambda")
    two_versions(client, function, "warm", 0.5)
    alias = dict(FunctionName="warm", Qualifier="live")
    refused(lambda: lam.get_provisioned_concurrency_config(**alias), "ProvisionedConcurrencyConfigNotFoundException")
    put = lambda: lam.put_provisioned_concurrency_config(**alias, ProvisionedConcurrentExecutions=1)
    words = "Alias with weights can not be used with Provisioned Concurrency"
    assert refused(put, "InvalidParameterValueException") == words
    move = lambda weights: lam.update_alias(FunctionName="warm", Name="live", RoutingConfig={"AdditionalVersionWeights": weights})
    move({})
    put()
    assert lam.get_provisioned_concurrency_config(**alias)["RequestedProvisionedConcurrentExecutions"] == 1
    assert refused(lambda: move({"2": 0.1}), "InvalidParameterValueException") == words
    move({})
    arn, action = "arn:aws:lambda:us-east-1:000000000000:function:warm", "lambda:GetProvisionedConcurrencyConfig"
    for name, actions, resource, fine in (("alias", action, f"{arn}:*", True), ("bare", action, arn, False),
                                          ("function", "lambda:GetFunction", f"{arn}*", False)):
        own = user(server, client, f"warm-{name}", (actions, resource))("lambda")
        assert denied(lambda: own.get_provisioned_concurrency_config(**alias)) is not fine
    lam.delete_provisioned_concurrency_config(**alias)
    move({"2": 0.1})


@pytest.mark.parametrize("status,start,size,expected", [
    ("TAGGED", 0, 2, ([1, 2], "Mg==")), ("TAGGED", 2, 2, ([4], None)), ("UNTAGGED", 0, 9, ([3], None)), (None, 0, 4, ([1, 2, 3, 4], None)),
    ("ANY", 3, 1, ([4], None))])
def test_pages(status, start, size, expected):
    images = [{"n": n, "imageTags": [] if n == 3 else [f"v{n}"]} for n in (1, 2, 3, 4)]
    found, token = page(images, status, start, size)
    assert ([i["n"] for i in found], token) == expected


def test_only_rates_are_scaled():
    assert (scaled(300, 0.1), scaled(None, 0.1), scaled(60, 1)) == (30, None, 60)
    assert (look_every(10, 0.1), look_every(10, 0.001), look_every(10, 5)) == (1.0, 0.2, 10)
