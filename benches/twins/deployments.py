"""Reading CodeDeploy's deployments and answering their hooks, as crates/aws/src/codedeploy does."""

import perch

client = perch.client("codedeploy")
ENDED = ("Succeeded", "Failed", "Stopped")


def read(deployment):
    """A deployment: (status, the release that its description names, the deployment that takes it back)."""
    found = client.get_deployment(deploymentId=deployment)["deploymentInfo"]
    release = found.get("description", "").removeprefix("perch release ")
    return found["status"], release, found.get("rollbackInfo", {}).get("rollbackDeploymentId")


def answer(deployment, execution, status):
    """The status of a hook, which counts once."""
    try:
        client.put_lifecycle_event_hook_execution_status(
            deploymentId=deployment, lifecycleEventHookExecutionId=execution, status=status
        )
    except client.exceptions.LifecycleEventAlreadyCompletedException:
        pass
