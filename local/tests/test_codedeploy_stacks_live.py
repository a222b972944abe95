"""AWS::CodeDeploy::* in CloudFormation, and aliases that a stack update moves by a deployment, as AWS SAM writes them."""
import json
import textwrap

import pytest
from botocore.exceptions import ClientError
from conftest import FIXTURES, until, zipped
from deploys import hook

# Type, Hooks and Alarms of a SAM function; its code comes from a bucket.
SAM = textwrap.dedent("""\
    Transform: AWS::Serverless-2016-10-31
    Parameters:
      Shift: {{Type: String, Default: "true"}}
    Conditions:
      Wanted: !Equals [!Ref Shift, "true"]
    Mappings:
      Stages: {{"true": {{"On": true}}, "false": {{"On": false}}}}
    Resources:
      Fn:
        Type: AWS::Serverless::Function
        Properties:
          Runtime: provided.al2023
          Handler: bootstrap
          CodeUri: {{Bucket: cd-code, Key: fn.zip}}
          Environment: {{Variables: {{BUILD: "{build}"}}}}
          AutoPublishAlias: live
          AutoPublishAliasAllProperties: true
          DeploymentPreference:
            Enabled: {enabled}
            Type: {kind}
            {hooks}
    {more}
    Outputs:
      Name: {{Value: !Ref Fn}}
    """)


@pytest.fixture(scope="module")
def stacks(client, role):
    client("s3").create_bucket(Bucket="cd-code")
    client("s3").put_object(Bucket="cd-code", Key="fn.zip", Body=zipped(FIXTURES / "function" / "bootstrap"))
    return Stacks(client)


class Stacks:
    """Creates and updates stacks, and says what became of them."""

    def __init__(self, client):
        self.cfn, self.cd, self.lam = client("cloudformation"), client("codedeploy"), client("lambda")

    def put(self, name, template, wait=True, **parameters):
        """Create or update; the status in the end, and the reasons of what failed."""
        call = dict(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                    Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
        try:
            self.cfn.create_stack(**call)
        except ClientError as wrong:
            assert wrong.response["Error"]["Code"] == "AlreadyExistsException", wrong
            self.cfn.update_stack(**call)
        return self.settled(name) if wait else None

    def settled(self, name):
        """The status once nothing is in progress."""
        status = lambda: (s := self.cfn.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]).endswith("_IN_PROGRESS") or s
        assert until(lambda: status() is not True, 60, 0.05)
        return status()

    def reasons(self, name, logical_id):
        """The reasons of a resource's events, oldest first."""
        events = self.cfn.describe_stack_events(StackName=name)["StackEvents"]
        return [e["ResourceStatusReason"] for e in reversed(events) if e["LogicalResourceId"] == logical_id and e.get("ResourceStatusReason")]

    def function(self, name):
        """The name of the stack's function."""
        return self.cfn.describe_stacks(StackName=name)["Stacks"][0]["Outputs"][0]["OutputValue"]

    def alias(self, name):
        """(version, additional weights) of the function's alias."""
        got = self.lam.get_alias(FunctionName=self.function(name), Name="live")
        return got["FunctionVersion"], (got.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}

    def physical(self, name, logical_id):
        """The physical id of a resource."""
        return self.cfn.describe_stack_resource(StackName=name, LogicalResourceId=logical_id)["StackResourceDetail"]["PhysicalResourceId"]

    def deployments(self, name):
        """DeploymentInfo of the stack's deployments, oldest first."""
        ids = self.cd.list_deployments(applicationName=self.physical(name, "ServerlessDeploymentApplication"),
                                       deploymentGroupName=self.physical(name, "FnDeploymentGroup"))["deployments"]
        return [self.cd.get_deployment(deploymentId=i)["deploymentInfo"] for i in reversed(ids)]


def sam(build, kind="Canary10Percent5Minutes", enabled="!Ref Shift", hooks="", more=""):
    return SAM.format(build=build, kind=kind, enabled=enabled, hooks=hooks, more=more)


