"""The request budget of one API key: how fast we may ask, and how we slow down when told to.

`LocalBudget` serves one process. Budgets that several processes share keep the same promise elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from connector.domain.errors import OutOfTimeError

_RECOVERY: Final = 10.0
"""Seconds until a lowered rate rises by one step."""
_FLOOR: Final = 0.25
"""Share of the full rate that is left at least: a 429 that has nothing to do with our rate must not stop us."""
_STEPS: Final = 10
"""Steps from nothing to the full rate."""
_SAME_BURST: Final = 5.0
"""Refusals within so many seconds answer requests of the same burst: the rate is halved once for them."""


class Budget(Protocol):
    """Paces the requests of one API key over all workers that share it. Used from several threads."""

    def acquire(self) -> None:
        """Return when the next request may be made.

        Raises:
            OutOfTimeError: `rate_limited`, where the wait would be too long to be spent holding a job.
        """

    def slow_down(self, retry_after: float | None) -> None:
        """Take note that the server asked for fewer requests (429).

        Args:
            retry_after: seconds during which it wants no request at all; None: it did not say.
        """


class LocalBudget:
    """Smooth pacing within one process (the generic cell rate algorithm).

    At most one second's worth of requests goes out at once. A 429 halves the rate, down to a quarter of the
    full one, and it comes back by a tenth of the full rate every ten seconds: a server that counts by the minute
    has forgotten by then.
    """

    def __init__(
        self,
        requests_per_minute: float,
        *,
        patience: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start with the full rate.

        Args:
            requests_per_minute: the full rate.
            patience: longest wait in seconds; what would wait longer goes back to the ledger.
            clock: seconds that never jump.
            sleep: waits so many seconds.
        """
        if requests_per_minute <= 0:
            raise ValueError("a budget needs a positive rate")
        self._full = requests_per_minute / 60
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        now = clock()
        self._next = now  # theoretical time of the next request
        self._paused_until = now
        self._lowered = self._full  # the rate at `_lowered_at`, in requests a second
        self._lowered_at = now - _SAME_BURST

    @property
    def requests_per_minute(self) -> float:
        """The rate in force now."""
        with self._lock:
            return self._rate(self._clock()) * 60

    def acquire(self) -> None:
        """Return when the next request may be made.

        Raises:
            OutOfTimeError: `rate_limited`, where that is further away than `patience`.
        """
        wait = self._reserve()
        while wait > 0:
            if wait > self._patience:
                raise OutOfTimeError("rate_limited", pause=wait)
            self._sleep(wait)
            wait = self._paused_until - self._clock()  # a 429 may have come while we slept

    def slow_down(self, retry_after: float | None) -> None:
        """Halve the rate, and let nothing go out for `retry_after` seconds."""
        with self._lock:
            now = self._clock()
            if now - self._lowered_at >= _SAME_BURST:
                self._lowered = max(self._rate(now) / 2, self._full * _FLOOR)
                self._lowered_at = now
            if retry_after:
                self._paused_until = max(self._paused_until, now + retry_after)

    def _reserve(self) -> float:
        """Take the next slot and return how far away it is, in seconds."""
        with self._lock:
            now = self._clock()
            interval = 1 / self._rate(now)
            slot = max(self._next, now, self._paused_until)
            wait = max(slot - max(0.0, 1 - interval), self._paused_until) - now
            if wait <= self._patience:
                self._next = slot + interval
            return wait

    def _rate(self, now: float) -> float:
        steps = int((now - self._lowered_at) / _RECOVERY)
        return min(self._full, self._lowered + steps * self._full / _STEPS)
