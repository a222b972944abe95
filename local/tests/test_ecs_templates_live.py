"""ECS and load balancers in stacks: real resources, their attributes, and an update that is a deployment (CloudFormation reference)."""
import io
import json
import uuid
import zipfile

import pytest
from conftest import until
from ecs_stack import push, role as ecs_role
from perch_local.servers import free_port
from test_balancers_live import builds

TEMPLATE = """
AWSTemplateFormatVersion: '2010-09-09'
Parameters:
  Image: {Type: String}
  Build: {Type: String}
  Port: {Type: Number}
  TestPort: {Type: Number}
  Role: {Type: String}
  Hook: {Type: String, Default: ''}
  Details: {Type: String, Default: '{"POST_SCALE_UP": [{"hookStatus": "FAILED"}]}'}
  Grace: {Type: Number, Default: 60}
  Minutes: {Type: Number, Default: 1}
Conditions:
  Hooked: !Not [!Equals [!Ref Hook, '']]
Resources:
  Cluster: {Type: AWS::ECS::Cluster}
  Balancer:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties: {Subnets: [subnet-1, subnet-2]}
  Blue: &group
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      VpcId: vpc-1
      Port: 80
      Protocol: HTTP
      TargetType: ip
      HealthCheckPath: /health
      HealthCheckIntervalSeconds: 5
      TargetGroupAttributes: [{Key: deregistration_delay.timeout_seconds, Value: '1'}]
  Green: *group
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: !Ref Port
      Protocol: HTTP
      DefaultActions: [{Type: fixed-response, FixedResponseConfig: {StatusCode: '404'}}]
  TestListener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: !Ref TestPort
      Protocol: HTTP
      DefaultActions: [{Type: forward, TargetGroupArn: !Ref Blue}]
  Rule:
    Type: AWS::ElasticLoadBalancingV2::ListenerRule
    Properties:
      ListenerArn: !Ref Listener
      Priority: 1
      Conditions: [{Field: path-pattern, PathPatternConfig: {Values: ['/*']}}]
      Actions:
        - Type: forward
          ForwardConfig: {TargetGroups: [{TargetGroupArn: !Ref Blue, Weight: 100}, {TargetGroupArn: !Ref Green, Weight: 0}]}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: '256'
      Memory: '512'
      RuntimePlatform: {CpuArchitecture: X86_64, OperatingSystemFamily: LINUX}
      ContainerDefinitions:
        - Name: app
          Image: !Ref Image
          PortMappings: [{ContainerPort: 8080}]
          Environment: [{Name: BUILD, Value: !Ref Build}]
          StopTimeout: 2
  Service:
    Type: AWS::ECS::Service
    DependsOn: Rule
    Properties:
      Cluster: !GetAtt Cluster.Arn
      TaskDefinition: !Ref Task
      DesiredCount: 1
      LaunchType: FARGATE
      HealthCheckGracePeriodSeconds: !Ref Grace
      DeploymentController: {Type: ECS}
      DeploymentConfiguration:
        Strategy: CANARY
        BakeTimeInMinutes: 0
        CanaryConfiguration: {CanaryPercent: 10, CanaryBakeTimeInMinutes: !Ref Minutes}
        LifecycleHooks: !If
          - Hooked
          - [{HookTargetArn: !Ref Hook, RoleArn: !Ref Role, LifecycleStages: [POST_SCALE_UP],
              HookDetails: !Ref Details}]
          - !Ref AWS::NoValue
      NetworkConfiguration: {AwsvpcConfiguration: {Subnets: [subnet-1]}}
      LoadBalancers:
        - ContainerName: app
          ContainerPort: 8080
          TargetGroupArn: !Ref Blue
          AdvancedConfiguration:
            AlternateTargetGroupArn: !Ref Green
            ProductionListenerRule: !Ref Rule
            TestListenerRule: !Ref TestListener
            RoleArn: !Ref Role
Outputs:
  Url: {Value: !Sub 'http://${Balancer.DNSName}:${Port}'}
  Balancer: {Value: !GetAtt Balancer.LoadBalancerFullName}
  Blue: {Value: !GetAtt Blue.TargetGroupFullName}
  Rule: {Value: !Ref Rule}
  Service: {Value: !Ref Service}
  Name: {Value: !GetAtt Service.Name}
"""


