"""Time as the simulator sees it, so that tests move it instead of waiting for it."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where every instant of the simulator comes from; always aware UTC."""

    def now(self) -> datetime:
        """The simulated instant: states, list lag and late commits follow it."""

    def signing_time(self) -> datetime:
        """The instant that a webhook is signed with, which its receiver compares with its own clock."""

    def advance(self, seconds: float) -> None:
        """Move the simulated instant forward."""


class SystemClock:
    """The real time, plus whatever `advance` has added.

    Webhooks are signed with the real time alone: the receiver's clock has not been advanced.
    """

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def signing_time(self) -> datetime:
        return datetime.now(UTC)

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


class ManualClock:
    """A clock that stands still until a test advances it."""

    def __init__(self, at: datetime | None = None) -> None:
        self._at = at or datetime(2026, 1, 15, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._at

    def signing_time(self) -> datetime:
        return self._at

    def advance(self, seconds: float) -> None:
        self._at += timedelta(seconds=seconds)
