"""Forward actions with several target groups, as the API, CloudFormation and Perch's own overlays write them.

AWS: Elastic Load Balancing API Reference, ForwardActionConfig, TargetGroupTuple (weights 0 to 999), CreateRule
(PriorityInUse, TargetGroupNotFound), DescribeRules: an action that forwards to one group has it in TargetGroupArn too.
ministack stores only TargetGroupArn.
"""
from ministack.services import alb as A
from perch_local.balancers import routes
from perch_local.scope import query_members

MOST_GROUPS, HIGHEST = 5, 999


class BadAction(ValueError):
    """(error code, message) of an action that is refused."""


def normal(action):
    """A forward action with ForwardConfig always, and TargetGroupArn only where one group gets everything."""
    if action["Type"] != "forward":
        return action
    split = routes.weights(action)
    out = {k: v for k, v in action.items() if k != "TargetGroupArn"}
    stickiness = (action.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {"Enabled": False}
    out["ForwardConfig"] = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in split.items()],
                            "TargetGroupStickinessConfig": stickiness}
    if len(split) == 1:
        out["TargetGroupArn"] = next(iter(split))
    return out


def check(action):
    """Refuse a forward action that AWS refuses."""
    if action["Type"] != "forward":
        return
    split = routes.weights(action)
    if not 1 <= len(split) <= MOST_GROUPS:
        raise BadAction("ValidationError", f"A forward action must have between 1 and {MOST_GROUPS} target groups")
    for arn, weight in split.items():
        if arn not in A._tgs:
            raise BadAction("TargetGroupNotFound", f"Target groups '{arn}' not found")
        if not 0 <= weight <= HIGHEST:
            raise BadAction("ValidationError", f"Weight '{weight}' is not between 0 and {HIGHEST}")


def _with_forward_config(original):
    def parse(params, prefix="DefaultActions"):
        given = query_members(params, prefix + ".").get(prefix) or []
        actions = original(params, prefix)
        for action, raw in zip(actions, given, strict=False):
            config = raw.get("ForwardConfig")
            if config:
                groups = [{"TargetGroupArn": g["TargetGroupArn"], "Weight": int(g.get("Weight", 1))}
                          for g in config.get("TargetGroups") or []]
                sticky = config.get("TargetGroupStickinessConfig") or {}
                action["ForwardConfig"] = {"TargetGroups": groups, "TargetGroupStickinessConfig": {
                    "Enabled": str(sticky.get("Enabled", "false")).lower() == "true"}}
        return [normal(a) for a in actions]
    return parse


def _xml_with_forward_config(original):
    def xml(action):
        config = action.get("ForwardConfig")
        if not config:
            return original(action)
        groups = "".join(f"<member><TargetGroupArn>{g['TargetGroupArn']}</TargetGroupArn><Weight>{g['Weight']}</Weight></member>"
                         for g in config["TargetGroups"])
        sticky = str(config["TargetGroupStickinessConfig"].get("Enabled", False)).lower()
        inner = (f"<ForwardConfig><TargetGroups>{groups}</TargetGroups><TargetGroupStickinessConfig>"
                 f"<Enabled>{sticky}</Enabled></TargetGroupStickinessConfig></ForwardConfig>")
        return original(action).removesuffix("</member>") + inner + "</member>"
    return xml


def from_template(original):
    """The actions of a Listener or ListenerRule of a template, with every target group and its weight."""
    def actions(props, lb_arn, prop="DefaultActions"):
        out = original(props, lb_arn, prop)
        for action, raw in zip(out, [a for a in props.get(prop) or [] if isinstance(a, dict)], strict=False):
            groups = (raw.get("ForwardConfig") or {}).get("TargetGroups") or []
            if groups:
                action.pop("TargetGroupArn", None)
                action["ForwardConfig"] = {"TargetGroups": [
                    {"TargetGroupArn": g["TargetGroupArn"], "Weight": int(g.get("Weight", 1))} for g in groups]}
        out = [normal(a) for a in out]
        for action in out:
            try:
                check(action)
            except BadAction as wrong:
                raise ValueError(wrong.args[1]) from wrong
        return out
    return actions


def shift(rule, split):
    """Give a stored rule's forward action this split; the rest of the rule stays."""
    keep = [a for a in rule["Actions"] if a["Type"] != "forward"]
    forward = next((a for a in rule["Actions"] if a["Type"] == "forward"), {"Type": "forward", "Order": len(keep) + 1})
    sticky = (forward.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig")
    config = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in split.items()]}
    if sticky:
        config["TargetGroupStickinessConfig"] = sticky
    action = normal({"Type": "forward", "Order": forward["Order"], "ForwardConfig": config})
    check(action)
    rule["Actions"] = keep + [action]


def install():
    """Patch how the running ministack reads and writes actions."""
    A._parse_actions, A._action_xml = _with_forward_config(A._parse_actions), _xml_with_forward_config(A._action_xml)
