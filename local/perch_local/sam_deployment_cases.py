"""The cases of the functions that work with CodeDeploy: what is there before, and what has to have changed after."""
import contextlib
import json

import boto3

from perch_local.sam_world import ALIAS, FUNCTION, RELEASE, ago, event, expect, shown, stamp, until

APPLICATION, GROUP, ROLE = "news-classifier", "live", "news-classifier-codedeploy"
CONFIG, STEP = "CodeDeployDefault.LambdaCanary10Percent5Minutes", {"weight": 10, "bake": "5m"}
DESCRIPTION = f"perch release {RELEASE}"
ENDS_WITHIN = 30.0


def group():
    """A deployment group of the sample service; the client."""
    iam, codedeploy = boto3.client("iam"), boto3.client("codedeploy")
    trust = {"Effect": "Allow", "Principal": {"Service": "codedeploy.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=policy)
    iam.attach_role_policy(RoleName=ROLE, PolicyArn="arn:aws:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda")
    with contextlib.suppress(codedeploy.exceptions.ApplicationAlreadyExistsException):
        codedeploy.create_application(applicationName=APPLICATION, computePlatform="Lambda")
    with contextlib.suppress(codedeploy.exceptions.DeploymentGroupAlreadyExistsException):
        codedeploy.create_deployment_group(
            applicationName=APPLICATION, deploymentGroupName=GROUP, deploymentConfigName=CONFIG,
            serviceRoleArn=iam.get_role(RoleName=ROLE)["Role"]["Arn"],
            deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"})
    return codedeploy


def plan(world):
    """The plan of a release whose weights the group moves."""
    driver = {"kind": "alias", "function": FUNCTION, "alias": ALIAS,
              "codeDeploy": {"application": APPLICATION, "deploymentGroup": GROUP, "whenBusy": "wait"}}
    return {**world.plan(driver), "steps": [STEP]}


def status(codedeploy, deployment):
    """Where a deployment is."""
    return codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]["status"]


def end(codedeploy, deployment):
    """Stop a deployment with rollback, and wait for both to end."""
    with contextlib.suppress(codedeploy.exceptions.DeploymentAlreadyCompletedException):
        codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    until(lambda: not running(codedeploy), ENDS_WITHIN, "no deployment runs")


def running(codedeploy):
    """The deployments that have not ended."""
    return codedeploy.list_deployments(applicationName=APPLICATION, deploymentGroupName=GROUP,
                                       includeOnlyStatuses=["Created", "Queued", "InProgress", "Baking", "Ready"])["deployments"]


class FollowDeployment:
    """CodeDeploy is asked once for the deployment, which shifts the alias to the step's weight."""

    @staticmethod
    def prepare(world):
        """A release that is to be shifted to its first step by a deployment group."""
        codedeploy = group()
        phase = {"name": "Shifting", "step": 0, "weight": STEP["weight"]}
        return codedeploy, *world.stage(phase, plan=plan(world))

    @staticmethod
    def check(world, prepared, answer):
        """The one deployment, the alias's weights, the phase."""
        codedeploy, baseline, canary = prepared
        made = [one for one in codedeploy.list_deployments(applicationName=APPLICATION, deploymentGroupName=GROUP)["deployments"]
                if codedeploy.get_deployment(deploymentId=one)["deploymentInfo"].get("description") == DESCRIPTION]
        try:
            known = world.record()["deployment"]["id"]
            expect(known in made, f"deployment {known} is none of {made}")
            expect(world.alias() == (baseline, {canary: STEP["weight"] / 100}), f"the alias is {shown(world.alias())}")
            expect(answer["next"] == "Judge" and world.record()["phase"]["name"] == "Baking", f"answer {answer}")
            config = codedeploy.get_deployment(deploymentId=known)["deploymentInfo"]["deploymentConfigName"]
            expect(config == CONFIG, f"the configuration is {config}")
            return f"deployment {known} of {CONFIG}; alias {shown(world.alias())}; journal {world.journal()['DeploymentStarted']['cause']}"
        finally:
            for one in running(codedeploy):
                end(codedeploy, one)


class StopDeployment:
    """A running deployment is stopped with rollback, and the release ends once the baseline was read back."""

    @staticmethod
    def prepare(world):
        """A release that goes back while its deployment runs."""
        codedeploy = group()
        baseline, canary = world.split(0)
        properties = {"Name": FUNCTION, "Alias": ALIAS, "CurrentVersion": baseline, "TargetVersion": canary}
        spec = {"version": 0.0, "Resources": [{"alias": {"Type": "AWS::Lambda::Function", "Properties": properties}}]}
        deployment = codedeploy.create_deployment(
            applicationName=APPLICATION, deploymentGroupName=GROUP, deploymentConfigName=CONFIG, description=DESCRIPTION,
            revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(spec)}})["deploymentId"]
        until(lambda: world.alias()[1], ENDS_WITHIN, "the deployment shifts")
        cause = event("restore-traffic")["cause"]
        known = {"askedAt": stamp(ago(minutes=1)), "id": deployment}
        split = world.alias()[1][canary]
        world.stage({"name": "RollingBack", "cause": cause, "from": STEP["weight"]}, weight=round(100 * split), seq=7,
                    plan=plan(world), deployment=known)
        return codedeploy, deployment, baseline

    @staticmethod
    def check(world, prepared, answer):
        """Both deployments, the alias, the end."""
        codedeploy, deployment, baseline = prepared
        info = codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]
        back = info["rollbackInfo"]["rollbackDeploymentId"]
        found = (info["status"], status(codedeploy, back))
        expect(found == ("Stopped", "Succeeded"), f"the deployments are {found}")
        expect(world.alias() == (baseline, {}), f"the alias is {shown(world.alias())}")
        expect(world.record()["phase"]["name"] == "RolledBack" and answer["next"] == "Close", f"answer {answer}")
        return f"{deployment} Stopped, {back} Succeeded; alias {shown(world.alias())}; phase RolledBack"


class OnDeploymentChange:
    """A deployment that no release follows changes nothing."""

    @staticmethod
    def prepare(world):
        """A release that no deployment belongs to."""
        group()
        place, weight = world.step(0)
        world.stage({"name": "Baking", "step": place, "weight": weight, "since": stamp(ago(seconds=4))}, weight=weight, seq=5)
        return world.record()

    @staticmethod
    def check(world, before, answer):
        """The release is as it was."""
        expect(world.record() == before, "the release was changed")
        return f"release in phase {before['phase']['name']} as before; no release follows {event('on-deployment-change')['detail']['deploymentId']}"
