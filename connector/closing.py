"""The end of a process that lasts: it comes soon, whatever a thread of it is still busy with.

Nothing is lost by it: an open question is in the ledger, a lease lapses, an unanswered bell is rung again.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final, Protocol

log = logging.getLogger(__name__)

LONGEST_STOP: Final = 15.0
"""Seconds from SIGTERM until a process does not wait any longer for what it has in hand."""

_LAST_WORDS: Final = 3.0
"""Seconds for giving up, before such an end, what others would wait for."""


class Part(Protocol):
    """What goes on in threads of its own, and has something to finish when it is told to stop."""

    def begin_to_stop(self) -> None:
        """Begin nothing more; return at once."""

    def stop(self) -> None:
        """The same, and wait for what is under way."""


def stop_all(*parts: Part) -> None:
    """Stop parts of a process beside one another: what each has to finish takes its seconds."""
    for part in parts:
        part.begin_to_stop()
    for part in parts:
        part.stop()


@contextmanager
def in_time(
    stop: Event,
    *,
    leave: Callable[[], None] = lambda: None,
    busy: Callable[[], Sequence[str]] = lambda: (),
) -> Iterator[None]:
    """End the process some seconds after `stop`, if what is done within does not come to its end by then.

    The interpreter itself would wait for all threads of pools. In a thread other than the main one nothing is seen
    to: the process is somebody else's.

    Args:
        stop: set when the process shall end.
        leave: gives up, before that end, what others would wait for.
        busy: names what is under way.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ended = Event()
    Thread(target=_see_to_the_end, args=(stop, ended, leave, busy), name="closing", daemon=True).start()
    try:
        yield
    except Exception:
        ended.set()
        raise
    ended.set()  # not after a second signal, which waited for nobody: threads may still be at work


def _see_to_the_end(stop: Event, ended: Event, leave: Callable[[], None], busy: Callable[[], Sequence[str]]) -> None:
    stop.wait()
    if ended.wait(LONGEST_STOP):
        return
    names = ", ".join(busy())
    left = f"; what is still busy lets its leases lapse: {names}" if names else ""
    log.warning("the process ends now, %g seconds after it was told to%s", LONGEST_STOP, left)
    leaving = Thread(target=leave, name="leaving", daemon=True)
    leaving.start()
    leaving.join(_LAST_WORDS)
    end_now()


def end_now() -> None:
    """End the process without waiting for any thread. What they hold comes free when its lease lapses."""
    logging.shutdown()
    os._exit(0)
