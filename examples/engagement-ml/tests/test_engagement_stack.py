"""The template on a private local stack: callers reach the tasks, and the guards measure what their names say."""

import io
import time

import boto3
import demo
import pytest
from deployed import deployed
from perch_local.checkout import Stack
from perch_local.servers import free_port
from perch_stage.callers import http_invoke
from perch_stage.command import until
from perch_stage.load import LoadGenerator
from perch_stage.stage import Stage
from rich.console import Console

PERIOD = 10
MEASURED_WITHIN = 120.0


@pytest.fixture(scope="module")
def outputs():
    """The stack, with an image that fails a third of its requests, and callers."""
    stage = Stage(Stack(free_port()), Console(file=io.StringIO()), "engagement-api")
    with stage.up():
        found = deployed(stage.stack, demo.HERE, demo.push("failing"), Port=demo.PORT, Tasks=2, AlarmPeriod=PERIOD)
        url = f"http://{found['Address'].split(':')[0]}:{demo.PORT}"
        with stage.called(LoadGenerator(http_invoke(url, "/score", demo.visit), demo.SAMPLE.texts, rate=30)):
            yield found


def percents(*alarms):
    """What the alarms' own queries measured in one period, the last that has been over for another; None where one has no point."""
    end = (int(time.time()) // PERIOD - 1) * PERIOD
    return [percent(alarm, end - PERIOD, end) for alarm in alarms]


def percent(alarm, begin, end):
    """What an alarm's own queries measured in a period."""
    found = boto3.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]
    data = boto3.client("cloudwatch").get_metric_data(MetricDataQueries=found["Metrics"], StartTime=begin, EndTime=end)
    values = data["MetricDataResults"][0]["Values"]
    return values[0] if values else None


def test_the_guards_wait_as_long_as_the_team_said(outputs):
    alarms = boto3.client("cloudwatch").describe_alarms(AlarmNamePrefix="engagement-api-")["MetricAlarms"]
    said = {a["AlarmName"]: (a["Threshold"], a["EvaluationPeriods"], a["DatapointsToAlarm"]) for a in alarms}
    assert said == {"engagement-api-errors": (5, 5, 5), "engagement-api-5xx": (10, 3, 3)}
    group = boto3.client("codedeploy").get_deployment_group(
        applicationName="engagement", deploymentGroupName="engagement-api"
    )["deploymentGroupInfo"]
    assert {alarm["name"] for alarm in group["alarmConfiguration"]["alarms"]} == set(said)


def test_both_guards_see_failing_tasks(outputs):
    def both():
        found = percents("engagement-api-errors", "engagement-api-5xx")
        return found if None not in found else None

    errors, answers = until(both, MEASURED_WITHIN, "a point of both guards")
    assert 15 < errors < 50 and answers == pytest.approx(errors)


def test_one_guard_sees_that_nobody_answers(outputs):
    boto3.client("ecs").update_service(cluster="engagement", service="engagement-api", desiredCount=0)

    def silent():
        return True if percents("engagement-api-errors", "engagement-api-5xx") == [None, 100] else None

    until(silent, MEASURED_WITHIN, "100 % of the load balancer's own errors and none of the tasks")
