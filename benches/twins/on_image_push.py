"""Twin of functions/on-image-push."""

import announce


def handler(event, context):
    """Start releases of the image."""
    detail = event["detail"]
    if (detail["action-type"], detail["result"]) != ("PUSH", "SUCCESS"):
        return
    repository, digest, tag = detail["repository-name"], detail["image-digest"], detail["image-tag"]
    artifact = {"kind": "image", "repository": repository, "digest": digest, "tag": tag}
    announce.start(f"SOURCE#ecr#{repository}", artifact, tag, digest, event)
