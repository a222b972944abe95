"""How late the threads of this process wake up while something is under way: what a busy machine adds to every wait."""
import contextlib
import threading
import time

EVERY = 0.05


class Lateness:
    """By how much short sleeps were too long: `seconds` is the sum so far, of those that were later than `least`."""

    def __init__(self, least=0.0):
        self.least, self._over = least, threading.Event()
        self._told = 0.0, None          # the sum of the sleeps that have ended, and when this one began

    @property
    def seconds(self):
        """The sum, with the sleep that is too long already: after a stop of all threads nobody knows which one goes on first."""
        ended, began = self._told
        return ended + (self._late(began) if began else 0.0)

    @contextlib.contextmanager
    def watched(self):
        """Measure as long as the block runs."""
        threading.Thread(target=self._watch, daemon=True, name="perch-lateness").start()
        try:
            yield self
        finally:
            self._over.set()

    def _late(self, began):
        late = time.monotonic() - began - EVERY
        return late if late > self.least else 0.0

    def _watch(self):
        ended = 0.0
        while not self._over.is_set():
            began = time.monotonic()
            self._told = ended, began
            self._over.wait(EVERY)
            ended += self._late(began)
        self._told = ended, None
