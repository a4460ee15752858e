"""Days, as a database stores them: as such, or as the instant at which a day begins or something happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from connector.adapters.values import day

_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Days:
    """Reads the days of one source."""

    zone: ZoneInfo | None  # where instants lie; None: nobody said, and the day is the one that the database shows

    def read(self, value: Any) -> date | None:
        """Return a day; of an instant, that of the zone.

        The zone in which a database shows instants is as a rule the server's own, and its days are not the office's:
        the 1st of February in Madrid is shown as 23:00 of 31 January by a server in UTC. Midnight as it is shown is
        the day itself: that is how programs keep one that has no time.

        Raises:
            ValueError: it is no day.
        """
        moment = _instant(value) if self.zone else None
        if moment is None or moment.time() == time():
            return day(value)
        try:
            return moment.astimezone(self.zone).date()
        except OverflowError:  # the last day of all, which stands for "never"
            return day(value)

    def leaves_open(self, value: Any) -> bool:
        """Whether a value is an instant whose day depends on a zone that nobody said."""
        moment = None if self.zone else _instant(value)
        return moment is not None and moment.time() != time()

    def earliest(self, since: date) -> date:
        """Return from which day on, as the database shows them, there may be days from another one on."""
        return since - _A_DAY if self.zone and since > date.min else since


@lru_cache
def days_in(timezone: str) -> Days:
    """Return what reads days of that zone. UTC is what the option has where nobody chose any."""
    return Days(None if timezone == UTC.tzname(None) else ZoneInfo(timezone))


def _instant(value: Any) -> datetime | None:
    """Return what a value says of time and zone; None where it does not say both."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.tzinfo is not None else None
