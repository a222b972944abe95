"""Each check of a chaos run finds the promise that it is about when it is broken, and nothing in a run that kept them all."""

import copy
from collections import Counter

import pytest

from checks import broken
from evidence import Evidence
from play import Played
from stories import GAVE_UP, PROMOTED, End, Story
from table import State
from targets import Target

TARGET = Target("chaos-00")
READINGS = {"canary": {"requests": 9}}
LOOKED = {"evidence": {"verdict": {"outcome": "Pass"}, "readings": READINGS}}
STORY = Story("healthy", ("healthy",), (PROMOTED,))


def entries(release, *whats):
    """A journal, one entry a second."""
    return [
        {"seq": number, "what": what, "cause": "because", "at": f"{release}:{number:02}", **(LOOKED if what == "BakeJudged" else {})}
        for number, what in enumerate(whats, 1)
    ]


def release(name, phase, baseline, canary, count):
    """A record."""
    plan = {"judge": {"minRequests": 4}, "steps": [{"weight": 50}]}
    ended = {"startedAt": name, "endedAt": f"{name}:99", "deadline": f"{name}:999", "seq": count}
    artifact, ledger = {"digest": f"sha256:{name}"}, {"baseline": baseline}
    return {"id": name, "target": TARGET.name, "phase": phase, "canary": canary, "plan": plan, "artifact": artifact, "ledger": ledger, **ended}


def write(main, **split):
    """A successful update of the alias."""
    routing = {"AdditionalVersionWeights": {version[1:]: share for version, share in split.items()}}
    body = {"FunctionVersion": main, "RoutingConfig": routing}
    return {"operation": "Lambda.UpdateAlias", "status": 200, "subject": TARGET.name, "body": body}


def kept():
    """A run of two releases, one promoted and one rolled back, in which every promise held."""
    good = entries("1", "ReleasePlanned", "LedgerTaken", "CanaryPublished", "WeightShifted", "BakeJudged", "PromotionDecided",
                   "CanaryPromoted", "ReleasePromoted")
    back = entries("2", "ReleasePlanned", "LedgerTaken", "CanaryPublished", "WeightShifted", "RollbackDecided", "ReleaseRolledBack")
    cause = {"kind": "error", "error": "Runtime.ExitError: it died"}
    records = {"1": release("1", {"name": "Promoted"}, "1", "2", 8), "2": release("2", {"name": "RolledBack", "cause": cause}, "2", "3", 6)}
    told = Counter(f"1/{n}" for n in (1, 3, 4, 7, 8)) + Counter(f"2/{n}" for n in (1, 3, 4, 5, 6))
    played = [Played(STORY, TARGET.name, "sha256:1", PROMOTED, "1", PROMOTED), Played(STORY, TARGET.name, "sha256:2", GAVE_UP, "2", GAVE_UP)]
    calls = [write("1", v2=0.5), write("2"), write("2", v3=0.5), write("2")]
    state = State(records, {"1": good, "2": back}, {TARGET.name: {"fence": 9}})
    return Evidence([TARGET], played, state, {TARGET.name: {"2": 100}}, {TARGET.name: 3}, calls, [{"release": "2"}], told)


def test_a_run_that_kept_its_promises_has_nothing_broken():
    assert broken(kept()) == []


def overlap(run):
    run.state.journal["2"][0]["at"] = "1:02"


def still_held(run):
    run.state.heads[TARGET.name]["active"] = "2"


def came_back(run):
    run.calls.append(write("2", v3=0.5))


def jumped(run):
    run.calls[0] = write("1", v2=0.7)


def no_ledger(run):
    run.state.journal["1"][1]["what"] = "CodeSet"


def wrong_way_back(run):
    run.state.releases["2"]["ledger"]["baseline"] = "1"


def split_at_rest(run):
    run.serving[TARGET.name] = {"2": 50, "3": 50}


def not_ended(run):
    run.state.releases["2"]["endedAt"] = None


def stuck(run):
    run.state.releases["2"]["phase"] = {"name": "Stuck", "why": "x"}


def too_late(run):
    run.state.releases["1"]["deadline"] = "0"


def not_read_back(run):
    run.state.journal["1"][6]["what"] = "OrderGiven"


def other_end(run):
    run.played[0].end = End("Rejected")


def alarm_ignored(run):
    run.played[0].expected = End("RolledBack", "alarm")


def twice(run):
    run.state.releases["2"]["artifact"]["digest"] = "sha256:1"


def nobody_pushed(run):
    run.state.releases["2"]["artifact"]["digest"] = "sha256:9"


def version_too_many(run):
    run.versions[TARGET.name] = 4


def no_data(run):
    run.state.journal["1"][4]["evidence"] = {"verdict": {"outcome": "Pass"}, "readings": {"canary": {"requests": 3}}}


def gap(run):
    del run.state.journal["1"][4]


def untold(run):
    del run.told["2/6"]


def new_kind_untold(run):
    run.state.journal["2"][1]["what"] = "SomethingNew"


def went_back(run):
    run.played[1].expected = PROMOTED


def lost_batch(run):
    run.lost_letters.append({"requestContext": {"functionArn": "perch-notify"}})


@pytest.mark.parametrize("breaks, promise", [
    (overlap, "P1"), (still_held, "P1"), (came_back, "P2"), (jumped, "P6"), (no_ledger, "P3"), (wrong_way_back, "P3"),
    (split_at_rest, "P5"), (not_ended, "P4"), (stuck, "P4"), (too_late, "P4"), (not_read_back, "P5"), (other_end, "P4"),
    (alarm_ignored, "P7"), (twice, "P8"), (nobody_pushed, "P8"), (version_too_many, "P8"), (no_data, "P9"), (gap, "P10"),
    (untold, "P10"), (new_kind_untold, "P10"), (went_back, "P4"), (lost_batch, "P10"),
], ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_promise_is_named(breaks, promise):
    run = copy.deepcopy(kept())
    breaks(run)
    assert promise in {found.promise for found in broken(run)}


def test_a_person_may_skip_steps():
    run = kept()
    run.targets[0] = Target(TARGET.name, steps=(50, 70))
    assert "P6" in {found.promise for found in broken(run)}
    run.state.journal["1"][2]["what"] = "OrderGiven"
    assert "P6" not in {found.promise for found in broken(run)}
