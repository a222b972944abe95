"""Lambda deployments in a running server: weights by the time line, hooks, alarms, stops, rollbacks, events."""
import collections
import json
import threading

import pytest
from botocore.exceptions import ClientError
from conftest import FIXTURES, ROLE, calls, log_lines, messages, open_queue, until
from deploys import HELD, UNHURRIED, Lab, follows, hook, in_order, service_role, time_line

CANARY = "CodeDeployDefault.LambdaCanary10Percent5Minutes"
LINEAR, SLOWER = "CodeDeployDefault.LambdaLinear10PercentEvery1Minute", "CodeDeployDefault.LambdaLinear10PercentEvery2Minutes"
ALL_AT_ONCE = "CodeDeployDefault.LambdaAllAtOnce"


@pytest.fixture(scope="module")
def codedeploy_role(client):
    return service_role(client)


@pytest.fixture(scope="module")
def lab(client, function, codedeploy_role):
    return lambda **more: Lab(client, function, codedeploy_role, **more)


@pytest.fixture(scope="module")
def hooks(client, role):
    """{answer: name} of hook functions whose names AWS's policies allow."""
    return {answer: hook(client, f"CodeDeployHook_{answer}", answer) for answer in ("Succeeded", "Failed", "none")}


@pytest.fixture(scope="module")
def notices(client):
    """The queue that gets every state change."""
    url, arn = open_queue(client, "codedeploy-notices")
    client("events").put_rule(Name="codedeploy", EventPattern=json.dumps({"source": ["aws.codedeploy"]}))
    client("events").put_targets(Rule="codedeploy", Targets=[{"Id": "q", "Arn": arn}])
    return url


def refused(code, call, *args, **more):
    with pytest.raises(ClientError) as wrong:
        call(*args, **more)
    assert wrong.value.response["Error"]["Code"] == f"{code}Exception", wrong.value
    return wrong.value.response["Error"]["Message"]


def alarm(client, name, state):
    client("cloudwatch").put_metric_alarm(AlarmName=name, Namespace="N", MetricName=name, Statistic="Sum", Period=86400,
                                          EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
                                          TreatMissingData="ignore")
    client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")
    return name


# --- weights

@pytest.mark.parametrize("config", [CANARY, LINEAR, ALL_AT_ONCE])
def test_the_alias_follows_the_time_line(server, lab, config):
    table = json.loads((FIXTURES / "codedeploy" / "codedeploy-timelines.json").read_text())["lambda"][config]
    it = lab(config=config)
    deployment = it.deploy()
    seen = it.watch(deployment)
    assert in_order(seen, [weight for _, weight in table]) and seen[-1] == 100, seen
    follows(server, deployment, table, within=0.2)
    assert it.alias() == ("2", {}) and it.info(deployment)["status"] == "Succeeded"