@pytest.fixture
def stack(client):
    """Deploys the template; returns (status, outputs)."""
    name, cloud = "ecs-" + uuid.uuid4().hex[:8], client("cloudformation")
    ports = {"Port": str(free_port()), "TestPort": str(free_port())}

    def deploy(**parameters):
        every = [{"ParameterKey": k, "ParameterValue": v} for k, v in {**ports, "Role": ecs_role(client), **parameters}.items()]
        call = cloud.update_stack if deploy.made else cloud.create_stack
        call(StackName=name, TemplateBody=TEMPLATE, Parameters=every)
        deploy.made = True
        described = lambda: cloud.describe_stacks(StackName=name)["Stacks"][0]
        until(lambda: not described()["StackStatus"].endswith("IN_PROGRESS"), 60, 0.1)
        found = described()
        return found["StackStatus"], {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
    deploy.made = False
    yield deploy
    cloud.delete_stack(StackName=name)
    gone = lambda: not any(s["StackName"] == name and s["StackStatus"] != "DELETE_COMPLETE" for s in
                           cloud.list_stacks()["StackSummaries"])
    assert until(gone, 60, 0.1)


def test_a_stack_is_a_running_service_and_its_update_a_deployment(client, stack, function):
    image, digest = push(client, "stacked")
    status, out = stack(Image=image, Build="1")
    assert status == "CREATE_COMPLETE", out
    assert out["Url"].startswith("http://127.") and builds(out["Url"], 10) == {"1": 10}
    assert out["Balancer"].startswith("app/") and out["Blue"].startswith("targetgroup/")
    cluster, name = out["Service"].split(":service/")[1].split("/")
    assert name == out["Name"]
    ecs = client("ecs")
    described = lambda: ecs.describe_services(cluster=cluster, services=[name])["services"][0]
    found = described()
    assert (found["healthCheckGracePeriodSeconds"], found["deploymentConfiguration"]["strategy"], found["deploymentController"]) == (
        60, "CANARY", {"type": "ECS"})
    assert found["deploymentConfiguration"]["canaryConfiguration"] == {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 1}
    assert ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]["runtimePlatform"]["cpuArchitecture"] == "X86_64"
    assert stack(Image=image, Build="2")[0] == "UPDATE_COMPLETE"
    assert builds(out["Url"], 10) == {"2": 10}
    weights = client("elbv2").describe_rules(RuleArns=[out["Rule"]])["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"]
    assert [g["Weight"] for g in weights] == [100, 0] and weights[0]["TargetGroupArn"].rsplit("/", 2)[1] != out["Blue"].split("/")[1]
    status, _ = stack(Image=image, Build="3", Hook=function("hook-" + uuid.uuid4().hex[:6]))
    assert status == "UPDATE_ROLLBACK_COMPLETE" and builds(out["Url"], 10) == {"2": 10}
    assert [d["status"] for d in ecs.list_service_deployments(cluster=cluster, service=name)["serviceDeployments"]].count("ROLLBACK_SUCCESSFUL") == 1


CALLS_BACK = """
import boto3

def handler(event, context):
    boto3.client("sts").get_caller_identity()
    return {"hookStatus": "SUCCEEDED"}
"""


def test_a_hook_of_a_stack_under_way_may_call_aws(client, stack, role):
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("calls_back.py", CALLS_BACK)
    name = "calls-back-" + uuid.uuid4().hex[:6]
    made = client("lambda").create_function(FunctionName=name, Runtime="python3.13", Handler="calls_back.handler", Role=role, Timeout=20,
                                            Code={"ZipFile": code.getvalue()})
    status, out = stack(Image=push(client, "stacked")[0], Build="1", Hook=made["FunctionArn"], Details="{}")
    assert status == "CREATE_COMPLETE" and builds(out["Url"], 5) == {"1": 5}


