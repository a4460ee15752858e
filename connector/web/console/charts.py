"""What the charts of the overview show: bars with their heights, counted once for all who look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any, Final

from connector.bootstrap import Services
from connector.ledger.figures import AGES, Tally
from connector.web.remembered import Remembered

DAYS: Final = 30
HOURS: Final = 24

_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it stands for, how many there are, and how high it is, in hundredths."""

    of: Any
    count: int
    height: int


def bars(counted: Sequence[tuple[Any, int]]) -> list[Bar]:
    """Return the bars of a chart, the highest as high as it can be."""
    highest = max((count for _, count in counted), default=0) or 1
    return [Bar(of, count, round(100 * count / highest)) for of, count in counted]


class Issued:
    """What was issued day by day. Days that are over do not change: they are counted once in a process's life."""

    def __init__(self, services: Services) -> None:
        """Count in a ledger."""
        self._services = services
        self._days: dict[date, Tally] = {}
        self._today = Remembered(10.0, self._count_today)

    def days(self, today: date) -> list[tuple[date, Tally]]:
        """Return the last days up to today, and at least those of this month."""
        first = min(today.replace(day=1), today - timedelta(days=DAYS - 1))
        past = [first + timedelta(days=n) for n in range((today - first).days)]
        for one in past:
            if one not in self._days:
                self._days[one] = self._count(one)
        return [*((one, self._days[one]) for one in past), (today, self._today.get())]

    def _count_today(self) -> Tally:
        return self._count(self._services.clock.now().astimezone().date())

    def _count(self, one: date) -> Tally:
        return self._services.ledger.figures.issued(_midnight(one), _midnight(one + timedelta(days=1)))


class Throughput:
    """How many invoices were sent hour by hour; hours that are over are counted once."""

    def __init__(self, sent: Callable[[datetime, datetime], int]) -> None:
        """Count by what tells how many were sent from one instant on, and before another."""
        self._sent = sent
        self._hours: dict[datetime, int] = {}

    def hours(self, now: datetime) -> list[tuple[datetime, int]]:
        """Return the last hours, the present one last."""
        present = now.replace(minute=0, second=0, microsecond=0)
        wanted = [present - n * _HOUR for n in reversed(range(HOURS))]
        # Of the hour before the present one something may still be committed.
        known = {hour: count for hour, count in self._hours.items() if wanted[0] <= hour < present - _HOUR}
        self._hours = {hour: known[hour] if hour in known else self._sent(hour, hour + _HOUR) for hour in wanted}
        return list(self._hours.items())


class Charts:
    """The charts of the overview."""

    def __init__(self, services: Services) -> None:
        """Count in a ledger."""
        figures = services.ledger.figures
        self.issued = Issued(services)
        throughput = Throughput(figures.sent_between)
        self.hours = Remembered(10.0, lambda: bars(throughput.hours(services.clock.now())))
        self.ages = Remembered(10.0, lambda: bars(list(zip(AGES, figures.unsent_by_age(), strict=True))))


def _midnight(one: date) -> datetime:
    return datetime.combine(one, time_of_day()).astimezone()
