"""The team's figures are in the target file and in the template; no stack is needed."""

import yaml
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

import demo

HERE = demo.HERE
TARGET = yaml.safe_load((HERE / "target.yaml").read_text())
DEMO = yaml.safe_load((HERE / "target.demo.yaml").read_text())
TEMPLATE = yaml_parse((HERE / "template.yaml").read_text())
# Seconds for minutes, and what a service on a small machine with few requests needs.
SCALED = {"steps": "rollout", "latency": "judge", "minRequests": "judge", "interval": "judge", "settle": "judge"}


def default(name):
    """What a parameter is unless it is said."""
    return TEMPLATE["Parameters"][name]["Default"]


def properties(name):
    """A resource's properties."""
    return TEMPLATE["Resources"][name]["Properties"]


def test_a_tenth_of_the_traffic_for_a_quarter_of_an_hour():
    assert TARGET["rollout"]["steps"] == [{"weight": "10%", "bake": "15m"}]
    assert properties("DeploymentGroup")["DeploymentConfigName"] == "CodeDeployDefault.ECSCanary10Percent15Minutes"


def test_the_limits_of_the_judge():
    judge = TARGET["judge"]
    assert (judge["rule"], judge["errorRate"]) == ("thresholds", {"max": "1%"})
    assert (judge["latency"]["quantile"], judge["latency"]["maxIncrease"]) == ("p99", "20%")
    assert judge["healthyTargets"] == "80%"


def test_the_guards_roll_back_after_so_many_minutes():
    assert default("AlarmPeriod") == 60
    for alarm, percent, parameter, minutes in (("ErrorsAlarm", 5, "ErrorPeriods", 5), ("ApiErrorsAlarm", 10, "ApiErrorPeriods", 3)):
        said = properties(alarm)
        assert said["AlarmName"] in TARGET["guards"]
        assert (said["ComparisonOperator"], said["Threshold"]) == ("GreaterThanThreshold", percent)
        assert said["EvaluationPeriods"] == said["DatapointsToAlarm"] == {"Ref": parameter}
        assert default(parameter) == minutes
    assert len(TARGET["guards"]) == 2


def test_it_is_blue_green_by_codedeploy_and_the_old_tasks_stay_for_the_watch():
    assert properties("Service")["DeploymentController"] == {"Type": "CODE_DEPLOY"}
    assert properties("DeploymentGroup")["DeploymentStyle"]["DeploymentType"] == "BLUE_GREEN"
    assert TARGET["service"]["ecs"]["codeDeploy"]["deploymentGroup"] == properties("DeploymentGroup")["DeploymentGroupName"]
    assert TARGET["watch"] == f"{default('MinutesToGoBack')}m"


def test_the_demo_has_the_same_target_in_seconds():
    def unscaled(target):
        kept = {**target, "watch": None}
        for name, part in SCALED.items():
            kept[part] = {key: value for key, value in kept[part].items() if key != name}
        return kept

    assert unscaled(DEMO) == unscaled(TARGET)
    minute = 60 * float(demo.os.environ["PERCH_CLOCK"])
    assert DEMO["rollout"]["steps"] == [{"weight": "10%", "bake": f"{15 * minute:.0f}s"}]
    latency = {**DEMO["judge"]["latency"], "tolerance": TARGET["judge"]["latency"]["tolerance"]}
    assert latency == TARGET["judge"]["latency"]
    # Alarms have periods of 10 s at least: the guard waits as long as the clock makes of its minutes, and not a period longer.
    waits = demo.SETTINGS["ErrorPeriods"] * demo.SETTINGS["AlarmPeriod"]
    assert 0 <= waits - default("ErrorPeriods") * minute < demo.SETTINGS["AlarmPeriod"]
