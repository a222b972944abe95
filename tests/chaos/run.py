#!/usr/bin/env python3
"""Releases under faults on a private local stack: every promise is held against what the run leaves behind.

    run.py [--driver NAME] [--seed N] [--targets N] [--rounds N] [--faults KIND]... [--story NAME]... [--only TARGET]

Exits 0 only if every promise held. The same seed plays the same stories with the same faults at the same places.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from perch_local import lifecycle
from perch_local.checkout import ROOT
from perch_local.fault_plan import BadPlan, Plan
from perch_stage.load import Snapshot
from rich.console import Console

import summary
from checks import broken
from account import ChaosError, aws, output
from drivers import DRIVERS, driver_named
from evidence import Broken, Evidence
from installation import FUNCTIONS, LOST, SUBJECT, Stage, staged
from people import Operator, Told
from play import Played, Player
from stories import playable, programme
from table import Watcher, everything
from targets import Driver, Target
from traffic import Traffic

QUIET = 2
RATES = {
    "call": {
        "drop": 0.012,
        "delay": 0.012,
        "throttle": 0.015,
        "error": 0.015,
        "reset": 0.015,
        "hang": 0.002,
        "kill-before": 0.004,
        "kill-after": 0.006,
    },
    "invoke": {"refused": 0.02, "throttled": 0.02, "lost-answer": 0.03, "delay": 0.02},
    "event": {"duplicate": 0.25, "delay": 0.2},
    "record": {"duplicate": 0.15, "delay": 0.1},
}
AT_REST_WITHIN = 90.0
BEGAN = time.monotonic()


def say(text: str) -> None:
    """Progress, apart from the summary."""
    print(f"{time.monotonic() - BEGAN:4.0f} s  {text}", file=sys.stderr, flush=True)


def cast(count: int, features: set[str], driver: Driver) -> list[Target]:
    """The targets of a run: the last have no callers, every third has two steps where Perch moves, policies come by turns."""
    policies = ("replace", "queue", "replace", "reject") if "policies" in features else (None,)
    quiet = min(1 if driver.moves_itself else QUIET, count - 1)
    return [
        Target(
            f"chaos-{number:02}",
            steps=(30, 60) if number % 3 == 2 and not driver.moves_itself else (50,),
            rate=0.0 if number >= count - quiet else 3.0,
            policy=policies[number % len(policies)],
            tested="wrong" in driver.images and number % 2 == 0,
            driver=driver,
        )
        for number in range(count)
    ]


def chosen(kinds: list[str]) -> dict[str, dict[str, float]]:
    """The rates of the faults that were asked for: a site such as `call`, or one kind such as `call.drop`."""
    if not kinds:
        return RATES
    found: dict[str, dict[str, float]] = {}
    for kind in kinds:
        site, _, one = kind.partition(".")
        if site not in RATES or (one and one not in RATES[site]):
            raise ChaosError(f"--faults {kind}: not one of {', '.join(RATES)}, or of their kinds such as call.drop")
        found.setdefault(site, {}).update({one: RATES[site][one]} if one else RATES[site])
    return found


def play(
    stage: Stage, targets: list[Target], features: set[str], options: argparse.Namespace, watcher: Watcher
) -> list[Played]:
    """Play every target's stories at the same time, under faults."""
    quiet = {number for number, target in enumerate(targets) if not target.rate}
    plan = Plan(seed=options.seed, rates=chosen(options.faults), functions=FUNCTIONS, subject=SUBJECT, lose=f'{LOST}"')
    known = playable(features, options.story)
    if all(story.quiet_target for story in known):
        raise ChaosError(f"--story: none of these can be played here; there are: {', '.join(s.name for s in playable(features, []))}")
    parts = programme(len(targets), quiet, options.rounds, known, options.seed)
    players = [Player(stage, watcher, target, part) for target, part in zip(targets, parts, strict=True)]
    players = [player for player in players if options.only in (None, player.target.name)]
    stage.control.follow(plan)
    threads = [threading.Thread(target=player.run, daemon=True) for player in players]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(10)
        ended = [played for player in players for played in player.played]
        say(f"{len(ended)} releases, {sum(stage.control.counts().values())} faults")
    return [played for player in players for played in player.played]


def at_rest(told: Told, targets: list[Target], driver: Driver) -> None:
    """Wait until no execution and no deployment runs and every entry was told, or until waiting is of no use."""
    deadline, before = time.monotonic() + AT_REST_WITHIN, -1
    while time.monotonic() < deadline:
        running = sum(
            len(aws("stepfunctions").list_executions(stateMachineArn=output(arn), statusFilter="RUNNING")["executions"])
            for arn in ("CanaryDeployArn", "RollbackArn")
        )
        running += sum(shift.running for target in targets for shift in driver.shifts(target))
        seen = sum(told.entries.values())
        if not running and seen == before:
            return
        before = seen
        time.sleep(2)


