"""The request budget of one API key: how fast we may ask, and how we slow down when told to.

`LocalBudget` paces one process, `SharedBudget` all processes that share the
key: it takes slots by the handful from a `Reservoir`, which is a row of the ledger or a key in Redis.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol, TypeVar

from connector.domain.errors import OutOfTimeError, OutsideError
from connector.domain.pace import Pace, Slots

log = logging.getLogger(__name__)

T = TypeVar("T")

_HANDFUL: Final = 0.2
"""Seconds' worth of slots that a process takes from a reservoir at once."""
_CROWD: Final = 0.5
"""Share of the patience within which all that work with a budget get their slots; the rest is for who asks beside
them, so that nobody has to give a job back."""
_GLANCE: Final = 1.0
"""Longest wait for a place among them, in seconds: who comes again and again for one shall not do so all the time."""
_ALONE: Final = 0.25
"""Share of the rate that a process allows itself while the reservoir cannot be reached."""
_AWAY: Final = 10.0
"""Seconds for which a reservoir that could not be reached is not asked again: one that is mute costs its time-out
each time, and everybody who waits for a slot waits for that."""


class Budget(Protocol):
    """Paces the requests of one API key over all workers that share it. Used from several threads."""

    def crowd(self) -> AbstractContextManager[Callable[[], int]]:
        """Around work that asks side by side: gives how many may ask at once now, none while the queue is long.

        Whoever else in this process is within it has an equal part, of at least one. While the queue is long it is
        entered a moment later.
        """

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


def _positive(requests_per_minute: float) -> float:
    if requests_per_minute <= 0:
        raise ValueError("a budget needs a positive rate")
    return requests_per_minute / 60


class _Crowds:
    """Those of one process that share a budget, each with a crowd of its own."""

    def __init__(self, patience: float, sleep: Callable[[float], None]) -> None:
        self._longest = patience * _CROWD
        self._sleep = sleep
        self._lock = threading.Lock()
        self._count = 0

    @contextmanager
    def entered(self, queue: Callable[[], tuple[float, float]]) -> Iterator[Callable[[], int]]:
        """Be one of them. `queue` gives the seconds until the next slot, and those between two."""

        def places() -> int:
            wait, interval = queue()
            if wait > self._longest:
                return 0
            return max(1, int(self._longest / interval / self._count))

        too_long = queue()[0] - self._longest
        if too_long > 0:
            self._sleep(min(too_long, _GLANCE))
        with self._lock:
            self._count += 1
        try:
            yield places
        finally:
            with self._lock:
                self._count -= 1


class LocalBudget:
    """Smooth pacing within one process."""

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
        self._pace = Pace(full=_positive(requests_per_minute))
        self._patience = patience
        self._crowds = _Crowds(patience, sleep)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()

    @property
    def requests_per_minute(self) -> float:
        """The rate in force now."""
        with self._lock:
            return self._pace.rate(self._clock()) * 60

    def crowd(self) -> AbstractContextManager[Callable[[], int]]:
        """See `Budget`."""
        return self._crowds.entered(self.queue)

    def queue(self) -> tuple[float, float]:
        """Return the seconds until the next slot, and those between two."""
        with self._lock:
            now = self._clock()
            _, first, interval = self._pace.reserve(now)
            return first - now, interval

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
            wait = self._pace.paused_until - self._clock()  # a 429 may have come while we slept

    def slow_down(self, retry_after: float | None) -> None:
        """Lower the rate, and let nothing go out for `retry_after` seconds."""
        with self._lock:
            self._pace = self._pace.slowed(self._clock(), retry_after)

    def _reserve(self) -> float:
        """Take the next slot and return how far away it is, in seconds; one too far away is not taken."""
        with self._lock:
            self._pace, given = self._pace.deal(self._clock(), 1, patience=self._patience)
            return given.wait


class Reservoir(Protocol):
    """Where the processes that share a key keep their common pace.

    Raises everywhere: `OutsideError`, it cannot be reached.
    """

    def reserve(self, slots: int, *, patience: float) -> Slots:
        """Take the next slots; none (`count` 0) where the first is further away than `patience` seconds."""

    def slow_down(self, retry_after: float | None) -> None:
        """Lower the common rate; nothing goes out for `retry_after` seconds."""


class SharedBudget:
    """Smooth pacing over all processes that share a reservoir.

    While it cannot be reached, each process goes on with a quarter of the rate: slower, never without a limit.
    It is asked again every ten seconds.
    """

    def __init__(
        self,
        requests_per_minute: float,
        reservoir: Reservoir,
        *,
        patience: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start with nothing in hand.

        Args:
            requests_per_minute: the full rate of all processes together.
            reservoir: the common pace.
            patience: longest wait in seconds; what would wait longer goes back to the ledger.
            clock: seconds that never jump.
            sleep: waits so many seconds.
        """
        rate = _positive(requests_per_minute)
        self._handful = max(1, int(rate * _HANDFUL))
        self._reservoir = reservoir
        self._alone = LocalBudget(requests_per_minute * _ALONE, patience=patience, clock=clock, sleep=sleep)
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._slots: deque[float] = deque()
        self._paused_until = 0.0
        self._away_until = -math.inf
        self._crowds = _Crowds(patience, sleep)
        self._last, self._interval = -math.inf, 1 / rate  # of the slots that were given, as far as we know

    def crowd(self) -> AbstractContextManager[Callable[[], int]]:
        """See `Budget`."""
        return self._crowds.entered(self._queue)

    def _queue(self) -> tuple[float, float]:
        """Return the seconds until the next slot, and those between two; the reservoir is not asked for it."""
        with self._lock:
            now = self._clock()
            if now < self._away_until:
                return self._alone.queue()
            following = self._slots[0] if self._slots else self._last + self._interval
            return max(0.0, following - now, self._paused_until - now), self._interval

    def acquire(self) -> None:
        """Return when the next request may be made.

        Raises:
            OutOfTimeError: `rate_limited`, where that is further away than `patience`.
        """
        slot = self._next()
        if slot is None:
            self._alone.acquire()
            return
        wait = slot - self._clock()
        while wait > 0:
            if wait > self._patience:
                raise OutOfTimeError("rate_limited", pause=wait)
            self._sleep(wait)
            wait = self._paused_until - self._clock()  # a 429 may have come while we slept

    def slow_down(self, retry_after: float | None) -> None:
        """Lower the common rate; where the server wants silence, the slots in hand are dropped too."""
        if retry_after:
            with self._lock:
                self._slots.clear()
                self._paused_until = max(self._paused_until, self._clock() + retry_after)
        self._alone.slow_down(retry_after)
        with self._lock:
            self._asked(lambda: self._reservoir.slow_down(retry_after))

    def _next(self) -> float | None:
        """Return the time of the next slot; take a handful of new ones when none is left. None: none can be had."""
        with self._lock:
            if not self._slots:
                given = self._asked(lambda: self._reservoir.reserve(self._handful, patience=self._patience))
                if given is None:
                    return None
                first = self._clock() + given.wait
                self._interval = given.interval
                self._last = first + (max(given.count, 1) - 1) * given.interval
                if not given.count:
                    return first
                self._slots.extend(first + n * given.interval for n in range(given.count))
            return self._slots.popleft()

    def _asked(self, ask: Callable[[], T]) -> T | None:
        """Ask the reservoir; None where it cannot be reached, or could not be a moment ago."""
        if self._clock() < self._away_until:
            return None
        try:
            return ask()
        except OutsideError as error:
            self._away_until = self._clock() + _AWAY
            log.warning("the shared request budget cannot be reached, going on slowly: %s", error.message)
            return None
