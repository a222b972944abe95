#!/usr/bin/env python3
"""Train the headline classifier and write model.json.

The model is multinomial naive Bayes over word stems: `stems` below is the whole feature extraction, and
`service/src/classifier.rs` repeats it. Only the standard library is used and nothing is random, so the same
data gives the same bytes.

    train.py            writes model.json beside this file
    train.py --check    exits 1 if model.json is not what the data gives
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Chosen by five-fold cross-validation on train.csv alone; heldout.csv took no part in it.
SMOOTHING = 0.3
STEM_LETTERS = 5
SHORTEST_WORD = 3
FOLDS = 5

Row = tuple[str, str]
Scores = dict[str, float]


def read(path: Path) -> list[Row]:
    """Rows (category, headline) of a CSV file with that header."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [(row["category"], row["headline"]) for row in csv.DictReader(lines)]


def stems(text: str) -> list[str]:
    """The first five letters of every word of at least three letters, in order, repeats kept."""
    return [word[:STEM_LETTERS] for word in re.findall(r"[a-z]+", text.lower()) if len(word) >= SHORTEST_WORD]


def fit(rows: list[Row]) -> tuple[Scores, dict[str, Scores]]:
    """Log priors by category, and log probabilities by stem and category."""
    categories = sorted({category for category, _ in rows})
    documents = Counter(category for category, _ in rows)
    counts = {category: Counter[str]() for category in categories}
    for category, headline in rows:
        counts[category].update(stems(headline))
    vocabulary = sorted(set().union(*counts.values()))
    totals = {c: sum(counts[c].values()) + SMOOTHING * len(vocabulary) for c in categories}
    priors = {c: round(math.log(documents[c] / len(rows)), 4) for c in categories}
    # Four decimals: small file, and no last bit that could differ between C libraries.
    weights = {
        stem: {c: round(math.log((counts[c][stem] + SMOOTHING) / totals[c]), 4) for c in categories}
        for stem in vocabulary
    }
    return priors, weights


def classify(priors: Scores, weights: dict[str, Scores], text: str) -> str:
    """The category with the highest score; unknown stems say nothing."""
    scores = dict(priors)
    for stem in stems(text):
        for category, weight in weights.get(stem, {}).items():
            scores[category] += weight
    return max(sorted(scores), key=lambda category: scores[category])


def accuracy(train: list[Row], test: list[Row]) -> float:
    """Share of `test` that a model fitted to `train` gets right."""
    priors, weights = fit(train)
    return sum(classify(priors, weights, text) == category for category, text in test) / len(test)


def cross_validation(rows: list[Row]) -> float:
    """Mean accuracy over five folds of the training rows."""
    folds = [[row for i, row in enumerate(rows) if i % FOLDS == k] for k in range(FOLDS)]
    parts = [accuracy([row for f in folds if f is not fold for row in f], fold) for fold in folds]
    return sum(parts) / FOLDS


def model(folder: Path = HERE) -> str:
    """The text of model.json for the data in `folder`."""
    train, heldout = read(folder / "train.csv"), read(folder / "heldout.csv")
    data_hash = hashlib.sha256((folder / "train.csv").read_bytes()).hexdigest()
    priors, weights = fit(train)
    head = {
        "version": f"nb-{data_hash[:8]}",
        "trainingSha256": data_hash,
        "metrics": {
            "trainRows": len(train),
            "heldoutRows": len(heldout),
            "crossValidationAccuracy": round(cross_validation(train), 4),
            "heldoutAccuracy": round(accuracy(train, heldout), 4),
        },
        "categories": list(priors),
        "priors": list(priors.values()),
    }
    return document(head, weights)


def document(head: dict[str, Any], weights: dict[str, Scores]) -> str:
    """The text of a model.json: one stem per line, so that a diff can be read."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    rows = [f"    {json.dumps(stem)}: {json.dumps(list(row.values()))}" for stem, row in weights.items()]
    return "{\n" + "\n".join(lines) + '\n  "stems": {\n' + ",\n".join(rows) + "\n  }\n}\n"


def main() -> int:
    """Write the model, or compare it with the committed one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if model.json is out of date")
    options = parser.parse_args()
    text, path = model(), HERE / "model.json"
    if options.check:
        current = path.is_file() and path.read_bytes() == text.encode()
        print("model.json is up to date" if current else "model.json is out of date: run train.py", file=sys.stderr)
        return 0 if current else 1
    path.write_bytes(text.encode())
    loaded = json.loads(text)
    print(json.dumps({"version": loaded["version"], "bytes": len(text), **loaded["metrics"]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
