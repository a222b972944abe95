"""Each check of traffic that CodeDeploy or ECS moves finds the promise that it is about when it is broken, and nothing else."""

import copy
from collections import Counter

import pytest

from checks import broken
from evidence import Evidence
from functions import CodeDeployAlias
from play import Played
from stories import ENDED, JUDGED, NO_DATA, PROMOTED, Story
from table import State, stamp
from targets import Shift, Target

TARGET = Target("chaos-00", driver=CodeDeployAlias())
PASS = {"evidence": {"verdict": {"outcome": "Pass"}, "readings": {"canary": {"requests": 9}}}}
STORY = Story("healthy", ("healthy",), (PROMOTED,))
# Second 100 to 199 is the first release, 200 to 299 the second, which goes back.
UP = ("ReleasePlanned", "LedgerTaken", "CanaryPublished", "DeploymentStarted", "WeightShifted", "BakeJudged", "PromotionDecided",
      "CanaryPromoted", "ReleasePromoted")
BACK = ("ReleasePlanned", "LedgerTaken", "CanaryPublished", "DeploymentStarted", "WeightShifted", "RollbackDecided",
        "DeploymentStopped", "ReleaseRolledBack")
UNTOLD = ("LedgerTaken", "DeploymentStarted", "DeploymentStopped", "BakeJudged", "PromotionDecided")


def entries(began, whats):
    """A journal, an entry every ten seconds."""
    return [
        {"seq": n, "what": what, "cause": "because", "at": stamp(began + 10 * (n - 1)), **(PASS if what == "BakeJudged" else {})}
        for n, what in enumerate(whats, 1)
    ]


def release(name, phase, baseline, canary, whats):
    """A record."""
    began = 100 * int(name)
    times = {"startedAt": stamp(began), "endedAt": stamp(began + 10 * (len(whats) - 1)), "deadline": stamp(began + 99)}
    plan = {"judge": {"minRequests": 4}, "steps": [{"weight": 50}]}
    artifact, ledger = {"digest": f"sha256:{name}"}, {"baseline": baseline}
    about = {"phase": phase, "canary": canary, "plan": plan, "artifact": artifact, "ledger": ledger, "seq": len(whats)}
    return {"id": name, "target": TARGET.name, **about, **times}


def kept():
    """A run of two releases, one promoted and one judged, in which every promise held."""
    journal = {"1": entries(100, UP), "2": entries(200, BACK)}
    records = {
        "1": release("1", {"name": "Promoted"}, "1", "2", UP),
        "2": release("2", {"name": "RolledBack", "cause": {"kind": "judge", "reasons": ["errors"]}}, "2", "3", BACK),
    }
    told = Counter(f"{name}/{e['seq']}" for name, of in journal.items() for e in of if e["what"] not in UNTOLD)
    played = [
        Played(STORY, TARGET.name, "sha256:1", PROMOTED, "1", PROMOTED, moves_itself=True),
        Played(STORY, TARGET.name, "sha256:2", JUDGED, "2", JUDGED, moves_itself=True),
    ]
    shifts = [
        Shift("d-1", "1", "2", running=False, began=131),
        Shift("d-2", "2", "3", running=False, began=231),
        Shift("d-3", None, "2", running=False, began=261),
    ]
    seen = [
        (stamp(90), {"1": 100}), (stamp(140), {"1": 50, "2": 50}), (stamp(170), {"2": 100}),
        (stamp(240), {"2": 50, "3": 50}), (stamp(262), {"2": 100}),
    ]
    faults = [{"function": "perch-judge-canary", "release": "2", "subject": TARGET.name, "kind": "delay", "at": 245.0}]
    state = State(records, journal, {TARGET.name: {"fence": 9}})
    evidence = Evidence([TARGET], played, state, {TARGET.name: {"2": 100}}, {TARGET.name: 3}, [], faults, told)
    evidence.shifts, evidence.seen = {TARGET.name: shifts}, {TARGET.name: seen}
    return evidence


def test_a_run_that_kept_its_promises_has_nothing_broken():
    assert broken(kept()) == []


def shifts(run):
    return run.shifts[TARGET.name]


def seen(run):
    return run.seen[TARGET.name]


def too_early(run):
    seen(run).insert(0, (stamp(80), {"1": 50, "2": 50}))


def came_back(run):
    seen(run).append((stamp(280), {"2": 50, "3": 50}))


def jumped(run):
    seen(run)[1] = (stamp(140), {"1": 70, "2": 30})


def skipped(run):
    del seen(run)[1]


def still_split(run):
    run.serving[TARGET.name] = {"2": 50, "3": 50}


def still_running(run):
    shifts(run).append(Shift("d-4", None, "2", running=True, began=290))


def twice(run):
    shifts(run).append(Shift("d-4", "2", "3", running=False, began=241))


def after_its_end(run):
    shifts(run).append(Shift("d-4", "1", "2", running=False, began=195))


def of_nobody(run):
    shifts(run).append(Shift("d-4", "7", "2", running=False, began=131))


def other_version(run):
    shifts(run)[0] = Shift("d-1", "1", "9", running=False, began=131)


def late_for_nothing(run):
    run.played[1].expected, run.played[1].end, run.faults = PROMOTED, NO_DATA, []


def stopped_for_nothing(run):
    run.played[1].expected, run.played[1].end = PROMOTED, ENDED
    run.state.releases["2"]["phase"]["cause"] = {"kind": "platform", "why": "d-2 was stopped"}


@pytest.mark.parametrize("breaks, promise", [
    (too_early, "P2"), (came_back, "P2"), (jumped, "P6"), (skipped, "P6"), (still_split, "P5"), (still_running, "P5"),
    (twice, "P8"), (after_its_end, "P1"), (of_nobody, "P8"), (other_version, "P8"), (late_for_nothing, "P9"),
    (stopped_for_nothing, "P4"),
], ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_promise_is_named(breaks, promise):
    run = copy.deepcopy(kept())
    breaks(run)
    assert promise in {found.promise for found in broken(run)}


def test_faults_may_make_a_verdict_too_late_for_a_driver_that_does_not_wait():
    run = kept()
    run.played[1].expected, run.played[1].end = PROMOTED, NO_DATA
    assert broken(run) == []


def test_a_hook_that_was_killed_may_end_a_deployment():
    run = kept()
    stopped_for_nothing(run)
    failed = {"kind": "platform", "why": "CodeDeploy deployment d-2 failed, HOOK_EXECUTION_FAILURE: it timed out"}
    run.state.releases["2"]["phase"]["cause"] = failed
    assert "P4" in {found.promise for found in broken(run)}
    hook = {"function": "CodeDeployHook_perch-answer-hook", "release": "", "subject": ""}
    run.faults.append({**hook, "kind": "kill-after", "at": 235.0})
    assert broken(run) == []
    failed["why"] = "CodeDeploy deployment d-2 was stopped by somebody: it is over"
    assert "P4" in {found.promise for found in broken(run)}


def test_ecs_may_bring_a_baseline_back_under_the_name_of_the_release_that_it_came_with():
    run = kept()
    shifts(run)[2] = Shift("d-3", "1", "2", running=False, began=261)
    assert broken(run) == []
