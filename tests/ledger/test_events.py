"""The timeline of all jobs as one sequence: nothing is missed by whoever reads on from a number."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from connector.domain.job import Stage
from connector.ledger import Ledger
from connector.ledger.events import SETTLED
from connector.ledger.tables import EventRow
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import add, lease_one


def test_entries_come_in_pages_with_whose_they_are(ledger: Ledger) -> None:
    add(ledger, invoice("1"), invoice("2", number="F-2"))
    assert ledger.events.newest() == 2
    first = ledger.events.after(0, 1)
    rest = ledger.events.after(first[-1].id, 10)
    assert [(one.id, one.number, one.event.what) for one in rest] == [(2, "F-2", "found")]
    assert ledger.events.after(2, 10) == []


@pytest.mark.postgres
def test_what_is_committed_late_is_told_in_its_place(ledger: Ledger, clock: FakeClock) -> None:
    if ledger.database.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    job = lease_one(ledger)
    begun = ledger.events.newest()
    entry = {"job_id": job.id, "at": clock.now(), "stage": Stage.FOUND}
    with ledger.database.write() as late:
        late.execute(insert(EventRow).values(what="late", **entry))
        with ledger.database.write() as early:
            early.execute(insert(EventRow).values(what="early", **entry))
        assert ledger.events.after(begun, 10) == []
    assert [one.event.what for one in ledger.events.after(begun, 10)] == ["late", "early"]


@pytest.mark.postgres
def test_a_number_that_was_never_committed_holds_nothing_up_for_long(ledger: Ledger, clock: FakeClock) -> None:
    if ledger.database.is_sqlite:
        pytest.skip("SQLite gives such a number again")
    job = lease_one(ledger)
    begun = ledger.events.newest()
    with ledger.database.engine.connect() as connection:  # and is closed without a commit
        connection.execute(insert(EventRow).values(job_id=job.id, at=clock.now(), what="never", stage=Stage.FOUND))
    ledger.jobs.give_back(job)
    add(ledger, invoice("2"))
    assert ledger.events.after(begun, 10) == []
    clock.advance(SETTLED.total_seconds())
    assert [one.event.what for one in ledger.events.after(begun, 10)] == ["found"]
