"""Native deployments of ECS services: strategies, stages, hooks, pauses, alarms, circuit breaker, stop (ECS Developer Guide)."""
import collections
import json
import threading
import time
import uuid

import pytest
from botocore.exceptions import ClientError
from conftest import calls, messages, open_queue, until
from deploys import in_order
from ecs_stack import System, push, role
from test_balancers_live import balancer, builds, get, group  # noqa: F401

STAGES = ["PRE_SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT",
          "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"]


@pytest.fixture(scope="session")
def image(client):
    return push(client, "small")


@pytest.fixture
def system(client, group, balancer, image):  # noqa: F811
    made = System(client, group, balancer, image[0])
    made.digest = image[1]
    yield made
    if made.ecs.list_services(cluster=made.cluster)["serviceArns"]:
        made.delete()


@pytest.fixture
def hook(client, function):
    """A hook function; its answers are in hookDetails by stage."""
    def make(stages=STAGES, details=None, **more):
        name = "hook-" + uuid.uuid4().hex[:8]
        arn = function(name)
        one = {"hookTargetArn": arn, "roleArn": role(client), "lifecycleStages": list(stages), **more}
        return name, {**one, "hookDetails": details} if details else one
    return make


def canary(percent=10.0, minutes=1, bake=1, **more):
    return {"strategy": "CANARY", "bakeTimeInMinutes": bake,
            "canaryConfiguration": {"canaryPercent": percent, "canaryBakeTimeInMinutes": minutes}, **more}