def test_a_custom_configuration_of_the_deployment_counts_before_the_groups(server, lab):
    it = lab()
    it.cd.create_deployment_config(deploymentConfigName="in-thirds", computePlatform="Lambda", trafficRoutingConfig={
        "type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 33, "linearInterval": 1}})
    deployment = it.deploy(deploymentConfigName="in-thirds")
    assert in_order(it.watch(deployment), [33, 66, 99, 100])
    assert [weight for weight, *_ in time_line(server, deployment)] == [33, 66, 99, 100]
    assert it.info(deployment)["deploymentConfigName"] == "in-thirds"


def test_traffic_goes_to_both_versions_and_the_revision_id_changes_with_each_shift(lab):
    it = lab(config=UNHURRIED)
    before = it.lam.get_alias(FunctionName=it.name, Name="live")["RevisionId"]
    deployment = it.deploy()
    it.reaches(10)
    assert it.alias() == ("1", {"2": 0.1}) and it.lam.get_alias(FunctionName=it.name, Name="live")["RevisionId"] != before
    assert it.target(deployment)["lambdaFunctionInfo"] == {
        "functionName": it.name, "functionAlias": "live", "currentVersion": "1", "targetVersion": "2", "targetVersionWeight": 10.0}
    served = {json.load(it.lam.invoke(FunctionName=it.name, Qualifier="live", Payload=b"{}")["Payload"])["build"] for _ in range(80)}
    assert served == {"1", "2"}
    assert it.over(deployment)["status"] == "Succeeded" and it.target(deployment)["lambdaFunctionInfo"]["targetVersionWeight"] == 100.0


# --- what a deployment says

def test_a_deployment_from_created_to_succeeded(lab, notices):
    it = lab(config=UNHURRIED)
    deployment = it.deploy(description="release 7")
    running = it.info(deployment)
    assert running["status"] in ("Created", "InProgress") and "deploymentOverview" not in running
    assert set(it.events(deployment)) == {"BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"}
    done = it.over(deployment)
    assert (done["creator"], done["description"], done["computePlatform"]) == ("user", "release 7", "Lambda")
    assert done["createTime"] <= done["startTime"] < done["completeTime"] and "errorInformation" not in done
    assert done["deploymentOverview"]["Succeeded"] == 1 and sum(done["deploymentOverview"].values()) == 1
    assert set(it.events(deployment).values()) == {"Succeeded"}
    group = it.cd.get_deployment_group(**it.key)["deploymentGroupInfo"]
    assert group["lastSuccessfulDeployment"]["deploymentId"] == deployment and group["targetRevision"] == done["revision"]
    assert states(it, notices, deployment, 2) == ["START", "SUCCESS"]


def states(it, notices, deployment, want):
    """The states of a deployment's notices, in order; each has the members of AWS's sample."""
    sample = json.loads((FIXTURES / "aws-events" / "codedeploy-deployment-state-change.json").read_text())
    found = []

    def got():
        for message in messages(it.client, notices, 1, 0.2):
            event = json.loads(message["Body"])
            if event["detail"]["deploymentId"] == deployment:
                assert event.keys() == sample.keys() and event["detail"].keys() == sample["detail"].keys()
                assert event["detail-type"] == sample["detail-type"] and event["resources"] == [
                    f"arn:aws:codedeploy:us-east-1:000000000000:application:{it.name}",
                    f"arn:aws:codedeploy:us-east-1:000000000000:deploymentgroup:{it.name}/g"]
                found.append(event["detail"]["state"])
        return len(found) >= want
    assert until(got), found
    return found


def test_previous_revision_is_what_was_deployed_before(lab):
    it = lab(config="CodeDeployDefault.LambdaAllAtOnce")
    first = it.deploy()
    it.over(first)
    it.publish("3")
    second = it.over(it.deploy("2", "3"))
    assert second["status"] == "Succeeded" and second["previousRevision"] == it.info(first)["revision"]


# --- hooks

def test_hooks_run_once_in_their_order_and_are_awaited(client, lab, hooks):
    it = lab(config="CodeDeployDefault.LambdaAllAtOnce")
    deployment = it.deploy(hooks={"BeforeAllowTraffic": hooks["Succeeded"], "AfterAllowTraffic": hooks["Succeeded"]})
    assert it.over(deployment)["status"] == "Succeeded", "\n".join(log_lines(client, hooks["Succeeded"]))
    events = it.target(deployment)["lifecycleEvents"]
    assert [event["lifecycleEventName"] for event in events] == ["BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"]
    assert all(a["endTime"] <= b["startTime"] for a, b in zip(events, events[1:]))
    assert events[0]["diagnostics"]["errorCode"] == "Success" and events[0]["diagnostics"]["scriptName"] == hooks["Succeeded"]
    mine = lambda: [call for call in calls(client, hooks["Succeeded"]) if call["DeploymentId"] == deployment]
    assert until(lambda: len(mine()) == 2) and {frozenset(call) for call in mine()} == {
        frozenset({"DeploymentId", "LifecycleEventHookExecutionId"})}


def test_a_failed_hook_before_traffic_leaves_the_alias_alone(lab, hooks, notices):
    it = lab()
    deployment = it.deploy(hooks={"BeforeAllowTraffic": hooks["Failed"]})
    failed, undo = it.undone(deployment)
    assert failed["status"] == "Failed" and failed["errorInformation"] == {
        "code": "HOOK_EXECUTION_FAILURE",
        "message": "The deployment failed because one or more of the lifecycle event validation functions failed."}
    assert it.events(deployment) == {"BeforeAllowTraffic": "Failed", "AllowTraffic": "Skipped", "AfterAllowTraffic": "Skipped"}
    assert it.alias() == ("1", {}) and undo["status"] == "Succeeded"
    assert states(it, notices, deployment, 2) == ["START", "FAILURE"]


def test_a_failed_hook_after_traffic_moves_everything_back(lab, hooks):
    it = lab(config="CodeDeployDefault.LambdaAllAtOnce")
    failed, undo = it.undone(it.deploy(hooks={"AfterAllowTraffic": hooks["Failed"]}))
    assert failed["status"] == "Failed" and it.events(failed["deploymentId"])["AllowTraffic"] == "Succeeded"
    assert it.alias() == ("1", {}) and undo["creator"] == "codeDeployRollback"


def test_a_status_is_put_once_and_only_for_its_own_deployment(client, lab, hooks):
    it, other = lab(), lab()
    deployment, another = (x.deploy(hooks={"BeforeAllowTraffic": hooks["none"]}) for x in (it, other))
    called = until(lambda: {c["DeploymentId"]: c["LifecycleEventHookExecutionId"] for c in calls(client, hooks["none"])}.get(deployment))
    put = lambda status, of=deployment, execution=called: it.cd.put_lifecycle_event_hook_execution_status(
        deploymentId=of, lifecycleEventHookExecutionId=execution, status=status)
    refused("InvalidLifecycleEventHookExecutionStatus", put, "Pending")
    refused("InvalidLifecycleEventHookExecutionId", put, "Succeeded", another)
    refused("InvalidLifecycleEventHookExecutionId", put, "Succeeded", deployment, "unknown")
    refused("DeploymentDoesNotExist", put, "Succeeded", "d-000000000")
    assert put("Succeeded")["lifecycleEventHookExecutionId"] == called
    refused("LifecycleEventAlreadyCompleted", put, "Failed")
    it.reaches(10)
    other.cd.stop_deployment(deploymentId=another)
    assert it.over(deployment)["status"] == "Succeeded"


def test_a_hook_that_does_not_exist_fails_the_deployment(lab):
    it = lab()
    failed = it.over(it.deploy(hooks={"BeforeAllowTraffic": "CodeDeployHook_nobody"}))
    assert failed["errorInformation"]["code"] == "HOOK_EXECUTION_FAILURE" and "Function not found" in failed["errorInformation"]["message"]


# --- alarms

def test_an_alarm_stops_the_shift_and_rolls_back(client, lab, notices):
    it = lab(config=SLOWER, alarms=[alarm(client, "cd-mid", "OK"), alarm(client, "cd-calm", "OK")])
    deployment = it.deploy()
    it.reaches(30)
    client("cloudwatch").set_alarm_state(AlarmName="cd-mid", StateValue="ALARM", StateReason="test")
    stopped, undo = it.undone(deployment)
    assert stopped["status"] == "Stopped" and stopped["errorInformation"] == {"code": "ALARM_ACTIVE", "message": (
        "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected "
        "deployments have been stopped. Activated alarms: <cd-mid>")}
    assert it.events(deployment) == {"BeforeAllowTraffic": "Succeeded", "AllowTraffic": "Failed", "AfterAllowTraffic": "Skipped"}
    assert it.alias() == ("1", {})
    assert stopped["rollbackInfo"] == {"rollbackDeploymentId": undo["deploymentId"], "rollbackMessage": (
        f"Deployment {deployment} terminated. Automatic rollback is triggered with a DeploymentId {undo['deploymentId']}.")}
    assert undo["rollbackInfo"] == {"rollbackTriggeringDeploymentId": deployment, "rollbackMessage": (
        f"Deployment {undo['deploymentId']} is triggered to roll back deployment {deployment}.")}
    assert (undo["status"], undo["creator"], undo["deploymentConfigName"]) == (
        "Succeeded", "codeDeployRollback", "CodeDeployDefault.LambdaAllAtOnce")
    assert states(it, notices, deployment, 2) == ["START", "STOP"]


def test_an_alarm_that_is_active_already_stops_a_deployment_at_once(client, lab):
    it = lab(alarms=[alarm(client, "cd-before", "ALARM")])
    stopped, undo = it.undone(it.deploy())
    assert (stopped["status"], stopped["errorInformation"]["code"]) == ("Stopped", "ALARM_ACTIVE") and undo["status"] == "Succeeded"
    assert set(it.events(stopped["deploymentId"]).values()) == {"Skipped"} and it.alias() == ("1", {})
    # the same alarm, ignored by the deployment
    calm = it.deploy(overrideAlarmConfiguration={"enabled": False})
    assert it.over(calm)["status"] == "Succeeded" and it.info(calm)["overrideAlarmConfiguration"]["enabled"] is False


def test_an_alarm_that_can_not_be_read_stops_unless_that_is_ignored(lab):
    it = lab()
    gone = {"enabled": True, "alarms": [{"name": "cd-nowhere"}]}
    stopped = it.over(it.deploy(overrideAlarmConfiguration=gone))
    assert stopped["status"] == "Stopped" and "could not be retrieved" in stopped["errorInformation"]["message"]
    until(lambda: it.over(stopped["rollbackInfo"]["rollbackDeploymentId"]))
    assert it.over(it.deploy(overrideAlarmConfiguration={**gone, "ignorePollAlarmFailure": True}))["status"] == "Succeeded"


# --- stops and rollbacks

def test_a_stop_with_rollback_gives_everything_back(lab, notices):
    it = lab(config=HELD, events=())
    deployment = it.deploy()
    it.reaches(10)
    assert it.cd.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)["status"] == "Succeeded"
    stopped, undo = it.undone(deployment)
    assert (stopped["status"], stopped["errorInformation"]["code"]) == ("Stopped", "MANUAL_STOP")
    assert it.alias() == ("1", {}) and it.target(deployment)["lambdaFunctionInfo"]["targetVersionWeight"] == 0.0
    back = it.target(undo["deploymentId"])["lambdaFunctionInfo"]
    assert (back["currentVersion"], back["targetVersion"], back["targetVersionWeight"]) == ("2", "1", 100.0)
    assert states(it, notices, deployment, 2) == ["START", "STOP"]


@pytest.mark.parametrize("said, events, rolls_back", [
    (False, ["DEPLOYMENT_STOP_ON_REQUEST"], False), (None, ["DEPLOYMENT_STOP_ON_REQUEST"], True), (None, ["DEPLOYMENT_FAILURE"], False)])
def test_who_decides_about_the_rollback_of_a_stop(lab, said, events, rolls_back):
    it = lab(config=HELD, events=events)
    deployment = it.deploy()
    it.reaches(10)
    it.cd.stop_deployment(deploymentId=deployment, **({} if said is None else {"autoRollbackEnabled": said}))
    stopped = it.over(deployment)
    assert ("rollbackInfo" in stopped) is rolls_back
    if rolls_back:
        it.undone(deployment)
        assert it.alias() == ("1", {})
    else:
        assert it.alias() == ("1", {"2": 0.1})                      # traffic stays where it was
        assert it.over(it.deploy(deploymentConfigName=ALL_AT_ONCE))["status"] == "Succeeded"        # and the group is free


def test_a_stop_while_a_hook_runs_is_pending_and_its_late_answer_is_refused(client, lab, hooks):
    it = lab()
    deployment = it.deploy(hooks={"BeforeAllowTraffic": hooks["none"]})
    called = until(lambda: {c["DeploymentId"]: c["LifecycleEventHookExecutionId"] for c in calls(client, hooks["none"])}.get(deployment))
    assert it.cd.stop_deployment(deploymentId=deployment)["status"] == "Pending"
    assert it.over(deployment)["status"] == "Stopped"
    refused("LifecycleEventAlreadyCompleted", it.cd.put_lifecycle_event_hook_execution_status, deploymentId=deployment,
            lifecycleEventHookExecutionId=called, status="Succeeded")


def test_one_deployment_at_a_time_and_its_id_is_named(lab):
    it = lab(config=HELD)
    deployment = it.deploy()
    said = refused("DeploymentLimitExceeded", it.deploy)
    assert said == f"The Deployment Group 'g' already has an active Deployment '{deployment}'"
    it.cd.stop_deployment(deploymentId=deployment)
    it.over(deployment)
    assert refused("DeploymentAlreadyCompleted", it.cd.stop_deployment, deploymentId=deployment)


def test_nobody_gets_between_callers_at_once_or_between_a_stop_and_its_rollback(lab):
    it, made, others, stop = lab(config=HELD), [], collections.Counter(), threading.Event()

    def hammer():
        while not stop.is_set():
            try:
                made.append(it.deploy())
            except ClientError as wrong:
                others[wrong.response["Error"]["Code"]] += 1
    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert until(lambda: made)
        it.reaches(10)
        it.cd.update_deployment_group(applicationName=it.name, currentDeploymentGroupName="g", deploymentConfigName=CANARY)
        it.cd.stop_deployment(deploymentId=made[0], autoRollbackEnabled=True)
        assert until(lambda: len(made) > 1)             # somebody gets in when the rollback is over
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    listed = [it.over(deployment) for deployment in reversed(it.cd.list_deployments(**it.key)["deployments"])]
    assert [d["creator"] for d in listed[:3]] == ["user", "codeDeployRollback", "user"]
    assert all(a["completeTime"] <= b["createTime"] for a, b in zip(listed, listed[1:])) and set(others) == {"DeploymentLimitExceededException"}


@pytest.mark.parametrize("current, target, code", [
    ("2", "1", "INVALID_LAMBDA_CONFIGURATION"), ("1", "9", "INVALID_LAMBDA_FUNCTION")])
def test_an_appspec_that_does_not_fit_the_alias_fails_and_its_rollback_touches_nothing(lab, current, target, code):
    it = lab()
    before = it.lam.get_alias(FunctionName=it.name, Name="live")["RevisionId"]
    failed, undo = it.undone(it.deploy(current, target))
    assert (failed["status"], failed["errorInformation"]["code"], undo["status"]) == ("Failed", code, "Succeeded")
    assert it.alias() == ("1", {}) and it.lam.get_alias(FunctionName=it.name, Name="live")["RevisionId"] == before


def test_somebody_else_who_moves_the_alias_fails_the_deployment_and_keeps_the_alias(lab):
    it = lab(config=UNHURRIED)
    deployment = it.deploy()
    it.reaches(10)
    it.publish("3")
    it.lam.update_alias(FunctionName=it.name, Name="live", FunctionVersion="3", RoutingConfig={"AdditionalVersionWeights": {}})
    failed, undo = it.undone(deployment)
    assert all(d["errorInformation"]["code"] == "INVALID_LAMBDA_CONFIGURATION" for d in (failed, undo)) and it.alias() == ("3", {})


# --- permissions of the service role

def test_the_service_role_has_to_exist_and_to_allow_each_call(client, function, hooks):
    assert roleless(client, function, "arn:aws:iam::000000000000:role/nobody") == "IAM_ROLE_MISSING"
    assert roleless(client, function, ROLE) == "IAM_ROLE_MISSING"               # Lambda may assume it, CodeDeploy may not
    assert roleless(client, function, service_role(client, "empty-handed", None)) == "IAM_ROLE_PERMISSIONS"
    assert roleless(client, function, service_role(client, "codedeploy-own-hooks"), hook(client, "some-hook", "Succeeded")) == "IAM_ROLE_PERMISSIONS"


def roleless(client, function, arn, hook_name=None):
    it = Lab(client, function, arn, events=())
    return it.over(it.deploy(hooks={"BeforeAllowTraffic": hook_name} if hook_name else ()))["errorInformation"]["code"]
