"""Where the traffic of targets goes, seen again and again while a run goes on."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from table import stamp
from targets import Shares, Target

LOOK = 0.25
# (when, percent by version), written down when it has changed.
Sight = tuple[str, Shares]


class Traffic:
    """Looks at the targets whose traffic something else than Perch moves, where no call of Perch shows it."""

    def __init__(self, targets: list[Target]) -> None:
        self.seen: dict[str, list[Sight]] = {target.name: [] for target in targets}
        self.longest = 0.0
        self._targets = [target for target in targets if target.moves_itself]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the looks."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        if not self._targets:
            return
        before = time.monotonic()
        with ThreadPoolExecutor(len(self._targets)) as pool:
            while not self._ended.wait(LOOK):
                list(pool.map(self._look, self._targets))
                now = time.monotonic()
                self.longest, before = max(self.longest, now - before), now

    def _look(self, target: Target) -> None:
        assert target.driver is not None
        at, found = stamp(time.time()), target.driver.shares(target)
        sights = self.seen[target.name]
        if not sights or sights[-1][1] != found:
            sights.append((at, found))
