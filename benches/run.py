#!/usr/bin/env python3
"""Measure Perch on a private local stack: alarm to safety, sizes and memory, cold starts.

Prints the tables and writes them between the markers of docs/performance.md; --quick only prints.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from importlib.metadata import version

from perch_local import lifecycle
from perch_local.checkout import ROOT

import report
from alarm_to_safety import Alarms
from cold_start import Colds
from functions import NAMES, Functions, machine
from scenes import Scenes
from stage import BenchError, push_image, staged

DOCUMENT = ROOT / "docs" / "performance.md"
ROUNDS, SAMPLES = 200, 15
QUICK_ROUNDS, QUICK_SAMPLES = 20, 3


BEGAN = time.monotonic()


def say(text: str) -> None:
    """Progress, apart from the tables."""
    print(f"{time.monotonic() - BEGAN:4.0f} s  {text}", file=sys.stderr, flush=True)


def measure(rounds: int, samples: int) -> dict[str, object]:
    """Every figure, from one stack."""
    runs_on = machine()
    with staged(say) as stage:
        scenes, functions = Scenes(stage), Functions(stage)
        functions.inert_machine()
        for name in NAMES:
            functions.create(name)
        say(f"alarm to safety: {rounds} rounds each")
        alarm = Alarms(stage, scenes, functions).measure(rounds)
        stage.stop_telling()
        colds = Colds(stage, scenes, functions)
        say("counting calls")
        colds.count_calls()
        say(f"cold starts: {samples} of each of {2 * len(NAMES)} functions")
        colds.measure(samples)
        say("memory")
        colds.weigh()
    runs_on.update(python=platform.python_version(), boto3=version("boto3"), ministack=version("ministack"))
    return report.figures(runs_on, alarm, colds.results)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rounds; docs/performance.md stays as it is")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    options = parser.parse_args()
    try:
        found = measure(*(QUICK_ROUNDS, QUICK_SAMPLES) if options.quick else (ROUNDS, SAMPLES))
        blocks = report.blocks(found)
        print(json.dumps(found, indent=2) if options.output == "json" else "\n\n".join(blocks.values()))
        if not options.quick:
            report.write(DOCUMENT, blocks)
    except (BenchError, lifecycle.LocalStackError, push_image.PushError) as wrong:
        print(f"bench: {wrong}", file=sys.stderr)
        return 1
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
