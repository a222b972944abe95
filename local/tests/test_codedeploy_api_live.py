"""CodeDeploy's control plane: applications, groups, configurations, lists and filters, refusals, IAM."""
import datetime
import json
import time

import pytest
from botocore.exceptions import ClientError
from conftest import FIXTURES, until
from deploys import STYLE, UNHURRIED, Lab, service_role
from test_codedeploy_live import refused
from test_sweep_live import user

ROLE_ARN = "arn:aws:iam::000000000000:role/any"
TABLE = json.loads((FIXTURES / "codedeploy" / "codedeploy-timelines.json").read_text())
ALL_AT_ONCE = "CodeDeployDefault.LambdaAllAtOnce"
PAIR = {"targetGroups": [{"name": "blue"}, {"name": "green"}], "prodTrafficRoute": {"listenerArns": ["arn:l"]}}
ECS = {"deploymentStyle": STYLE, "serviceRoleArn": ROLE_ARN, "ecsServices": [{"serviceName": "api", "clusterName": "main"}],
       "loadBalancerInfo": {"targetGroupPairInfoList": [PAIR]}, "blueGreenDeploymentConfiguration": {
           "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 5},
           "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"}}}


@pytest.fixture(scope="module")
def cd(client):
    return client("codedeploy")


@pytest.fixture(scope="module")
def app(cd):
    cd.create_application(applicationName="api-app", computePlatform="Lambda", tags=[{"Key": "team", "Value": "ml"}])
    return "api-app"


@pytest.fixture(scope="module")
def lab(client, function):
    arn = service_role(client, "codedeploy-api")
    return lambda **more: Lab(client, function, arn, config=ALL_AT_ONCE, **more)


def test_applications(cd, app):
    info = cd.get_application(applicationName=app)["application"]
    assert (info["applicationName"], info["computePlatform"], info["linkedToGitHub"]) == (app, "Lambda", False)
    assert app in cd.list_applications()["applications"]
    assert [a["applicationName"] for a in cd.batch_get_applications(applicationNames=[app, "nobody"])["applicationsInfo"]] == [app]
    refused("ApplicationAlreadyExists", cd.create_application, applicationName=app, computePlatform="Lambda")
    refused("InvalidApplicationName", cd.create_application, applicationName="with space")
    refused("InvalidComputePlatform", cd.create_application, applicationName="x", computePlatform="Kubernetes")
    refused("ApplicationDoesNotExist", cd.get_application, applicationName="nobody")
    refused("BatchLimitExceeded", cd.batch_get_applications, applicationNames=[str(n) for n in range(101)])
    cd.create_application(applicationName="old", computePlatform="Lambda")
    cd.create_deployment_group(applicationName="old", deploymentGroupName="g", serviceRoleArn=ROLE_ARN, deploymentStyle=STYLE)
    cd.update_application(applicationName="old", newApplicationName="new")
    assert cd.get_deployment_group(applicationName="new", deploymentGroupName="g")["deploymentGroupInfo"]["applicationName"] == "new"
    refused("ApplicationDoesNotExist", cd.list_deployment_groups, applicationName="old")
    cd.delete_application(applicationName="new")
    assert "new" not in cd.list_applications()["applications"]


def test_tags(cd, app):
    arn = f"arn:aws:codedeploy:us-east-1:000000000000:application:{app}"
    cd.tag_resource(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "prod"}])
    cd.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert cd.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "stage", "Value": "prod"}]
    refused("ApplicationDoesNotExist", cd.list_tags_for_resource, ResourceArn=arn + "x")
    refused("ArnNotSupported", cd.list_tags_for_resource, ResourceArn=arn.replace("application", "deploymentconfig"))
    refused("InvalidArn", cd.list_tags_for_resource, ResourceArn="arn:aws:s3:::bucket")


