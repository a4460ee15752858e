"""What the charts of the overview count, and how often."""

from __future__ import annotations

from datetime import datetime, timedelta

from connector.ledger import Ledger
from connector.ledger.figures import AGES
from connector.web.console.charts import HOURS, Bar, Throughput, bars
from tests.support.builders import NOON, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import add, lease_one, send


def test_the_highest_bar_is_as_high_as_can_be() -> None:
    assert bars([("a", 2), ("b", 8), ("c", 0)]) == [Bar("a", 2, 25), Bar("b", 8, 100), Bar("c", 0, 0)]
    assert bars([("a", 0)]) == [Bar("a", 0, 0)]


def test_hours_that_are_over_are_counted_once() -> None:
    asked: list[datetime] = []

    def sent(since: datetime, until: datetime) -> int:
        assert until - since == timedelta(hours=1)
        asked.append(since)
        return since.hour

    throughput = Throughput(sent)
    first = throughput.hours(NOON)
    assert [count for _, count in first] == [*range(13, 24), *range(13)]
    assert len(asked) == HOURS
    throughput.hours(NOON + timedelta(hours=1))
    assert asked[HOURS:] == [NOON, NOON + timedelta(hours=1)]  # the last one and the present one


def test_what_is_not_sent_is_told_apart_by_its_age(embedded_url: str) -> None:
    clock = FakeClock()
    ledger = Ledger(embedded_url, clock=clock)
    send(ledger, lease_one(ledger, invoice("sent")))
    add(ledger, invoice("old"))
    clock.advance(100 * 3600)
    add(ledger, invoice("1"), invoice("2"))
    clock.advance(2 * 3600)
    assert dict(zip(AGES, ledger.figures.unsent_by_age(), strict=True)) == {
        **dict.fromkeys(AGES, 0),
        timedelta(hours=1): 2,
        timedelta(hours=72): 1,
    }
    assert ledger.figures.sent_between(NOON, NOON + timedelta(hours=1)) == 1
    ledger.close()
