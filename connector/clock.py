"""The time, as an argument: nothing below the bootstrap asks the operating system by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


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


class SharedClock:
    """One time for all machines that share a ledger: that of its database, carried on by our own steady clock.

    A jump of this machine's clock therefore neither frees a lease early nor keeps it late.
    """

    def __init__(self, ask: Callable[[], datetime], *, refresh: float = 60.0) -> None:
        """Remember how to ask.

        Args:
            ask: returns the database's time, aware.
            refresh: seconds after which it is asked again.
        """
        self._ask = ask
        self._refresh = refresh
        self._steady = SystemClock()
        self._known: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the database's time, in UTC."""
        known = self._known
        steady = self._steady.monotonic()
        if known is None or steady - known[1] > self._refresh:
            self._known = known = (self._ask().astimezone(UTC), self._steady.monotonic())
            steady = known[1]
        return datetime.fromtimestamp(known[0].timestamp() + (steady - known[1]), tz=UTC)

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return self._steady.monotonic()
