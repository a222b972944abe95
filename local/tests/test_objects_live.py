"""S3 as the upload of models needs it; each test quotes what AWS documents."""
import base64
import hashlib
import json
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import messages, open_queue, until

PART = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def bucket(client):
    name = "objects-live"
    client("s3").create_bucket(Bucket=name)
    client("s3").put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def summed(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def composite(parts):
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    return f"{summed(digests)}-{len(parts)}"


def code(error):
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def in_parts(s3, bucket, key, parts):
    begun = s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE")
    sent = [s3.upload_part(Bucket=bucket, Key=key, UploadId=begun["UploadId"], PartNumber=n, Body=part,
                           ChecksumSHA256=summed(part)) for n, part in enumerate(parts, 1)]
    known = [{"PartNumber": n, "ETag": s["ETag"], "ChecksumSHA256": s["ChecksumSHA256"]} for n, s in enumerate(sent, 1)]
    return begun["UploadId"], known


def test_a_put_in_one_go_stores_the_sum_of_all_of_it(client, bucket):
    """User Guide, checking-object-integrity: a single upload has a full object checksum; HeadObject answers it, with its
    type, when ChecksumMode is ENABLED, and only then."""
    s3 = client("s3")
    put = s3.put_object(Bucket=bucket, Key="one", Body=b"abc", ChecksumSHA256=summed(b"abc"))
    head = s3.head_object(Bucket=bucket, Key="one", ChecksumMode="ENABLED")
    assert (head["VersionId"], head["ChecksumSHA256"], head["ChecksumType"]) == (put["VersionId"], summed(b"abc"), "FULL_OBJECT")
    assert "ChecksumSHA256" not in s3.head_object(Bucket=bucket, Key="one")


def test_content_with_another_sum_is_refused(client, bucket):
    """API Reference, PutObject: "If the checksums do not match, Amazon S3 ... returns BadDigest" (400)."""
    with pytest.raises(ClientError) as refused:
        client("s3").put_object(Bucket=bucket, Key="bad", Body=b"abc", ChecksumSHA256=summed(b"abd"))
    assert code(refused) == ("BadDigest", 400)


def test_parts_have_a_composite_sum(client, bucket):
    """User Guide, "Using part-level checksums for multipart uploads": the checksum of checksums, and `-` with the number
    of parts; ListParts names each part's."""
    s3, parts = client("s3"), [b"a" * PART, b"b" * 7]
    upload, known = in_parts(s3, bucket, "parts", parts)
    listed = s3.list_parts(Bucket=bucket, Key="parts", UploadId=upload)["Parts"]
    assert [part["ChecksumSHA256"] for part in listed] == [summed(part) for part in parts]
    done = s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": known},
                                        ChecksumSHA256=composite(parts), ChecksumType="COMPOSITE")
    assert done["VersionId"]
    head = s3.head_object(Bucket=bucket, Key="parts", ChecksumMode="ENABLED")
    assert (head["ChecksumSHA256"], head["ChecksumType"]) == (composite(parts), "COMPOSITE")
    assert head["VersionId"] == done["VersionId"]


def test_a_wrong_composite_sum_is_refused(client, bucket):
    """API Reference, CompleteMultipartUpload: the checksum in the request is that of the object; BadDigest if it is not."""
    s3, parts = client("s3"), [b"a" * PART, b"b"]
    upload, known = in_parts(s3, bucket, "wrong", parts)
    with pytest.raises(ClientError) as refused:
        s3.complete_multipart_upload(Bucket=bucket, Key="wrong", UploadId=upload, MultipartUpload={"Parts": known},
                                     ChecksumSHA256=composite([b"x", b"y"]), ChecksumType="COMPOSITE")
    assert code(refused) == ("BadDigest", 400)


def test_only_unfinished_uploads_are_listed(client, bucket):
    """API Reference, ListMultipartUploads: uploads that were begun and neither completed nor aborted."""
    s3 = client("s3")
    upload, _ = in_parts(s3, bucket, "left", [b"a" * PART])
    listed = s3.list_multipart_uploads(Bucket=bucket, Prefix="left").get("Uploads", [])
    assert [found["UploadId"] for found in listed] == [upload]
    s3.abort_multipart_upload(Bucket=bucket, Key="left", UploadId=upload)
    assert not s3.list_multipart_uploads(Bucket=bucket, Prefix="left").get("Uploads")


def test_a_key_is_written_once_if_that_is_asked_for(client, bucket):
    """User Guide, conditional-writes: If-None-Match `*` fails with 412 PreconditionFailed when there is an object; a delete
    marker is none."""
    s3 = client("s3")
    s3.put_object(Bucket=bucket, Key="once", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="once", Body=b"2", IfNoneMatch="*")
    assert code(refused) == ("PreconditionFailed", 412)
    s3.delete_object(Bucket=bucket, Key="once")
    s3.put_object(Bucket=bucket, Key="once", Body=b"3", IfNoneMatch="*")


