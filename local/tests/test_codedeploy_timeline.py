"""Weights over time against AWS's table, custom configurations against the quotas, AppSpecs; no server."""
import json

import pytest
from conftest import FIXTURES
from perch_local.codedeploy import appspec
from perch_local.codedeploy.timeline import CANARY, LINEAR, PREDEFINED, Config, from_routing

TABLE = json.loads((FIXTURES / "codedeploy" / "codedeploy-timelines.json").read_text())
ROWS = [(platform, name, points) for key, platform in (("lambda", "Lambda"), ("ecs", "ECS")) for name, points in TABLE[key].items()]


def test_the_table_has_all_fourteen_and_nothing_else():
    assert {name for _, name, _ in ROWS} == set(PREDEFINED) and len(PREDEFINED) == 14


@pytest.mark.parametrize("platform, name, points", ROWS)
def test_a_predefined_configuration_has_the_weights_of_the_table(platform, name, points):
    config = PREDEFINED[name]
    assert config.platform == platform and [list(shift) for shift in config.shifts()] == points and config.problem() is None
    weight = 0
    for half_minute in range(2 * points[-1][0] + 3):
        weight = dict(map(tuple, points)).get(half_minute / 2, weight)
        assert config.weight_at(half_minute / 2) == weight
    assert config.weight_at(-0.5) == 0
    assert from_routing(name, platform, config.routing()) == config


def test_every_custom_linear_configuration_rises_in_equal_steps_to_everything():
    for percent in range(1, 100):
        for interval in (1, 7, 29, 30):
            config = Config("c", "Lambda", LINEAR, percent, interval)
            shifts = config.shifts()
            assert shifts[0] == (0, percent) and shifts[-1][1] == 100
            assert all(b[0] - a[0] == interval for a, b in zip(shifts, shifts[1:]))
            assert all(b[1] - a[1] == percent for a, b in zip(shifts, shifts[1:-1])) and 0 < shifts[-1][1] - shifts[-2][1] <= percent
            assert (config.problem() is None) == (shifts[-1][0] <= TABLE["limits"]["maxMinutesFirstToLastShift"])


@pytest.mark.parametrize("kind, percent, interval, fine", [
    (CANARY, 1, 1, True), (CANARY, 99, 2880, True), (CANARY, 0, 5, False), (CANARY, 100, 5, False), (CANARY, 10, 0, False),
    (CANARY, 10, 2881, False), (LINEAR, 50, 2880, True), (LINEAR, 50, 2881, False), (LINEAR, 1, 29, True), (LINEAR, 1, 30, False),
    (LINEAR, 100, 1, False), (LINEAR, 99, -1, False)])
def test_custom_configurations_are_held_to_the_quotas(kind, percent, interval, fine):
    assert (Config("c", "ECS", kind, percent, interval).problem() is None) is fine


@pytest.mark.parametrize("routing", [
    {"type": "TimeBasedCanary"}, {"type": "TimeBasedCanary", "timeBasedCanary": {"canaryPercentage": 10}}, {"type": "Steps"},
    {"type": "TimeBasedLinear", "timeBasedCanary": {"canaryPercentage": 10, "canaryInterval": 5}},
    {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": "10", "linearInterval": 5}}])
def test_a_routing_without_its_numbers_is_none(routing):
    with pytest.raises(ValueError):
        from_routing("c", "Lambda", routing)


LAMBDA = """\
version: 0.0
Resources:
  - fn: {Type: AWS::Lambda::Function, Properties: {Name: fn, Alias: live, CurrentVersion: "1", TargetVersion: 2}}
Hooks: [{BeforeAllowTraffic: pre}, {AfterAllowTraffic: post}]
"""
ECS = {"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {
    "TaskDefinition": "arn:aws:ecs:us-east-1:000000000000:task-definition/app:2",
    "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 80}}}}], "Hooks": [{"AfterAllowTestTraffic": "check"}]}


def test_an_appspec_is_read_in_yaml_and_json_and_written_back():
    spec = appspec.parse(LAMBDA, "Lambda")
    assert spec == appspec.LambdaSpec("fn", "live", "1", "2", {"BeforeAllowTraffic": "pre", "AfterAllowTraffic": "post"})
    assert appspec.parse(spec.content(), "Lambda") == spec
    assert spec.reversed() == appspec.LambdaSpec("fn", "live", "2", "1", {})
    ecs = appspec.parse(json.dumps(ECS, indent="\t"), "ECS")
    assert (ecs.container, ecs.port, ecs.hooks) == ("app", 80, {"AfterAllowTestTraffic": "check"})
    assert appspec.parse(ecs.content(), "ECS") == ecs


@pytest.mark.parametrize("content, platform, says", [
    ("{", "Lambda", "neither JSON nor YAML"), ("- a", "Lambda", "not a mapping"), (LAMBDA.replace("0.0", "1.0"), "Lambda", "version"),
    (LAMBDA, "ECS", "AWS::ECS::Service"), (json.dumps(ECS), "Lambda", "AWS::Lambda::Function"), ("version: 0.0", "Lambda", "Resources"),
    (LAMBDA.replace("Alias: live,", ""), "Lambda", "Alias"), (LAMBDA.replace("BeforeAllowTraffic", "BeforeInstall"), "Lambda", "BeforeInstall"),
    (json.dumps(ECS).replace("80", '"x"'), "ECS", "ContainerPort"), (json.dumps(ECS).replace("LoadBalancerInfo", "Balancer"), "ECS", "LoadBalancerInfo")])
def test_a_broken_appspec_says_what_is_wrong(content, platform, says):
    with pytest.raises(appspec.BadAppSpec, match=says):
        appspec.parse(content, platform)
