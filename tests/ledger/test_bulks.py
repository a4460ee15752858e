"""One act on many jobs, in pieces: each once, originals first, stopped at any time, by whoever has the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text, update

from connector.domain.invoice import Kind
from connector.domain.job import Event, Status
from connector.ledger import Ledger
from connector.ledger.actions import RETRY, SKIP
from connector.ledger.bulks import CHANGED, LEFT_ALONE, CountedOtherwiseError, Extent
from connector.ledger.queries import Filter
from connector.ledger.tables import EventRow, JobRow
from connector.web.console.bulks import preview
from tests.support.builders import NOON, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, add, add_many, job_of, jobs, settle

HELD = Filter(status=Status.HELD)


def held(ledger: Ledger, count: int) -> None:
    """Have so many jobs held; every third of them is a credit note."""
    add_many(ledger, count)
    for job in ledger.jobs.lease(ACCOUNT, count):
        settle(ledger, job, Event.STUCK, "totals_differ")
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE job SET kind = 'credit_note' WHERE id % 3 = 0"))


def begin(ledger: Ledger, pace: int | None = None) -> int:
    return ledger.bulks.begin(RETRY, HELD, chosen={"status": "held"}, who="ana", note="cured", pace=pace)


def retried(ledger: Ledger) -> list[int]:
    """The ids of the jobs that were retried, in the order in which they were."""
    query = select(EventRow.job_id).where(EventRow.what == "retry").order_by(EventRow.id)
    with ledger.database.read() as connection:
        return list(connection.execute(query).scalars())


def test_each_is_done_once_and_originals_come_first(ledger: Ledger) -> None:
    held(ledger, 7)
    bulk_id = begin(ledger)
    while ledger.bulks.work(0):
        pass
    assert retried(ledger) == [1, 2, 4, 5, 7, 3, 6]
    bulk = ledger.bulks.get(bulk_id)
    assert bulk is not None
    assert (bulk.total, bulk.done, bulk.changed, bulk.is_over) == (7, 7, 7, True)
    assert {item.result for item in ledger.bulks.items(bulk_id, after=0, limit=10)} == {CHANGED}


def test_what_changed_meanwhile_is_left_alone(ledger: Ledger) -> None:
    held(ledger, 2)
    bulk_id = begin(ledger)
    with ledger.database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.id == 1).values(status=Status.DONE))
    ledger.bulks.work(1)
    results = {item.job_id: item.result for item in ledger.bulks.items(bulk_id, after=0, limit=10)}
    assert results == {1: LEFT_ALONE, 2: CHANGED}
    assert retried(ledger) == [2]


def results_of(ledger: Ledger, bulk_id: int) -> dict[int, str | None]:
    return {item.job_id: item.result for item in ledger.bulks.items(bulk_id, after=0, limit=10)}


def skip_slowly(ledger: Ledger, clock: FakeClock, wanted: Filter, meanwhile: Callable[[], None]) -> int:
    """Leave out what is meant, one a minute; after the first one something happens."""
    bulk_id = ledger.bulks.begin(SKIP, wanted, chosen={}, who="ana", note="sent on paper", pace=1)
    assert ledger.bulks.work(0) == 1
    meanwhile()
    clock.advance(60)
    while ledger.bulks.work(0):
        clock.advance(60)
    return bulk_id


def test_one_that_was_cured_and_goes_on_is_not_left_out(ledger: Ledger, clock: FakeClock) -> None:
    add_many(ledger, 2)
    for job in ledger.jobs.lease(ACCOUNT, 2):
        settle(ledger, job, Event.STUCK, "vat_number_wrong")

    def cured_and_under_way() -> None:
        clock.advance(1)
        add(ledger, invoice("1"), changed_at=NOON + timedelta(days=1))
        [job] = ledger.jobs.lease(ACCOUNT, 1)
        settle(ledger, job, Event.POSTPONED, "remote_unavailable", delay=3600)

    bulk_id = skip_slowly(ledger, clock, Filter(reason="vat_number_wrong"), cured_and_under_way)
    assert results_of(ledger, bulk_id) == {1: CHANGED, 2: LEFT_ALONE}
    assert job_of(ledger, "1").status is Status.PENDING


def test_another_case_than_the_one_that_was_meant_is_not_let_be(ledger: Ledger, clock: FakeClock) -> None:
    def case(job_id: int, reason: str) -> None:
        case = {"status": Status.DONE, "reason": reason, "details": {"message": "?"}, "updated_at": clock.now()}
        with ledger.database.write() as connection:
            connection.execute(update(JobRow).where(JobRow.id == job_id).values(case))

    add_many(ledger, 2)
    case(1, "receiver_remark")
    case(2, "receiver_remark")
    refused = lambda: case(2, "refused_by_receiver")  # noqa: E731
    bulk_id = skip_slowly(ledger, clock, Filter(reason="receiver_remark"), refused)
    assert results_of(ledger, bulk_id) == {1: CHANGED, 2: LEFT_ALONE}
    assert jobs(ledger)[1].reason == "refused_by_receiver"


def test_leaving_all_out_lets_none_of_them_go_on(ledger: Ledger) -> None:
    """A correction that waits for its original, or was too much with others, would go on once that is left out."""
    held(ledger, 6)  # the third and the sixth are credit notes
    with ledger.database.write() as connection:
        ours = update(JobRow).where(JobRow.kind == Kind.CREDIT_NOTE)
        connection.execute(ours.values(reason="credited_too_much", original_key="0"))
        waiting = {"status": Status.WAITING, "reason": "original_waiting", "original_key": "0"}
        connection.execute(update(JobRow).where(JobRow.key == "4").values(kind=Kind.CREDIT_NOTE, **waiting))
    bulk_id = ledger.bulks.begin(SKIP, Filter(), chosen={}, who="ana", note="sent on paper", pace=None)
    while ledger.bulks.work(0):
        pass
    assert set(results_of(ledger, bulk_id).values()) == {CHANGED}
    assert {job.status for job in jobs(ledger)} == {Status.SKIPPED}


def test_a_pace_is_kept(ledger: Ledger, clock: FakeClock) -> None:
    held(ledger, 7)
    begin(ledger, pace=120)  # two a second; four at a time
    assert ledger.bulks.work(1) == 4
    assert ledger.bulks.work(1) == 0
    clock.advance(2)
    assert ledger.bulks.work(1) == 3


def test_after_a_stop_nothing_more_is_done(ledger: Ledger) -> None:
    held(ledger, 3)
    bulk_id = begin(ledger)
    assert ledger.bulks.stop(bulk_id, who="vera")
    assert not ledger.bulks.stop(bulk_id, who="vera")
    assert ledger.bulks.work(1) == 0
    assert retried(ledger) == []


def test_nothing_to_do_is_over_at_once(ledger: Ledger) -> None:
    bulk = ledger.bulks.get(begin(ledger))
    assert bulk is not None
    assert bulk.is_over


@pytest.mark.slow
def test_ten_thousand_are_done_once_by_two_workers_and_no_piece_takes_long(ledger: Ledger) -> None:
    held(ledger, 10_000)
    began = time.monotonic()
    begin(ledger)
    assert time.monotonic() - began < 1

    def work() -> float:
        longest = 0.0
        while True:
            began = time.monotonic()
            done = ledger.bulks.work(0)
            longest = max(longest, time.monotonic() - began)
            if not done and ledger.bulks.latest(1)[0].is_over:
                return longest

    with ThreadPoolExecutor(2) as pool:
        longest = max(pool.map(lambda _: work(), range(2)))
    ids = retried(ledger)
    assert len(ids) == len(set(ids)) == 10_000
    assert longest < 1


def test_a_preview_counts_what_would_change_and_why_others_would_not(ledger: Ledger) -> None:
    held(ledger, 5)
    add_many(ledger, 7)
    with ledger.database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.key == "5").values(status=Status.RUNNING))
        connection.execute(update(JobRow).values(total=Decimal("10.10"), currency="EUR"))
    found = preview(ledger, RETRY, Filter())
    assert found.extent == Extent(6, max(job.id for job in jobs(ledger)), cases=0, changed=NOON)
    assert (found.count, found.credit_notes, found.left_out) == (6, 1, 1)
    assert found.sums == {"EUR": Decimal("40.40")}  # five invoices less a credit note
    assert found.unfit == {"running": 1}
    assert not found.more


def test_a_preview_counts_just_those_that_are_taken(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.ledger.bulks.MOST", 3)
    held(ledger, 9)
    with ledger.database.write() as connection:  # more than are taken at once come first, and it fits none of them
        connection.execute(update(JobRow).where(JobRow.id <= 4).values(status=Status.DONE, reason=None))
    found = preview(ledger, RETRY, Filter())
    assert (found.count, found.last, found.left_out) == (3, 8, 3)
    bulk_id = ledger.bulks.begin(RETRY, Filter(), chosen={}, who="ana", note="cured", pace=None, counted=found.extent)
    assert list(results_of(ledger, bulk_id)) == [5, 7, 8]


def test_what_came_after_the_preview_is_not_taken_for_what_went(ledger: Ledger, clock: FakeClock) -> None:
    wanted = Filter(reason="totals_differ")
    held(ledger, 3)
    rest_for(ledger, clock, 2, "iban_wrong")
    seen = preview(ledger, SKIP, wanted)
    clock.advance(1)
    rest_for(ledger, clock, 1, "iban_wrong")
    rest_for(ledger, clock, 2, "totals_differ")
    taken: dict[str, Any] = {"chosen": {}, "who": "ana", "note": "sent on paper", "pace": None}
    bulk_id = ledger.bulks.begin(SKIP, wanted, **taken, counted=seen.extent)
    assert list(results_of(ledger, bulk_id)) == [3]
    by_a_script = ledger.bulks.begin(SKIP, wanted, **taken)
    assert set(results_of(ledger, by_a_script)) == {2, 3}


def rest_for(ledger: Ledger, clock: FakeClock, job_id: int, reason: str) -> None:
    with ledger.database.write() as connection:
        rests = {"reason": reason, "updated_at": clock.now()}
        connection.execute(update(JobRow).where(JobRow.id == job_id).values(rests))


@pytest.mark.parametrize("counted", [Extent(2, 3), Extent(3, 2), Extent(0, 0)])
def test_more_than_were_counted_or_later_ones_are_not_begun(ledger: Ledger, counted: Extent) -> None:
    held(ledger, 3)
    with pytest.raises(CountedOtherwiseError):
        ledger.bulks.begin(RETRY, HELD, chosen={}, who="ana", note="cured", pace=None, counted=counted)
    assert ledger.bulks.latest() == []