def test_a_sam_deployment_preference_shifts_the_alias_when_the_stack_is_updated(stacks):
    assert stacks.put("pref", sam(1, "Canary10Percent10Minutes")) == "CREATE_COMPLETE"
    assert stacks.alias("pref") == ("1", {}) and stacks.deployments("pref") == []      # a new alias needs no deployment
    group = stacks.cd.get_deployment_group(applicationName=stacks.physical("pref", "ServerlessDeploymentApplication"),
                                           deploymentGroupName=stacks.physical("pref", "FnDeploymentGroup"))["deploymentGroupInfo"]
    assert group["deploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent10Minutes" and group["computePlatform"] == "Lambda"
    assert group["autoRollbackConfiguration"] == {"enabled": True, "events": [
        "DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]}
    stacks.put("pref", sam(2, "Canary10Percent10Minutes"), wait=False)
    assert until(lambda: stacks.alias("pref") == ("1", {"2": 0.1}), every=0.02)
    assert stacks.cfn.describe_stacks(StackName="pref")["Stacks"][0]["StackStatus"] == "UPDATE_IN_PROGRESS"
    assert stacks.settled("pref") == "UPDATE_COMPLETE" and stacks.alias("pref") == ("2", {})
    [done] = stacks.deployments("pref")
    assert (done["creator"], done["status"], done["revision"]["revisionType"]) == ("CloudFormation", "Succeeded", "String")
    assert done["externalId"] == stacks.cfn.describe_stacks(StackName="pref")["Stacks"][0]["StackId"]
    assert stacks.cd.list_deployments(externalId=done["externalId"])["deployments"] == [done["deploymentId"]]
    assert f"CodeDeploy deployment started: {done['deploymentId']}" in stacks.reasons("pref", "FnAliaslive")


def test_a_deployment_that_fails_rolls_the_stack_back(stacks, client):
    hook(client, "CodeDeployHook_refuse", "Failed")
    broken = sam(2, kind="AllAtOnce", hooks="Hooks: {PostTraffic: CodeDeployHook_refuse}")
    stacks.put("undone", sam(1))
    assert stacks.put("undone", broken) == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.alias("undone") == ("1", {})
    failed, undo = stacks.deployments("undone")
    assert (failed["status"], undo["status"], undo["creator"]) == ("Failed", "Succeeded", "codeDeployRollback")
    reasons = stacks.reasons("undone", "FnAliaslive")
    assert f"CodeDeploy rollback deployment started: {undo['deploymentId']}" in reasons
    assert (f"{failed['deploymentId']} failed. The deployment failed because one or more of the lifecycle event validation functions "
            "failed.") in reasons


def test_a_later_failure_moves_the_alias_back_by_a_deployment(stacks):
    later = "  Late:\n    Type: AWS::CloudWatch::CompositeAlarm\n    DependsOn: FnAliaslive\n    Properties: {AlarmRule: ALARM(nobody)}\n"
    stacks.put("late", sam(1, "AllAtOnce"))
    assert stacks.put("late", sam(2, "AllAtOnce", more=later)) == "UPDATE_ROLLBACK_COMPLETE"
    there, back = stacks.deployments("late")
    assert (there["creator"], back["creator"], stacks.alias("late")) == ("CloudFormation", "CloudFormationRollback", ("1", {}))


@pytest.mark.parametrize("name, enabled, shift, deploys", [
    ("ref-on", "!Ref Shift", "true", True), ("ref-off", "!Ref Shift", "false", False), ("written-off", "false", "true", False),
    ("map-off", "!FindInMap [Stages, !Ref Shift, 'On']", "false", False),
    # AWS SAM resolves no !If here and takes it for true (serverless-application-model, issue 350): a template has to use !Ref.
    ("if-off", "!If [Wanted, true, false]", "false", True)])
def test_enabled_is_what_the_transform_makes_of_it(stacks, name, enabled, shift, deploys):
    assert stacks.put(name, sam(1, "AllAtOnce", enabled), Shift=shift) == "CREATE_COMPLETE"
    types = {r["ResourceType"] for r in stacks.cfn.describe_stack_resources(StackName=name)["StackResources"]}
    assert ("AWS::CodeDeploy::DeploymentGroup" in types) is deploys and "AWS::Lambda::Alias" in types


RAW = """\
Parameters: {Interval: {Type: String, Default: "5"}, Rollback: {Type: String, Default: "true"}}
Resources:
  App: {Type: AWS::CodeDeploy::Application, Properties: {ComputePlatform: Lambda, Tags: [{Key: team, Value: ml}]}}
  Config:
    Type: AWS::CodeDeploy::DeploymentConfig
    Properties:
      ComputePlatform: Lambda
      TrafficRoutingConfig: {Type: TimeBasedCanary, TimeBasedCanary: {CanaryPercentage: 5, CanaryInterval: !Ref Interval}}
  Group:
    Type: AWS::CodeDeploy::DeploymentGroup
    Properties:
      ApplicationName: !Ref App
      DeploymentConfigName: !Ref Config
      ServiceRoleArn: arn:aws:iam::000000000000:role/any
      DeploymentStyle: {DeploymentType: BLUE_GREEN, DeploymentOption: WITH_TRAFFIC_CONTROL}
      AutoRollbackConfiguration: {Enabled: !Ref Rollback, Events: [DEPLOYMENT_FAILURE]}
"""


def test_resources_are_created_updated_replaced_and_deleted(stacks):
    assert stacks.put("raw", RAW) == "CREATE_COMPLETE"
    app, config, group = (stacks.physical("raw", i) for i in ("App", "Config", "Group"))
    arn = f"arn:aws:codedeploy:us-east-1:000000000000:application:{app}"
    assert stacks.cd.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "ml"}]
    get = lambda: stacks.cd.get_deployment_group(applicationName=app, deploymentGroupName=group)["deploymentGroupInfo"]
    assert get()["autoRollbackConfiguration"]["enabled"] is True and get()["deploymentConfigName"] == config
    before = get()["deploymentGroupId"]
    assert stacks.put("raw", RAW, Interval="7", Rollback="false") == "UPDATE_COMPLETE"
    replaced = stacks.physical("raw", "Config")
    routing = stacks.cd.get_deployment_config(deploymentConfigName=replaced)["deploymentConfigInfo"]["trafficRoutingConfig"]
    assert replaced != config and routing["timeBasedCanary"] == {"canaryPercentage": 5, "canaryInterval": 7}
    assert config not in stacks.cd.list_deployment_configs()["deploymentConfigsList"]
    assert (get()["deploymentGroupId"], get()["deploymentConfigName"], get()["autoRollbackConfiguration"]["enabled"]) == (before, replaced, False)
    stacks.cfn.delete_stack(StackName="raw")
    assert until(lambda: app not in stacks.cd.list_applications()["applications"])
    assert until(lambda: replaced not in stacks.cd.list_deployment_configs()["deploymentConfigsList"])


def test_what_the_api_refuses_fails_the_stack(stacks):
    assert stacks.put("bad", RAW.replace("CanaryPercentage: 5", "CanaryPercentage: 100")) == "ROLLBACK_COMPLETE"
    assert any("InvalidTrafficRoutingConfiguration" in reason for reason in stacks.reasons("bad", "Config"))
    assert json.dumps(stacks.cd.list_applications()["applications"]).count("bad-") == 0


ECS = """\
Resources:
  App: {Type: AWS::CodeDeploy::Application, Properties: {ComputePlatform: ECS}}
  Group:
    Type: AWS::CodeDeploy::DeploymentGroup
    Properties:
      ApplicationName: !Ref App
      DeploymentConfigName: CodeDeployDefault.ECSCanary10Percent5Minutes
      ServiceRoleArn: arn:aws:iam::000000000000:role/any
      DeploymentStyle: {DeploymentType: BLUE_GREEN, DeploymentOption: WITH_TRAFFIC_CONTROL}
      ECSServices: [{ClusterName: main, ServiceName: stacked}]
      AlarmConfiguration: {Enabled: "true", Alarms: [{Name: errors}]}
      LoadBalancerInfo:
        TargetGroupPairInfoList:
          - TargetGroups: [{Name: blue}, {Name: green}]
            ProdTrafficRoute: {ListenerArns: [arn:prod]}
            TestTrafficRoute: {ListenerArns: [arn:test]}
      BlueGreenDeploymentConfiguration:
        DeploymentReadyOption: {ActionOnTimeout: STOP_DEPLOYMENT, WaitTimeInMinutes: "30"}
        TerminateBlueInstancesOnDeploymentSuccess: {Action: TERMINATE, TerminationWaitTimeInMinutes: 5}
"""


def test_a_group_for_ecs_says_what_the_template_says(stacks):
    assert stacks.put("ecs-group", ECS) == "CREATE_COMPLETE"
    group = stacks.cd.get_deployment_group(applicationName=stacks.physical("ecs-group", "App"),
                                           deploymentGroupName=stacks.physical("ecs-group", "Group"))["deploymentGroupInfo"]
    assert group["ecsServices"] == [{"clusterName": "main", "serviceName": "stacked"}] and group["computePlatform"] == "ECS"
    assert group["loadBalancerInfo"] == {"targetGroupPairInfoList": [{
        "targetGroups": [{"name": "blue"}, {"name": "green"}], "prodTrafficRoute": {"listenerArns": ["arn:prod"]},
        "testTrafficRoute": {"listenerArns": ["arn:test"]}}]}
    assert group["blueGreenDeploymentConfiguration"] == {
        "deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 30},
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 5}}
    assert group["alarmConfiguration"]["alarms"] == [{"name": "errors"}] and group["alarmConfiguration"]["enabled"] is True
