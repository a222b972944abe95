"""Every row and prose case of AWS's missing data tables."""
import json

import pytest
from conftest import FIXTURES
from perch_local.evaluate import ALARM, INSUFFICIENT, OK, evaluate, evaluation_range

DATA = json.loads((FIXTURES / "cloudwatch-missing-data.json").read_text())
POINTS = {"0": False, "X": True, "-": None}
TREATS = ("missing", "ignore", "breaching", "notBreaching")


def points(text):
    return [POINTS[c] for c in text]


@pytest.mark.parametrize("current", (OK, ALARM, INSUFFICIENT))
@pytest.mark.parametrize("treat", TREATS)
@pytest.mark.parametrize("row", DATA["rows"], ids=lambda r: f"{r['points']}/{r['datapointsToAlarm']}")
def test_row(row, treat, current):
    n = row["evaluationPeriods"]
    assert evaluation_range(n) == row["evaluationRange"] == len(row["points"])
    want = current if row[treat] == "RETAIN" else row[treat]
    assert evaluate(points(row["points"]), row["datapointsToAlarm"], n, treat, current) == want


@pytest.mark.parametrize("current", (OK, ALARM, INSUFFICIENT))
@pytest.mark.parametrize("case", DATA["prose"], ids=lambda r: r["points"])
def test_prose(case, current):
    got = evaluate(points(case["points"]), case["datapointsToAlarm"], case["evaluationPeriods"], case["treatMissingData"], current)
    assert got != case["notState"]
