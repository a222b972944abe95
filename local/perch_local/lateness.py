"""How late the threads of this process wake up while something is under way: what a busy machine adds to every wait."""
import contextlib
import threading
import time

EVERY = 0.05


class Lateness:
    """By how much short sleeps were too long: `seconds` is the sum so far, of those that were later than `least`."""

    def __init__(self, least=0.0):
        self.least, self.seconds, self._over = least, 0.0, threading.Event()

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
            late = time.monotonic() - began - EVERY
            if late > self.least:
                self.seconds += late
