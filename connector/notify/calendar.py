"""When people are told: times of digests, quiet hours, working days, each in a zone of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A part of every day; it may lie across midnight."""

    start: time
    end: time

    def over_at(self, now: datetime, zone: ZoneInfo) -> datetime:
        """Return when something may be told that is due now: at once, or when the quiet hours end."""
        local = now.astimezone(zone)
        clock = local.time()
        across = self.start >= self.end
        quiet = (clock >= self.start or clock < self.end) if across else self.start <= clock < self.end
        if not quiet:
            return now
        day = local.date() + timedelta(days=1 if across and clock >= self.start else 0)
        return datetime.combine(day, self.end, zone).astimezone(UTC)


def latest(now: datetime, times: Sequence[time], days: Collection[int], zone: ZoneInfo) -> datetime | None:
    """Return the last instant, not after now, at one of these times on one of these days; None within no week.

    Args:
        now: aware.
        times: of the day.
        days: of the week; Monday is 0.
        zone: in which times and days are meant.
    """
    today = now.astimezone(zone).date()
    for back in range(8):
        day = today - timedelta(days=back)
        if day.weekday() not in days:
            continue
        passed = [at for at in (datetime.combine(day, clock, zone).astimezone(UTC) for clock in times) if at <= now]
        if passed:
            return max(passed)
    return None


def working_days_between(start: datetime, now: datetime, days: Collection[int], zone: ZoneInfo) -> int:
    """Return how many whole working days lie between two instants: neither the first day nor the present one."""
    first, today = start.astimezone(zone).date(), now.astimezone(zone).date()
    return sum(day.weekday() in days for day in _days_between(first, today))


def _days_between(first: date, last: date) -> Sequence[date]:
    return [first + timedelta(days=n) for n in range(1, (last - first).days)]
