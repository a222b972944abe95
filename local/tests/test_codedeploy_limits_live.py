"""The hours of CodeDeploy, on a stack whose hour takes 11 s: hooks that don't answer, replacement tasks that don't get healthy."""
import re

import boto3
import pytest
from conftest import FIXTURES, ROLE, calls, port, ready, until, zipped
from deploys import Lab, hook, service_role
from perch_local import lifecycle
from perch_local.checkout import Stack
from test_balancers_live import balancer, group  # noqa: F401
from test_codedeploy_ecs_live import CANARY, Service
from ecs_stack import push

CLOCK = 0.003


@pytest.fixture(scope="module")
def client():
    """Clients of a stack of its own; as the fixture of the same name, so that others build on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERCH_CLOCK", str(CLOCK))
        stack, made = Stack(port()), {}
        lifecycle.start(stack)
    def get(name):
        return made.setdefault(name, boto3.client(name, endpoint_url=stack.url, region_name="us-east-1",
                                                  aws_access_key_id="test", aws_secret_access_key="test"))
    get.log = stack.log
    get("iam").create_role(RoleName="lambda", AssumeRolePolicyDocument=LAMBDA_MAY_ASSUME)
    get("iam").attach_role_policy(RoleName="lambda", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    yield get
    lifecycle.stop(stack)


LAMBDA_MAY_ASSUME = ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
                     '"Principal":{"Service":"lambda.amazonaws.com"}}]}')


@pytest.fixture(scope="module")
def lab(client):
    def function(name, env, **more):
        client("lambda").create_function(FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=ROLE,
                                         Environment={"Variables": env}, Code={"ZipFile": zipped(FIXTURES / "function" / "bootstrap")}, **more)
        ready(client("lambda"), name)
    arn = service_role(client)
    return lambda: Lab(client, function, arn)


def took(client, info):
    """Documented seconds from start to end, as (all, those that the server's threads woke late)."""
    [late] = re.findall(rf"deployment {info['deploymentId']}: Failed, threads woke ([\d.]+) s late", client.log.read_text())
    return (info["completeTime"] - info["startTime"]).total_seconds() / CLOCK, float(late) / CLOCK


def waited(client, info, seconds):
    """Whether a deployment took these documented seconds: not less, and not 10 minutes more than the machine was late."""
    all_of_them, late = took(client, info)
    return seconds <= all_of_them < seconds + 600 + late


def test_a_hook_that_crashes_is_not_called_again_and_waited_for_an_hour(client, lab):
    it, name = lab(), hook(client, "CodeDeployHook_crash", "crash")
    deployment = it.deploy(hooks={"BeforeAllowTraffic": name})
    failed = it.over(deployment)
    assert failed["errorInformation"] == {"code": "HOOK_EXECUTION_FAILURE", "message": (
        "The deployment timed out while waiting for a status callback. CodeDeploy expects a status callback within one hour after a "
        "deployment hook is invoked.")}
    assert waited(client, failed, 3600) and it.target(deployment)["lifecycleEvents"][0]["diagnostics"]["errorCode"] == "ScriptTimedOut"
    assert [c["DeploymentId"] for c in calls(client, name)] == [deployment] and it.alias() == ("1", {})


def test_a_hook_that_can_not_start_fails_after_five_minutes(client, lab):
    it, name = lab(), hook(client, "CodeDeployHook_busy", "Succeeded")
    client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    failed = it.over(it.deploy(hooks={"BeforeAllowTraffic": name}))
    assert waited(client, failed, 300) and failed["errorInformation"]["code"] == "HOOK_EXECUTION_FAILURE" and not calls(client, name)


def test_a_replacement_that_is_never_healthy_fails_after_an_hour_without_any_traffic(client, group, balancer):  # noqa: F811
    it = Service(client, group, balancer, push(client, "sick")[0], service_role(client, "ecs", "AWSCodeDeployRoleForECS"), config=CANARY)
    deployment = it.deploy(task_definition=it.task_definition("2", HEALTH="503"))
    seen = set()
    assert until(lambda: seen.add(it.weight()) or it.info(deployment)["status"] == "Failed", 60, 0.02)
    failed, undo = it.undone(deployment)
    assert waited(client, failed, 3600) and seen == {0} and undo["status"] == "Succeeded" and it.serves("1")
    assert failed["errorInformation"] == {"code": "TIMEOUT", "message": (
        "The deployment timed out while waiting for the replacement task set to become healthy. This time out period is 60 minutes.")}
