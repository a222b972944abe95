"""ECS blue/green deployments in a running server: real tasks behind real listeners, moved by CodeDeploy."""
import collections
import itertools
import json
import threading

import pytest
from conftest import FIXTURES, messages, until
from deploys import ALL_EVENTS, CLOCK, FINAL, STYLE, follows, hook, in_order, service_role
from ecs_stack import push
from perch_local.servers import free_port
from test_balancers_live import balancer, builds, forward, get, group, listen  # noqa: F401
from test_codedeploy_live import alarm, notices, refused  # noqa: F401

LINEAR, CANARY = "CodeDeployDefault.ECSLinear10PercentEvery1Minutes", "CodeDeployDefault.ECSCanary10Percent5Minutes"
SLOWER, UNHURRIED = "CodeDeployDefault.ECSLinear10PercentEvery3Minutes", "CodeDeployDefault.ECSCanary10Percent15Minutes"
EVENTS = ["BeforeInstall", "Install", "AfterInstall", "AllowTestTraffic", "AfterAllowTestTraffic", "BeforeAllowTraffic",
          "AllowTraffic", "AfterAllowTraffic"]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def ecs_role(client):
    return service_role(client, "codedeploy-ecs", "AWSCodeDeployRoleForECS")


@pytest.fixture(scope="module")
def image(client):
    return push(client, "blue-green")[0]


@pytest.fixture
def service(client, group, balancer, image, ecs_role):  # noqa: F811
    made = []

    def make(**more):
        made.append(Service(client, group, balancer, image, ecs_role, **more))
        return made[-1]
    yield make
    for one in made:
        one.delete()


