"""Who of a worker's threads may answer a bell: a busy account, or what can wait, must not keep all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

THREADS: Final = 16
"""Bells that a worker answers at once."""

BEHIND: Final = THREADS // 4
"""Of these, at most, what comes behind the issuing of invoices: comparisons and the archive."""


class Turns:
    """What this process is at, by name."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._lock = Lock()
        self._taken: set[str] = set()
        self._limited: set[str] = set()

    @contextmanager
    def take(self, name: str, *, most: int | None = None) -> Iterator[bool]:
        """Whether it is our turn to do something, until the end; else the bell may be let go, for it rings again.

        Args:
            name: of what is to be done; not our turn while this process does the same.
            most: of all that is limited, no more than so many at once.
        """
        with self._lock:
            ours = name not in self._taken and (most is None or len(self._limited) < most)
            if ours:
                self._taken.add(name)
            if ours and most is not None:
                self._limited.add(name)
        try:
            yield ours
        finally:
            if ours:
                with self._lock:
                    self._taken.discard(name)
                    self._limited.discard(name)
