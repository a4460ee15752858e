"""What a signal does to a command that works."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED_WHILE_IT_BEGINS_TO_WAIT = """
import os, signal
from connector.cli.signals import stopping
with stopping() as stop:
    with stop._cond:  # the lock that whoever waits for the event holds for a moment
        os.kill(os.getpid(), signal.{name})
    assert stop.wait(10)
print("ended")
"""


def test_a_signal_is_heard_at_whatever_moment_it_comes() -> None:
    for name in ("SIGTERM", "SIGINT"):
        code = INTERRUPTED_WHILE_IT_BEGINS_TO_WAIT.format(name=name)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
        assert done.stdout == "ended\n"
