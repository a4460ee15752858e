"""Threads that answer bells within a process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from connector.domain.errors import ConnectorError

log = logging.getLogger(__name__)


class Crew:
    """Threads that answer bells within this process: one at a time for each account and source."""

    def __init__(self, size: int) -> None:
        """Start with no work; at most `size` bells are answered at once."""
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="crew")
        self._busy: dict[str, Future[None]] = {}

    def call(self, name: str, act: Callable[[], None]) -> None:
        """Have `act` done, unless the same is being done already."""
        present = self._busy.get(name)
        if present is None or present.done():
            self._busy[name] = self._pool.submit(logged, name, act)

    def dismiss(self) -> None:
        """Wait until all that was begun is done."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def logged(name: str, act: Callable[[], None]) -> None:
    """Do something in a thread that must survive it: what it raises goes to the log."""
    try:
        act()
    except ConnectorError as error:
        log.error("%s: %s %s", name, error.message, error.action)
    except Exception:
        log.exception("%s: unexpected error", name)
