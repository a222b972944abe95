"""BLUE_GREEN, LINEAR and CANARY: a second set of tasks, then test traffic, then production traffic step by step.

AWS: ECS Developer Guide, "Amazon ECS blue/green deployments" (deployment-type-blue-green), "linear" and "canary deployments":
the stages, and PRE_PRODUCTION_TRAFFIC_SHIFT and PRODUCTION_TRAFFIC_SHIFT at every step. Chosen here, because AWS does not
say: traffic moves first and the hooks of TEST_TRAFFIC_SHIFT and PRODUCTION_TRAFFIC_SHIFT run after it, with the new weights;
in a rollback production traffic moves first, then test traffic, then their hooks run, and a hook that fails then changes nothing.
"""
from perch_local import balancers, clock
from perch_local.ecs import hooks, strategy
from perch_local.scope import log


def _rules(deployment, kind):
    """[(rule, group of the target, group of the source)] of all load balancers."""
    old = deployment.source.groups if deployment.source else [None] * len(deployment.target.groups)
    found = []
    for lb, new, before in zip(deployment.target.load_balancers, deployment.target.groups, old, strict=True):
        rule = lb["advancedConfiguration"].get(kind)
        if rule:
            pair = (lb["targetGroupArn"], lb["advancedConfiguration"]["alternateTargetGroupArn"])
            found.append((rule, new, before or next(g for g in pair if g != new)))
    return found


def _shift(deployment, kind, percent):
    for rule, new, old in _rules(deployment, kind):
        balancers.set_weights(rule, {new: percent, old: round(100 - percent, 1)})


def production(deployment, percent):
    """Send this much of production traffic to the target."""
    _shift(deployment, "productionListenerRule", percent)
    deployment.production = percent


def test(deployment, percent):
    """Send this much of test traffic to the target."""
    if _rules(deployment, "testListenerRule"):
        _shift(deployment, "testListenerRule", percent)
    deployment.test = percent


def forward(deployment):
    """All stages in their order."""
    desired = deployment.service.record["desiredCount"]
    deployment.production = deployment.test = 0.0
    if deployment.service.abandoned:
        deployment.enter("RECONCILE_SERVICE", test=100.0, production=100.0)
        _reconcile(deployment)
    deployment.enter("PRE_SCALE_UP")
    deployment.at("SCALE_UP")
    deployment.target.fleet.desired = desired
    deployment.until(deployment.target.fleet.stable)
    deployment.enter("POST_SCALE_UP")
    deployment.at("TEST_TRAFFIC_SHIFT")
    test(deployment, 100.0)
    deployment.enter("TEST_TRAFFIC_SHIFT", test=100.0)
    deployment.enter("POST_TEST_TRAFFIC_SHIFT")
    for percent, minutes in strategy.shifts(deployment.config):
        deployment.enter("PRE_PRODUCTION_TRAFFIC_SHIFT")
        deployment.at("PRODUCTION_TRAFFIC_SHIFT")
        production(deployment, percent)
        deployment.enter("PRODUCTION_TRAFFIC_SHIFT", production=percent)
        deployment.wait(clock.minutes(minutes))
    deployment.enter("POST_PRODUCTION_TRAFFIC_SHIFT")
    deployment.at("BAKE_TIME")
    deployment.wait(clock.minutes(deployment.config["bakeTimeInMinutes"]))
    deployment.at("CLEAN_UP")
    if deployment.source:
        deployment.source.fleet.desired = 0
        deployment.until(lambda: not deployment.source.fleet.tasks())


def _reconcile(deployment):
    """Give the source all traffic again and end what a replaced deployment left."""
    production(deployment, 0.0)
    test(deployment, 0.0)
    left = deployment.service.take_abandoned()
    for fleet in left:
        fleet.desired = 0
    deployment.until(lambda: not any(fleet.tasks() for fleet in left))


def halt(deployment):
    """Start no further tasks; traffic stays where it is."""
    deployment.target.fleet.desired = len(deployment.target.fleet.healthy())


def back(deployment):
    """Production traffic to the source first, then test traffic, then the target's tasks end."""
    moved = [name for name, percent in (("PRODUCTION_TRAFFIC_SHIFT", deployment.production), ("TEST_TRAFFIC_SHIFT", deployment.test))
             if percent]
    deployment.source.fleet.desired = deployment.service.record["desiredCount"]
    production(deployment, 0.0)
    test(deployment, 0.0)
    for stage in moved:
        try:
            weights = {"production": 0.0} if stage.startswith("PRODUCTION") else {"test": 0.0}
            deployment.enter(stage, **weights)
        except hooks.HookFailed as why:
            log.warning("%s: in the rollback: %s", deployment.arn, why)
    deployment.at("CLEAN_UP")
    deployment.target.fleet.desired = 0
    deployment.until(lambda: not deployment.target.fleet.tasks())
