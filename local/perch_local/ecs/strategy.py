"""What a deployment configuration means (pure): ranges, defaults, and the steps of production traffic.

AWS: ECS API Reference, DeploymentConfiguration, LinearConfiguration, CanaryConfiguration, DeploymentLifecycleHook,
AdvancedConfiguration; Developer Guide, "Amazon ECS canary deployments" and "linear deployments", "Pause hooks for Amazon
ECS service deployments" (pause-lifecycle-hooks: constraints). A bake time is not applied after the step to 100 percent.
"""
import math

STRATEGIES = ("ROLLING", "BLUE_GREEN", "LINEAR", "CANARY")
HOOK_STAGES = ("RECONCILE_SERVICE", "PRE_SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT",
               "PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT")
NO_PAUSE = ("TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")        # these run again in a rollback
MINUTES = (0, 1440)
# part of the configuration -> (strategy, {member: (lowest, highest, default)})
PARTS = {
    "canaryConfiguration": ("CANARY", {"canaryPercent": (0.1, 100.0, 5.0), "canaryBakeTimeInMinutes": (*MINUTES, 10)}),
    "linearConfiguration": ("LINEAR", {"stepPercent": (3.0, 100.0, 10.0), "stepBakeTimeInMinutes": (*MINUTES, 6)}),
}
HOOK_TIMEOUT = (1, 20160, 1440)
MOST_HOOKS = 10             # of each kind
CALLBACK_DELAY = 30         # seconds, when IN_PROGRESS names none


class Refused(ValueError):
    """The message of an InvalidParameterException."""


def _in_range(name, value, low, high):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise Refused(f"{name} must be between {low} and {high}.")


def _tenths(name, value):
    if abs(value * 10 - round(value * 10)) > 1e-6:
        raise Refused(f"{name} must be a multiple of 0.1.")


def normal(given):
    """The configuration with its defaults; raises Refused."""
    config = dict(given or {})
    strategy = config.setdefault("strategy", "ROLLING")
    if strategy not in STRATEGIES:
        raise Refused(f"strategy must be one of {', '.join(STRATEGIES)}.")
    for part, (owner, members) in PARTS.items():
        if part in config and strategy != owner:
            raise Refused(f"{part} is only valid when the deployment strategy is {owner}.")
        if strategy == owner:
            config[part] = {**{name: default for name, (_, _, default) in members.items()}, **(config.get(part) or {})}
            for name, (low, high, _) in members.items():
                _in_range(name, config[part][name], low, high)
                if name.endswith("Percent"):
                    _tenths(name, config[part][name])
                elif config[part][name] != int(config[part][name]):
                    raise Refused(f"{name} must be a whole number.")
    if strategy == "BLUE_GREEN" and "bakeTimeInMinutes" not in config:
        raise Refused("bakeTimeInMinutes is required when the deployment strategy is BLUE_GREEN.")
    if strategy != "ROLLING" or "bakeTimeInMinutes" in config:
        _in_range("bakeTimeInMinutes", config.setdefault("bakeTimeInMinutes", 0), *MINUTES)
    config.setdefault("maximumPercent", 200)
    config.setdefault("minimumHealthyPercent", 100)
    config.setdefault("deploymentCircuitBreaker", {"enable": False, "rollback": False})
    config["lifecycleHooks"] = [hook(one) for one in config.get("lifecycleHooks") or []]
    for kind in ("AWS_LAMBDA", "PAUSE"):
        if sum(h["targetType"] == kind for h in config["lifecycleHooks"]) > MOST_HOOKS:
            raise Refused(f"a service may have at most {MOST_HOOKS} hooks of type {kind}.")
    alarms = config.get("alarms")
    if alarms and alarms.get("enable") and not alarms.get("alarmNames"):
        raise Refused("alarmNames must not be empty when alarms are enabled.")
    return config


