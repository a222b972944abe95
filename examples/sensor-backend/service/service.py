"""What a batch of one sensor's readings says: how many, their mean, and which of them are outliers.

POST /readings {"sensor": "boiler-7", "unit": "C", "values": [61.2, 61.4, 97.0]}
"""

from statistics import mean, median

PATH = "/readings"
MOST = 10_000
# Readings further from the median than so many median deviations are outliers (Iglewicz and Hoaglin, 1993).
LIMIT, SCALE = 3.5, 0.6745


def answer(batch):
    """The summary of one batch; ValueError names what is wrong with it."""
    values = [float(value) for value in batch["values"]]
    if not 1 <= len(values) <= MOST:
        raise ValueError(f"values has 1 to {MOST} readings")
    return {
        "sensor": str(batch["sensor"]),
        "readings": len(values),
        "mean": round(mean(values), 3),
        "outliers": outliers(values),
    }


def outliers(values):
    """Which readings are outliers, by their place."""
    middle = median(values)
    spread = median(abs(value - middle) for value in values)
    if spread == 0:
        return [i for i, value in enumerate(values) if value != middle]
    return [i for i, value in enumerate(values) if SCALE * abs(value - middle) / spread > LIMIT]
