"""The pace of requests on a clock that somebody sets."""

from __future__ import annotations

import pytest

from connector.domain.pace import FLOOR, LONGEST_PAUSE, Pace

NOON = 1_800_000_000.0
PATIENCE = 10.0


@pytest.mark.parametrize("back", [120.0, 7200.0, 86_400.0])
def test_a_clock_that_is_set_back_stops_nobody_until_it_is_so_late_again(back: float) -> None:
    pace, _ = Pace(full=10.0).deal(NOON, 2, patience=PATIENCE)

    _, slots = pace.deal(NOON - back, 2, patience=PATIENCE)

    assert slots.count == 2
    assert slots.wait <= 0


@pytest.mark.parametrize("back", [55.0, 120.0, 7200.0])
def test_a_lowered_rate_recovers_from_it_too(back: float) -> None:
    pace = Pace(full=10.0).slowed(NOON, None)
    now = NOON - back
    assert 10.0 * FLOOR <= pace.rate(now) <= 10.0

    pace, slots = pace.deal(now, 1, patience=3600.0)

    assert slots.count == 1
    assert pace.rate(now + 60.0) == 10.0


def test_a_pause_that_a_server_wanted_is_kept_on_a_clock_that_nobody_sets() -> None:
    pace = Pace(full=10.0).slowed(NOON, LONGEST_PAUSE)

    assert pace.deal(NOON + LONGEST_PAUSE - 1, 1, patience=0.5)[1].count == 0
    assert pace.deal(NOON + LONGEST_PAUSE, 1, patience=0.5)[1].count == 1
    assert pace.deal(NOON - 7200.0, 1, patience=0.5)[1].count == 1


def test_what_lies_far_ahead_at_a_slow_rate_was_taken_all_the_same() -> None:
    slow = Pace(full=1 / 60)
    pace, _ = slow.deal(NOON, 1, patience=PATIENCE)

    assert pace.deal(NOON + 1, 1, patience=PATIENCE)[1].count == 0
    assert pace.deal(NOON + 62, 1, patience=PATIENCE)[1].count == 1