def hook(given):
    """A lifecycle hook with its defaults; raises Refused."""
    one = {"targetType": "AWS_LAMBDA", **given}
    stages = one.get("lifecycleStages") or []
    if one["targetType"] not in ("AWS_LAMBDA", "PAUSE"):
        raise Refused("targetType must be AWS_LAMBDA or PAUSE.")
    if not stages or any(stage not in HOOK_STAGES for stage in stages):
        raise Refused(f"lifecycleStages must name one or more of {', '.join(HOOK_STAGES)}.")
    if one["targetType"] == "PAUSE":
        if any(stage in NO_PAUSE for stage in stages):
            raise Refused(f"PAUSE hooks cannot be configured at {' or '.join(NO_PAUSE)}.")
        if one.get("hookTargetArn") or one.get("roleArn"):
            raise Refused("PAUSE hooks do not use hookTargetArn or roleArn.")
    elif not one.get("hookTargetArn") or not one.get("roleArn"):
        raise Refused("hookTargetArn and roleArn are required for AWS_LAMBDA hooks.")
    low, high, default = HOOK_TIMEOUT
    timeout = {"timeoutInMinutes": default, "action": "ROLLBACK", **(one.get("timeoutConfiguration") or {})}
    _in_range("timeoutInMinutes", timeout["timeoutInMinutes"], low, high)
    if timeout["action"] not in ("ROLLBACK", "CONTINUE"):
        raise Refused("action must be ROLLBACK or CONTINUE.")
    return dict(one, timeoutConfiguration=timeout)


def check_balancers(config, load_balancers):
    """A service whose traffic shifts has its second target group and its rule with every load balancer."""
    if config["strategy"] == "ROLLING":
        return
    if not load_balancers:
        raise Refused(f"the deployment strategy {config['strategy']} needs a load balancer on this stack.")
    for one in load_balancers:
        advanced = one.get("advancedConfiguration") or {}
        for name in ("alternateTargetGroupArn", "productionListenerRule", "roleArn"):
            if not advanced.get(name):
                raise Refused(f"advancedConfiguration.{name} is required when the deployment strategy is {config['strategy']}.")
        if advanced["alternateTargetGroupArn"] == one.get("targetGroupArn"):
            raise Refused("alternateTargetGroupArn must differ from targetGroupArn.")


def shifts(config):
    """[(percent of production traffic, minutes to bake after it)]; empty for ROLLING."""
    if config["strategy"] == "ROLLING":
        return []
    if config["strategy"] == "CANARY":
        canary = config["canaryConfiguration"]
        first = [(canary["canaryPercent"], canary["canaryBakeTimeInMinutes"])] if canary["canaryPercent"] < 100 else []
        return first + [(100.0, 0)]
    if config["strategy"] == "LINEAR":
        linear = config["linearConfiguration"]
        step, bake = linear["stepPercent"], linear["stepBakeTimeInMinutes"]
        count = math.ceil(round(100 / step, 6))
        return [(round(step * n, 1), bake) for n in range(1, count)] + [(100.0, 0)]
    return [(100.0, 0)]


def rolling_bounds(desired, config):
    """(most tasks at a time, fewest healthy ones) of a rolling deployment."""
    return max(1, desired * config["maximumPercent"] // 100), -(-desired * config["minimumHealthyPercent"] // 100)


def breaker_threshold(desired, breaker):
    """How many failures in a row trip the circuit breaker: half of the tasks, at least 3 and at most 200."""
    given = breaker.get("thresholdConfiguration") or {}
    kind, value = given.get("type", "BOUNDED_PERCENT"), given.get("value", 50)
    if kind == "COUNT":
        return max(1, int(value))
    share = math.ceil(value * desired / 100)
    return max(1, share) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, share))


def verdict(answer):
    """(status, seconds until the next call, hookDetails or None) of what a hook function returned; raises Refused."""
    if not isinstance(answer, dict) or answer.get("hookStatus") not in ("SUCCEEDED", "FAILED", "IN_PROGRESS"):
        raise Refused("the function did not return a valid hookStatus")
    delay = answer.get("callBackDelay", CALLBACK_DELAY)
    if isinstance(delay, bool) or not isinstance(delay, (int, float)) or delay < 0:
        raise Refused("callBackDelay is not a number of seconds")
    return answer["hookStatus"], delay, answer.get("hookDetails")
