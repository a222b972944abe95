#!/usr/bin/env python3
"""Releases on a private local stack, with real requests all the while.

1. a healthy image: 25 %, 50 %, promoted;  2. an image that fails: judged and rolled back;
3. a slow image: judged and rolled back;   4. an image that fails later: the guard alarm rolls it back;
5. a better model: server by server, then the cache is switched;
6. two models that answer fast but wrong: golden requests stop one, the signal of unsure answers the other.

Exits 0 only if every act ended as it should.
"""

from __future__ import annotations

import argparse
import sys
import time

from perch_local import lifecycle, servers
from perch_local.checkout import ROOT, Stack
from rich.console import Console
from rich.table import Table

import demo_images
import demo_models
import push_image
from demo_stage import DemoError, Result, Stage, free_port
from replicas import FleetError

PARTS = ("images", "models")


def table(results: list[Result]) -> Table:
    """The table at the end."""
    shown = Table(title="What happened", title_justify="left", title_style="bold")
    shown.add_column("act")
    shown.add_column("release and artifact", min_width=38, overflow="fold")
    for name in ("ended", "why"):
        shown.add_column(name, overflow="fold")
    for name in ("decided in", "harmed"):
        shown.add_column(name, justify="right", no_wrap=True)
    for number, result in enumerate(results, 1):
        style = "green" if result.as_expected else "red"
        shown.add_row(
            str(number),
            f"{result.release['id']}\n[dim]{result.artifact}[/]",
            f"[{style}]{result.release['phase']}[/]",
            result.why,
            f"{result.seconds:.1f} s",
            result.harm,
        )
    return shown


def play(stage: Stage, parts: list[str]) -> list[Result]:
    """Every act of these parts."""
    results: list[Result] = []
    if "images" in parts:
        stage.call_alias()
        for number, act in enumerate(demo_images.ACTS, 1):
            if "models" in parts and number == len(demo_images.ACTS):
                stage.warm_front()
            results.append(demo_images.play(stage, number, act))
    if "models" in parts:
        stage.call_front()
        for number, act in enumerate(demo_models.ACTS, len(results) + 1):
            results.append(demo_models.play(stage, number, act))
    return results


def say_end(console: Console, stage: Stage, results: list[Result], seconds: float) -> None:
    """What to make of the results."""
    Console(width=max(120, console.width)).print(table(results))
    console.print(
        "Decided in: from the first canary request to the promotion, or from the first harmed request to the baseline "
        "alone.\nHarmed: failed, unanswered or slower than 300 ms, of all requests of the act. Whole demo: "
        f"{seconds:.0f} s.\n",
        highlight=False,
    )
    console.print("The evidence of each release, as a page to open in a browser:")
    for page in stage.reports:
        console.print(f"  {page.relative_to(ROOT)}", highlight=False)
    console.print()


def main() -> int:
    """Play every act on a stack of its own."""
    parser = argparse.ArgumentParser(description="Releases on a private local stack, with real requests.")
    parser.add_argument("--only", choices=PARTS, help="the acts of images, or those of models")
    options = parser.parse_args()
    parts = [options.only] if options.only else list(PARTS)
    console = Console(soft_wrap=not sys.stdout.isatty())
    stage, begin = Stage(Stack(free_port()), console), time.monotonic()
    try:
        with stage.open():
            results = play(stage, parts)
    except (DemoError, FleetError, lifecycle.LocalStackError, push_image.PushError, servers.ServerError) as wrong:
        print(f"demo: {wrong}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped; the local stack is ended", file=sys.stderr)
        return 130
    say_end(console, stage, results, time.monotonic() - begin)
    if not all(result.as_expected for result in results):
        console.print("[red]Not every act ended as it should.")
        return 1
    console.print(
        "Try next: make up, then . local/env.sh, then\n"
        "  target/release/perch watch news-classifier          # in a second terminal\n"
        "  make push-image VARIANT=failing\n"
        "  target/release/perch model push examples/news-classifier/models/v2 --target news-classifier --version v2",
        highlight=False,
        markup=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
