"""Twin of functions/on-deployment-change, for a deployment that no release follows."""

import deployments
import perch


def handler(event, context):
    """Find the release of the deployment, if there is one."""
    if event["detail"]["state"] not in ("SUCCESS", "FAILURE", "STOP"):
        return
    _, release, _ = deployments.read(event["detail"]["deploymentId"])
    if perch.release(release) is None:
        return
    raise RuntimeError(f"{release} follows the deployment, which this twin does not do")
