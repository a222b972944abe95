"""How long a documented wait takes on this stack.

AWS counts deployments in minutes: canary intervals, bake times, waits before blue ends. PERCH_CLOCK is the seconds of real
time per documented second, by default 1. Every wait of a deployment goes through here, so the order of events stays.
"""
import os

SCALE = float(os.environ.get("PERCH_CLOCK", "1"))


def seconds(documented, scale=None):
    """Real seconds that so many documented seconds take."""
    return documented * (SCALE if scale is None else scale)


def minutes(documented, scale=None):
    """Real seconds that so many documented minutes take."""
    return seconds(60 * documented, scale)
