"""What a service's load balancers have to be before a deployment may start.

AWS: ECS API Reference, CreateService and AdvancedConfiguration; Developer Guide, "Application Load Balancer resources for
blue/green, linear, and canary deployments" (alb-resources-for-blue-green: one target group of the production rule has all
the weight) and "Amazon ECS infrastructure IAM role for load balancers": ECS moves traffic with the service's role.
"""
from ministack.services import alb as A, ecs as E
from perch_local import permissions
from perch_local.balancers import routes
from perch_local.ecs import strategy
from perch_local.ecs.names import ApiError


def _refuse(text):
    raise ApiError("InvalidParameterException", text)


def _group(arn):
    if arn not in A._tgs:
        _refuse(f"Unable to describe target group {arn}: it does not exist.")
    if not A._tgs[arn]["LoadBalancerArns"]:
        _refuse(f"The target group with targetGroupArn {arn} does not have an associated load balancer.")


def _rule(arn, groups, role, whole):
    actions = (A._listeners.get(arn) or {}).get("DefaultActions") if ":listener/" in arn else (A._rules.get(arn) or {}).get("Actions")
    if not actions:
        _refuse(f"The listener rule {arn} does not exist.")
    split = routes.weights(routes.deciding(actions) or {})
    if whole and (sum(weight > 0 for weight in split.values()) != 1 or not set(split) <= groups):
        _refuse(f"The listener rule {arn} must send all traffic to one of the service's target groups.")
    verb = "ModifyListener" if ":listener/" in arn else "ModifyRule"
    refused = permissions.denial(role, f"elasticloadbalancing:{verb}", arn, "ecs")
    if refused:
        _refuse(refused)


def check(config, load_balancers, data, first=True):
    """Raise ApiError where AWS refuses the service; `first` when it is being created."""
    td = E._task_defs.get(E._resolve_td_key(data.get("taskDefinition") or "")) or {"containerDefinitions": []}
    try:
        strategy.check_balancers({"strategy": "ROLLING", **config}, load_balancers)
    except strategy.Refused as wrong:
        _refuse(str(wrong))
    for lb in load_balancers:
        if not lb.get("targetGroupArn"):
            continue
        container = next((c for c in td["containerDefinitions"] if c["name"] == lb.get("containerName")), None)
        if td["containerDefinitions"] and (container is None or not any(
                int(m["containerPort"]) == int(lb.get("containerPort", 0)) for m in container.get("portMappings") or [])):
            _refuse(f"The container {lb.get('containerName')} did not have a container port {lb.get('containerPort')} defined.")
        _group(lb["targetGroupArn"])
        advanced = lb.get("advancedConfiguration") or {}
        if config.get("strategy", "ROLLING") == "ROLLING":
            continue
        _group(advanced["alternateTargetGroupArn"])
        if not permissions.may_assume("ecs.amazonaws.com", advanced["roleArn"]):
            _refuse(f"Unable to assume the service linked role or {advanced['roleArn']}. Please verify that it exists.")
        groups = {lb["targetGroupArn"], advanced["alternateTargetGroupArn"]}
        _rule(advanced["productionListenerRule"], groups, advanced["roleArn"], first)
        if advanced.get("testListenerRule"):
            _rule(advanced["testListenerRule"], groups, advanced["roleArn"], False)
