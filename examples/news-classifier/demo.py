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

from perch_stage.parts import play_side_by_side
from perch_stage.results import say_end, verdict
from rich.console import Console

from demo_parts import PARTS


def main() -> int:
    """Play every part, each on a stack of its own."""
    parser = argparse.ArgumentParser(description="Releases on private local stacks, with real requests.")
    parser.add_argument("--only", choices=list(PARTS), help="the acts of images, or those of models")
    options = parser.parse_args()
    parts = [part for kind in PARTS if options.only in (None, kind) for part in PARTS[kind]]
    console, begin = Console(soft_wrap=not sys.stdout.isatty()), time.monotonic()
    console.print(f"{len(parts)} private stacks are used side by side; what happens on each is shown in turn.")
    try:
        played = play_side_by_side(parts, console)
    except KeyboardInterrupt:
        print("demo: stopped; the local stacks are ended", file=sys.stderr)
        return 130
    say_end(console, played, time.monotonic() - begin)
    if wrong := verdict(played):
        print(*(f"demo: {line}" for line in wrong), sep="\n", file=sys.stderr)
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
