"""Issued documents in the ledger: a round that comes to all of them, cases that one writer opens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from connector.domain.content import content
from connector.domain.job import Status
from connector.ledger import Ledger
from connector.ledger.actions import SKIP
from connector.ledger.issued import CHANGED
from connector.ledger.records import Job
from tests.support.builders import NOON, found, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, SOURCE, add, add_many, job_of, lease_one, send, told

LONG_AGO = NOON - timedelta(days=400)


def issue(ledger: Ledger, count: int) -> None:
    """Have documents sent at one instant, and the source known."""
    add_many(ledger, count)
    for job in ledger.jobs.lease(ACCOUNT, count):
        send(ledger, job, reference=f"1000{job.key}")
    ledger.intake.remember(SOURCE, discovered_at=NOON)


def walk(ledger: Ledger, limit: int) -> list[str]:
    """One step of the round."""
    mark = ledger.issued.mark(SOURCE)
    jobs = ledger.issued.next(SOURCE, mark, since=LONG_AGO, limit=limit)
    ledger.issued.remember(SOURCE, mark, jobs[-1] if len(jobs) == limit else None)
    return [job.key for job in jobs]


def test_the_round_comes_to_every_issued_document_and_begins_anew(ledger: Ledger) -> None:
    issue(ledger, 5)
    add(ledger, invoice("not issued"))

    rounds = [walk(ledger, 2) for _ in range(4)]

    assert [len(keys) for keys in rounds] == [2, 2, 1, 2]
    assert sorted(key for keys in rounds[:3] for key in keys) == ["0", "1", "2", "3", "4"]
    assert rounds[3] == rounds[0]


def test_what_was_sent_before_the_window_is_left_out(ledger: Ledger, clock: FakeClock) -> None:
    issue(ledger, 2)

    assert ledger.issued.next(SOURCE, ledger.issued.mark(SOURCE), since=NOON + timedelta(seconds=1), limit=5) == []
    assert len(ledger.issued.next(SOURCE, ledger.issued.mark(SOURCE), since=NOON, limit=5)) == 2


def test_only_issued_documents_with_a_later_time_of_change_have_moved(ledger: Ledger) -> None:
    issue(ledger, 2)
    add(ledger, invoice("not issued"))
    later = NOON + timedelta(seconds=1)
    page = [
        found(invoice("0"), changed_at=NOON),
        found(invoice("1"), changed_at=later),
        found(invoice("not issued"), changed_at=later),
    ]

    moved = ledger.issued.moved(SOURCE, page, since=LONG_AGO)

    assert [(job.key, at) for job, at in moved] == [("1", later)]
    ledger.issued.seen(moved)
    assert ledger.issued.moved(SOURCE, page, since=LONG_AGO) == []


def test_what_was_issued_is_kept_with_the_intent(ledger: Ledger) -> None:
    issued = send(ledger, lease_one(ledger))
    found_only = add(ledger, invoice("2"))

    contents = ledger.issued.contents([issued, job_of(ledger, "2")])

    assert found_only == 1
    assert contents == {issued.id: content(invoice("1"))}


def test_of_two_that_read_the_same_only_one_opens_the_case(ledger: Ledger, clock: FakeClock) -> None:
    job = send(ledger, lease_one(ledger))
    clock.advance(1)

    opened = [ledger.issued.open(job, {"content": "a"}), ledger.issued.open(job, {"content": "a"})]

    assert opened == [True, False]
    after = job_of(ledger)
    assert (after.status, after.reason, told(ledger, after)[-1]) == (Status.DONE, CHANGED, "changed")
    assert ledger.queries.cases() == 1


def test_only_what_a_person_let_be_is_accepted(ledger: Ledger, clock: FakeClock) -> None:
    job = send(ledger, lease_one(ledger))
    clock.advance(1)
    ledger.issued.open(job, {"content": "a"})
    case = job_of(ledger)
    assert ledger.issued.accepted([case]) == set()

    assert skip(ledger, case) == [case.id]

    assert ledger.issued.accepted([case]) == {(case.id, "a")}
    assert ledger.queries.cases() == 0
    assert skip(ledger, case) == []
    assert skip(ledger, replace(case, reason=None)) == []


def skip(ledger: Ledger, job: Job) -> list[int]:
    return ledger.actions.perform(SKIP, [job], who="Ana", note="agreed")
