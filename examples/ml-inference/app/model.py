"""The model: softmax regression over the four measures of a flower. Pure; knows nothing of Lambda."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FEATURES = ("sepalLength", "sepalWidth", "petalLength", "petalWidth")
LONGEST_CM = 30.0


class BadInput(ValueError):
    """A request that no model can answer; the text names the field."""


@dataclass(frozen=True)
class Model:
    """Means and scales of the features, and one row of weights for each class, its bias first."""

    version: str
    classes: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]

    @classmethod
    def read(cls, path: Path) -> Model:
        """The model of a file that `train.py` wrote."""
        found = json.loads(path.read_text())
        rows = tuple(tuple(row) for row in found["weights"])
        return cls(found["version"], tuple(found["classes"]), tuple(found["means"]), tuple(found["scales"]), rows)

    def probabilities(self, measures: tuple[float, ...]) -> list[float]:
        """How likely each class is."""
        x = [1.0, *((v - mean) / scale for v, mean, scale in zip(measures, self.means, self.scales, strict=True))]
        scores = [sum(w * v for w, v in zip(row, x, strict=True)) for row in self.weights]
        powers = [math.exp(score - max(scores)) for score in scores]
        return [power / sum(powers) for power in powers]

    def predict(self, measures: tuple[float, ...]) -> tuple[str, float]:
        """The likeliest class, and how likely it is."""
        found = self.probabilities(measures)
        best = max(range(len(found)), key=found.__getitem__)
        return self.classes[best], found[best]


def measures_of(request: Any) -> tuple[float, ...]:
    """The four measures of a request, in centimetres."""
    if not isinstance(request, dict):
        raise BadInput('body: must be an object such as {"sepalLength": 5.1, ...}')
    return tuple(_measure(request, name) for name in FEATURES)


def _measure(request: dict[str, Any], name: str) -> float:
    if name not in request:
        raise BadInput(f"{name}: is missing")
    value = request[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_CM:
        raise BadInput(f"{name}: must be a number of centimetres above 0, at most {LONGEST_CM:.0f}")
    return float(value)
