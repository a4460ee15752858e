"""Who of a worker's threads may answer a bell: each kind of errand has threads of its own, and waits for them here.

What takes long must not keep all of a worker's threads: neither busy accounts, nor ERPs that do not answer. As those
of all kinds together are fewer than the threads, there is always one that takes the next bell, and none gets old in
the broker's queue behind errands that take minutes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Final

from connector.crew import logged


@dataclass(frozen=True, kw_only=True, eq=False)
class Kind:
    """Errands that share threads."""

    most: int  # threads that do such errands at once
    slow: int | None = None  # of these, for what took long the last time; None: as many as there are
    behind: bool = False  # it comes behind the issuing of invoices: without a free thread its bell is let go


DRAIN: Final = Kind(most=16, slow=8)
"""The invoices of accounts: one thread for each. Where calls hang, of an account or of its ERP, each turn lasts half
a minute, and there may be hundreds; a busy account takes long as well, and eight are more than a core can do."""

LOOK: Final = Kind(most=8, slow=4)
"""Looks into ERPs: one that does not answer costs ten seconds each time, and there may be hundreds."""

NEWS: Final = Kind(most=8, slow=4)
"""What became of issued documents; it is told to the ERPs too."""

NOTIFY: Final = Kind(most=1)
"""The telling of people."""

ARCHIVE: Final = Kind(most=3, behind=True)
COMPARISON: Final = Kind(most=3, behind=True)

BEHIND: Final = 4
"""Threads for archive and comparisons together: the bells of one may be thousands, and the other finds a turn."""

_HEARING: Final = 3

THREADS: Final = DRAIN.most + LOOK.most + NEWS.most + NOTIFY.most + BEHIND + _HEARING
"""Bells that a worker answers at once, and some threads that only hear what comes."""

_SLOW: Final = 3.0
"""Seconds after which an errand took long."""

_WAITS: Final = 60.0
"""Seconds until what waits for a thread is forgotten: what is still due is rung again, for any worker."""

_GOES_ON: Final = 300.0
"""Seconds after which a thread answers its bell, whoever waits: brokers take back what is not answered for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Errand:
    kind: Kind
    name: str
    act: Callable[[], None]
    until: float  # when it need not be done any more


class Turns:
    """What this process is at, and what waits for a thread, longest first."""

    def __init__(
        self, *, stopping: Callable[[], bool] = lambda: False, clock: Callable[[], float] = monotonic
    ) -> None:
        """Start with nothing.

        Args:
            stopping: true: nothing more is begun.
            clock: gives seconds.
        """
        self._stopping = stopping
        self._clock = clock
        self._lock = Lock()
        self._taken: dict[str, Kind] = {}
        self._waiting: dict[Kind, dict[str, _Errand]] = defaultdict(dict)
        self._slow: set[str] = set()

    def answer(self, kind: Kind, name: str, act: Callable[[], None]) -> None:
        """Do something as soon as its kind has a thread, and then what has waited for this one.

        It need not be done by the time this returns: it may wait for a thread that is busy, or be done by another
        already, or be let go for what is under way. Its bell rings again as long as there is need.
        """
        self._hear(_Errand(kind=kind, name=name, act=act, until=self._clock() + _WAITS))
        end = self._clock() + _GOES_ON
        while (errand := self._next(kind)) is not None:
            self._do(errand)
            if self._clock() >= end:
                break

    def _hear(self, errand: _Errand) -> None:
        with self._lock:
            if errand.name in self._taken or (errand.kind.behind and not self._has_room(errand)):
                return
            self._waiting[errand.kind][errand.name] = errand  # what waits already keeps its place

    def _next(self, kind: Kind) -> _Errand | None:
        """Take what has waited longest and may be done now."""
        if self._stopping():
            return None
        with self._lock:
            waiting = self._waiting[kind]
            self._forget_old(waiting)
            errand = next((errand for errand in waiting.values() if self._has_room(errand)), None)
            if errand is not None:
                del waiting[errand.name]
                self._taken[errand.name] = kind
        return errand

    def _forget_old(self, waiting: dict[str, _Errand]) -> None:
        """Forget those at the head that need not be done any more: whoever is behind them gets there in time."""
        now = self._clock()
        while waiting and (first := next(iter(waiting.values()))).until < now:
            del waiting[first.name]

    def _do(self, errand: _Errand) -> None:
        began = self._clock()
        try:
            logged(errand.name, errand.act)
        finally:
            with self._lock:
                del self._taken[errand.name]
                self._slow.discard(errand.name)
                if self._clock() - began >= _SLOW:
                    self._slow.add(errand.name)

    def _has_room(self, errand: _Errand) -> bool:
        kind = errand.kind
        alike = [name for name, taken in self._taken.items() if taken is kind]
        if len(alike) >= kind.most:
            return False
        if kind.slow is not None and errand.name in self._slow and len(self._slow.intersection(alike)) >= kind.slow:
            return False
        return not kind.behind or sum(taken.behind for taken in self._taken.values()) < BEHIND
