"""The compressed day itself: its shape, its judgement of memory, and a small one lived through."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.soak import plan, report
from tests.soak.day import live
from tests.soak.memory import Series
from tests.torture.rooms import MissingServiceError


def test_an_office_confirms_most_by_day_and_nothing_is_left_out() -> None:
    moments = plan.spread(2400)
    hours = Counter(int(moment) for moment in moments)
    assert len(moments) == 2400
    assert sorted(moments) == list(moments)
    assert hours[4] > 10 * hours[18]  # ten in the morning, and midnight
    assert max(moments) < plan.HOURS


def test_a_day_repeats_itself_and_ends_with_all_tax_numbers_put_right() -> None:
    first, again = (plan.make(400, hour=2.5, seed=3) for _ in range(2))
    assert first == again
    assert {document.reason for document in first.books.documents} <= {
        None,
        "totals_do_not_add_up",
        "original_waiting",
    }
    assert {arrival.age for arrival in first.arrivals} == {0.0, 0.1, 1.0}


@pytest.mark.parametrize(("an_hour", "flat"), [(0.0, True), (0.3, True), (2.0, False)])
def test_memory_that_grows_after_the_first_quarter_is_told(an_hour: float, flat: bool) -> None:
    series = Series("worker-1", [(hour / 4, 120 + an_hour * max(0.0, hour / 4 - 6)) for hour in range(97)])
    series.samples[0] = (0.0, 60.0)  # just started
    assert series.slope == pytest.approx(an_hour)
    assert series.is_flat is flat


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_day_of_300_invoices_and_all_its_faults_leaves_nothing_lost_doubled_or_unexplained(tmp_path: Path) -> None:
    """In a minute nothing can be said of memory: that is what `make soak` is for."""
    try:
        result = live(plan.make(300, hour=2.5, seed=1), "redis", tmp_path, print)
    except MissingServiceError as error:
        pytest.skip(str(error))
    assert report.failures(result) == ""
    assert {"scheduler-1", "worker-1", "web"} <= set(result.memory)
    assert {"kill -9 worker", "kill -9 scheduler", "ERP gone", "broker down", "outage of B2Brouter"} <= set(
        result.happened
    )