def test_a_deleted_object_says_so_and_its_versions_stay(client, bucket):
    """User Guide, DeleteMarker: a read of the key answers 404 with x-amz-delete-marker: true; a version is still read by
    its id; ListObjectVersions has both, the newest first."""
    s3 = client("s3")
    kept = s3.put_object(Bucket=bucket, Key="gone", Body=b"abc")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="gone")["VersionId"]
    with pytest.raises(ClientError) as refused:
        s3.head_object(Bucket=bucket, Key="gone")
    assert refused.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert s3.get_object(Bucket=bucket, Key="gone", VersionId=kept)["Body"].read() == b"abc"
    listed = s3.list_object_versions(Bucket=bucket, Prefix="gone")
    assert [v["VersionId"] for v in listed["Versions"]] == [kept]
    assert [(m["VersionId"], m["IsLatest"]) for m in listed["DeleteMarkers"]] == [(marker, True)]


def test_a_presigned_url_reads_just_its_version(client, bucket, server):
    """User Guide, ShareObjectPreSignedURL: whoever has the URL reads the object until it expires; a changed query is
    refused with SignatureDoesNotMatch."""
    s3 = client("s3")
    first = s3.put_object(Bucket=bucket, Key="link", Body=b"first")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="link", Body=b"second")["VersionId"]
    signer = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id="test",
                          aws_secret_access_key="test", config=Config(signature_version="s3v4"))
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "link", "VersionId": first}, ExpiresIn=60)
    assert urllib.request.urlopen(url, timeout=5).read() == b"first"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace(first, second), timeout=5)
    assert refused.value.code == 403


def test_getting_attributes_names_the_parts(client, bucket):
    """API Reference, GetObjectAttributes: Checksum with its type, ObjectParts with the number of parts, ObjectSize."""
    s3, parts = client("s3"), [b"a" * PART, b"b"]
    upload, known = in_parts(s3, bucket, "facts", parts)
    s3.complete_multipart_upload(Bucket=bucket, Key="facts", UploadId=upload, MultipartUpload={"Parts": known})
    facts = s3.get_object_attributes(Bucket=bucket, Key="facts", ObjectAttributes=["Checksum", "ObjectParts", "ObjectSize"])
    assert facts["ObjectSize"] == PART + 1
    assert facts["ObjectParts"]["TotalPartsCount"] == 2
    assert facts["Checksum"]["ChecksumSHA256"].split("-")[0] == composite(parts).split("-")[0]


@pytest.fixture(scope="module")
def heard(client):
    """What a queue behind a rule for manifests hears."""
    url, arn = open_queue(client, "manifests")
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"object": {"key": [{"suffix": "/manifest.json"}]}}}
    client("events").put_rule(Name="manifests", EventPattern=json.dumps(pattern))
    client("events").put_targets(Rule="manifests", Targets=[{"Id": "1", "Arn": arn}])
    return url


def told(client, url, want=1):
    return [json.loads(m["Body"])["detail"] for m in messages(client, url, want)]


def test_events_name_the_version_of_their_object(client, bucket, heard):
    """User Guide, ev-events: version-id, etag, size and sequencer of the object, the reason PutObject or
    CompleteMultipartUpload; EventBridge filters by suffix."""
    s3 = client("s3")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    s3.put_object(Bucket=bucket, Key="m/v1/model.bin", Body=b"abc")
    put = s3.put_object(Bucket=bucket, Key="m/v1/manifest.json", Body=b"abc")
    parts = [b"a" * PART, b"b"]
    upload, known = in_parts(s3, bucket, "m/v2/manifest.json", parts)
    done = s3.complete_multipart_upload(Bucket=bucket, Key="m/v2/manifest.json", UploadId=upload, MultipartUpload={"Parts": known})
    first, second = sorted(told(client, heard, 2), key=lambda detail: detail["object"]["sequencer"])
    assert (first["object"]["key"], first["object"]["version-id"], first["reason"]) == \
        ("m/v1/manifest.json", put["VersionId"], "PutObject")
    assert (first["object"]["size"], first["object"]["etag"]) == (3, put["ETag"].strip('"'))
    assert (second["object"]["version-id"], second["reason"]) == (done["VersionId"], "CompleteMultipartUpload")


def test_a_bucket_without_eventbridge_or_versions_says_nothing_of_them(client, heard):
    """User Guide, enable-event-notifications-eventbridge: events go to EventBridge for a bucket where that is turned on.
    Without versioning there is no version-id."""
    s3 = client("s3")
    s3.create_bucket(Bucket="silent")
    s3.put_object(Bucket="silent", Key="m/v1/manifest.json", Body=b"1")
    s3.create_bucket(Bucket="plain")
    s3.put_bucket_notification_configuration(Bucket="plain", NotificationConfiguration={"EventBridgeConfiguration": {}})
    s3.put_object(Bucket="plain", Key="m/v1/manifest.json", Body=b"1")
    (detail,) = told(client, heard)
    assert (detail["bucket"]["name"], "version-id" in detail["object"]) == ("plain", False)
    assert "Status" not in s3.get_bucket_versioning(Bucket="plain")
    assert until(lambda: s3.get_bucket_versioning(Bucket="objects-live").get("Status")) == "Enabled"
