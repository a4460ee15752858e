"""When to look at the states of an account's documents: often while they are young, rarely while webhooks tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

_TENTH: Final = 10
"""What was sent so long ago is looked at ten times as often: after an hour every six minutes, after a day every
two and a half hours, after ten days once a day."""

OVERLAP: Final = timedelta(days=1)
"""How far a look goes back before the last one: the service may look at days alone, and in another zone (API
reference 7.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How an account is followed. Times in seconds."""

    days: float = 90  # after sending in which news is expected
    shortest: float = 300  # between looks
    longest: float = 86400
    with_webhooks: float = 21600  # between looks while webhooks tell of everything
    acknowledge: bool = False  # mark delivered documents as taken note of
    mark_as: Mapping[str, str] = field(default_factory=dict)  # state that is met -> state that is given

    @property
    def watched(self) -> timedelta:
        """How long after sending news is expected."""
        return timedelta(days=self.days)

    def interval(self, age: timedelta, *, proved: bool) -> timedelta:
        """Return the time between two looks.

        Args:
            age: of the document that was sent last.
            proved: whether webhooks told of everything that the last looks found.
        """
        seconds = min(max(age.total_seconds() / _TENTH, self.shortest), self.longest)
        return timedelta(seconds=max(seconds, self.with_webhooks) if proved else seconds)


def since(last_look: datetime | None, first_sent: datetime) -> date:
    """Return the day from which changes are asked for."""
    return ((last_look or first_sent) - OVERLAP).date()
