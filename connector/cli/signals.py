"""Ctrl-C and SIGTERM end the work after the steps under way; a second one ends it at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_SAME_SIGNAL = 1.0
"""Seconds within which a second signal is the first one again: a terminal and a parent process may both send it."""


@contextmanager
def stopping(stop: threading.Event | None = None) -> Iterator[threading.Event]:
    """Give an event that the first signal sets. What a second one interrupts is found again by the next run."""
    stop = stop or threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    first = 0.0
    came: SimpleQueue[bool] = SimpleQueue()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if (first or stop.is_set()) and now - first > _SAME_SIGNAL:
            raise KeyboardInterrupt
        first = first or now
        came.put(True)

    def pass_on() -> None:
        while came.get():
            stop.set()

    # The event is set by another thread: ours may be interrupted while it holds the lock of that event itself.
    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        came.put(False)
