"""A listener's rules as lines of HAProxy's configuration (pure).

AWS: Elastic Load Balancing API Reference, RuleCondition (`*` and `?` are wildcards; host names and headers ignore case,
paths do not), ForwardActionConfig (weights 0 to 999 among at most five target groups; 0 to all of them sends nothing).
HAProxy 2.6: `use_backend` takes the first line that matches, so each rule is one line in the order of priority. The
draw between weighted groups is a map from a number below SPREAD to a backend, which the runtime API replaces at once.
"""
import hashlib
import re

SPREAD = 100_000            # a weight of 0.1 percent is 100 of these numbers
SUPPORTED = ("path-pattern", "host-header", "http-request-method", "http-header", "source-ip")
NOWHERE = "nowhere"         # the backend that answers 503


def short(arn):
    """A name for HAProxy that stands for an ARN."""
    return hashlib.sha256(arn.encode()).hexdigest()[:16]


def group_name(arn):
    """The backend of a target group."""
    return "tg_" + short(arn)


def rule_name(arn):
    """The name of a rule; its map and its fixed answer carry it."""
    return "rule_" + short(arn)


def weights(action):
    """{target group: weight} of a forward action, in the order it was given."""
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    if groups:
        return {g["TargetGroupArn"]: int(g.get("Weight", 1)) for g in groups}
    return {action["TargetGroupArn"]: 1} if action.get("TargetGroupArn") else {}


def deciding(actions):
    """The action of a rule that answers: the last one that is no authentication."""
    kinds = [a for a in actions if a["Type"] in ("forward", "fixed-response", "redirect")]
    return kinds[-1] if kinds else None


def shares(split):
    """Lines of the map: ranges of numbers, as wide as the weights, and the backend of each."""
    total, lines, done, at = sum(split.values()), [], 0, 0
    for arn, weight in split.items():
        done += weight
        end = round(done * SPREAD / total) if total else 0
        if end > at:
            lines.append((f"{at}:{end - 1}", group_name(arn)))
        at = end
    return lines or [(f"0:{SPREAD - 1}", NOWHERE)]


def pattern(text):
    """A pattern with wildcards as a regular expression."""
    out = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in text)
    return f"^{out}$"


def _quoted(words):
    """Words with each byte that could mean something to HAProxy as an escape."""
    plain = lambda byte: chr(byte) if chr(byte).isalnum() and byte < 128 or chr(byte) in "_./:-" else f"\\x{byte:02x}"
    return " ".join("".join(map(plain, word.encode())) for word in words)


def condition(one):
    """One condition as an anonymous ACL."""
    field, values = one["Field"], one.get("Values") or []
    if field == "path-pattern":
        return f"{{ path -m reg {_quoted(map(pattern, values))} }}"
    if field == "host-header":
        return f"{{ req.hdr(host),field(1,:) -m reg -i {_quoted(map(pattern, values))} }}"
    if field == "http-request-method":
        return f"{{ method {_quoted(values)} }}"
    if field == "source-ip":
        return f"{{ src {_quoted(values)} }}"
    header = one["HttpHeaderConfig"]
    return f"{{ req.hdr({header['HttpHeaderName']}) -m reg -i {_quoted(map(pattern, header['Values']))} }}"


def in_order(rules):
    """Rules by priority, the default one last."""
    return sorted(rules, key=lambda r: (r["Priority"] == "default", 0 if r["Priority"] == "default" else int(r["Priority"])))


def line(rule, maps):
    """The `use_backend` line of a rule."""
    action, name = deciding(rule["Actions"]), rule_name(rule["RuleArn"])
    if action and action["Type"] == "forward":
        where = f"%[rand({SPREAD}),map_int({maps}/{name}.map,{NOWHERE})]"
    else:
        where = name if action else NOWHERE
    conditions = " ".join(condition(c) for c in rule.get("Conditions") or [])
    return f"use_backend {where}" + (f" if {conditions}" if conditions else "")


def answer(rule):
    """The backend of a rule that answers by itself, as lines, or none."""
    action = deciding(rule["Actions"])
    if not action or action["Type"] == "forward":
        return []
    lines = [f"backend {rule_name(rule['RuleArn'])}"]
    if action["Type"] == "fixed-response":
        fixed = action["FixedResponseConfig"]
        text, kind = fixed.get("MessageBody"), fixed.get("ContentType") or "text/plain"
        body = f" content-type {kind} string {_quoted([text])}" if text else ""
        return lines + [f"  http-request return status {fixed['StatusCode']}{body}"]
    to = action["RedirectConfig"]
    fill = {"#{protocol}": "http", "#{port}": "%[dst_port]", "#{host}": "%[req.hdr(host),field(1,:)]", "#{query}": "%[query]",
            "#{path}": "%[path,regsub(^/,)]"}
    parts = [to.get(k) or d for k, d in (("Protocol", "#{protocol}"), ("Host", "#{host}"), ("Port", "#{port}"),
                                         ("Path", "/#{path}"), ("Query", "#{query}"))]
    for key, value in fill.items():
        parts = [p.replace(key, value) for p in parts]
    location = f"{parts[0].lower()}://{parts[1]}:{parts[2]}{parts[3]}" + (f"?{parts[4]}" if to.get("Query") else "")
    code = to.get("StatusCode", "HTTP_302").removeprefix("HTTP_")
    return lines + [f"  http-request redirect location {location} code {code}"]
