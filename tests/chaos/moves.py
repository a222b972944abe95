"""The promises of releases whose traffic CodeDeploy or ECS moves, held against the traffic that was seen and the deployments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from evidence import Broken, Evidence, span
from table import Item, stamp
from targets import Shift, Target
from traffic import Sight

BACK = ("RolledBack", "Superseded")

def sights(evidence: Evidence) -> Iterator[Broken]:
    """P2 and P6: weights rise by the plan's steps or go to 0, and no canary has traffic after its release went back."""
    for target in evidence.targets:
        seen = evidence.seen.get(target.name, [])
        for release in evidence.state.of(target.name):
            if release.get("canary"):
                left = any(entry["what"] == "TrafficTakenOver" for entry in evidence.state.journal[release["id"]])
                yield from risen(target, release, seen, span(evidence, release)[0], release["phase"]["name"] in BACK and not left)


def risen(target: Target, release: Item, seen: list[Sight], began: str, back: bool) -> Iterator[Broken]:
    """What is wrong with the weights of one canary, of a release that has brought its baseline back or has not."""
    before, ended = 0, release["endedAt"] or "9"
    for at, shares in seen:
        weight = shares.get(release["canary"], 0)
        if at < began and weight:
            yield Broken("P2", release["id"], f"its canary had {weight} % before the release began")
        if at > ended:
            if back and weight:
                yield Broken("P2", release["id"], f"its canary got {weight} % again after it had gone back")
            continue
        following = next((step for step in (*target.steps, 100) if step > before), 100)
        if weight not in (before, 0, following):
            yield Broken("P6", release["id"], f"the canary's weight went from {before} % to {weight} %")
        before = weight


def deployments(evidence: Evidence) -> Iterator[Broken]:
    """P1, P5 and P8: a release has one deployment, in its own time, and none runs at the end."""
    for target in evidence.targets:
        own: Counter[str] = Counter()
        for shift in evidence.shifts.get(target.name, []):
            if shift.running:
                yield Broken("P5", target.name, f"at the end deployment {shift.id} still runs")
            if not shift.release:
                continue
            release = evidence.state.releases.get(shift.release)
            if not release:
                yield Broken("P8", target.name, f"deployment {shift.id} is for {shift.release}, which is no release")
                continue
            if shift.version != release.get("canary"):
                yield Broken("P8", shift.release, f"its deployment brings version {shift.version}, not {release.get('canary')}")
            if within(evidence, release, shift):
                own[shift.release] += 1
            elif not any(within(evidence, other, shift) for other in back_to(evidence, target, shift)):
                yield Broken("P1", shift.release, f"its deployment {shift.id} began outside of its time")
        for name, count in own.items():
            if count > 1:
                yield Broken("P8", name, f"{count} deployments")


def within(evidence: Evidence, release: Item, shift: Shift) -> bool:
    """Whether a deployment began while a release held its target."""
    began, ended = span(evidence, release)
    return began <= stamp(shift.began) <= ended


def back_to(evidence: Evidence, target: Target, shift: Shift) -> Iterator[Item]:
    """The releases that go back to what a deployment brings: ECS names it by the release that brought it first."""
    for release in evidence.state.of(target.name):
        ledger = release.get("ledger")
        if ledger and ledger["baseline"] == shift.version and release["phase"]["name"] in BACK:
            yield release
