"""The cases of the functions that work with CodeDeploy: what is there before, and what has to have changed after."""
import contextlib
import io
import json
import sys
import zipfile

import boto3

from perch_local.sam_fleet import BASELINE, MODEL, Servers
from perch_local.sam_world import ALIAS, FUNCTION, RELEASE, ago, event, expect, shown, stamp, until

APPLICATION, GROUP, ROLE = "news-classifier", "live", "news-classifier-codedeploy"
CONFIG, STEP = "CodeDeployDefault.LambdaCanary10Percent5Minutes", {"weight": 10, "bake": "5m"}
DESCRIPTION = f"perch release {RELEASE}"
ENDS_WITHIN = 30.0
SILENT = "CodeDeployHook_sam-local-silent"
SILENT_CODE = "import json\ndef handler(event, context):\n    print('ASKED ' + json.dumps(event))\n"


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
            # First: the end of its deployment would roll the release back, while the next case begins.
            world.forget()
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


def silent_hook():
    """A function that is asked as a hook and leaves the answer to another; it writes down what it was asked."""
    iam, functions, file = boto3.client("iam"), boto3.client("lambda"), io.BytesIO()
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=SILENT, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
        iam.attach_role_policy(RoleName=SILENT, PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("silent.py", SILENT_CODE)
    with contextlib.suppress(functions.exceptions.ResourceConflictException):
        functions.create_function(FunctionName=SILENT, Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
                                  Handler="silent.handler", Role=iam.get_role(RoleName=SILENT)["Role"]["Arn"],
                                  Code={"ZipFile": file.getvalue()})
    functions.get_waiter("function_active_v2").wait(FunctionName=SILENT, WaiterConfig={"Delay": 1})


def asked(deployment):
    """The event that the hook of a deployment was called with."""
    logs, group = boto3.client("logs"), f"/aws/lambda/{SILENT}"
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return None
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = [line["message"].partition("ASKED ")[2] for page in pages for line in page["events"]]
    return next((found for line in lines if line and (found := json.loads(line))["DeploymentId"] == deployment), None)


class AnswerHook:
    """A hook that a deployment waits for: the canary's smoke test is sent, written down, and the hook gets its status.

    The hook is that of the sample's deployment group, where Perch itself needs none. A group of an ECS service calls the
    same function with the same event, before a canary that only its test listener reaches.
    """

    @staticmethod
    def prepare(world):
        """A deployment of the release that waits for its hook before any traffic."""
        codedeploy = group()
        silent_hook()
        baseline, canary = world.split(0)
        servers = Servers()
        servers.reset()
        check = {"name": "the first model serves", "http": {"path": f"/perch/v1/models/{MODEL}"},
                 "expect": {"within": "10s", "json": {"$.active": BASELINE}}}
        properties = {"Name": FUNCTION, "Alias": ALIAS, "CurrentVersion": baseline, "TargetVersion": canary}
        spec = {"version": 0.0, "Resources": [{"alias": {"Type": "AWS::Lambda::Function", "Properties": properties}}],
                "Hooks": [{"BeforeAllowTraffic": SILENT}]}
        deployment = codedeploy.create_deployment(
            applicationName=APPLICATION, deploymentGroupName=GROUP, deploymentConfigName=CONFIG, description=DESCRIPTION,
            revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(spec)}})["deploymentId"]
        waiting = until(lambda: asked(deployment), ENDS_WITHIN, "the deployment calls its hook")
        phase = {"name": "Shifting", "step": 0, "weight": STEP["weight"]}
        smoke = {"url": servers.replicas[0]["url"], "checks": [check]}
        world.stage(phase, plan=plan(world) | {"smoke": smoke}, deployment={"askedAt": stamp(ago(minutes=1)), "id": deployment})
        return codedeploy, waiting

    @staticmethod
    def event(prepared):
        """The event with the ids of the deployment that waits: CodeDeploy makes them."""
        return prepared[1]

    @staticmethod
    def check(world, prepared, answer):
        """The hook's status, the test's result, and that traffic moves only then."""
        codedeploy, waiting = prepared
        deployment = waiting["DeploymentId"]
        try:
            expect(answer == {}, f"answer {answer}")
            entry = world.journal().get("SmokeTested")
            expect(entry and len(entry["smoke"]) == 1 and entry["smoke"][0]["passed"], f"the journal has no passed test: {entry}")
            hook = until(lambda: over(codedeploy, deployment), ENDS_WITHIN, "the hook is over")
            expect(hook["status"] == "Succeeded", f"the hook is {hook}")
            return f"hook BeforeAllowTraffic of {deployment} Succeeded; journal {entry['cause']}"
        finally:
            # First: the end of its deployment would roll the release back, while the next case begins.
            world.forget()
            for one in running(codedeploy):
                end(codedeploy, one)


def over(codedeploy, deployment):
    """The hook's lifecycle event, once it is over."""
    [target] = codedeploy.list_deployment_targets(deploymentId=deployment)["targetIds"]
    found = codedeploy.get_deployment_target(deploymentId=deployment, targetId=target)["deploymentTarget"]["lambdaTarget"]
    events = {event["lifecycleEventName"]: event for event in found["lifecycleEvents"]}
    hook = events["BeforeAllowTraffic"]
    return hook if hook["status"] in ("Succeeded", "Failed") else None