def test_every_predefined_configuration_is_listed_and_described(cd):
    names = set(TABLE["lambda"]) | set(TABLE["ecs"])
    assert names <= set(cd.list_deployment_configs()["deploymentConfigsList"])
    for name in names:
        info = cd.get_deployment_config(deploymentConfigName=name)["deploymentConfigInfo"]
        assert info["computePlatform"] == ("Lambda" if name in TABLE["lambda"] else "ECS")
    linear = cd.get_deployment_config(deploymentConfigName="CodeDeployDefault.ECSLinear10PercentEvery3Minutes")["deploymentConfigInfo"]
    assert linear["trafficRoutingConfig"] == {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 10, "linearInterval": 3}}
    refused("DeploymentConfigDoesNotExist", cd.get_deployment_config, deploymentConfigName="CodeDeployDefault.ECSLinear10PercentEvery1Minute")


def test_custom_configurations_have_limits_and_stay_while_they_are_used(cd, app):
    canary = lambda percent, minutes: {"type": "TimeBasedCanary", "timeBasedCanary": {"canaryPercentage": percent, "canaryInterval": minutes}}
    make = lambda name, routing, platform="Lambda": cd.create_deployment_config(
        deploymentConfigName=name, computePlatform=platform, trafficRoutingConfig=routing)
    for wrong in (canary(100, 5), canary(0, 5), canary(10, 2881), {"type": "TimeBasedLinear"}):
        refused("InvalidTrafficRoutingConfiguration", make, "wrong", wrong)
    refused("InvalidComputePlatform", make, "wrong", canary(10, 5), "Server")
    refused("InvalidDeploymentConfigName", make, "CodeDeployDefault.Mine", canary(10, 5))
    make("longest", canary(99, 2880))
    refused("DeploymentConfigAlreadyExists", make, "longest", canary(1, 1))
    cd.create_deployment_group(applicationName=app, deploymentGroupName="uses", serviceRoleArn=ROLE_ARN, deploymentStyle=STYLE,
                               deploymentConfigName="longest")
    refused("DeploymentConfigInUse", cd.delete_deployment_config, deploymentConfigName="longest")
    cd.delete_deployment_group(applicationName=app, deploymentGroupName="uses")
    cd.delete_deployment_config(deploymentConfigName="longest")
    refused("InvalidOperation", cd.delete_deployment_config, deploymentConfigName=ALL_AT_ONCE)


def group(cd, app, name, **more):
    call = {"serviceRoleArn": ROLE_ARN, "deploymentStyle": STYLE, **more}
    return cd.create_deployment_group(applicationName=app, deploymentGroupName=name,
                                      **{k: v for k, v in call.items() if v is not None})["deploymentGroupId"]


