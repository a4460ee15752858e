"""Intake: every confirmed document has one job; a change in the ERP gives it another chance."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from connector.domain.job import Effect, Event, Stage, Status
from connector.ledger import Ledger
from connector.ledger.queries import Filter
from connector.ports import UNKNOWN_COMPANY, Position
from tests.support.builders import NOON, found, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import (
    ACCOUNT,
    SOURCE,
    add,
    add_many,
    hold,
    job_of,
    jobs,
    lease_one,
    position_in,
    send,
    settle,
    told,
)

LATER = NOON + timedelta(minutes=5)


def test_a_found_document_becomes_a_job_that_is_due(ledger: Ledger) -> None:
    document = invoice("1")

    assert add(ledger, document) == 1

    job = job_of(ledger)
    assert (job.status, job.stage, job.due_at, job.account) == (Status.PENDING, Stage.FOUND, NOON, ACCOUNT)
    assert (job.number, job.total, job.currency, job.customer) == (
        "F-1",
        document.totals.payable,
        "EUR",
        document.buyer.name,
    )
    assert told(ledger, job) == ["found"]


def test_found_twice_is_kept_once(ledger: Ledger) -> None:
    assert add(ledger, invoice("1"), invoice("2")) == 2
    assert add(ledger, invoice("2"), invoice("3")) == 1
    assert add(ledger) == 0
    assert len(jobs(ledger)) == 3


def test_found_by_many_at_once_is_kept_once(ledger: Ledger) -> None:
    documents = [invoice(str(n)) for n in range(30)]

    with ThreadPoolExecutor(6) as pool:
        counts = list(pool.map(lambda _: add(ledger, *documents), range(6)))

    assert sum(counts) == 30
    assert len(jobs(ledger)) == 30
    assert all(told(ledger, job) == ["found"] for job in jobs(ledger))


def test_a_page_of_a_thousand_is_taken_in_at_once(ledger: Ledger) -> None:
    add_many(ledger, 1000)
    add_many(ledger, 1000)

    assert ledger.queries.by_status()[Status.PENDING] == 1000


def test_the_same_key_in_another_company_or_source_is_another_document(ledger: Ledger) -> None:
    add(ledger, invoice("1"), invoice("1", company="2"))
    add(ledger, invoice("1"), source="shop")

    assert len(jobs(ledger)) == 3


def test_a_company_without_an_account_is_left_out(ledger: Ledger) -> None:
    page = [found(invoice("1")), found(invoice("2", company="2"))]

    assert ledger.intake.add(SOURCE, page, {"1": ACCOUNT}.get) == 1


def test_a_changed_document_wakes_the_job_that_it_may_have_cured(ledger: Ledger) -> None:
    hold(ledger, lease_one(ledger), "vat_number_wrong")

    add(ledger, invoice("1", number="F-1b"), changed_at=LATER)

    job = job_of(ledger)
    assert (job.status, job.attempts, job.number, job.changed_at) == (Status.PENDING, 0, "F-1b", LATER)
    assert told(ledger, job)[-1] == "released"


@pytest.mark.parametrize("reason", ["retries_exhausted", "outcome_unknown", "crashed", "held_by_person"])
def test_what_a_change_cannot_cure_stays_with_the_person(ledger: Ledger, reason: str) -> None:
    hold(ledger, lease_one(ledger), reason)

    add(ledger, invoice("1", number="F-1b"), changed_at=LATER)

    job = job_of(ledger)
    assert (job.status, job.reason, job.number) == (Status.HELD, reason, "F-1b")


def test_seeing_the_same_state_again_wakes_nobody(ledger: Ledger) -> None:
    hold(ledger, lease_one(ledger))

    add(ledger, invoice("1"))

    assert job_of(ledger).status is Status.HELD


def test_an_open_question_keeps_the_number_that_it_was_asked_under(ledger: Ledger) -> None:
    job = ledger.jobs.begin(lease_one(ledger), Effect.CREATE, payload=b"{}", invoice=invoice("1"))
    settle(ledger, job, Event.POSTPONED, "looking_up")

    add(ledger, invoice("1", number="F-new"), changed_at=LATER)

    assert job_of(ledger).number == "F-1"


def test_a_created_document_keeps_the_head_that_it_was_made_from(ledger: Ledger) -> None:
    job = ledger.jobs.advance(lease_one(ledger), Stage.CREATED, reference="1")
    hold(ledger, job, "totals_differ")

    add(ledger, invoice("1", number="F-new"), changed_at=LATER)

    job = job_of(ledger)
    assert (job.status, job.number) == (Status.PENDING, "F-1")


def test_running_and_finished_jobs_are_not_touched(ledger: Ledger) -> None:
    add(ledger, invoice("1"), invoice("2"))
    one, two = ledger.jobs.lease(ACCOUNT, 2)
    done = send(ledger, two)

    add(ledger, invoice("1", number="X"), invoice("2", number="Y"), changed_at=LATER)

    assert (job_of(ledger, "1"), job_of(ledger, "2")) == (one, done)


def test_resting_jobs_are_listed_in_pages(ledger: Ledger) -> None:
    add_many(ledger, 5)
    for job in ledger.jobs.lease(ACCOUNT, 5):
        settle(
            ledger,
            job,
            Event.BLOCKED if job.key == "0" else Event.STUCK,
            {"0": "not_confirmed", "1": "held_by_person"}.get(job.key, "iban_wrong"),
        )

    first = ledger.intake.resting(SOURCE, after=0, limit=2)
    rest = ledger.intake.resting(SOURCE, after=first[-1].id, limit=10)

    assert [job.key for job in first] == ["0", "2"]
    assert [job.key for job in rest] == ["3", "4"]
    assert ledger.intake.resting("shop", after=0, limit=10) == []


def test_a_job_that_moved_meanwhile_is_not_woken(ledger: Ledger) -> None:
    held = hold(ledger, lease_one(ledger))
    stale = replace(held, fence=held.fence - 1)

    ledger.intake.wake([stale])
    assert job_of(ledger).status is Status.HELD

    ledger.intake.wake([held])
    assert job_of(ledger).status is Status.PENDING


def test_how_far_discovery_came_is_remembered(ledger: Ledger, clock: FakeClock) -> None:
    assert position_in(ledger) is None
    assert ledger.intake.state(SOURCE) == {}
    ledger.intake.remember(SOURCE, discovered_at=NOON)
    assert position_in(ledger) is None

    ledger.intake.remember(SOURCE, changed_at=LATER, key="77")
    clock.advance(600)

    assert position_in(ledger) == Position(changed_at=LATER, key="77")
    assert ledger.intake.state(SOURCE)["discovered_at"] == NOON


# ---------------------------------------------------------------- documents that cannot be read


def add_company(ledger: Ledger, company: str, *keys: str) -> int:
    page = [replace(found(invoice(key)), company=company) for key in keys]
    return ledger.intake.add(SOURCE, page, lambda named: {"": "first", "A": "first", "B": "second"}[named])


def test_a_document_without_a_company_gets_it_once_it_can_be_read(ledger: Ledger) -> None:
    assert add_company(ledger, UNKNOWN_COMPANY, "1") == 1
    assert add_company(ledger, "B", "1", "2") == 1
    assert {(job.key, job.company, job.account) for job in jobs(ledger)} == {
        ("1", "B", "second"),
        ("2", "B", "second"),
    }


def test_a_known_document_that_cannot_be_read_any_more_gets_no_second_job(ledger: Ledger) -> None:
    add_company(ledger, "A", "1")
    assert add_company(ledger, UNKNOWN_COMPANY, "1", "2") == 1
    assert {(job.key, job.company) for job in jobs(ledger)} == {("1", "A"), ("2", UNKNOWN_COMPANY)}


def test_a_document_that_somebody_works_on_keeps_its_company(ledger: Ledger) -> None:
    add_company(ledger, UNKNOWN_COMPANY, "1")
    [leased] = ledger.jobs.lease("first", 1)
    add_company(ledger, "B", "1")
    assert job_of(ledger).company == UNKNOWN_COMPANY
    settle(ledger, leased, Event.STUCK, "document_not_usable")
    assert add_company(ledger, "B", "1") == 0
    assert [(job.company, job.account) for job in jobs(ledger)] == [("B", "second")]


@pytest.mark.parametrize("odd", ["a\x00b", "a\ud800b"], ids=["NUL", "half a character"])
@pytest.mark.parametrize("name", ["key", "company", "number", "customer", "currency", "original_key"])
def test_a_text_that_no_database_takes_keeps_no_other_document_from_being_found(
    ledger: Ledger, name: str, odd: str
) -> None:
    page = [found(invoice("1")), replace(found(invoice("2")), **{name: odd}), found(invoice("3"))]  # type: ignore[arg-type]
    assert ledger.intake.add(SOURCE, page, lambda company: ACCOUNT) == 3
    assert ledger.intake.add(SOURCE, page, lambda company: ACCOUNT) == 0
    names = [getattr(job, name) or "" for job in jobs(ledger)]
    assert [each.partition("#")[0] for each in names if "a\ufffdb" in each] == ["a\ufffdb"]


def test_documents_whose_keys_differ_in_what_cannot_be_stored_are_two(ledger: Ledger) -> None:
    page = [found(invoice(key, number=f"F-{n}")) for n, key in enumerate(("a\udce9", "a\udcea", "a\x00", "a\ufffd"))]

    assert ledger.intake.add(SOURCE, page, lambda _: ACCOUNT) == 4
    assert ledger.intake.add(SOURCE, page, lambda _: ACCOUNT) == 0
    assert len({job.key for job in jobs(ledger)}) == 4


@pytest.mark.parametrize("odd", ["NaN", "-Infinity", "1E+400"])
def test_an_amount_beyond_all_measure_keeps_no_other_document_from_being_found(ledger: Ledger, odd: str) -> None:
    page = [found(invoice("1")), replace(found(invoice("2")), total=Decimal(odd))]
    assert ledger.intake.add(SOURCE, page, lambda company: ACCOUNT) == 2
    assert [job.key for job in ledger.queries.jobs(Filter(at_least=Decimal(1)))] == ["1"]
