"""What processes count of their requests to B2Brouter, added up in the ledger."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.domain.errors import LedgerError
from connector.ledger import Ledger
from connector.ledger.calls import LONGER, Calls
from connector.meter import Meter, last_told_minute, minute_of
from tests.support.clock import FakeClock


def test_figures_of_several_processes_add_up(ledger: Ledger, clock: FakeClock) -> None:
    one, other = (Meter(lambda: ledger.calls, clock=clock) for _ in range(2))
    for meter in (one, other, one):
        meter.note("main", "send_invoice", 200, 0.2)
        meter.note("main", "send_invoice", None, 31.0)
        meter.fold()
    other.note("main", "send_invoice", 429, 0.05)
    other.fold()

    found = {series.status: series for series in ledger.calls.series()}
    assert found["2xx"].within == {250: 3}
    assert found["2xx"].seconds == pytest.approx(0.6)
    assert found["none"].within == {LONGER: 3}
    assert found["429"].within == {100: 1}
    assert ledger.calls.in_minute(minute_of(clock.now())) == {"main": 7}


def test_what_the_ledger_did_not_take_is_added_the_next_time(ledger: Ledger, clock: FakeClock) -> None:
    fails = True

    def calls() -> Calls:
        if fails:
            raise LedgerError("gone", action="wait")
        return ledger.calls

    meter = Meter(calls, clock=clock)
    meter.note("main", "create_invoice", 503, 0.1)
    with pytest.raises(LedgerError):
        meter.fold()
    meter.note("main", "create_invoice", 503, 0.1)
    fails = False
    meter.fold()
    meter.fold()  # there is nothing more to add

    [series] = ledger.calls.series()
    assert (series.status, series.within) == ("5xx", {100: 2})


def test_minutes_are_forgotten_after_a_day_and_sums_never(ledger: Ledger, clock: FakeClock) -> None:
    meter = Meter(lambda: ledger.calls, clock=clock)
    meter.note("main", "read_account", 200, 0.1)
    meter.fold()
    begun = minute_of(clock.now())
    assert last_told_minute(clock.now() + timedelta(minutes=2)) == begun
    clock.advance(86_400 + 60)
    ledger.calls.tidy()

    assert ledger.calls.in_minute(begun) == {}
    assert [series.operation for series in ledger.calls.series()] == ["read_account"]
