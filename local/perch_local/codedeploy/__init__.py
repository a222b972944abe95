"""AWS CodeDeploy for Lambda and ECS blue/green: deployments that really shift traffic.

`timeline` (weights over time) and `appspec` are pure. `store` keeps, `inputs` checks, `applications`, `configs`, `groups`,
`deployments` and `targets` are the API behind `server`. `runner` takes a `deployment` through its events with
`lambda_target` or `ecs_target`, `hooks` and `alarm_looks`; `notices` tells EventBridge. `iam` and `role` are about
permissions, `stacks` about CloudFormation.
"""
from perch_local.codedeploy import hooks, iam, role, server, stacks


def install():
    """Add the service to the running ministack."""
    for module in (role, iam, hooks, server, stacks):
        module.install()
