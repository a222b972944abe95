"""The promises of a release, held against what a run left behind: the table, the aliases, the calls, the messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import moves
from evidence import Broken, Evidence, span
from play import Played
from stories import NONE
from table import Item, stamp
from targets import Target

# Journal entries that people are not told about: `What::is_notified` in crates/core/src/journal.rs. One that is not
# listed here and comes without a message fails the run.
UNTOLD = {"BakeJudged", "LedgerTaken", "DeploymentStarted", "DeploymentStopped", "CodeSet", "SmokeTested", "PromotionDecided"}
HOOKS = "CodeDeployHook_"
ENDS = {"Promoted", "RolledBack", "Rejected", "Superseded", "Stuck"}


def broken(evidence: Evidence) -> list[Broken]:
    """Every promise that did not hold, in the order of the promises."""
    traffic = (alias_writes, moves.sights, moves.deployments)
    checks = (one_at_a_time, *traffic, ledgers, ends, at_rest, stories, one_effect, data, journals, causes)
    return [found for check in checks for found in check(evidence)]


def one_at_a_time(evidence: Evidence) -> Iterator[Broken]:
    """P1: the times in which releases hold a target never overlap, and at the end nothing holds it."""
    for target in evidence.targets:
        releases = evidence.state.of(target.name)
        for before, after in zip(releases, releases[1:], strict=False):
            if span(evidence, before)[1] > span(evidence, after)[0]:
                yield Broken("P1", after["id"], f"began before the end of {before['id']}")
        head = evidence.state.heads.get(target.name, {})
        if head.get("active") or head.get("waiting"):
            yield Broken("P1", target.name, f"at the end the head still names {head.get('active') or head.get('waiting')}")


def alias_writes(evidence: Evidence) -> Iterator[Broken]:
    """P2 and P6: weights rise by the plan's steps or go to 0, and no canary comes back after its release went back."""
    releases = evidence.state.releases
    by_canary = {(r["target"], r["canary"]): name for name, r in releases.items() if r.get("canary")}
    for target in evidence.targets:
        weights: dict[str, int] = {}
        for call in evidence.calls if not target.moves_itself else ():
            if call["operation"] != "Lambda.UpdateAlias" or call["status"] != 200 or call["subject"] != target.name:
                continue
            shares = shares_of(call["body"])
            for version, weight in shares.items():
                release = by_canary.get((target.name, version))
                # The version of a release that was promoted is the baseline of the next.
                if not release or weights.get(release) == 100 and releases[release]["phase"]["name"] == "Promoted":
                    continue
                before, weights[release] = weights.get(release, 0), weight
                if before < 0:
                    yield Broken("P2", release, f"its canary got {weight} % again after it had gone back")
                elif weight not in (before, *allowed_after(before, target, evidence.state.journal[release])):
                    yield Broken("P6", release, f"the canary's weight went from {before} % to {weight} %")
            for release in weights:
                if releases[release]["canary"] not in shares and releases[release]["phase"]["name"] != "Promoted":
                    weights[release] = -1


