"""What tests add to a time that they hold a busy machine to."""
import os
import signal
import subprocess
import sys
import time

from conftest import until
from perch_local.lateness import EVERY

STOPPED = """
import time
from perch_local.lateness import Lateness
with Lateness().watched() as late, Lateness(least=60).watched() as late_by_a_minute:
    print("begins", flush=True)
    input()
    print(late.seconds, late_by_a_minute.seconds, flush=True)
    time.sleep(0.5)
print(late.seconds)
"""


def test_a_process_that_is_stopped_is_late_by_that_long(tmp_path):
    said = tmp_path / "said"
    with open(said, "w") as out:
        process = subprocess.Popen([sys.executable, "-c", STOPPED], stdin=subprocess.PIPE, stdout=out)
    assert until(lambda: said.read_text() == "begins\n", every=0.01)
    os.kill(process.pid, signal.SIGSTOP)
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 1)
    stopped = time.monotonic() - began
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(b"\n", 60)
    _, late, by_a_minute, in_all = said.read_text().split()
    assert stopped - 2 * EVERY <= float(late) <= float(in_all) and float(by_a_minute) == 0
