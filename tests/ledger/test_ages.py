"""How long things have been lying, on both databases."""

from __future__ import annotations

from datetime import timedelta

from connector.domain.job import Event
from connector.ledger import Ledger
from connector.ledger.records import Entry
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, add, hold, lease_one, send


def test_due_work_lies_only_while_nobody_has_any_in_hand(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.ages.left_lying(ACCOUNT) is None
    add(ledger, invoice("1"), invoice("2"))
    clock.advance(60)
    assert ledger.ages.left_lying(ACCOUNT) == clock.now() - timedelta(seconds=60)
    assert ledger.ages.left_lying("other") is None

    [job] = ledger.jobs.lease(ACCOUNT, 1)
    assert ledger.ages.left_lying(ACCOUNT) is None
    ledger.jobs.give_back(job)
    assert ledger.ages.left_lying(ACCOUNT) is not None


def test_what_is_later_than_it_should_be(ledger: Ledger, clock: FakeClock) -> None:
    send(ledger, lease_one(ledger, invoice("sent")))
    hold(ledger, lease_one(ledger, invoice("held", number="F-1")))
    clock.advance(60)
    job = lease_one(ledger, invoice("2"))
    ledger.jobs.settle(job, Event.BLOCKED, reason="ramp_full", details={}, entry=Entry(what="blocked"))
    clock.advance(60)

    found = ledger.ages.overdue(ACCOUNT, found_before=clock.now())
    assert found is not None
    assert (found.count, found.number, clock.now() - found.since) == (2, "F-1", timedelta(seconds=120))

    earlier = ledger.ages.overdue(ACCOUNT, found_before=clock.now() - timedelta(seconds=60))
    assert earlier is not None
    assert earlier.count == 1
    assert ledger.ages.overdue(ACCOUNT, found_before=clock.now() - timedelta(seconds=120)) is None
    assert ledger.ages.overdue("other", found_before=clock.now()) is None
