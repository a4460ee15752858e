"""Who of a worker's threads may answer a bell: a busy account, or what can wait, must not keep all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

THREADS: Final = 16
"""Bells that a worker answers at once."""

BEHIND: Final = THREADS // 4
"""Of these, at most, what comes behind the issuing of invoices: comparisons and the archive.

One turn less for each of the two: the bells of one may be thousands, and the other would never find one.
"""


class Turns:
    """What this process is at, by name."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._lock = Lock()
        self._taken: set[str] = set()
        self._behind: dict[str, str] = {}  # what kind it is

    @contextmanager
    def take(self, name: str, *, behind: str | None = None) -> Iterator[bool]:
        """Whether it is our turn to do something, until the end; else the bell may be let go, for it rings again.

        Args:
            name: of what is to be done; not our turn while this process does the same.
            behind: of which kind it is, where it comes behind the issuing of invoices.
        """
        with self._lock:
            ours = name not in self._taken and (behind is None or self._has_room(behind))
            if ours:
                self._taken.add(name)
            if ours and behind is not None:
                self._behind[name] = behind
        try:
            yield ours
        finally:
            if ours:
                with self._lock:
                    self._taken.discard(name)
                    self._behind.pop(name, None)

    def _has_room(self, kind: str) -> bool:
        kinds = list(self._behind.values())
        return len(kinds) < BEHIND and kinds.count(kind) < BEHIND - 1
