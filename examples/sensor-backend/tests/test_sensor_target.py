"""The team's rules are in the target file and in the template, and the demo has the same in seconds; no stack is needed."""

import yaml
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

import demo

HERE = demo.HERE
TARGET = yaml.safe_load((HERE / "target.yaml").read_text())
DEMO = yaml.safe_load((HERE / "target.demo.yaml").read_text())
TEMPLATE = yaml_parse((HERE / "template.yaml").read_text())


def default(name):
    """What a parameter is unless it is said."""
    return TEMPLATE["Parameters"][name]["Default"]


def properties(name):
    """A resource's properties."""
    return TEMPLATE["Resources"][name]["Properties"]


def test_a_tenth_of_the_traffic_for_a_quarter_of_an_hour_by_ecs_itself():
    (step,) = TARGET["rollout"]["steps"]
    deployed = properties("Service")["DeploymentConfiguration"]
    assert deployed["CanaryConfiguration"] == {"CanaryPercent": 10, "CanaryBakeTimeInMinutes": {"Ref": "CanaryMinutes"}}
    assert step == {"weight": "10%", "bake": f"{default('CanaryMinutes')}m"} == {"weight": "10%", "bake": "15m"}
    assert TARGET["watch"] == f"{default('BakeMinutes')}m"


def test_the_judge_proves_and_the_guard_waits_three_minutes():
    assert (TARGET["judge"]["rule"], TARGET["judge"]["healthyTargets"]) == ("sequential", "80%")
    alarm = properties("ErrorsAlarm")
    assert TARGET["guards"] == [alarm["AlarmName"]]
    assert (alarm["Threshold"], alarm["EvaluationPeriods"], default("AlarmPeriod")) == (5, 3, 60)


def test_the_demo_has_the_same_rule_in_seconds():
    minute = 60 * float(demo.os.environ["PERCH_CLOCK"])
    assert DEMO["rollout"]["steps"] == [{"weight": "10%", "bake": f"{15 * minute:.0f}s"}]
    for part in ("service", "sources", "smoke", "guards"):
        assert DEMO[part] == TARGET[part]
    for name in ("rule", "preset", "healthyTargets"):
        assert DEMO["judge"][name] == TARGET["judge"][name]
    # Both acts have to name what only this rule says.
    assert (demo.HEALTHY.why, demo.FAILING.why) == ("shown in", "evidence")
