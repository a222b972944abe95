"""Ranges, defaults and steps of native deployments: every value that AWS allows, against fixtures/ecs-native.json."""
import json

import pytest
from conftest import FIXTURES
from perch_local.ecs import strategy

YARD = json.loads((FIXTURES / "ecs-native.json").read_text())
SHIFTING = {"CANARY": ("canaryConfiguration", "canary", "canaryPercent", "canaryBakeTimeInMinutes"),
            "LINEAR": ("linearConfiguration", "linear", "stepPercent", "stepBakeTimeInMinutes")}


def config(kind, **members):
    return strategy.normal({"strategy": kind, SHIFTING[kind][0]: members})


def tenths(low, high):
    return [n / 10 for n in range(round(low * 10), round(high * 10) + 1)]


@pytest.mark.parametrize("kind", SHIFTING)
def test_every_allowed_percent_ends_at_100_and_never_goes_back(kind):
    part, yard, percent, bake = SHIFTING[kind]
    span = YARD[yard][percent]
    for value in tenths(span["min"], span["max"]):
        steps = strategy.shifts(config(kind, **{percent: value, bake: 7}))
        shares = [share for share, _ in steps]
        assert shares[-1] == 100.0 and steps[-1][1] == 0, "no bake after 100 percent"
        assert shares == sorted(set(shares)) and all(minutes == 7 for _, minutes in steps[:-1])
        widths = [round(b - a, 1) for a, b in zip([0.0, *shares], shares)]
        if kind == "LINEAR":
            assert all(width == value for width in widths[:-1]) and 0 < widths[-1] <= value, (value, widths)
            assert len(steps) == -(-1000 // round(value * 10))
        else:
            assert shares == ([value, 100.0] if value < 100 else [100.0])


@pytest.mark.parametrize("kind", SHIFTING)
def test_what_is_outside_is_refused(kind):
    part, yard, percent, bake = SHIFTING[kind]
    for member in (percent, bake):
        span = YARD[yard][member]
        for value in (span["min"], span["max"]):
            config(kind, **{member: value})
        for value in (span["min"] - 0.1, span["max"] + 0.1, span["min"] - 1, span["max"] + 1, "10", None, True):
            with pytest.raises(strategy.Refused, match=member):
                config(kind, **{member: value})
    for value in (10.05, 33.33):
        with pytest.raises(strategy.Refused, match="multiple of 0.1"):
            config(kind, **{percent: value})
    with pytest.raises(strategy.Refused, match="whole number"):
        config(kind, **{bake: 1.5})
    with pytest.raises(strategy.Refused, match="only valid when"):
        strategy.normal({"strategy": "ROLLING", part: {}})


@pytest.mark.parametrize("kind", SHIFTING)
def test_defaults(kind):
    part, yard, percent, bake = SHIFTING[kind]
    assert strategy.normal({"strategy": kind})[part] == {m: YARD[yard][m]["default"] for m in (percent, bake)}


def test_bake_time():
    span = YARD["bakeTimeInMinutes"]
    for minutes in (span["min"], span["max"]):
        assert strategy.normal({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": minutes})["bakeTimeInMinutes"] == minutes
    for minutes in (span["min"] - 1, span["max"] + 1):
        with pytest.raises(strategy.Refused):
            strategy.normal({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": minutes})
    assert strategy.shifts({"strategy": "BLUE_GREEN"}) == [(100.0, 0)] and strategy.shifts({"strategy": "ROLLING"}) == []


def test_hook_stages_are_those_of_the_model():
    assert set(YARD["stages"]) == set(strategy.HOOK_STAGES)
    import botocore.session
    shapes = botocore.session.get_session().get_service_model("ecs")
    assert set(shapes.shape_for("DeploymentLifecycleHookStage").enum) == set(strategy.HOOK_STAGES)
    assert set(shapes.shape_for("DeploymentStrategy").enum) == set(strategy.STRATEGIES)
    assert strategy.CALLBACK_DELAY == YARD["hookCallBackDelaySecondsDefault"]


@pytest.mark.parametrize("wrong", [
    {"lifecycleStages": ["PRE_SCALE_UP"]}, {"hookTargetArn": "a", "lifecycleStages": ["PRE_SCALE_UP"]},
    {"hookTargetArn": "a", "roleArn": "r", "lifecycleStages": []}, {"hookTargetArn": "a", "roleArn": "r", "lifecycleStages": ["SCALE_UP"]},
    {"targetType": "PAUSE", "lifecycleStages": ["TEST_TRAFFIC_SHIFT"]},
    {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"], "roleArn": "r"},
    {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"], "timeoutConfiguration": {"timeoutInMinutes": 0}},
    {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"], "timeoutConfiguration": {"timeoutInMinutes": 20161}},
    {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"], "timeoutConfiguration": {"action": "WAIT"}},
    {"targetType": "SQS", "lifecycleStages": ["PRE_SCALE_UP"]}])
def test_hooks_that_are_refused(wrong):
    with pytest.raises(strategy.Refused):
        strategy.hook(wrong)


def test_at_most_ten_hooks_of_a_kind():
    pause = {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]}
    strategy.normal({"lifecycleHooks": [pause] * 10})
    with pytest.raises(strategy.Refused, match="at most 10"):
        strategy.normal({"lifecycleHooks": [pause] * 11})


@pytest.mark.parametrize("answer, found", [
    ({"hookStatus": "SUCCEEDED"}, ("SUCCEEDED", 30, None)), ({"hookStatus": "IN_PROGRESS", "callBackDelay": 60}, ("IN_PROGRESS", 60, None)),
    ({"hookStatus": "IN_PROGRESS", "hookDetails": {"n": 1}}, ("IN_PROGRESS", 30, {"n": 1})), ({"hookStatus": "FAILED"}, ("FAILED", 30, None)),
    ({}, None), (None, None), ("SUCCEEDED", None), ({"hookStatus": "succeeded"}, None), ({"hookStatus": "IN_PROGRESS", "callBackDelay": -1}, None)])
def test_answers_of_a_hook(answer, found):
    if found is None:
        with pytest.raises(strategy.Refused):
            strategy.verdict(answer)
    else:
        assert strategy.verdict(answer) == found


@pytest.mark.parametrize("desired, threshold", [(1, 3), (6, 3), (7, 4), (25, 13), (400, 200), (1000, 200)])
def test_breaker_threshold_is_half_of_the_tasks_from_3_to_200(desired, threshold):
    assert strategy.breaker_threshold(desired, {}) == threshold


@pytest.mark.parametrize("desired, most, fewest, bounds", [(4, 200, 100, (8, 4)), (4, 150, 50, (6, 2)), (3, 150, 50, (4, 2)), (1, 100, 0, (1, 0))])
def test_bounds_of_a_rolling_deployment(desired, most, fewest, bounds):
    assert strategy.rolling_bounds(desired, {"maximumPercent": most, "minimumHealthyPercent": fewest}) == bounds