def shares_of(request: dict[str, Any]) -> dict[str, int]:
    """What each version gets by an update of the alias, in percent; the baseline's share beside a canary is left out."""
    split = (request.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return {version: round(share * 100) for version, share in (split or {request["FunctionVersion"]: 1.0}).items()}


def allowed_after(weight: int, target: Target, journal: list[Item]) -> tuple[int, ...]:
    """The weights that may follow a canary's weight: the next of the plan, and all traffic where a person ordered it."""
    following = next((step for step in (*target.steps, 100) if step > weight), 100)
    ordered = any(entry["what"] == "OrderGiven" for entry in journal)
    return (following, 100) if ordered else (following,)


def ledgers(evidence: Evidence) -> Iterator[Broken]:
    """P3 and P5: the way back is taken before traffic moves, and it is what served last; so is what serves at the end."""
    moved = {played.release: played.moved_to for played in evidence.played if played.moved_to}
    for target in evidence.targets:
        serving = "1"
        for release in evidence.state.of(target.name):
            what = [entry["what"] for entry in evidence.state.journal[release["id"]]]
            if "WeightShifted" in what and "LedgerTaken" not in what[: what.index("WeightShifted")]:
                yield Broken("P3", release["id"], "traffic moved before the ledger was taken")
            ledger = release.get("ledger")
            if ledger and ledger["baseline"] != serving:
                yield Broken("P3", release["id"], f"its baseline is version {ledger['baseline']}, but {serving} served")
            if release["phase"]["name"] == "Promoted":
                serving = release["canary"]
            serving = moved.get(release["id"], serving)
        found = evidence.serving[target.name]
        if found != {serving: 100}:
            yield Broken("P5", target.name, f"traffic goes to {found}, after the releases it should go to version {serving} alone")


def ends(evidence: Evidence) -> Iterator[Broken]:
    """P4: every release has ended, in its time, and nobody has to be paged."""
    for release in evidence.state.releases.values():
        phase = release["phase"]["name"]
        if phase not in ENDS or not release.get("endedAt"):
            yield Broken("P4", release["id"], f"has not ended: phase {phase}")
        elif phase == "Stuck":
            yield Broken("P4", release["id"], f"is stuck: {release['phase']['why']}")
        elif phase == "Promoted" and "deadline" in release and release["endedAt"] > release["deadline"]:
            yield Broken("P4", release["id"], f"was promoted after its deadline {release['deadline']}")


def at_rest(evidence: Evidence) -> Iterator[Broken]:
    """P5: what is called promoted or rolled back was read back first."""
    needed = {"ReleasePromoted": "CanaryPromoted", "ReleaseRolledBack": "RollbackDecided"}
    for release, entries in evidence.state.journal.items():
        what = [entry["what"] for entry in entries]
        for end, before in needed.items():
            if end in what and before not in what[: what.index(end)]:
                yield Broken("P5", release, f"{end} without {before} before it")


def stories(evidence: Evidence) -> Iterator[Broken]:
    """P4 and P7: each release ended as its story says, or went back because a step could not be done at all."""
    for played in evidence.played:
        if played.problem:
            yield Broken("P4", played.release or played.target, f"story '{played.story.name}': {played.problem}")
        elif not played.as_told and not played.gave_up and not played.late:
            promise = "P7" if played.expected and played.expected.phase == "RolledBack" else "P4"
            told = f"story '{played.story.name}' ends {played.expected}, this one ended {played.end}"
            yield Broken(promise, played.release or played.target, told)


def one_effect(evidence: Evidence) -> Iterator[Broken]:
    """P8: an artifact has one release, a release one version, and nothing is released that nobody pushed."""
    pushed = {played.digest for played in evidence.played if played.expected is not NONE}
    for target in evidence.targets:
        releases = evidence.state.of(target.name)
        for digest, count in Counter(r["artifact"]["digest"] for r in releases).items():
            if count > 1:
                yield Broken("P8", target.name, f"{count} releases of {digest}")
            if digest not in pushed:
                yield Broken("P8", target.name, f"a release of {digest}, which has to have none")
        others = sum(played.target == target.name and bool(played.moved_to) for played in evidence.played)
        published = others + sum(
            any(entry["what"] == "CanaryPublished" for entry in evidence.state.journal[release["id"]]) for release in releases
        )
        # A version that was published by a release which went back before it had noted it.
        unnoted = sum(release["phase"]["name"] == "RolledBack" and not release.get("canary") for release in releases)
        if not published + 1 <= evidence.versions[target.name] <= published + unnoted + 1:
            yield Broken("P8", target.name, f"{evidence.versions[target.name]} versions after {published} published canaries")


def data(evidence: Evidence) -> Iterator[Broken]:
    """P9: each promotion rests on enough requests, or on a person's order."""
    for release in evidence.state.releases.values():
        entries = evidence.state.journal[release["id"]]
        what = [entry["what"] for entry in entries]
        if "PromotionDecided" not in what or "OrderGiven" in what:
            continue
        least = int(release["plan"]["judge"]["minRequests"])
        passed = [e["evidence"] for e in entries if e["what"] == "BakeJudged" and e["evidence"]["verdict"]["outcome"] == "Pass"]
        enough = [e for e in passed if int(e["readings"]["canary"]["requests"]) >= least]
        if len(enough) < len(release["plan"]["steps"]):
            yield Broken("P9", release["id"], f"promoted with {len(enough)} looks at enough requests")


def journals(evidence: Evidence) -> Iterator[Broken]:
    """P10: no gap in a journal, a cause for each entry, and a message for each that matters."""
    for release in evidence.state.releases.values():
        entries = evidence.state.journal[release["id"]]
        numbers = [int(entry["seq"]) for entry in entries]
        if numbers != list(range(1, int(release["seq"]) + 1)):
            yield Broken("P10", release["id"], f"the journal has entries {numbers} of {release['seq']}")
        if nameless := [entry["seq"] for entry in entries if not entry["cause"]]:
            yield Broken("P10", release["id"], f"entries without a cause: {nameless}")
    for entry in lost(evidence):
        yield Broken("P10", entry, "nobody was told of this entry")
    for letter in evidence.lost_letters:
        yield Broken("P10", str(letter["requestContext"]["functionArn"]), f"gave up on {letter.get('DDBStreamBatchInfo')}")


def lost(evidence: Evidence) -> list[str]:
    """Journal entries that matter and of which no message came."""
    entries = [
        f"{release}/{entry['seq']}"
        for release, journal in evidence.state.journal.items()
        for entry in journal
        if entry["what"] not in UNTOLD
    ]
    entries += [f"{notice.get('target', 'all')}/{notice['at']}/{notice['id']}" for notice in evidence.state.notices]
    return [entry for entry in entries if not evidence.told[entry]]


def causes(evidence: Evidence) -> Iterator[Broken]:
    """No release goes back for a failed step: another try mends every fault of a run."""
    for played in evidence.played:
        if played.gave_up and not lost_its_hook(evidence, played):
            yield Broken("P4", played.release, f"went back because of {error_of(evidence.state.releases[played.release])}")
        if played.late and not any(met(evidence, played)):
            yield Broken("P9", played.release, "had no verdict in time, though no fault delayed it")


def met(evidence: Evidence, played: Played) -> Iterator[dict[str, Any]]:
    """The faults that met this release, its target, or nobody in particular while it ran."""
    began, ended = (evidence.state.releases[played.release][when] for when in ("startedAt", "endedAt"))
    for fault in evidence.faults:
        if began <= stamp(fault["at"]) <= ended and (fault["release"] == played.release or fault["subject"] in (played.target, "")):
            yield fault


def lost_its_hook(evidence: Evidence, played: Played) -> bool:
    """Whether its deployment failed because a hook of it was ended. CodeDeploy names that reason, ECS only what the function said."""
    error = cause_of(evidence.state.releases[played.release])
    by_hook = "HOOK_EXECUTION_FAILURE" in error or not error.startswith("CodeDeploy ")
    return played.moves_itself and by_hook and any(is_end_of_hook(fault) for fault in met(evidence, played))


def is_end_of_hook(fault: dict[str, Any]) -> bool:
    """Whether a hook of a deployment was ended by it. A hook is asked once: one without an answer is a no."""
    return fault["function"].startswith(HOOKS) and fault["kind"].startswith("kill")


def error_of(release: Item) -> str:
    """The name of the error that a release went back for."""
    return cause_of(release).partition(":")[0]


def cause_of(release: Item) -> str:
    """What a release says of the step that failed, or of the deployment that was ended."""
    cause = release["phase"].get("cause", {})
    return str(cause.get("why", cause.get("error", "")))
