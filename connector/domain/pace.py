"""How fast requests may follow one another, as a value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

BURST: Final = 0.5
"""Seconds' worth of requests that go out at once after a rest."""
SPACING: Final = 1.02
"""Requests stand so much further apart than the rate asks: then any minute has room for a burst, and for what arrives
late, and a server that counts by the minute never sees more than the rate."""
RECOVERY: Final = 10.0
"""Seconds until a lowered rate rises by one step."""
FLOOR: Final = 0.25
"""Share of the full rate that is left at least: a 429 that has nothing to do with our rate must not stop us."""
STEPS: Final = 10
"""Steps from nothing to the full rate."""
LONGEST_QUEUE: Final = 60.0
"""Seconds by which slots are given away in advance, at most: what lies further ahead was taken on a clock that was
set back since."""
LONGEST_PAUSE: Final = 3600.0
"""Most seconds for which a server's wish to be left alone is heeded."""
SAME_BURST: Final = 5.0
"""Refusals within so many seconds answer requests of the same burst: the rate is halved once for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What a reservoir gives: so many slots, the first in `wait` seconds, then one every `interval`."""

    count: int
    wait: float
    interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The generic cell rate algorithm as a value: when the next request is due, and at which rate.

    At most half a second's worth of requests goes out at once, and no minute sees more than the rate. A 429 halves
    the rate, down to a quarter of the full one, and it comes back by a tenth of the full rate every ten seconds: a
    server that counts by the minute has forgotten by then. All times are in seconds of one clock.
    """

    full: float  # requests a second
    next_at: float = 0.0  # theoretical time of the next request
    paused_until: float = 0.0
    lowered: float | None = None  # the rate at `lowered_at`; None: never lowered
    lowered_at: float = 0.0

    def rate(self, now: float) -> float:
        """Return the rate in force, in requests a second."""
        if self.lowered is None:
            return self.full
        steps = max(0, int((now - self.lowered_at) / RECOVERY))
        return min(self.full, self.lowered + steps * self.full / STEPS)

    def reserve(self, now: float, slots: int = 1) -> tuple[Pace, float, float]:
        """Take the next slots.

        Returns:
            The pace afterwards, the time of the first slot, and the seconds between slots.
        """
        pace = self._on_this_clock(now, slots)
        interval = SPACING / pace.rate(now)
        slot = max(pace.next_at, now, pace.paused_until)
        first = max(slot - max(0.0, BURST - interval * slots), pace.paused_until)
        return replace(pace, next_at=slot + slots * interval), first, interval

    def _on_this_clock(self, now: float, slots: int) -> Pace:
        """Return it without what a clock that was fast left behind: nobody shall wait until it is so late again."""
        queue = LONGEST_QUEUE + slots * SPACING / (self.full * FLOOR)
        return replace(
            self,
            next_at=self.next_at if self.next_at <= now + queue else now,
            paused_until=self.paused_until if self.paused_until <= now + LONGEST_PAUSE else now,
            lowered_at=min(self.lowered_at, now),
        )

    def deal(self, now: float, slots: int, *, patience: float) -> tuple[Pace, Slots]:
        """Take the next slots, or none where the first is further away than `patience` seconds.

        Returns:
            The pace afterwards, and what was taken.
        """
        after, first, interval = self.reserve(now, slots)
        far = first - now > patience
        return (self if far else after), Slots(count=0 if far else slots, wait=first - now, interval=interval)

    def slowed(self, now: float, retry_after: float | None) -> Pace:
        """Return the pace after a 429."""
        after = self._on_this_clock(now, 1)
        if after.lowered is None or now - after.lowered_at >= SAME_BURST:
            after = replace(after, lowered=max(after.rate(now) / 2, self.full * FLOOR), lowered_at=now)
        if retry_after:
            after = replace(after, paused_until=max(after.paused_until, now + min(retry_after, LONGEST_PAUSE)))
        return after
