"""ROLLING: new tasks take the place of old ones, within maximumPercent and minimumHealthyPercent.

AWS: ECS Developer Guide, "Deploy Amazon ECS services by replacing tasks" (deployment-type-ecs).
"""
from perch_local import clock
from perch_local.ecs import strategy


def _step(deployment, grow, shrink):
    """Bring `grow` up and `shrink` down as far as the bounds allow now; True when it is done."""
    desired = deployment.service.record["desiredCount"]
    most, fewest = strategy.rolling_bounds(desired, deployment.config)
    old = shrink.live() if shrink else []
    grow.desired = min(desired, max(len(grow.live()), most - len(old)))
    if shrink:
        shrink.desired = min(len(old), max(0, fewest - len(grow.healthy())))
    return grow.desired == desired and grow.stable() and not (shrink and shrink.live())


def forward(deployment):
    """Replace the tasks of the source by those of the target."""
    if deployment.service.abandoned:
        deployment.enter("RECONCILE_SERVICE")
    for fleet in deployment.service.take_abandoned():
        fleet.desired = 0
    deployment.enter("PRE_SCALE_UP")
    deployment.at("SCALE_UP")
    source = deployment.source.fleet if deployment.source else None
    deployment.until(lambda: _step(deployment, deployment.target.fleet, source))
    deployment.enter("POST_SCALE_UP")
    if deployment.config.get("bakeTimeInMinutes"):
        deployment.at("BAKE_TIME")
        deployment.wait(clock.minutes(deployment.config["bakeTimeInMinutes"]))
    deployment.at("CLEAN_UP")


def halt(deployment):
    """Start no further tasks; what runs stays."""
    deployment.target.fleet.desired = len(deployment.target.fleet.healthy())


def back(deployment):
    """Replace the tasks of the target by those of the source."""
    deployment.until(lambda: _step(deployment, deployment.source.fleet, deployment.target.fleet))
