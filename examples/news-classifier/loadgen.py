#!/usr/bin/env python3
"""Send real requests and count what callers saw: through the alias, or through the front of the model servers.

    loadgen.py --rate 50 --duration 60 --out seconds.jsonl
    loadgen.py --front http://127.0.0.1:8100                 until SIGINT or SIGTERM

How they are sent and counted: local/perch_stage.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from itertools import cycle
from pathlib import Path

from perch_stage.ledger import SLOW_MS, Answer, Counts, Ledger, Snapshot, table
from perch_stage.load import Invoke, LoadGenerator

from callers import alias_invoke, asked_again, front_invoke, headlines

__all__ = [
    "Answer",
    "Counts",
    "Invoke",
    "Ledger",
    "LoadGenerator",
    "Snapshot",
    "alias_invoke",
    "asked_again",
    "front_invoke",
    "headlines",
]
def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Send real requests and count what callers saw.")
    parser.add_argument("--front", help="the front of the model servers, such as http://127.0.0.1:8100; else the alias")
    parser.add_argument("--function", default="news-classifier")
    parser.add_argument("--alias", default="live")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second; default: %(default)s")
    parser.add_argument("--threads", type=int, default=16, help="most requests under way; default: %(default)s")
    parser.add_argument("--duration", type=float, help="seconds; default: until SIGINT or SIGTERM")
    parser.add_argument("--slow-ms", type=float, default=SLOW_MS, help="slower answers are harm; default: %(default)s")
    parser.add_argument("--out", type=Path, help="write one JSON line per second and version")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="form of the summary")
    options = parser.parse_args(arguments)
    if options.rate <= 0 or options.threads < 1:
        parser.error("--rate and --threads must be above 0")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    out = options.out.open("w") if options.out else None
    if options.front:
        invoke, texts = front_invoke(options.front), asked_again(headlines())
    else:
        invoke, texts = alias_invoke(options.function, options.alias, options.threads), cycle(headlines())
    generator = LoadGenerator(
        invoke, texts, rate=options.rate, threads=options.threads, slow_ms=options.slow_ms, out=out
    )
    generator.start()
    ended.wait(options.duration)
    final = generator.stop()
    if out:
        out.close()
    print(json.dumps(final.to_json()) if options.output == "json" else table(final))
    return 0


if __name__ == "__main__":
    sys.exit(main())
