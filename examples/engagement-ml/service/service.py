"""How likely a visitor engages with an article: logistic regression over four things that a page knows.

POST /score {"secondsOnPage": 40, "scrollDepth": 0.8, "returning": true, "articlesToday": 3}
"""

import json
import math
from pathlib import Path

PATH = "/score"
MODEL = json.loads((Path(__file__).resolve().parent / "model.json").read_text())


def answer(visit):
    """The score of one visit, 0 to 1; ValueError names a field that is out of range."""
    features = {
        "secondsOnPage": math.log1p(within(visit, "secondsOnPage", 0, 86_400)),
        "scrollDepth": within(visit, "scrollDepth", 0, 1),
        "returning": float(visit.get("returning", False) is True),
        "articlesToday": math.log1p(within(visit, "articlesToday", 0, 10_000)),
    }
    total = MODEL["intercept"] + sum(MODEL["weights"][name] * value for name, value in features.items())
    return {"score": round(1 / (1 + math.exp(-total)), 4), "model": MODEL["name"]}


def within(visit, name, least, most):
    """A number of the request, held to its range."""
    value = float(visit[name])
    if not least <= value <= most:
        raise ValueError(f"{name} is between {least} and {most}")
    return value
