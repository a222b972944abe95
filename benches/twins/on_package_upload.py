"""Twin of functions/on-package-upload."""

import announce


def handler(event, context):
    """Start releases of the package."""
    bucket, found = event["detail"]["bucket"]["name"], event["detail"]["object"]
    artifact = {"kind": "package", "bucket": bucket, "key": found["key"], "version": found["version-id"]}
    identity = f"s3://{bucket}/{found['key']}@{found['version-id']}"
    announce.start(f"SOURCE#s3#{bucket}", artifact, found["key"], identity, event)
