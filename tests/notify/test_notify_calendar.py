"""Times of digests, quiet hours and working days, also where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from connector.notify.calendar import QuietHours, latest, working_days_between

MADRID = ZoneInfo("Europe/Madrid")
ALL_WEEK = frozenset(range(7))
WORKING = frozenset(range(5))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "over"),
    [
        ("2026-01-15T18:59", "2026-01-15T18:59"),
        ("2026-01-15T19:00", "2026-01-16T06:30"),
        ("2026-01-15T23:30", "2026-01-16T06:30"),
        ("2026-01-16T06:29", "2026-01-16T06:30"),
        ("2026-01-16T06:30", "2026-01-16T06:30"),
        ("2026-03-28T22:00", "2026-03-29T05:30"),  # clocks go forward in that night
        ("2026-07-15T18:00", "2026-07-16T05:30"),
    ],
)
def test_quiet_hours_across_midnight(now: str, over: str) -> None:
    assert QuietHours(time(20), time(7, 30)).over_at(at(now), MADRID) == at(over)


@pytest.mark.parametrize(
    ("now", "over"),
    [("2026-01-15T11:59", "2026-01-15T11:59"), ("2026-01-15T12:00", "2026-01-15T13:00")],
)
def test_quiet_hours_within_a_day(now: str, over: str) -> None:
    assert QuietHours(time(13), time(14)).over_at(at(now), MADRID) == at(over)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-01-15T06:59", "2026-01-14T15:00"),
        ("2026-01-15T07:00", "2026-01-15T07:00"),
        ("2026-01-15T15:01", "2026-01-15T15:00"),
        ("2026-01-18T20:00", "2026-01-16T15:00"),  # Sunday: Friday's last
        ("2026-03-30T06:00", "2026-03-30T06:00"),  # summer time since yesterday
    ],
)
def test_the_last_time_that_a_digest_was_due(now: str, due: str) -> None:
    assert latest(at(now), [time(8), time(16)], WORKING, MADRID) == at(due)


def test_without_times_or_days_none_is_due() -> None:
    assert latest(at("2026-01-15T12:00"), [], ALL_WEEK, MADRID) is None
    assert latest(at("2026-01-15T12:00"), [time(8)], frozenset(), MADRID) is None


@pytest.mark.parametrize(
    ("start", "now", "days"),
    [
        ("2026-01-15T08:00", "2026-01-15T23:00", 0),
        ("2026-01-15T08:00", "2026-01-16T22:59", 0),  # Friday is not over
        ("2026-01-15T08:00", "2026-01-16T23:00", 1),  # in Madrid it is
        ("2026-01-15T08:00", "2026-01-19T12:00", 1),  # the weekend does not count
        ("2026-01-15T08:00", "2026-01-22T12:00", 4),
    ],
)
def test_working_days_are_whole_ones(start: str, now: str, days: int) -> None:
    assert working_days_between(at(start), at(now), WORKING, MADRID) == days
