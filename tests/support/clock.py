"""Time that only tests move."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from tests.support.builders import NOON


class FakeClock:
    """Stands still until it is moved. Serves the connector and the simulator alike, so that both agree."""

    def __init__(self, at: datetime = NOON) -> None:
        self._start = self._at = at
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._at

    def signing_time(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        return (self._at - self._start).total_seconds()

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._at += timedelta(seconds=seconds)

    def put(self, seconds: float) -> None:
        """Put the hands forward, or back; what is measured by `monotonic` knows nothing of it."""
        with self._lock:
            self._at += timedelta(seconds=seconds)
            self._start += timedelta(seconds=seconds)

    def advance_to(self, instant: datetime) -> None:
        """Move forward to an instant; never back."""
        with self._lock:
            self._at = max(self._at, instant)
