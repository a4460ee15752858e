"""Values that are good enough for some seconds, so that many who look cost no more than one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class Remembered:
    """A value that is good enough for some seconds, counted by one thread at a time."""

    def __init__(self, seconds: float, count: Callable[[], Any]) -> None:
        """Remember what `count` returns for so long."""
        self._seconds = seconds
        self._count = count
        self._lock = threading.Lock()
        self._value: Any = None
        self._until = 0.0

    def get(self) -> Any:
        """Return the value, not older than that."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._value = self._count()
                self._until = time.monotonic() + self._seconds
            return self._value
