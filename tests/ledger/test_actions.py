"""What people do: only what fits, with a note, and never behind the back of a worker."""

from __future__ import annotations

from typing import Any

import pytest

from connector.domain.job import Effect, Event, Stage, Status
from connector.ledger import Ledger
from connector.ledger.actions import DECIDED_BY_RETRY, HOLD, RELEASE, RETRY, SKIP, Act
from connector.ledger.queries import Filter
from connector.ledger.records import Job
from tests.support.builders import credit_note, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, add, add_many, hold, job_of, lease_one, send, settle

FITS = {
    RETRY: {Status.HELD, Status.WAITING, Status.PENDING},
    HOLD: {Status.PENDING, Status.WAITING},
    RELEASE: {Status.HELD, Status.SKIPPED},
    SKIP: {Status.PENDING, Status.WAITING, Status.HELD},
}


def in_status(ledger: Ledger, status: Status) -> Job:
    job = lease_one(ledger)
    match status:
        case Status.PENDING:
            ledger.jobs.give_back(job)
        case Status.WAITING:
            settle(ledger, job, Event.BLOCKED, "not_confirmed")
        case Status.HELD:
            hold(ledger, job)
        case Status.DONE:
            send(ledger, job)
        case Status.SKIPPED:
            perform(ledger, SKIP, hold(ledger, job))
        case Status.RUNNING:
            pass
    return job_of(ledger)


def perform(ledger: Ledger, act: Act, *jobs: Job) -> list[int]:
    return ledger.actions.perform(act, jobs, who="Ana", note="because")


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("act", FITS, ids=lambda act: act.name)
def test_an_act_is_done_where_it_fits_and_nowhere_else(ledger: Ledger, act: Act, status: Status) -> None:
    job = in_status(ledger, status)
    assert job.status is status

    done = perform(ledger, act, job)

    fits = status in FITS[act]
    assert done == ([job.id] if fits else [])
    after = job_of(ledger)
    if not fits:
        assert after == job
        return
    wanted = {"retry": Status.PENDING, "release": Status.PENDING, "hold": Status.HELD, "skip": Status.SKIPPED}
    assert after.status is wanted[act.name]
    last = ledger.queries.timeline(job.id)[-1]
    assert (last.what, last.who, last.note) == (act.name, "Ana", "because")


def test_a_preview_tells_the_fitting_from_the_others_and_changes_nothing(ledger: Ledger) -> None:
    add_many(ledger, 3)
    one, two, _ = ledger.jobs.lease(ACCOUNT, 3)
    hold(ledger, one)
    send(ledger, two)
    before = [job_of(ledger, str(n)) for n in range(3)]

    preview = ledger.actions.preview(RETRY, Filter())

    assert [job.id for job in preview.fitting] == [one.id]
    assert len(preview.unfit) == 2
    assert [job_of(ledger, str(n)) for n in range(3)] == before


def test_a_job_that_moved_since_the_preview_is_left_alone(ledger: Ledger) -> None:
    job = in_status(ledger, Status.PENDING)
    preview = ledger.actions.preview(SKIP, Filter(ids=[job.id]))
    ledger.jobs.lease(ACCOUNT, 1)

    assert perform(ledger, SKIP, *preview.fitting) == []
    assert job_of(ledger).status is Status.RUNNING


def test_what_may_stand_at_b2brouter_cannot_be_declared_unissued(ledger: Ledger) -> None:
    job = ledger.jobs.begin(lease_one(ledger), Effect.CREATE, invoice=invoice("1"))
    held = hold(ledger, job, "retries_exhausted")

    assert ledger.actions.preview(SKIP, Filter()).fitting == []
    assert perform(ledger, SKIP, held) == []


def test_a_retry_resumes_at_its_stage_with_fresh_attempts(ledger: Ledger, clock: FakeClock) -> None:
    job = ledger.jobs.advance(lease_one(ledger), Stage.SENT, reference="1")
    settle(ledger, job, Event.STUCK, "retries_exhausted", attempts=5)
    clock.advance(100)

    perform(ledger, RETRY, job_of(ledger))

    job = job_of(ledger)
    assert (job.stage, job.attempts, job.reason, job.due_at) == (Stage.SENT, 0, None, clock.now())


@pytest.mark.parametrize("reason", sorted(DECIDED_BY_RETRY))
def test_a_retry_that_is_a_decision_is_passed_on_to_the_step(ledger: Ledger, reason: str) -> None:
    perform(ledger, RETRY, hold(ledger, lease_one(ledger), reason))

    assert (job_of(ledger).status, job_of(ledger).reason) == (Status.PENDING, reason)


def test_a_hold_says_who_and_why(ledger: Ledger) -> None:
    perform(ledger, HOLD, in_status(ledger, Status.PENDING))

    job = job_of(ledger)
    assert (job.reason, job.message) == ("held_by_person", "Held by Ana: because")
    assert ledger.jobs.lease(ACCOUNT, 1) == []


def test_the_credit_note_of_a_skipped_original_is_judged_anew(ledger: Ledger) -> None:
    original = invoice("1")
    add(ledger, original, credit_note("2", original))
    one, two = ledger.jobs.lease(ACCOUNT, 2)
    hold(ledger, one)
    settle(ledger, two, Event.BLOCKED, "original_waiting")

    perform(ledger, SKIP, job_of(ledger, "1"))

    assert job_of(ledger, "2").status is Status.PENDING


def test_many_are_done_in_batches(ledger: Ledger) -> None:
    add_many(ledger, 1200)

    preview = ledger.actions.preview(HOLD, Filter(source="erp"))
    assert len(perform(ledger, HOLD, *preview.fitting)) == 1200
    assert ledger.queries.by_status()[Status.HELD] == 1200


def link(ledger: Ledger, job: Job) -> bool:
    return ledger.actions.link(
        job,
        reference="4711",
        remote_state="new",
        invoice=invoice("1"),
        stage=Stage.CREATED,
        who="Ana",
        note="found it",
    )


def test_a_link_ties_a_job_to_a_document_and_settles_the_question(ledger: Ledger) -> None:
    job = ledger.jobs.begin(lease_one(ledger), Effect.CREATE, payload=b"{}", invoice=invoice("1"))
    held = hold(ledger, job, "outcome_unknown")

    assert link(ledger, held)

    job = job_of(ledger)
    wanted: dict[str, Any] = {
        "status": Status.PENDING,
        "stage": Stage.CREATED,
        "reference": "4711",
        "remote_state": "new",
        "open_effect": None,
        "open_since": None,
        "reason": None,
        "payload": None,  # that document was not made from our bytes: it is not ours to delete
    }
    assert {name: getattr(job, name) for name in wanted} == wanted
    assert not link(ledger, held)  # it moved meanwhile


def test_what_was_given_up_for_transient_faults_is_tried_again(ledger: Ledger) -> None:
    add_many(ledger, 2)
    one, two = ledger.jobs.lease(ACCOUNT, 2)
    hold(ledger, one, "retries_exhausted")
    hold(ledger, two, "iban_wrong")

    assert ledger.actions.retry_exhausted(who="connector sync", note="a new pass") == 1
    assert ledger.queries.by_status()[Status.PENDING] == 1
