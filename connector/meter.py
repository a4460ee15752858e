"""What this process counts of its requests to B2Brouter, until it is added to the ledger.

Nothing is written while a request is under way or about to be noted: figures must never stand in the way of the work.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from connector.clock import Clock, SystemClock
from connector.domain.errors import LedgerError
from connector.ledger.calls import MINUTE, Calls, Count, Kind, limit_of

_TOO_MANY: Final = 429


class Meter:
    """Counts requests. Used from several threads."""

    def __init__(self, calls: Callable[[], Calls], *, clock: Clock | None = None) -> None:
        """Begin with nothing.

        Args:
            calls: returns where the ledger keeps the figures; asked when there are some, for there may be no ledger.
            clock: tells the minute; by default this machine's, for the ledger's may have to be asked for.
        """
        self._calls = calls
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._counts: defaultdict[Kind, Count] = defaultdict(Count)
        self._minutes: defaultdict[tuple[str, datetime], int] = defaultdict(int)

    def of(self, account: str) -> Callable[[str, int | None, float], None]:
        """Return what takes note of an account's requests; see `note`."""
        return partial(self.note, account)

    def note(self, account: str, operation: str, status: int | None, seconds: float) -> None:
        """Count a request.

        Args:
            account: by its name in the configuration.
            operation: what was asked.
            status: of the answer; None: there was none.
            seconds: from the beginning to the last byte.
        """
        kind = Kind(account, operation, status_class(status), limit_of(seconds))
        minute = minute_of(self._clock.now())
        with self._lock:
            self._counts[kind] = self._counts[kind].plus(Count(1, seconds))
            self._minutes[account, minute] += 1

    def fold(self) -> None:
        """Add to the ledger what was counted since the last time.

        Raises:
            LedgerError: it failed; the next time adds this too.
        """
        with self._lock:
            counts, self._counts = self._counts, defaultdict(Count)
            minutes, self._minutes = self._minutes, defaultdict(int)
        if not counts:
            return
        try:
            self._calls().add(counts, minutes)
        except LedgerError:
            with self._lock:
                for kind, count in counts.items():
                    self._counts[kind] = self._counts[kind].plus(count)
                for key, calls in minutes.items():
                    self._minutes[key] += calls
            raise


def minute_of(instant: datetime) -> datetime:
    """Return the beginning of an instant's minute."""
    return instant.replace(second=0, microsecond=0)


def last_told_minute(now: datetime) -> datetime:
    """Return the beginning of the last minute that all processes have added to the ledger by now."""
    return minute_of(now - 2 * MINUTE)


def status_class(status: int | None) -> str:
    """Return how an answer is counted; to be asked for fewer requests is a class of its own."""
    if status is None:
        return "none"
    return "429" if status == _TOO_MANY else f"{status // 100}xx"
