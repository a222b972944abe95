"""Load balancers, listeners, rules and target groups of a template reach HAProxy as those of the API do.

AWS: CloudFormation Template Reference, AWS::ElasticLoadBalancingV2::LoadBalancer (DNSName, LoadBalancerFullName),
Listener, ListenerRule (Actions with ForwardConfig), TargetGroup (TargetGroupFullName, LoadBalancerArns). A weight that a
deployment has moved stays, until the template's own Actions change.
"""
from ministack.services import alb as A
from ministack.services.cloudformation import provisioners as P
from perch_local import balancers
from perch_local.balancers import actions, addresses

_TYPES = ("LoadBalancer", "TargetGroup", "Listener", "ListenerRule")


def _then_sync(handler, after=None):
    def call(*args, **kwargs):
        result = handler(*args, **kwargs)
        if after:
            result = after(result)
        balancers.sync()
        return result
    return call


def _reachable(result):
    arn, attributes = result
    A._lbs[arn]["DNSName"] = addresses.dns_name(arn)
    return arn, dict(attributes, DNSName=A._lbs[arn]["DNSName"])


def _named(result):
    arn, attributes = result
    return arn, dict(attributes, TargetGroupFullName=arn.rsplit(":", 1)[-1], LoadBalancerArns=A._tgs[arn]["LoadBalancerArns"])


def _unless_same(update, prop, stored):
    """Keep the actions that a deployment has set where the template's have not changed."""
    def call(physical_id, old_props, new_props, *args, **kwargs):
        row = stored().get(physical_id)
        kept = row and row.get(prop)
        result = update(physical_id, old_props, new_props, *args, **kwargs)
        if kept and result[0] == physical_id and old_props.get(prop) == new_props.get(prop):
            row[prop] = kept
            for rule in A._rules.values():
                if rule["ListenerArn"] == physical_id and rule["IsDefault"]:
                    rule["Actions"] = kept
        return result
    return call


def install():
    """Patch the resource handlers of the running ministack."""
    P._elbv2_listener_actions = actions.from_template(P._elbv2_listener_actions)
    for kind in _TYPES:
        handlers = P._RESOURCE_HANDLERS[f"AWS::ElasticLoadBalancingV2::{kind}"]
        if kind == "Listener":
            handlers["update"] = _unless_same(handlers["update"], "DefaultActions", lambda: A._listeners)
        if kind == "ListenerRule":
            handlers["update"] = _unless_same(handlers["update"], "Actions", lambda: A._rules)
        after = {"LoadBalancer": _reachable, "TargetGroup": _named}.get(kind)
        for verb in ("create", "update"):
            handlers[verb] = _then_sync(handlers[verb], after)
        handlers["delete"] = _then_sync(handlers["delete"])
