"""Rules with a rate() run sooner where a test or a demo can't wait minutes.

AWS: EventBridge User Guide, "Creating an Amazon EventBridge rule that runs on a schedule" (eb-create-rule-schedule):
rate(value unit), at least a minute; the countdown begins with the rule. ministack looks for due rules every 10 s.
PERCH_SCHEDULE_SCALE is a factor on the interval of a rate(); the looks come as much more often, at most every 0.2 s.
"""
import os

from ministack.services import eventbridge as EB

SCALE = float(os.environ.get("PERCH_SCHEDULE_SCALE", "1"))
SHORTEST_LOOK = 0.2


def scaled(seconds, scale=None):
    """The interval of a rate() on this stack; None for an expression that is none."""
    return None if seconds is None else seconds * (SCALE if scale is None else scale)


def look_every(seconds, scale=None):
    """How often to look for rules that are due."""
    return max(SHORTEST_LOOK, seconds * min(1.0, SCALE if scale is None else scale))


def install():
    """Patch the scheduler of the running ministack; it starts later."""
    parse = EB._parse_rate_seconds
    EB._parse_rate_seconds = lambda expression: scaled(parse(expression))
    EB._SCHEDULER_TICK_INTERVAL = look_every(EB._SCHEDULER_TICK_INTERVAL)
