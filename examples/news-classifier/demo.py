#!/usr/bin/env python3
"""Releases on private local stacks, with real requests all the while.

1. a healthy image: 25 %, 50 %, promoted;  2. an image that fails: judged and rolled back;
3. a slow image: judged and rolled back;   4. an image that fails later: the guard alarm rolls it back;
5. a better model: server by server, then the cache is switched;
6. and 7. models that answer fast but wrong: golden requests stop one, the signal of unsure answers the other.

Exits 0 only if every act ended as it should.
"""

from __future__ import annotations

import argparse
import sys
import time

from perch_local.checkout import ROOT
from rich.console import Console
from rich.table import Table

from demo_parts import KINDS, PARTS, Played, play_side_by_side
from demo_stage import Result


def table(results: list[Result]) -> Table:
    """The table at the end."""
    shown = Table(title="What happened", title_justify="left", title_style="bold")
    shown.add_column("act")
    shown.add_column("release and artifact", min_width=38, overflow="fold")
    for name in ("ended", "why"):
        shown.add_column(name, overflow="fold")
    for name in ("decided in", "harmed"):
        shown.add_column(name, justify="right", no_wrap=True)
    for result in results:
        style = "green" if result.as_expected else "red"
        shown.add_row(
            str(result.number),
            f"{result.release['id']}\n[dim]{result.artifact}[/]",
            f"[{style}]{result.release['phase']}[/]",
            result.why,
            f"{result.seconds:.1f} s",
            result.harm,
        )
    return shown


def say_end(console: Console, played: list[Played], seconds: float) -> None:
    """What to make of the results."""
    results = [result for part in played for result in part.results]
    Console(width=max(120, console.width)).print(table(results))
    console.print(
        "Decided in: from the first canary request to the promotion, or from the first harmed request to the baseline "
        "alone.\nHarmed: failed, unanswered or slower than 300 ms, of all requests of the act. Whole demo: "
        f"{seconds:.0f} s.\n",
        highlight=False,
    )
    console.print("The evidence of each release, as a page to open in a browser:")
    for page in (page for part in played for page in part.reports):
        console.print(f"  {page.relative_to(ROOT)}", highlight=False)
    console.print()


def main() -> int:
    """Play every part, each on a stack of its own."""
    parser = argparse.ArgumentParser(description="Releases on private local stacks, with real requests.")
    parser.add_argument("--only", choices=KINDS, help="the acts of images, or those of models")
    options = parser.parse_args()
    parts = [part for part in PARTS if options.only in (None, part.kind)]
    console, begin = Console(soft_wrap=not sys.stdout.isatty()), time.monotonic()
    console.print(f"{len(parts)} private stacks are used side by side; what happens on each is shown in turn.")
    try:
        played = play_side_by_side(parts, console)
    except KeyboardInterrupt:
        print("demo: stopped; the local stacks are ended", file=sys.stderr)
        return 130
    say_end(console, played, time.monotonic() - begin)
    if broken := [part.wrong for part in played if part.wrong]:
        print(*(f"demo: {wrong}" for wrong in broken), sep="\n", file=sys.stderr)
        return 1
    if not all(result.as_expected for part in played for result in part.results):
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
