"""Acts 5 to 7: models on three servers, judged while callers use the front with its cache."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perch_stage.command import run_perch, stamp, times
from perch_stage.results import Result

from callers import front_invoke, headlines
from demo_stage import TARGET, NewsStage
from switching import PointerWatch, Switch, describe, wrong_around

MODELS = Path(__file__).resolve().parent / "models"


@dataclass(frozen=True)
class Act:
    """One upload and how its release has to end."""

    title: str
    version: str
    serving: str  # the model that serves when it has ended
    phase: str
    why: str  # what the decision has to name


ACTS = (
    Act("a better model", "v2", "v2", "Promoted", "errors at most 2 times"),
    Act("a model that answers fast but wrong: golden requests", "v3", "v2", "RolledBack", 'expected "business", got "sport"'),
    Act("a model that answers fast but unsure: no golden request shows it", "v4", "v2", "RolledBack", "unsure answers"),
)


def play(stage: NewsStage, number: int, act: Act) -> Result:
    """Upload, follow the release to its end, and look at what servers, cache and callers have."""
    stage.console.rule(f"[bold]{number}. {act.title}", align="left")
    before, serves = accuracy(stage), stage.fleet.generation()
    begin = time.time()
    with PointerWatch(stage.fleet.generation) as pointer:
        run_perch("model", "push", str(MODELS / act.version), "--target", TARGET, "--version", act.version)
        stage.say(begin, begin, f"uploaded model {act.version}; callers get {before:.1%} right answers from {serves}")
        release = stage.follow(lambda artifact: artifact.get("version") == act.version, begin)
        end = time.time()
    after = accuracy(stage)
    stage.console.print(f"           right answers on the shipped test set: {before:.1%} before, {after:.1%} after")
    missed = not_serving(stage, act.serving)
    if act.phase == "Promoted":
        missed += [] if after > before else [f"{after:.1%} right answers, {before:.1%} before"]
        missed += switched(stage, pointer.switches, str(serves), act.version, begin, end)
    else:
        missed += [] if after == before else [f"{after:.1%} right answers, {before:.1%} before"]
        missed += cached_only_by(stage, pointer.switches, str(serves), begin, end)
    failed = stage.counts(begin, end).failed
    missed += [f"{failed} requests failed"] if failed else []
    name, harmed = f"model {act.version}", harm(stage, act, begin)
    result = Result(number, release, name, act.phase, act.why, decided_in(release), harmed, missed)
    stage.report(number, f"model-{act.version}", release["id"])
    return stage.judged(result)


def accuracy(stage: NewsStage) -> float:
    """Share of the held-out headlines that the model servers answer right; a number keeps the cache out of it."""
    ask, texts = front_invoke(stage.fleet.front), headlines()
    return sum(not ask(f"{text} ({time.time_ns()})").wrong for text in texts) / len(texts)


def harm(stage: NewsStage, act: Act, begin: float) -> str:
    """What callers got from the model of the act."""
    counts, own = stage.counts(begin, time.time()), stage.counts(begin, time.time(), act.version)
    if act.phase == "Promoted":
        return f"{counts.failed} failed of {counts.requests}"
    return f"{own.wrong} wrong, {own.unsure} unsure of {counts.requests}"


def not_serving(stage: NewsStage, version: str) -> list[str]:
    """Which servers do not serve this version, and whether the cache's generation is another."""
    active = [state["active"] for state in stage.fleet.states()]
    wrong = [f"server {n} serves {found}" for n, found in enumerate(active, 1) if found != version]
    generation = stage.fleet.generation()
    return wrong + ([] if generation == version else [f"the cache's generation is {generation}"])


def switched(stage: NewsStage, switches: list[Switch], old: str, new: str, begin: float, end: float) -> list[str]:
    """Says when cached answers changed; what is wrong if they did not change with the pointer."""
    if [(switch.old, switch.new) for switch in switches] != [(old, new)]:
        seen = ", ".join(f"{switch.old} to {switch.new}" for switch in switches)
        return [f"the cache's pointer was switched from {seen}" if seen else "the cache's pointer was not switched"]
    kept = stage.load.ledger.kept(begin, end)
    stage.console.print(f"           {describe(switches[0], kept, begin)}", highlight=False)
    return wrong_around(switches[0], kept)


def cached_only_by(stage: NewsStage, switches: list[Switch], version: str, begin: float, end: float) -> list[str]:
    """Says which cached answers callers got while a model was tried; what is wrong if there were others."""
    kept = [k.version for k in stage.load.ledger.kept(begin, end)]
    stage.console.print(
        f"           cached answers: {kept.count(version)} of {version}, {len(kept) - kept.count(version)} of others",
        highlight=False,
    )
    others = set(kept) - {version}
    wrong = [f"cached answers of {', '.join(sorted(others))}"] if others else []
    wrong += [] if version in kept else [f"no cached answers of {version}"]
    return wrong + [f"the cache's pointer went from {s.old} to {s.new}" for s in switches]


def decided_in(release: dict[str, Any]) -> float:
    """Seconds from the first canary server to the promotion, or to the baseline alone."""
    at = times(release)
    shifted = at.get("WeightShifted", stamp(release["startedAt"]))
    end = "PromotionDecided" if release["phase"] == "Promoted" else "ReleaseRolledBack"
    return at.get(end, stamp(release["endedAt"])) - shifted