def blue_green(bake=0, **more):
    return {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": bake, **more}


def follow(system, status="SUCCESSFUL"):
    """([stage], [production weights]) as they were seen until the deployment was over; on a busy machine not all that there were."""
    stages, weights = [], []

    def look():
        latest = system.latest()
        for seen, now in ((stages, latest.get("lifecycleStage")), (weights, system.weights())):
            if now and seen[-1:] != [now]:
                seen.append(now)
        return latest["status"] not in ("PENDING", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
    assert until(look, 60, 0.01)
    system.ended(status)
    return stages, weights


def test_a_canary_moves_traffic_in_two_steps(server, system):
    system.create("1", canary())
    system.ended()
    assert (system.weights(), builds(system.url, 20)) == ((100, 0), {"1": 20})
    before = len(system.moves(server))
    system.update(taskDefinition=system.task_definition("2"))
    stages, weights = follow(system)
    assert system.moves(server)[before:] == [(90, 10), (0, 100)] and in_order(weights, [(100, 0), (90, 10), (0, 100)]), weights
    all_of_them = ["PRE_SCALE_UP", "SCALE_UP", *STAGES[1:4], *STAGES[4:6], *STAGES[4:], "BAKE_TIME", "CLEAN_UP"]
    assert system.stages(server) == all_of_them and in_order(stages, all_of_them), stages
    assert (system.weights(system.test_rule), builds(system.url, 20), builds(system.test_url, 5)) == ((0, 100), {"2": 20}, {"2": 5})
    assert until(lambda: len(system.tasks()) == 2)
    latest = system.latest()
    assert latest["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 0
    revision = system.ecs.describe_service_revisions(serviceRevisionArns=[latest["targetServiceRevision"]["arn"]])["serviceRevisions"][0]
    assert revision["containerImages"] == [{"containerName": "app", "image": system.image, "imageDigest": system.digest}]
    assert revision["resolvedConfiguration"]["loadBalancers"] == [
        {"targetGroupArn": system.green, "productionListenerRule": system.rule}]
    system.update(taskDefinition=system.task_definition("3"))
    system.ended()
    assert (system.weights(), builds(system.url, 10)) == ((100, 0), {"3": 10}), "the next one goes back to the first group"


def test_linear_takes_equal_steps(server, system):
    system.create("1", {"strategy": "LINEAR", "bakeTimeInMinutes": 0,
                        "linearConfiguration": {"stepPercent": 33.3, "stepBakeTimeInMinutes": 1}}, count=1)
    system.ended()
    before, began = len(system.moves(server)), time.time()
    system.update(taskDefinition=system.task_definition("2"))
    _, shown = follow(system)
    moves = system.moves(server)[before:]
    assert moves == [(667, 333), (334, 666), (1, 999), (0, 100)] and in_order(shown, [(100, 0), *moves]), (moves, shown)
    assert time.time() - began > 3 * 0.6, "three bakes of a minute each"


def test_hooks_run_at_their_stages_with_the_documented_payload(client, system, hook):
    name, one = hook()
    system.create("1", canary(lifecycleHooks=[one]), count=1)
    system.ended()
    first = len(calls(client, name))
    system.update(taskDefinition=system.task_definition("2"))
    latest = system.ended()
    seen = calls(client, name)[first:]
    twice = ["PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"]
    assert [c["lifecycleStage"] for c in seen] == [*STAGES[:4], *twice, *twice, STAGES[-1]]
    target, source = latest["targetServiceRevision"]["arn"], latest["sourceServiceRevisions"][0]["arn"]
    for call in seen:
        assert call["resourceArn"] == latest["serviceDeploymentArn"] and call["executionId"]
        assert call["executionDetails"]["serviceArn"] == latest["serviceArn"]
        assert call["executionDetails"]["targetServiceRevisionArn"] == target
    weights = {c["lifecycleStage"]: c["executionDetails"]["testTrafficWeights"] for c in seen}
    assert weights["TEST_TRAFFIC_SHIFT"] == {target: 100, source: 0} and weights["POST_TEST_TRAFFIC_SHIFT"] == {}
    production = [c["executionDetails"]["productionTrafficWeights"] for c in seen if c["lifecycleStage"] == "PRODUCTION_TRAFFIC_SHIFT"]
    assert production == [{target: 10, source: 90}, {target: 100, source: 0}]


def test_in_progress_is_asked_again_with_its_details(client, system, hook):
    wait = {"hookStatus": "IN_PROGRESS", "callBackDelay": 20}
    name, one = hook(["POST_SCALE_UP"], {"POST_SCALE_UP": [wait, {"hookStatus": "IN_PROGRESS"}, {"hookStatus": "SUCCEEDED"}], "kept": 1})
    system.create("1", blue_green(), count=1)
    system.ended()
    system.update(deploymentConfiguration=blue_green(lifecycleHooks=[one]))
    system.update(taskDefinition=system.task_definition("2"))
    system.ended()
    seen = calls(client, name)
    assert [(len(c["hookDetails"]["POST_SCALE_UP"]), c["hookDetails"]["kept"]) for c in seen] == [(3, 1), (2, 1), (1, 1)]
    assert len({c["executionId"] for c in seen}) == 1


@pytest.mark.parametrize("answer", [{"hookStatus": "FAILED"}, {"fail": "Broken"}, {"no": "status"}, {"hookStatus": "MAYBE"}])
def test_a_hook_that_does_not_agree_rolls_back(client, system, hook, answer):
    name, one = hook(["TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"], {"PRODUCTION_TRAFFIC_SHIFT": [answer]})
    system.create("1", canary(lifecycleHooks=[]), count=1)
    system.ended()
    system.update(deploymentConfiguration=canary(lifecycleHooks=[one]))
    system.update(taskDefinition=system.task_definition("2"))
    latest = system.ended("ROLLBACK_SUCCESSFUL")
    assert latest["rollback"]["serviceRevisionArn"] == latest["sourceServiceRevisions"][0]["arn"]
    assert one["hookTargetArn"] in latest["rollback"]["reason"]
    assert (system.weights(), system.weights(system.test_rule), builds(system.url, 20)) == ((100, 0), (100, 0), {"1": 20})
    source = latest["sourceServiceRevisions"][0]["arn"]
    seen = [(c["lifecycleStage"], *[w.get(source) for w in (c["executionDetails"]["testTrafficWeights"],
                                                            c["executionDetails"]["productionTrafficWeights"])]) for c in calls(client, name)]
    assert seen == [("TEST_TRAFFIC_SHIFT", 0, None), ("PRODUCTION_TRAFFIC_SHIFT", None, 90),
                    ("PRODUCTION_TRAFFIC_SHIFT", None, 100), ("TEST_TRAFFIC_SHIFT", 100, None)], "both run again in the rollback"
    assert system.describe()["taskDefinition"].endswith(":1")
    assert until(lambda: len(system.tasks()) == 1)


def test_a_hook_needs_its_roles_permission(client, system, hook):
    client("iam").create_role(RoleName="nobody", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs.amazonaws.com"}}]}))
    name, one = hook(["PRE_SCALE_UP"], roleArn="arn:aws:iam::000000000000:role/nobody")
    system.create("1", blue_green(lifecycleHooks=[]), count=1)
    system.ended()
    system.update(deploymentConfiguration=blue_green(lifecycleHooks=[one]), taskDefinition=system.task_definition("2"))
    assert "not authorized to perform: lambda:InvokeFunction" in system.ended("ROLLBACK_SUCCESSFUL")["rollback"]["reason"]
    assert calls(client, name) == []


@pytest.mark.parametrize("action", ["CONTINUE", "ROLLBACK"])
def test_a_pause_waits_for_a_person(system, action):
    pause = {"targetType": "PAUSE", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"], "timeoutConfiguration": {"timeoutInMinutes": 600}}
    system.create("1", blue_green(), count=1)
    system.ended()
    system.update(deploymentConfiguration=blue_green(lifecycleHooks=[pause]), taskDefinition=system.task_definition("2"))
    waiting = lambda: next((h for h in system.latest()["lifecycleHookDetails"] if h["status"] == "AWAITING_ACTION"), None)
    found = until(waiting, every=0.05)
    assert found["hookId"].startswith("ecs-pause-") and (found["targetType"], found["timeoutAction"]) == ("PAUSE", "ROLLBACK")
    latest = system.latest()
    assert (latest["lifecycleStage"], system.weights(), builds(system.test_url, 5)) == ("POST_TEST_TRAFFIC_SHIFT", (100, 0), {"2": 5})
    with pytest.raises(ClientError, match="InvalidParameterException"):
        system.ecs.continue_service_deployment(serviceDeploymentArn=latest["serviceDeploymentArn"], hookId="ecs-pause-none")
    system.ecs.continue_service_deployment(serviceDeploymentArn=latest["serviceDeploymentArn"], hookId=found["hookId"], action=action)
    system.ended("SUCCESSFUL" if action == "CONTINUE" else "ROLLBACK_SUCCESSFUL")
    assert system.weights() == ((0, 100) if action == "CONTINUE" else (100, 0))


def test_a_canary_pauses_before_each_shift_and_is_stopped_while_it_does(system):
    pause = {"targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"]}
    system.create("1", blue_green(), count=1)
    system.ended()
    system.update(deploymentConfiguration=canary(lifecycleHooks=[pause]), taskDefinition=system.task_definition("2"))
    waiting = lambda: next((h for h in system.latest()["lifecycleHookDetails"] if h["status"] == "AWAITING_ACTION"), None)
    first, arn = until(waiting, every=0.05), system.latest()["serviceDeploymentArn"]
    assert system.weights() == (100, 0)
    system.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=first["hookId"])
    second = until(lambda: (waiting() or first)["hookId"] != first["hookId"] and waiting(), every=0.05)
    assert system.weights() == (90, 10)
    with pytest.raises(ClientError, match="InvalidParameterException"):     # a late call ends no later pause
        system.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=first["hookId"])
    system.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    with pytest.raises(ClientError, match="InvalidParameterException"):
        system.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=second["hookId"])
    system.ended("ROLLBACK_SUCCESSFUL")
    assert system.weights() == (100, 0)


@pytest.mark.parametrize("action, status", [("CONTINUE", "SUCCESSFUL"), ("ROLLBACK", "ROLLBACK_SUCCESSFUL")])
def test_a_pause_times_out_with_its_action(system, action, status):
    pause = {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"], "timeoutConfiguration": {"timeoutInMinutes": 1, "action": action}}
    system.create("1", blue_green(), count=1)
    system.ended()
    system.update(deploymentConfiguration=blue_green(lifecycleHooks=[pause]), taskDefinition=system.task_definition("2"))
    system.ended(status)


def alarm(client, state="OK"):
    name = "a" + uuid.uuid4().hex[:8]
    client("cloudwatch").put_metric_alarm(AlarmName=name, Namespace="T", MetricName="m", Statistic="Sum", Period=3600, EvaluationPeriods=1,
                                          Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore")
    client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")
    return name


def test_an_alarm_rolls_back_and_one_that_rings_already_is_ignored(client, system):
    before, later = alarm(client, "ALARM"), alarm(client)
    watched = {"alarmNames": [before, later], "enable": True, "rollback": True}
    system.create("1", blue_green(bake=10, alarms={**watched, "enable": False}), count=1)
    assert until(lambda: system.latest()["lifecycleStage"] == "BAKE_TIME", every=0.05)
    system.ended()
    system.update(deploymentConfiguration=blue_green(bake=1000, alarms=watched), taskDefinition=system.task_definition("2"))
    assert until(lambda: system.latest().get("lifecycleStage") == "BAKE_TIME", every=0.05), "the first alarm changed nothing"
    assert (system.weights(), system.latest()["alarms"]["status"]) == ((0, 100), "MONITORING")
    client("cloudwatch").set_alarm_state(AlarmName=later, StateValue="ALARM", StateReason="a test")
    latest = system.ended("ROLLBACK_SUCCESSFUL")
    assert latest["alarms"] == {"status": "TRIGGERED", "alarmNames": [before, later], "triggeredAlarmNames": [later]}
    assert (system.weights(), builds(system.url, 10)) == ((100, 0), {"1": 10})


@pytest.mark.parametrize("config", [{}, {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0}])
def test_the_circuit_breaker_rolls_back_tasks_that_do_not_start(client, system, config):
    url, queue = open_queue(client, "events-" + uuid.uuid4().hex[:6])
    client("events").put_rule(Name="ecs-" + system.name, EventPattern=json.dumps({"source": ["aws.ecs"],
                                                                                   "detail-type": ["ECS Deployment State Change"]}))
    client("events").put_targets(Rule="ecs-" + system.name, Targets=[{"Id": "q", "Arn": queue}])
    config = {**config, "deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    service = system.create("1", config, count=1)
    system.ended()
    good = system.describe()["deployments"][0]["id"]
    system.update(taskDefinition=system.task_definition("2", CRASH="1"))
    latest = system.ended("ROLLBACK_SUCCESSFUL")
    assert latest["deploymentCircuitBreaker"]["status"] == "TRIGGERED" and latest["deploymentCircuitBreaker"]["threshold"] == 3
    assert builds(system.url, 10) == {"1": 10}
    bad = "ecs-svc/" + latest["targetServiceRevision"]["arn"].rsplit("/", 1)[1]
    mine = []

    def told():
        events = [json.loads(m["Body"]) for m in messages(client, url, 1, 0.2)]
        mine.extend(e for e in events if e["resources"] == [service["serviceArn"]])
        return len(mine) >= 5
    assert until(told), mine
    client("events").remove_targets(Rule="ecs-" + system.name, Ids=["q"])
    assert [(e["detail"]["eventType"], e["detail"]["eventName"], e["detail"]["deploymentId"]) for e in mine] == [
        ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", good), ("INFO", "SERVICE_DEPLOYMENT_COMPLETED", good),
        ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", bad), ("ERROR", "SERVICE_DEPLOYMENT_FAILED", bad),
        ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", bad)]
    assert mine[-1]["detail"]["reason"] == f"ECS deployment circuit breaker: rolling back to deploymentId {good}."
    assert set(mine[0]["detail"]) == {"eventType", "eventName", "deploymentId", "updatedAt", "reason"}


def test_a_deployment_is_stopped_once(system):
    system.create("1", canary(minutes=1000), count=1)
    first = lambda: system.latest()["lifecycleStage"] == "PRODUCTION_TRAFFIC_SHIFT"
    assert until(first, every=0.05)
    arn = system.latest()["serviceDeploymentArn"]
    system.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    system.ended("STOPPED")
    system.update(deploymentConfiguration=canary(minutes=0, bake=0), forceNewDeployment=True)
    system.ended()
    system.update(deploymentConfiguration=canary(minutes=1000, bake=0), taskDefinition=system.task_definition("2"))
    assert until(first, every=0.05)
    before = system.weights()
    assert sorted(before) == [10, 90]
    arn = system.latest()["serviceDeploymentArn"]
    assert system.ecs.stop_service_deployment(serviceDeploymentArn=arn)["serviceDeploymentArn"] == arn
    latest = system.ended("ROLLBACK_SUCCESSFUL")
    assert "StopServiceDeployment" in latest["rollback"]["reason"] and builds(system.url, 10) == {"1": 10}
    with pytest.raises(ClientError, match="ConflictException"):
        system.ecs.stop_service_deployment(serviceDeploymentArn=arn)
    with pytest.raises(ClientError, match="ServiceDeploymentNotFoundException"):
        system.ecs.stop_service_deployment(serviceDeploymentArn=arn + "x")


def test_a_newer_deployment_takes_over(system, client, hook):
    name, one = hook(["RECONCILE_SERVICE"])
    system.create("1", canary(minutes=1000, bake=0, percent=100.0), count=1)
    system.ended()
    system.update(deploymentConfiguration=canary(minutes=1000, bake=0, percent=50.0, lifecycleHooks=[one]))
    system.update(taskDefinition=system.task_definition("2"))
    assert until(lambda: system.weights() == (50, 50), every=0.05)
    system.update(deploymentConfiguration=canary(minutes=0, bake=0, lifecycleHooks=[one]), taskDefinition=system.task_definition("3"))
    system.ended()
    newest, replaced, _ = system.deployments()
    assert (newest["status"], replaced["status"]) == ("SUCCESSFUL", "STOPPED")
    assert builds(system.url, 20) == {"3": 20}
    assert [c["lifecycleStage"] for c in calls(client, name)] == ["RECONCILE_SERVICE"]
    assert [len(system.deployments(status=[s])) for s in ("SUCCESSFUL", "STOPPED", "IN_PROGRESS")] == [2, 1, 0]
    page = system.ecs.list_service_deployments(cluster=system.cluster, service=system.name, maxResults=2)
    assert len(page["serviceDeployments"]) == 2 and page["nextToken"]


def test_rolling_keeps_the_service_up(system):
    for arn in (system.blue, system.green):         # 5 s of real time for the requests that are under way
        system.client("elbv2").modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
            {"Key": "deregistration_delay.timeout_seconds", "Value": "500"}])
    system.create("1", {"maximumPercent": 200, "minimumHealthyPercent": 100})
    system.ended()
    answers, stop = collections.Counter(), threading.Event()

    def load():
        while not stop.is_set():
            answers[get(system.url)[0]] += 1
    thread = threading.Thread(target=load)
    thread.start()
    system.update(taskDefinition=system.task_definition("2"))
    system.ended()
    stop.set()
    thread.join()
    assert set(answers) == {200} and builds(system.url, 10) == {"2": 10}, answers
    shown = lambda: [(d["status"], d["rolloutState"], d["runningCount"]) for d in system.describe()["deployments"]]
    assert until(lambda: shown() == [("PRIMARY", "COMPLETED", 2)]), shown()         # the old ones drain


def test_a_native_service_is_refused_where_aws_refuses_it(system):
    for config, text in (({"strategy": "BLUE_GREEN"}, "bakeTimeInMinutes is required"),
                         (canary(0.05), "canaryPercent must be between 0.1 and 100.0"),
                         ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 2.9}}, "stepPercent must be between 3.0"),
                         (blue_green(1441), "bakeTimeInMinutes must be between 0 and 1440"),
                         (blue_green(lifecycleHooks=[{"targetType": "PAUSE", "lifecycleStages": ["PRODUCTION_TRAFFIC_SHIFT"]}]),
                          "PAUSE hooks cannot be configured at")):
        with pytest.raises(ClientError, match=text):
            system.create("1", config)
    with pytest.raises(ClientError, match="alternateTargetGroupArn"):
        system.create("1", None, deploymentConfiguration=blue_green())
    system.client("elbv2").modify_rule(RuleArn=system.rule, Actions=[
        {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": system.blue, "Weight": 50},
                                                               {"TargetGroupArn": system.green, "Weight": 50}]}}])
    with pytest.raises(ClientError, match="must send all traffic to one"):
        system.create("1", blue_green())
