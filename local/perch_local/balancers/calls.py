"""The API of Elastic Load Balancing v2 where ministack's records are not enough.

AWS: Elastic Load Balancing API Reference, RegisterTargets and DeregisterTargets (a target is an id and a port),
DescribeTargetHealth, CreateRule (PriorityInUse), DeleteTargetGroup (ResourceInUse), CreateListener (DuplicateListener).
"""
from xml.sax.saxutils import escape

from ministack.services import alb as A
from perch_local.balancers import actions, addresses, routes

_CHANGES = ("Create", "Modify", "Delete", "Set", "Register", "Deregister")


def _problem(params):
    """The refusal of CreateRule, ModifyRule, CreateListener or ModifyListener, as a response, or None."""
    try:
        for action in A._parse_actions(params, "Actions") + A._parse_actions(params, "DefaultActions"):
            actions.check(action)
    except actions.BadAction as wrong:
        return A._error(*wrong.args)
    for condition in A._parse_conditions(params):
        if condition["Field"] not in routes.SUPPORTED:
            return A._error("ValidationError", f"this stack has no conditions on '{condition['Field']}'")
    return None


def create_rule(original):
    """CreateRule with its checks."""
    def call(params):
        priority, listener = A._p(params, "Priority", "1"), A._p(params, "ListenerArn")
        if any(r["ListenerArn"] == listener and r["Priority"] == priority for r in A._rules.values()):
            return A._error("PriorityInUse", f"Priority '{priority}' is currently in use")
        return _problem(params) or original(params)
    return call


def create_listener(original):
    """CreateListener with its checks."""
    def call(params):
        balancer, port = A._p(params, "LoadBalancerArn"), int(A._p(params, "Port", "80") or 80)
        if any(one["LoadBalancerArn"] == balancer and one["Port"] == port for one in A._listeners.values()):
            return A._error("DuplicateListener", f"A listener already exists on this port for this load balancer '{balancer}'")
        return _problem(params) or original(params)
    return call


def _checked(original):
    return lambda params: _problem(params) or original(params)


def create_balancer(original):
    """CreateLoadBalancer; its DNSName is reachable on this machine."""
    def call(params):
        known = set(A._lbs)
        response = original(params)
        for arn in set(A._lbs) - known:
            before = A._lbs[arn]["DNSName"]
            A._lbs[arn]["DNSName"] = addresses.dns_name(arn)
            response = (*response[:2], response[2].replace(before.encode(), A._lbs[arn]["DNSName"].encode()))
        return response
    return call


def delete_group(original):
    """DeleteTargetGroup refuses a group that a rule names."""
    def call(params):
        arn = A._p(params, "TargetGroupArn")
        if any(arn in routes.weights(a) for rule in A._rules.values() for a in rule["Actions"]):
            return A._error("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
        return original(params)
    return call


def register_targets(params):
    """RegisterTargets: the same id may be there with several ports."""
    arn = A._p(params, "TargetGroupArn")
    if arn not in A._tgs:
        return A._error("TargetGroupNotFound", f"Target groups '{arn}' not found")
    rows, port = A._targets.setdefault(arn, []), A._tgs[arn]["Port"]
    for target in A._parse_targets_param(params):
        row = {"Id": target["Id"], "Port": int(target.get("Port") or port)}
        if row not in rows:
            rows.append(row)
    return A._empty("RegisterTargets")


def deregister_targets(params):
    """DeregisterTargets: without a port every port of the id."""
    arn = A._p(params, "TargetGroupArn")
    if arn not in A._tgs:
        return A._error("TargetGroupNotFound", f"Target groups '{arn}' not found")
    gone = [(t["Id"], t.get("Port")) for t in A._parse_targets_param(params)]
    A._targets[arn] = [row for row in A._targets.get(arn, [])
                       if not any(row["Id"] == i and port in (None, row["Port"]) for i, port in gone)]
    return A._empty("DeregisterTargets")


def describe_target_health(board):
    """DescribeTargetHealth, with what the checks found."""
    def call(params):
        arn = A._p(params, "TargetGroupArn")
        if arn not in A._tgs:
            return A._error("TargetGroupNotFound", f"Target groups '{arn}' not found")
        group, targets = A._tgs[arn], dict(board.targets.get(arn) or {})
        asked = [(t["Id"], int(t.get("Port") or group["Port"])) for t in A._parse_targets_param(params)]
        out = [_target_xml(key, targets.get(key), group) for key in asked or sorted(targets)]
        return A._xml(200, "DescribeTargetHealth", f"<TargetHealthDescriptions>{''.join(out)}</TargetHealthDescriptions>")
    return call


def _target_xml(key, target, group):
    state, reason, text = (target.description(bool(group["LoadBalancerArns"])) if target else
                           ("unused", "Target.NotRegistered", "Target is not registered to the target group"))
    port = key[1] if group["HealthCheckPort"] in ("traffic-port", None) else group["HealthCheckPort"]
    more = f"<Reason>{reason}</Reason><Description>{escape(text)}</Description>" if reason else ""
    return (f"<member><Target><Id>{escape(key[0])}</Id><Port>{key[1]}</Port></Target><HealthCheckPort>{port}</HealthCheckPort>"
            f"<TargetHealth><State>{state}</State>{more}</TargetHealth></member>")


def _then_sync(original, board):
    def call(params):
        response = original(params)
        if response[0] < 400:
            board.sync()
        return response
    return call


def install(board):
    """Patch the calls; each that changes something reaches HAProxy before it is answered."""
    calls = A._ACTION_MAP
    calls["CreateRule"] = create_rule(calls["CreateRule"])
    calls["CreateListener"] = create_listener(calls["CreateListener"])
    calls["ModifyRule"], calls["ModifyListener"] = _checked(calls["ModifyRule"]), _checked(calls["ModifyListener"])
    calls["CreateLoadBalancer"] = create_balancer(calls["CreateLoadBalancer"])
    calls["DeleteTargetGroup"] = delete_group(calls["DeleteTargetGroup"])
    calls["RegisterTargets"], calls["DeregisterTargets"] = register_targets, deregister_targets
    calls["DescribeTargetHealth"] = describe_target_health(board)
    for name, call in list(calls.items()):
        if name.startswith(_CHANGES):
            calls[name] = _then_sync(call, board)
