"""How late the threads of this process wake up while something is under way: what a busy machine adds to every wait."""
import contextlib
import threading
import time

EVERY = 0.02


class Lateness:
    """By how much each of many short sleeps was too long."""

    def __init__(self):
        self._late, self._over = [], threading.Event()

    @property
    def seconds(self):
        """The sum so far."""
        return self.longer_than(0.0)

    def longer_than(self, least):
        """The sum of those that were later than this."""
        return sum(late for late in list(self._late) if late > least)

    @contextlib.contextmanager
    def watched(self):
        """Measure as long as the block runs."""
        threading.Thread(target=self._watch, daemon=True, name="perch-lateness").start()
        try:
            yield self
        finally:
            self._over.set()

    def _watch(self):
        while not self._over.is_set():
            began = time.monotonic()
            self._over.wait(EVERY)
            self._late.append(max(0.0, time.monotonic() - began - EVERY))
