"""Values that are good enough for some seconds, so that many who look cost no more than one.

What takes long to count is good enough for longer: counting must not be all that a process does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

_REST: Final = 10.0
"""Times as long as counting took, a value is remembered at least: then counting takes a tenth of the time at most."""


class Remembered:
    """A value that is good enough for some seconds, counted by one thread at a time."""

    def __init__(self, seconds: float, count: Callable[[], Any]) -> None:
        """Remember what `count` returns for so long, or for ten times as long as it took."""
        self._seconds = seconds
        self._count = count
        self._lock = threading.Lock()
        self._value: Any = None
        self._until = 0.0

    def get(self) -> Any:
        """Return the value, not older than that."""
        with self._lock:
            began = time.monotonic()
            if began >= self._until:
                self._value = self._count()
                ended = time.monotonic()
                self._until = ended + max(self._seconds, _REST * (ended - began))
            return self._value
