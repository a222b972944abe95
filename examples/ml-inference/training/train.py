#!/usr/bin/env python3
"""Train the model on the iris measurements and write app/model.json: the same bytes each time.

    train.py            writes the model, says how many held-out flowers it gets right
    train.py --check    exit 1 if the file is out of date

iris.csv: R. A. Fisher, "The use of multiple measurements in taxonomic problems", 1936. Every fifth flower is held out.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "app"))

from model import FEATURES, Model  # noqa: E402

OUT = HERE.parent / "app" / "model.json"
ROUNDS, RATE, DECAY = 400, 0.5, 0.001
# Coarse enough that another machine's last bit of an exponential does not change the file.
DIGITS = 4

Flower = tuple[tuple[float, ...], str]


def flowers() -> list[Flower]:
    """Every measured flower with its species."""
    with (HERE / "iris.csv").open(newline="", encoding="utf-8") as lines:
        return [(tuple(float(row[name]) for name in FEATURES), row["species"]) for row in csv.DictReader(lines)]


def split(all_flowers: list[Flower]) -> tuple[list[Flower], list[Flower]]:
    """Those to learn from, and those held out."""
    return [f for n, f in enumerate(all_flowers) if n % 5 != 4], all_flowers[4::5]


def train(learned: list[Flower]) -> Model:
    """Gradient descent over all flowers at once, from zero."""
    columns = list(zip(*(x for x, _ in learned), strict=True))
    means = tuple(round(sum(c) / len(c), DIGITS) for c in columns)
    scales = tuple(round(math.sqrt(sum((v - m) ** 2 for v in c) / len(c)), DIGITS) for c, m in zip(columns, means, strict=True))
    classes = tuple(sorted({species for _, species in learned}))
    weights = [[0.0] * (len(FEATURES) + 1) for _ in classes]
    inputs = [([1.0, *((v - m) / s for v, m, s in zip(x, means, scales, strict=True))], x, y) for x, y in learned]
    for _ in range(ROUNDS):
        model = Model("", classes, means, scales, tuple(tuple(row) for row in weights))
        errors = [([p - (c == y) for p, c in zip(model.probabilities(x), classes, strict=True)], z) for z, x, y in inputs]
        for k, row in enumerate(weights):
            for j in range(len(row)):
                slope = sum(e[k] * z[j] for e, z in errors) / len(errors) + DECAY * row[j]
                row[j] -= RATE * slope
    rows = tuple(tuple(round(w, DIGITS) for w in row) for row in weights)
    name = hashlib.sha256(json.dumps([means, scales, rows]).encode()).hexdigest()[:8]
    return Model(f"iris-{name}", classes, means, scales, rows)


def text(model: Model) -> str:
    """The file's text."""
    fields = {"version": model.version, "classes": model.classes, "means": model.means, "scales": model.scales}
    return json.dumps(fields | {"weights": model.weights}, indent=2) + "\n"


def main() -> int:
    """The command line."""
    learned, held_out = split(flowers())
    model = train(learned)
    if "--check" in sys.argv[1:]:
        current = OUT.is_file() and OUT.read_text() == text(model)
        print(f"{OUT.name} is {'up to date' if current else 'out of date; run training/train.py'}")
        return 0 if current else 1
    OUT.write_text(text(model))
    right = sum(model.predict(x)[0] == y for x, y in held_out)
    print(f"{model.version}: {right} of {len(held_out)} held-out flowers right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
