"""How far ahead of the workers the scheduler rings for looks into ERPs: there may be ten thousand of them.

A bell that waits behind thousands is too old when it is heard, and all others wait there with it. So at most so many
looks are rung for that are not over by the ledger; whoever is due longest comes next, however late.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from connector.bootstrap import Services

AHEAD: Final = 100
"""Looks that are rung for and not over: some seconds' work of a worker."""

AHEAD_SLOW: Final = 16
"""The same for ERPs whose last look failed, or was not over in time: each may take ten seconds, and there may be
hundreds that must not take the others' room."""

_BELIEVED: Final = 60.0
"""Seconds after which a look that is not over takes no more room: it takes long, or its bell was lost."""

_AGAIN: Final = 10.0
"""Seconds after which a look that is not over may be rung for again, if it is due again by then."""

_SEEN_EVERY: Final = 0.25
"""Seconds between looks at the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rung:
    at: datetime  # by the ledger's clock
    until: float
    again: float  # when it may be rung again: a broker that was flushed has lost the bell


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    most: int
    rung: dict[str, _Rung] = field(default_factory=dict)


class Ahead:
    """The looks that were rung for and are not over."""

    def __init__(self, services: Services) -> None:
        """Begin with none."""
        self._services = services
        self._well, self._ill = _Lane(most=AHEAD), _Lane(most=AHEAD_SLOW)
        self._slow: set[str] = set()
        self._seen = float("-inf")

    def has_room(self, source: str) -> bool:
        """Whether it may be rung for a look into an ERP now.

        Raises:
            LedgerError: the ledger failed.
        """
        self._see()
        lane = self._lane(source)
        one = lane.rung.get(source)
        return len(lane.rung) < lane.most if one is None else self._services.clock.monotonic() >= one.again

    def is_rung(self, source: str) -> bool:
        """Whether it takes room: it was rung for, and is not over as far as is known."""
        return source in self._lane(source).rung

    def rung(self, source: str) -> None:
        """Take note that it was."""
        clock, rung = self._services.clock, self._lane(source).rung
        now = clock.monotonic()
        first = rung.get(source) or _Rung(at=clock.now(), until=now + _BELIEVED, again=now)
        rung[source] = replace(first, again=now + _AGAIN)

    def _lane(self, source: str) -> _Lane:
        return self._ill if source in self._slow else self._well

    def _see(self) -> None:
        """See in the ledger which looks are over, and how."""
        now = self._services.clock.monotonic()
        rung = self._well.rung | self._ill.rung
        if not rung or now - self._seen < _SEEN_EVERY:
            return
        self._seen = now
        last = self._services.ledger.looks.last(rung)
        for source, one in rung.items():
            look = last.get(source)
            if look is not None and look.at >= one.at:
                self._is_over(source, well=look.succeeded_at is not None and look.succeeded_at >= one.at)
            elif now >= one.until:
                self._is_over(source, well=False)

    def _is_over(self, source: str, *, well: bool) -> None:
        del self._lane(source).rung[source]
        if well:
            self._slow.discard(source)
        else:
            self._slow.add(source)
