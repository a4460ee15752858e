"""The time, as an argument: nothing below the bootstrap asks the operating system by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never jump, for measuring how long something may still take."""


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since the machine started, counted on while it sleeps where the system can."""
        return time.clock_gettime(_STEADY)


_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


_AT_ONCE: Final = 1.0
"""Seconds within which a database tells the time; a slower answer is asked for again."""

_TRIES: Final = 3


class SharedClock:
    """One time for all machines that share a ledger: that of its database, carried on by our own steady clock.

    A jump of this machine's clock therefore neither frees a lease early nor keeps it late.
    """

    def __init__(
        self, ask: Callable[[], datetime], *, refresh: float = 60.0, steady: Callable[[], float] | None = None
    ) -> None:
        """Remember how to ask.

        Args:
            ask: returns the database's time, aware.
            refresh: seconds after which it is asked again.
            steady: seconds that never jump; by default this machine's.
        """
        self._ask = ask
        self._refresh = refresh
        self._steady = steady or SystemClock().monotonic
        self._known: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the database's time, in UTC."""
        known = self._known
        if known is None or self._steady() - known[1] > self._refresh:
            self._known = known = self._asked()
        return datetime.fromtimestamp(known[0].timestamp() + (self._steady() - known[1]), tz=UTC)

    def _asked(self) -> tuple[datetime, float]:
        """Return the database's time, and the steady time at which it was asked for.

        Who was suspended before the answer was read would be behind by as long. Where an answer takes its time we are
        ahead instead, by no more than that: a lease then seems to end too early, never to last.
        """
        tries = 0
        while True:
            before = self._steady()
            known = self._ask().astimezone(UTC), before
            tries += 1
            if self._steady() - before <= _AT_ONCE or tries == _TRIES:
                return known

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return self._steady()
