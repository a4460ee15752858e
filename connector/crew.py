"""Threads that answer bells within a process.

Here a bell costs nothing while it waits for a thread. A broker takes back what is not answered for long, and keeps
other bells from a thread that is busy with one: a worker has its own rule, `workers.turns`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from connector.domain.errors import ConnectorError

log = logging.getLogger(__name__)


class Crew:
    """Threads that answer bells within this process: one at a time for each account and source."""

    def __init__(self, size: int) -> None:
        """Start with no work and no thread; at most `size` bells are answered at once."""
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="crew")
        self._busy: dict[str, Future[None]] = {}

    def call(self, name: str, act: Callable[[], None]) -> None:
        """Have `act` done, unless the same is being done already.

        Raises:
            RuntimeError: the system gives no further thread; nothing is done.
        """
        present = self._busy.get(name)
        if present is not None and not present.done():
            return
        given_up = Event()
        try:
            self._busy[name] = self._pool.submit(_unless, given_up, name, act)
        except RuntimeError:
            given_up.set()  # the pool has it in its queue all the same: it must not be done beside the next one
            raise

    def busy(self) -> list[str]:
        """Return what is under way."""
        return [name for name, work in list(self._busy.items()) if work.running()]

    def begin_to_stop(self) -> None:
        """Answer no further bell, nor those that wait for a thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Wait until all that was begun is done."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _unless(given_up: Event, name: str, act: Callable[[], None]) -> None:
    if not given_up.is_set():
        logged(name, act)


def logged(name: str, act: Callable[[], None]) -> None:
    """Do something in a thread that must survive it: what it raises goes to the log."""
    try:
        act()
    except ConnectorError as error:
        log.error("%s: %s %s", name, error.message, error.action)
    except Exception:
        log.exception("%s: unexpected error", name)