def test_actions_and_resources_for_iam():
    from perch_local.ecs import actions
    account = ("eu-west-1", "1")
    ecs = lambda action, **data: actions.ecs_resource(action, data, *account)
    assert ecs("UpdateService", cluster="c", service="s") == "arn:aws:ecs:eu-west-1:1:service/c/s"
    assert ecs("DescribeServices", cluster="arn:aws:ecs:eu-west-1:1:cluster/c", services=["s"]) == "arn:aws:ecs:eu-west-1:1:service/c/s"
    assert ecs("CreateService", cluster="c", serviceName="s") == "arn:aws:ecs:eu-west-1:1:service/c/s"
    assert ecs("StopServiceDeployment", serviceDeploymentArn="arn:x") == ecs("DescribeServiceDeployments", serviceDeploymentArns=["arn:x"]) == "arn:x"
    assert ecs("DescribeServiceRevisions", serviceRevisionArns=["arn:r"]) == "arn:r"
    assert ecs("CreateTaskSet", cluster="c", service="s") == "arn:aws:ecs:eu-west-1:1:task-set/c/s/*"
    assert ecs("DescribeTasks", cluster="c", tasks=["t"]) == "arn:aws:ecs:eu-west-1:1:task/c/t"
    assert (ecs("ListTasks", cluster="c"), ecs("DescribeTaskDefinition", taskDefinition="f:1")) == ("*", "*")
    assert ecs("RegisterTaskDefinition", family="f") == "arn:aws:ecs:eu-west-1:1:task-definition/f:*"
    assert ecs("CreateCluster", clusterName="c") is None
    elb = lambda **fields: actions.balancer_resource(fields, *account)
    assert elb(Action="ModifyRule", RuleArn="arn:rule") == "arn:rule" and elb(Action="DescribeRules", ListenerArn="arn:l") == "*"
    assert elb(Action="CreateRule", ListenerArn="arn:l") == "arn:l" and elb(Action="RegisterTargets", TargetGroupArn="arn:t") == "arn:t"


def test_text_of_parameters_has_the_type_of_its_property():
    from perch_local.ecs.typed import typed
    request = {"desiredCount": "3", "serviceName": "7", "deploymentConfiguration": {
        "canaryConfiguration": {"canaryPercent": "2.5"}, "alarms": {"enable": "true", "alarmNames": ["1"]}}, "unknown": "8"}
    assert typed("CreateService", request) == {"desiredCount": 3, "serviceName": "7", "deploymentConfiguration": {
        "canaryConfiguration": {"canaryPercent": 2.5}, "alarms": {"enable": True, "alarmNames": ["1"]}}, "unknown": "8"}


def test_the_managed_policy_moves_rules_and_nothing_else(client):
    iam = client("iam")
    arn = "arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    allowed = {action for one in document["Statement"] for action in one["Action"]}
    assert "elasticloadbalancing:ModifyRule" in allowed and "elasticloadbalancing:DeleteRule" not in allowed


def test_a_role_may_only_what_its_policy_says(client, server):
    import boto3
    from botocore.exceptions import ClientError
    iam, sts = client("iam"), client("sts")
    name = "narrow-" + uuid.uuid4().hex[:6]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]}))
    service = "arn:aws:ecs:us-east-1:000000000000:service/mine/app"
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["ecs:UpdateService", "ecs:ListServiceDeployments"], "Resource": service}]}))
    keys = sts.assume_role(RoleArn=f"arn:aws:iam::000000000000:role/{name}", RoleSessionName="test")["Credentials"]
    narrow = lambda what: boto3.client(what, endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=keys["AccessKeyId"],
                                       aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
    with pytest.raises(ClientError, match="ClusterNotFound|ServiceNotFound"):
        narrow("ecs").update_service(cluster="mine", service="app", desiredCount=1)
    with pytest.raises(ClientError, match="AccessDenied"):
        narrow("ecs").update_service(cluster="mine", service="other", desiredCount=1)
    with pytest.raises(ClientError, match="AccessDenied"):
        narrow("ecs").stop_service_deployment(serviceDeploymentArn=service.replace(":service/", ":service-deployment/") + "/x")
    with pytest.raises(ClientError, match="AccessDenied"):
        narrow("elbv2").modify_rule(RuleArn="arn:aws:elasticloadbalancing:us-east-1:000000000000:listener-rule/app/a/b/c/d", Actions=[])


