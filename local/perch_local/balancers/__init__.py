"""Load balancers that carry requests: ministack's records of Elastic Load Balancing v2, made real with HAProxy.

    balancers.set_weights(rule_or_listener_arn, {target_group_arn: percent})
    balancers.weights(rule_or_listener_arn)                     # {target_group_arn: percent}
    balancers.states(target_group_arn)                          # {(id, port): state}

`routes` and `config` write HAProxy's configuration, `health` decides what a check means (all pure); `proxy` is the
process, `board` brings what is stored to it, `checks` asks the targets, `traffic` makes the metrics, `calls` is the API.
"""
import json

from ministack.services import alb as A

from perch_local.balancers import actions, routes
from perch_local.scope import log

_board = None


def _rule(arn):
    if ":listener/" in arn:
        return next(rule for rule in A._rules.values() if rule["ListenerArn"] == arn and rule["IsDefault"])
    return A._rules[arn]


def set_weights(arn, split):
    """Send this many percent of a rule's or listener's requests to each target group; it is so when this returns."""
    rule = _rule(arn)
    whole = all(float(weight).is_integer() for weight in split.values())
    actions.shift(rule, {group: round(weight if whole else weight * 10) for group, weight in split.items()})
    if rule["IsDefault"]:
        A._listeners[rule["ListenerArn"]]["DefaultActions"] = rule["Actions"]
    sync()
    log.info("%s: weights %s", arn, json.dumps(routes.weights(routes.deciding(rule["Actions"]))))


def weights(arn):
    """{target group: percent} of a rule or listener; whole numbers where they are."""
    split = routes.weights(routes.deciding(_rule(arn)["Actions"]) or {})
    total = sum(split.values())
    percent = {group: round(100 * weight / total, 2) if total else 0 for group, weight in split.items()}
    return {group: int(p) if float(p).is_integer() else p for group, p in percent.items()}


def states(group):
    """{(id, port): state} of a target group; `unused` where no rule names it."""
    in_use = bool((A._tgs.get(group) or {}).get("LoadBalancerArns"))
    return {key: t.description(in_use)[0] for key, t in list((_board.targets.get(group) or {}).items())}


def register(group, target, port):
    """Register one target of a service."""
    rows = A._targets.setdefault(group, [])
    if group in A._tgs and {"Id": target, "Port": port} not in rows:
        rows.append({"Id": target, "Port": port})
        sync()


def deregister(group, target, port):
    """Let one target of a service drain."""
    rows = A._targets.get(group) or []
    if {"Id": target, "Port": port} in rows:
        rows.remove({"Id": target, "Port": port})
        sync()


def sync():
    """Bring HAProxy to what is stored."""
    if _board:
        _board.sync()


def install():
    """Patch the load balancers of the running ministack."""
    global _board
    from perch_local.balancers import board, calls, checks, resources
    actions.install()
    _board = board.Board()
    checks.Checker(_board)
    calls.install(_board)
    resources.install()