class Service:
    """A service with a CODE_DEPLOY controller behind a production and a test listener, and its deployment group."""

    def __init__(self, client, group, balancer, image, role, config=LINEAR, wait=0, ready=None, alarms=(), events=ALL_EVENTS):  # noqa: F811
        self.client, self.ecs, self.cd, self.image = client, client("ecs"), client("codedeploy"), image
        self.name = f"bg-{next(_numbers)}"
        self.cluster = f"{self.name}-cluster"
        self.ecs.create_cluster(clusterName=self.cluster)
        self.balancer, self.blue, self.green = balancer(), group(), group()
        for arn in (self.blue, self.green):
            client("elbv2").modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
                {"Key": "deregistration_delay.timeout_seconds", "Value": "5"}])
        self.listener, self.url = listen(client, self.balancer, [forward((self.blue, 1))], free_port())
        self.test_listener, self.test_url = listen(client, self.balancer, [forward((self.blue, 1))], free_port())
        self.ecs.create_service(
            cluster=self.cluster, serviceName=self.name, taskDefinition=self.task_definition("1"), desiredCount=1, launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}}, deploymentController={"type": "CODE_DEPLOY"},
            loadBalancers=[{"targetGroupArn": self.blue, "containerName": "app", "containerPort": 8080}])
        assert self.serves("1"), self.service()
        self.key = {"applicationName": self.name, "deploymentGroupName": "g"}
        self.cd.create_application(applicationName=self.name, computePlatform="ECS")
        pair = {"targetGroups": [{"name": arn.split("/")[1]} for arn in (self.blue, self.green)],
                "prodTrafficRoute": {"listenerArns": [self.listener]}, "testTrafficRoute": {"listenerArns": [self.test_listener]}}
        option = {"actionOnTimeout": "CONTINUE_DEPLOYMENT"} if ready is None else {
            "actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": ready}
        self.cd.create_deployment_group(
            **self.key, serviceRoleArn=role, deploymentConfigName=config, deploymentStyle=STYLE,
            ecsServices=[{"serviceName": self.name, "clusterName": self.cluster}],
            loadBalancerInfo={"targetGroupPairInfoList": [pair]},
            blueGreenDeploymentConfiguration={"deploymentReadyOption": option, "terminateBlueInstancesOnDeploymentSuccess": {
                "action": "TERMINATE", "terminationWaitTimeInMinutes": wait}},
            autoRollbackConfiguration={"enabled": bool(events), "events": list(events)},
            alarmConfiguration={"enabled": bool(alarms), "alarms": [{"name": name} for name in alarms]})

    def task_definition(self, build, **env):
        """Register a revision that says this build."""
        variables = [{"name": key, "value": value} for key, value in {"BUILD": build, **env}.items()]
        return self.ecs.register_task_definition(
            family=self.name, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=[{"name": "app", "image": self.image, "essential": True, "stopTimeout": 2,
                                   "environment": variables, "portMappings": [{"containerPort": 8080}]}])["taskDefinition"]["taskDefinitionArn"]

    def deploy(self, build="2", hooks=(), task_definition=None, **more):
        """Start a deployment of a build; its id."""
        properties = {"TaskDefinition": task_definition or self.task_definition(build),
                      "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080}}
        content = json.dumps({"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}],
                              "Hooks": [{event: name} for event, name in dict(hooks).items()]})
        return self.cd.create_deployment(**self.key, revision={
            "revisionType": "AppSpecContent", "appSpecContent": {"content": content}}, **more)["deploymentId"]

    def service(self):
        """The service as ECS describes it."""
        return self.ecs.describe_services(cluster=self.cluster, services=[self.name])["services"][0]

    def running(self):
        """How many tasks run."""
        return self.service()["runningCount"]

    def info(self, deployment):
        """GetDeployment."""
        return self.cd.get_deployment(deploymentId=deployment)["deploymentInfo"]

    def over(self, deployment):
        """The deployment, once it is over."""
        return until(lambda: (info := self.info(deployment))["status"] in FINAL and info, 60, 0.02)

    def undone(self, deployment):
        """(the deployment, its rollback), once both are over."""
        info = self.over(deployment)
        return info, self.over(info["rollbackInfo"]["rollbackDeploymentId"])

    def target(self, deployment):
        """GetDeploymentTarget."""
        return self.cd.get_deployment_target(deploymentId=deployment, targetId=f"{self.cluster}:{self.name}")["deploymentTarget"]["ecsTarget"]

    def events(self, deployment):
        """{lifecycle event: status}."""
        return {event["lifecycleEventName"]: event["status"] for event in self.target(deployment)["lifecycleEvents"]}

    def sets(self, deployment):
        """{label: (status, weight)} of the target's task sets."""
        return {s["taskSetLabel"]: (s["status"], s["trafficWeight"]) for s in self.target(deployment)["taskSetsInfo"]}

    def weight(self, listener=None):
        """Percent of the second target group on a listener."""
        action = self.client("elbv2").describe_listeners(ListenerArns=[listener or self.listener])["Listeners"][0]["DefaultActions"][0]
        found = {g["TargetGroupArn"]: g["Weight"] for g in action["ForwardConfig"]["TargetGroups"]}
        return round(100 * found.get(self.green, 0) / sum(found.values()))

    def reaches(self, weight, seconds=40):
        """Wait until the second target group has this weight or more."""
        assert until(lambda: self.weight() >= weight, seconds, 0.01), self.weight()

    def serves(self, build, url=None):
        """Wait until requests are answered by this build alone."""
        def alone():
            answers = [get(url or self.url) for _ in range(10)]
            return all(status == 200 and json.loads(body)["build"] == build for status, body in answers)
        return until(alone, every=0.05)

    def delete(self):
        """Delete the service."""
        self.ecs.delete_service(cluster=self.cluster, service=self.name, force=True)


@pytest.mark.parametrize("config", [LINEAR, CANARY, "CodeDeployDefault.ECSAllAtOnce"])
def test_the_production_listener_follows_the_time_line(server, service, config):
    table = json.loads((FIXTURES / "codedeploy" / "codedeploy-timelines.json").read_text())["ecs"][config]
    it, seen = service(config=config), []
    deployment = it.deploy()

    def look():
        over, weight = it.info(deployment)["status"] in FINAL, it.weight()
        if weight != (seen[-1] if seen else 0):
            seen.append(weight)
        return over
    assert until(look, 60, 0.01) and it.info(deployment)["status"] == "Succeeded", it.info(deployment).get("errorInformation")
    assert in_order(seen, [weight for _, weight in table]) and seen[-1] == 100, seen
    follows(server, deployment, table, within=0.3)
    assert it.serves("2") and it.service()["taskDefinition"].endswith(":2")
    assert it.events(deployment) == dict.fromkeys(EVENTS, "Succeeded")


def test_tests_see_the_replacement_before_production_does_and_blue_stays_until_its_wait_is_over(client, service, role, notices):  # noqa: F811
    it = service(config="CodeDeployDefault.ECSAllAtOnce", wait=100)
    name = hook(client, "ecs-test-hook", "none")
    deployment = it.deploy(hooks={"AfterAllowTestTraffic": name})
    assert until(lambda: it.events(deployment)["AfterAllowTestTraffic"] == "InProgress", every=0.02)
    assert list(it.events(deployment)) == EVENTS and it.events(deployment)["BeforeAllowTraffic"] == "Pending"
    assert builds(it.url, 10) == {"1": 10} and it.serves("2", it.test_url)
    assert it.sets(deployment) == {"Blue": ("PRIMARY", 100.0), "Green": ("ACTIVE", 0.0)}
    answer(client, it, deployment, name, "Succeeded")
    assert until(lambda: it.info(deployment)["instanceTerminationWaitTimeStarted"], every=0.02)
    assert it.info(deployment)["status"] == "InProgress" and builds(it.url, 10) == {"2": 10}
    assert it.sets(deployment) == {"Blue": ("ACTIVE", 0.0), "Green": ("PRIMARY", 100.0)} and it.running() == 2
    refused("DeploymentLimitExceeded", it.deploy)
    refused("DeploymentIsNotInReadyState", it.cd.continue_deployment, deploymentId=deployment, deploymentWaitType="READY_WAIT")
    it.cd.continue_deployment(deploymentId=deployment, deploymentWaitType="TERMINATION_WAIT")
    done = it.over(deployment)
    assert done["status"] == "Succeeded" and (done["completeTime"] - done["startTime"]).total_seconds() < 6000 * CLOCK
    assert until(lambda: it.running() == 1, every=0.05) and builds(it.url, 10) == {"2": 10}


def answer(client, it, deployment, name, status):
    """Put the status of the hook that a deployment waits for."""
    from conftest import calls
    called = until(lambda: {c["DeploymentId"]: c["LifecycleEventHookExecutionId"] for c in calls(client, name)}.get(deployment))
    it.cd.put_lifecycle_event_hook_execution_status(deploymentId=deployment, lifecycleEventHookExecutionId=called, status=status)


def test_the_second_deployment_goes_back_to_the_first_target_group(service):
    it = service(config="CodeDeployDefault.ECSAllAtOnce")
    first = it.over(it.deploy())
    second = it.over(it.deploy("3"))
    assert second["status"] == "Succeeded" and it.weight() == 0 and it.serves("3")
    assert second["previousRevision"] == first["revision"]


def test_a_failed_test_hook_rolls_back_before_any_production_traffic(client, service, role):
    it = service()
    failed, undo = it.undone(it.deploy(hooks={"AfterAllowTestTraffic": hook(client, "ecs-fails", "Failed")}))
    assert (failed["status"], failed["errorInformation"]["code"]) == ("Failed", "HOOK_EXECUTION_FAILURE")
    assert (undo["creator"], undo["deploymentConfigName"], undo["status"]) == (
        "codeDeployRollback", "CodeDeployDefault.ECSAllAtOnce", "Succeeded")
    assert it.weight() == 0 and builds(it.url, 10) == {"1": 10} and builds(it.test_url, 10) == {"1": 10}
    assert until(lambda: it.running() == 1, every=0.05)
    assert it.events(failed["deploymentId"])["AfterAllowTestTraffic"] == "Failed"


def test_before_the_installation_there_is_nothing_to_roll_back(client, service, role):
    it = service()
    failed = it.over(it.deploy(hooks={"BeforeInstall": hook(client, "ecs-fails-early", "Failed")}))
    assert failed["status"] == "Failed" and "rollbackInfo" not in failed and it.running() == 1


def test_an_alarm_in_the_middle_of_the_shift_gives_everything_back(client, service, notices):  # noqa: F811
    it = service(config=SLOWER, alarms=[alarm(client, "ecs-mid", "OK")])
    deployment = it.deploy()
    it.reaches(30)
    client("cloudwatch").set_alarm_state(AlarmName="ecs-mid", StateValue="ALARM", StateReason="test")
    stopped, undo = it.undone(deployment)
    assert (stopped["status"], stopped["errorInformation"]["code"]) == ("Stopped", "ALARM_ACTIVE")
    assert it.events(deployment)["AllowTraffic"] == "Failed" and it.events(deployment)["AfterAllowTraffic"] == "Skipped"
    assert it.weight() == 0 and builds(it.url, 10) == {"1": 10} and undo["status"] == "Succeeded"
    assert until(lambda: it.running() == 1, every=0.05)


def test_ready_waits_for_somebody_and_stops_when_nobody_comes(service, notices):  # noqa: F811
    it = service(config="CodeDeployDefault.ECSAllAtOnce", ready=100)
    deployment = it.deploy()
    assert until(lambda: it.info(deployment)["status"] == "Ready", every=0.02)
    assert it.weight() == 0 and it.serves("2", it.test_url) and builds(it.url, 5) == {"1": 5} and "READY" in states(it, notices, deployment)
    it.cd.continue_deployment(deploymentId=deployment, deploymentWaitType="READY_WAIT")
    assert it.over(deployment)["status"] == "Succeeded" and it.weight() == 100
    refused("DeploymentAlreadyCompleted", it.cd.continue_deployment, deploymentId=deployment)


def test_nobody_comes(service):
    it = service(config="CodeDeployDefault.ECSAllAtOnce", ready=2, events=())
    stopped = it.over(it.deploy())
    assert (stopped["status"], stopped["errorInformation"]["code"]) == ("Stopped", "TIMEOUT") and it.weight() == 0


def states(it, notices, deployment):  # noqa: F811
    """The states of a deployment's notices so far."""
    found = []

    def got():
        for message in messages(it.client, notices, 1, 0.2):
            detail = json.loads(message["Body"])["detail"]
            if detail["deploymentId"] == deployment:
                found.append(detail["state"])
        return len(found) >= 2
    until(got)
    return found


def test_a_stop_while_blue_lives_shifts_back_and_one_without_rollback_leaves_all_as_it_is(service):
    it = service(config="CodeDeployDefault.ECSAllAtOnce", wait=100, events=())
    deployment = it.deploy()
    assert until(lambda: it.info(deployment)["instanceTerminationWaitTimeStarted"], every=0.02)
    it.cd.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    stopped, undo = it.undone(deployment)
    assert stopped["status"] == "Stopped" and undo["status"] == "Succeeded" and it.serves("1")
    assert until(lambda: it.running() == 1, every=0.05) and it.service()["taskDefinition"].endswith(":1")
    again = it.deploy("3", deploymentConfigName=UNHURRIED)
    it.reaches(10)
    it.cd.stop_deployment(deploymentId=again, autoRollbackEnabled=False)
    assert "rollbackInfo" not in it.over(again) and it.weight() == 10 and it.running() == 2


def test_no_request_is_lost_while_traffic_moves_and_when_blue_ends(service):
    it, stop, answers = service(config=CANARY), threading.Event(), collections.Counter()
    for arn in (it.blue, it.green):         # 5 s of real time for the requests that are under way
        it.client("elbv2").modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
            {"Key": "deregistration_delay.timeout_seconds", "Value": "500"}])

    def load():
        while not stop.is_set():
            status, body = get(it.url)
            answers[status, json.loads(body)["build"] if status == 200 else None] += 1
    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert it.over(it.deploy())["status"] == "Succeeded" and until(lambda: it.running() == 1, every=0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {(200, "1"), (200, "2")} and sum(answers.values()) > 200, answers


def test_all_at_once_moves_the_traffic_before_any_health_check(service):
    it = service(config="CodeDeployDefault.ECSAllAtOnce")
    sick = it.task_definition("2", HEALTH="503")
    assert it.over(it.deploy(task_definition=sick))["status"] == "Succeeded" and it.weight() == 100


def test_a_replacement_that_is_not_healthy_never_gets_traffic_from_a_canary_and_can_be_stopped(service):
    it = service(config=CANARY)
    deployment = it.deploy(task_definition=it.task_definition("2", HEALTH="503"))
    assert until(lambda: it.running() >= 2, every=0.02) and it.events(deployment)["Install"] == "InProgress"
    it.cd.stop_deployment(deploymentId=deployment)
    stopped, undo = it.undone(deployment)
    assert it.events(deployment)["Install"] == "Failed" and undo["status"] == "Succeeded"
    assert it.weight() == 0 and builds(it.url, 10) == {"1": 10} and until(lambda: it.running() == 1, every=0.05)


def test_the_service_role_has_to_allow_task_sets_and_listeners(client, service):
    it = service(events=())
    for lacks, called in (("ecs:CreateTaskSet", "AmazonECS"), ("elasticloadbalancing:ModifyListener", "AmazonElasticLoadBalancing")):
        name = f"without-{called}"
        arn = service_role(client, name, "AWSCodeDeployRoleForECS")
        client("iam").put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": lacks, "Resource": "*"}]}))
        it.cd.update_deployment_group(applicationName=it.name, currentDeploymentGroupName="g", serviceRoleArn=arn)
        assert it.over(it.deploy())["errorInformation"] == {"code": "IAM_ROLE_PERMISSIONS", "message": (
            f"The IAM role {arn} does not give you permission to perform operations in the following AWS service: {called}.")}
    assert it.weight() == 0 and it.serves("1")


def test_what_does_not_fit_the_service_fails(service):
    it = service(events=())
    failed = it.over(it.deploy(task_definition="arn:aws:ecs:us-east-1:000000000000:task-definition/nobody:1"))
    assert (failed["status"], failed["errorInformation"]["code"]) == ("Failed", "ECS_UPDATE_ERROR")
    it.cd.update_deployment_group(applicationName=it.name, currentDeploymentGroupName="g", ecsServices=[
        {"serviceName": "nobody", "clusterName": it.cluster}])
    assert it.over(it.deploy())["errorInformation"]["code"] == "INVALID_ECS_SERVICE"