def test_groups(cd, app):
    made = group(cd, app, "one", alarmConfiguration={"enabled": True, "alarms": [{"name": "a"}]})
    info = cd.get_deployment_group(applicationName=app, deploymentGroupName="one")["deploymentGroupInfo"]
    assert (info["deploymentGroupId"], info["deploymentConfigName"], info["computePlatform"]) == (made, ALL_AT_ONCE, "Lambda")
    assert info["alarmConfiguration"] == {"enabled": True, "ignorePollAlarmFailure": False, "alarms": [{"name": "a"}]}
    refused("DeploymentGroupAlreadyExists", group, cd, app, "one")
    cd.update_deployment_group(applicationName=app, currentDeploymentGroupName="one", newDeploymentGroupName="two", alarmConfiguration={
        "enabled": False}, autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE"]})
    changed = cd.get_deployment_group(applicationName=app, deploymentGroupName="two")["deploymentGroupInfo"]
    assert changed["deploymentGroupId"] == made and changed["serviceRoleArn"] == ROLE_ARN and not changed["alarmConfiguration"]["enabled"]
    refused("DeploymentGroupDoesNotExist", cd.get_deployment_group, applicationName=app, deploymentGroupName="one")
    batch = cd.batch_get_deployment_groups(applicationName=app, deploymentGroupNames=["two", "one"])
    assert [g["deploymentGroupName"] for g in batch["deploymentGroupsInfo"]] == ["two"] and "one" in batch["errorMessage"]
    assert "two" in cd.list_deployment_groups(applicationName=app)["deploymentGroups"]
    cd.delete_deployment_group(applicationName=app, deploymentGroupName="two")


@pytest.mark.parametrize("code, more", [
    ("InvalidDeploymentStyle", {"deploymentStyle": {"deploymentType": "IN_PLACE", "deploymentOption": "WITH_TRAFFIC_CONTROL"}}),
    ("InvalidDeploymentStyle", {"deploymentStyle": None}), ("InvalidRole", {"serviceRoleArn": "codedeploy"}),
    ("DeploymentConfigDoesNotExist", {"deploymentConfigName": "nobody"}),
    ("InvalidDeploymentConfigName", {"deploymentConfigName": "CodeDeployDefault.ECSAllAtOnce"}),
    ("InvalidAlarmConfig", {"alarmConfiguration": {"enabled": True, "alarms": []}}),
    ("InvalidAlarmConfig", {"alarmConfiguration": {"enabled": True, "alarms": [{"name": "a"}, {"name": "a"}]}}),
    ("AlarmsLimitExceeded", {"alarmConfiguration": {"enabled": True, "alarms": [{"name": str(n)} for n in range(11)]}}),
    ("InvalidAutoRollbackConfig", {"autoRollbackConfiguration": {"enabled": True}}),
    ("InvalidAutoRollbackConfig", {"autoRollbackConfiguration": {"enabled": True, "events": ["SOMETHING"]}})])
def test_a_group_that_is_not_valid_is_refused(cd, app, code, more):
    refused(code, group, cd, app, "wrong", **more)


def test_a_group_of_an_ecs_application_needs_a_service_and_a_pair(cd):
    cd.create_application(applicationName="ecs-app", computePlatform="ECS")
    make = lambda name="wrong", **more: cd.create_deployment_group(applicationName="ecs-app", deploymentGroupName=name, **{**ECS, **more})
    refused("InvalidECSService", make, ecsServices=[])
    refused("InvalidLoadBalancerInfo", make, loadBalancerInfo={})
    refused("InvalidTargetGroupPair", make, loadBalancerInfo={"targetGroupPairInfoList": [{**PAIR, "targetGroups": [{"name": "blue"}]}]})
    refused("InvalidBlueGreenDeploymentConfiguration", make, blueGreenDeploymentConfiguration={})
    too_long = {**ECS["blueGreenDeploymentConfiguration"], "terminateBlueInstancesOnDeploymentSuccess": {
        "action": "TERMINATE", "terminationWaitTimeInMinutes": 2881}}
    refused("InvalidBlueGreenDeploymentConfiguration", make, blueGreenDeploymentConfiguration=too_long)
    make("right")
    info = cd.get_deployment_group(applicationName="ecs-app", deploymentGroupName="right")["deploymentGroupInfo"]
    assert info["deploymentConfigName"] == "CodeDeployDefault.ECSAllAtOnce" and info["ecsServices"] == ECS["ecsServices"]
    refused("ECSServiceMappingLimitExceeded", make, "second")
    refused("InvalidInput", group, cd, server_app(cd), "g")


def server_app(cd):
    cd.create_application(applicationName="server-app", computePlatform="Server")
    return "server-app"


def test_deployments_that_are_refused(lab):
    it = lab()
    create = lambda **more: it.cd.create_deployment(**{**it.key, "revision": it.revision(), **more})
    refused("RevisionRequired", it.cd.create_deployment, **it.key)
    refused("DescriptionTooLong", create, description="x" * 257)
    refused("InvalidRevision", create, revision={"revisionType": "S3", "s3Location": {"bucket": "b", "key": "k"}})
    refused("InvalidRevision", create, revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": "{", "sha256": "0"}})
    refused("InvalidRevision", create, revision={"revisionType": "String", "string": {"content": "version: 0.0"}})
    refused("DeploymentConfigDoesNotExist", create, deploymentConfigName="nobody")
    refused("InvalidIgnoreApplicationStopFailuresValue", create, ignoreApplicationStopFailures=True)
    refused("DeploymentGroupDoesNotExist", create, deploymentGroupName="nobody")
    refused("DeploymentDoesNotExist", it.cd.get_deployment, deploymentId="d-000000000")
    assert it.cd.list_deployments(**it.key)["deployments"] == []


def test_deployments_are_listed_by_group_status_and_time_newest_first(lab):
    it = lab()
    before = datetime.datetime.fromtimestamp(time.time(), datetime.timezone.utc)
    first = it.over(it.deploy())["deploymentId"]
    middle = it.info(first)["completeTime"] + datetime.timedelta(milliseconds=1)       # it was made and over at once
    second = it.over(it.deploy("1", "2"))["deploymentId"]                   # the alias is at 2 already: it fails
    third = it.info(second)["rollbackInfo"]["rollbackDeploymentId"]
    it.over(third)
    listed = lambda **more: it.cd.list_deployments(**it.key, **more)["deployments"]
    assert listed() == [third, second, first]
    assert listed(includeOnlyStatuses=["Failed"]) == [second] and listed(includeOnlyStatuses=["InProgress", "Created"]) == []
    assert listed(createTimeRange={"start": before, "end": middle}) == [first] and listed(createTimeRange={"start": middle}) == [third, second]
    refused("InvalidTimeRange", listed, createTimeRange={"start": middle, "end": before})
    refused("InvalidDeploymentStatus", listed, includeOnlyStatuses=["Sleeping"])
    refused("InvalidNextToken", listed, nextToken="x")
    refused("ApplicationNameRequired", it.cd.list_deployments, deploymentGroupName="g")
    infos = it.cd.batch_get_deployments(deploymentIds=[first, second, "d-000000000"])["deploymentsInfo"]
    assert [info["deploymentId"] for info in infos] == [first, second]


def test_lists_come_page_by_page(cd):
    for n in range(120):
        cd.create_application(applicationName=f"page-{n:03}", computePlatform="Lambda")
    first = cd.list_applications()
    rest = cd.list_applications(nextToken=first["nextToken"])
    assert len(first["applications"]) == 100 and "nextToken" not in rest
    assert {f"page-{n:03}" for n in range(120)} <= set(first["applications"] + rest["applications"])
    for n in range(120):
        cd.delete_application(applicationName=f"page-{n:03}")


def test_a_deployment_has_one_target(lab):
    it = lab()
    deployment = it.over(it.deploy())["deploymentId"]
    [target] = it.cd.list_deployment_targets(deploymentId=deployment)["targetIds"]
    batch = it.cd.batch_get_deployment_targets(deploymentId=deployment, targetIds=[target])["deploymentTargets"]
    assert batch == [it.cd.get_deployment_target(deploymentId=deployment, targetId=target)["deploymentTarget"]]
    assert batch[0]["deploymentTargetType"] == "LambdaTarget" and batch[0]["lambdaTarget"]["status"] == "Succeeded"
    listed = lambda status: it.cd.list_deployment_targets(deploymentId=deployment, targetFilters={"TargetStatus": [status]})["targetIds"]
    assert listed("Succeeded") == [target] and listed("Failed") == []
    refused("DeploymentTargetDoesNotExist", it.cd.get_deployment_target, deploymentId=deployment, targetId="other")
    refused("DeploymentTargetListSizeExceeded", it.cd.batch_get_deployment_targets, deploymentId=deployment, targetIds=[target, "other"])
    refused("UnsupportedActionForDeploymentType", it.cd.continue_deployment, deploymentId=deployment)


def test_new_names_in_the_middle_of_a_deployment_follow_it(lab):
    it = lab()
    deployment = it.deploy(deploymentConfigName=UNHURRIED)
    it.reaches(10)
    it.cd.update_deployment_group(applicationName=it.name, currentDeploymentGroupName="g", newDeploymentGroupName="h")
    it.cd.update_application(applicationName=it.name, newApplicationName=f"{it.name}-new")
    it.key = {"applicationName": f"{it.name}-new", "deploymentGroupName": "h"}
    assert deployment in refused("DeploymentLimitExceeded", it.deploy)
    done = it.over(deployment)
    assert (done["status"], done["applicationName"], done["deploymentGroupName"]) == ("Succeeded", f"{it.name}-new", "h")
    assert it.cd.get_deployment_group(**it.key)["deploymentGroupInfo"]["lastSuccessfulDeployment"]["deploymentId"] == deployment
    assert it.cd.list_deployments(**it.key)["deployments"] == [deployment]
    it.publish("3")
    assert it.over(it.deploy("2", "3"))["status"] == "Succeeded"


# --- IAM

def denied(call, **more):
    """The action that a call was denied for, or None when it was not."""
    try:
        call(**more)
    except ClientError as wrong:
        if wrong.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"):
            return wrong.response["Error"]["Message"].split("perform: ")[1].split()[0]
    return None


def test_each_call_is_asked_for_on_its_own_resource(server, client, lab):
    it = lab()
    arn = "arn:aws:codedeploy:us-east-1:000000000000:"
    deployment = it.over(it.deploy())["deploymentId"]
    application, own = f"{arn}application:{it.name}", f"{arn}deploymentgroup:{it.name}/g"
    calls = {
        "codedeploy:GetApplication": (application, {"applicationName": it.name}),
        "codedeploy:ListDeploymentGroups": (application, {"applicationName": it.name}),
        "codedeploy:GetDeploymentGroup": (own, it.key), "codedeploy:ListDeployments": (own, it.key),
        "codedeploy:GetDeployment": (own, {"deploymentId": deployment}), "codedeploy:StopDeployment": (own, {"deploymentId": deployment}),
        "codedeploy:ListDeploymentTargets": (own, {"deploymentId": deployment}),
        "codedeploy:GetDeploymentTarget": (own, {"deploymentId": deployment, "targetId": it.name}),
        "codedeploy:ContinueDeployment": (own, {"deploymentId": deployment}),
        "codedeploy:PutLifecycleEventHookExecutionStatus": (own, {"deploymentId": deployment}),
        "codedeploy:GetDeploymentConfig": (f"{arn}deploymentconfig:{ALL_AT_ONCE}", {"deploymentConfigName": ALL_AT_ONCE})}
    fine = user(server, client, "cd-fine", *[(action, resource) for action, (resource, _) in calls.items()])("codedeploy")
    other = user(server, client, "cd-other", ("codedeploy:*", f"{arn}deploymentgroup:other/g"))("codedeploy")
    for action, (_, call) in calls.items():
        method = "".join("_" + c.lower() if c.isupper() else c for c in action.split(":")[1])[1:]
        assert denied(getattr(fine, method), **call) is None, action
        assert denied(getattr(other, method), **call) == action


def test_create_deployment_needs_the_configuration_and_the_revision_too(server, client, lab):
    it = lab()
    arn = "arn:aws:codedeploy:us-east-1:000000000000:"
    needs = [("codedeploy:CreateDeployment", f"{arn}deploymentgroup:{it.name}/g"),
             ("codedeploy:GetDeploymentConfig", f"{arn}deploymentconfig:{ALL_AT_ONCE}"),
             ("codedeploy:RegisterApplicationRevision", f"{arn}application:{it.name}")]
    for missing, (action, _) in enumerate(needs):
        cd = user(server, client, f"cd-without-{missing}", *[n for i, n in enumerate(needs) if i != missing])("codedeploy")
        assert denied(cd.create_deployment, **it.key, revision=it.revision()) == action
    assert it.cd.list_deployments(**it.key)["deployments"] == []
    cd = user(server, client, "cd-with-all", *needs)("codedeploy")
    made = cd.create_deployment(**it.key, revision=it.revision())["deploymentId"]
    assert until(lambda: it.info(made)["status"] == "Succeeded")