def whole_run(options: argparse.Namespace) -> summary.Run:
    """Stage, play, come to rest, and hold the promises against what is left."""
    driver = driver_named(options.driver)
    options.targets, options.rounds = options.targets or driver.targets, options.rounds or driver.rounds
    with staged(options.seed, say, driver) as stage:
        features = stage.features()
        targets = cast(options.targets, features, driver)
        stage.install(targets)
        told, operator, watcher, traffic = Told(), Operator(), Watcher(), Traffic(targets)
        told.start()
        operator.start()
        stage.call(targets)
        say(f"{len(targets)} targets are installed; seed {options.seed}; installed too: {', '.join(sorted(features)) or '-'}")
        try:
            played = play(stage, targets, features, options, watcher)
            say("the stories are played; faults end")
            stage.control.follow(Plan(seed=options.seed, functions=FUNCTIONS, subject=SUBJECT))
            at_rest(told, targets, driver)
        finally:
            watcher.close()
            traffic.close()
        callers = stage.hang_up()
        operator.close()
        told.close()
        evidence = left(stage, targets, played, told, operator, traffic)
        run = summary.Run(
            seed=options.seed,
            seconds=time.monotonic() - BEGAN,
            evidence=evidence,
            broken=broken(evidence),
            callers=callers,
            bad_versions=bad(evidence, callers, driver),
            redriven=len(operator.redriven),
            gap=traffic.longest,
            command=again(options),
        )
        run.broken += harmed(run)
        if run.broken:
            run.command += f"\nevidence: {keep(stage, options.seed, evidence)}"
        return run


def left(
    stage: Stage, targets: list[Target], played: list[Played], told: Told, operator: Operator, traffic: Traffic
) -> Evidence:
    """What a run that is over has left behind."""
    return Evidence(
        targets=targets,
        played=played,
        state=everything(),
        serving={target.name: stage.driver.shares(target) for target in targets},
        versions={target.name: stage.driver.versions(target) for target in targets},
        shifts={target.name: stage.driver.shifts(target) for target in targets},
        seen=traffic.seen,
        calls=stage.control.lines("calls"),
        faults=stage.control.lines("faults"),
        told=told.entries,
        lost_letters=operator.lost,
    )


def bad(evidence: Evidence, callers: dict[str, Snapshot], driver: Driver) -> set[tuple[str, str]]:
    """The versions that were pushed to fail or to be slow: by number, and by the builds that answers name."""
    kinds = {played.digest: played.story.images for played in evidence.played if len(played.story.images) == 1}
    faulty = [kind for kind, fault in driver.images.items() if fault]
    numbers = {
        (release["target"], release["canary"])
        for release in evidence.state.releases.values()
        if release.get("canary") and kinds.get(release["artifact"]["digest"], ("healthy",))[0] in faulty
    }
    builds = {
        (target, build)
        for target, snapshot in callers.items()
        for build in snapshot.versions
        if build.startswith(f"{target}-") and build.rpartition("-")[2] in faulty
    }
    return numbers | builds


def harmed(run: summary.Run) -> list[Broken]:
    """What callers must not see: an error of a version that was not made to fail, or no answer."""
    seen = summary.harm(run)
    names = ("errors of good versions", "no answer")
    return [Broken("callers", "all", f"{seen[name]} {name}") for name in names if seen[name]]


def again(options: argparse.Namespace) -> str:
    """The command that plays this run again."""
    more = "".join(f" --faults {kind}" for kind in options.faults) + "".join(f" --story '{name}'" for name in options.story)
    size = f"--targets {options.targets} --rounds {options.rounds}"
    return f".venv/bin/python tests/chaos/run.py --driver {options.driver} --seed {options.seed} {size}{more}"


def keep(stage: Stage, seed: int, evidence: Evidence) -> Path:
    """Keep the logs and journals of a run that failed; the stack's folder goes with the stack."""
    place = ROOT / ".local" / "-".join(["chaos", *([stage.driver.name] if stage.driver.moves_itself else []), str(seed)])
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in ("faults.jsonl", "calls.jsonl", "server.log"):
        shutil.copy2(stage.folder / name, place / name)
    state = {"releases": evidence.state.releases, "journal": evidence.state.journal, "notes": evidence.state.notes}
    state |= {"seen": evidence.seen, "shifts": {name: list(map(asdict, of)) for name, of in evidence.shifts.items()}}
    (place / "state.json").write_text(json.dumps(state, indent=1, default=str))
    return place.relative_to(ROOT)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    parser.add_argument("--driver", default="alias", help=f"{', '.join(DRIVERS)}; default: %(default)s")
    parser.add_argument("--targets", type=int, help="default: as many as suit the driver")
    parser.add_argument("--rounds", type=int, help="stories of each target; default: as many as suit the driver")
    parser.add_argument("--faults", action="append", default=[], metavar="SITE[.KIND]", help="only these; default: all")
    parser.add_argument("--story", action="append", default=[], metavar="NAME", help="only these; default: all")
    parser.add_argument("--only", metavar="TARGET", help="play the stories of one target alone")
    options = parser.parse_args()
    options.seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    try:
        run = whole_run(options)
    except (ChaosError, BadPlan, lifecycle.LocalStackError) as wrong:
        print(f"chaos: {wrong}", file=sys.stderr)
        return 1
    summary.show(run, Console(width=110))
    return 1 if run.broken else 0


if __name__ == "__main__":
    sys.exit(main())
