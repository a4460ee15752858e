"""The first run of an account: never more invoices than the step in force allows, whoever works and however often."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from connector.domain.errors import BlockedError, LeaseLostError
from connector.domain.job import Effect, Event, Stage, Status
from connector.ledger import Ledger
from connector.ledger.actions import RELEASE, SKIP
from connector.ledger.ramp import Standing
from connector.ledger.records import Job
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, add, add_many, job_of, jobs, lease_one, send, settle

STEPS = (1, 2)


def admitted(ledger: Ledger, job: Job, steps: Sequence[int] = STEPS) -> bool:
    """Ask for a place; a job that gets none is laid down to wait, as the journey does it."""
    try:
        ledger.ramp.admit(job, steps)
    except BlockedError as error:
        settle(ledger, job, Event.BLOCKED, error.reason)
        return False
    return True


def issue_all(ledger: Ledger, steps: Sequence[int] = STEPS) -> int:
    """Work everything that is due; return how many were issued."""
    count = 0
    while leased := ledger.jobs.lease(ACCOUNT, 10):
        for job in leased:
            if admitted(ledger, job, steps):
                send(ledger, job)
                count += 1
    return count


def standing(ledger: Ledger) -> Standing:
    found = ledger.ramp.standing(ACCOUNT, STEPS)
    assert found is not None
    return found


def test_one_goes_then_two_then_all(ledger: Ledger) -> None:
    add_many(ledger, 6)

    assert issue_all(ledger) == 1
    seen = standing(ledger)
    assert (seen.step, seen.allowed, seen.issued, seen.waiting, seen.next_allowed) == (1, 1, 1, 5, 2)
    assert seen.rests
    assert [job.key for job in ledger.ramp.issued(seen)] == ["0"]

    assert ledger.ramp.open_next(seen, who="Ana", note="seen") == 2
    assert issue_all(ledger) == 2
    last = standing(ledger)
    assert (last.step, last.waiting, last.next_allowed) == (2, 3, None)

    assert ledger.ramp.open_next(last, who="Ana", note="seen") == 3
    assert issue_all(ledger) == 3
    assert ledger.ramp.standing(ACCOUNT, STEPS) is None


def test_who_opened_a_step_is_in_the_timelines_of_those_that_go_on(ledger: Ledger) -> None:
    add_many(ledger, 2)
    issue_all(ledger)
    ledger.ramp.open_next(standing(ledger), who="Ana", note="looks good")

    events = ledger.queries.timeline(job_of(ledger, "1").id)
    assert ("release", "Ana", "looks good") in [(event.what, event.who, event.note) for event in events]


def test_a_step_is_opened_once_however_many_have_seen_it(ledger: Ledger) -> None:
    add_many(ledger, 6)
    issue_all(ledger)
    seen = standing(ledger)

    assert ledger.ramp.open_next(seen, who="Ana", note="seen") == 2
    assert ledger.ramp.open_next(seen, who="Bea", note="seen too") is None
    assert standing(ledger).step == 2


def test_many_workers_at_once_take_no_more_places_than_there_are(ledger: Ledger) -> None:
    add_many(ledger, 24)
    leased = ledger.jobs.lease(ACCOUNT, 24)

    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda job: admitted(ledger, job, (5, 10)), leased))

    assert sum(places) == 5


def test_a_job_keeps_its_place_through_a_retry(ledger: Ledger, clock: FakeClock) -> None:
    add_many(ledger, 2)
    first, second = ledger.jobs.lease(ACCOUNT, 2)
    assert admitted(ledger, first)
    settle(ledger, first, Event.POSTPONED, "remote_unavailable", delay=10)

    assert not admitted(ledger, second)
    clock.advance(10)
    [again] = ledger.jobs.lease(ACCOUNT, 1)
    assert admitted(ledger, again)


def test_the_place_of_a_refused_job_goes_to_another(ledger: Ledger) -> None:
    add_many(ledger, 3)
    first, second, third = ledger.jobs.lease(ACCOUNT, 3)
    assert admitted(ledger, first)
    assert not admitted(ledger, second)
    assert not admitted(ledger, third)
    settle(ledger, first, Event.STUCK, "refused_by_b2brouter")

    assert ledger.ramp.refill(lambda account: STEPS) == 1
    assert ledger.ramp.refill(lambda account: STEPS) == 0  # the one that goes on may take it
    assert issue_all(ledger) == 1
    assert standing(ledger).taken == 1


def test_a_cured_job_asks_for_a_place_again(ledger: Ledger) -> None:
    add_many(ledger, 2)
    first, second = ledger.jobs.lease(ACCOUNT, 2)
    assert admitted(ledger, first)
    settle(ledger, first, Event.STUCK, "refused_by_b2brouter")
    assert admitted(ledger, second)
    send(ledger, second)
    ledger.actions.perform(RELEASE, [job_of(ledger, first.key)], who="Ana", note="cured")

    assert issue_all(ledger) == 0
    assert job_of(ledger, first.key).reason == "ramp_full"


def test_a_document_that_may_stand_at_b2brouter_keeps_its_place(ledger: Ledger) -> None:
    add_many(ledger, 2)
    first, second = ledger.jobs.lease(ACCOUNT, 2)
    assert admitted(ledger, first)
    first = ledger.jobs.begin(first, Effect.CREATE, payload=b"{}", invoice=invoice(first.key))
    settle(ledger, first, Event.STUCK, "outcome_unknown")

    assert not admitted(ledger, second)
    assert ledger.ramp.refill(lambda account: STEPS) == 0
    assert not standing(ledger).rests


def test_a_skipped_draft_leaves_its_place_and_asks_again_before_it_is_sent(ledger: Ledger) -> None:
    add_many(ledger, 2)
    first, second = ledger.jobs.lease(ACCOUNT, 2)
    assert admitted(ledger, first)
    first = ledger.jobs.advance(first, Stage.CREATED, reference="7", remote_state="new")
    settle(ledger, first, Event.STUCK, "totals_differ")
    ledger.actions.perform(SKIP, [job_of(ledger, first.key)], who="Ana", note="on paper")
    assert admitted(ledger, second)
    ledger.actions.perform(RELEASE, [job_of(ledger, first.key)], who="Ana", note="after all")
    [again] = ledger.jobs.lease(ACCOUNT, 1)

    assert again.stage is Stage.CREATED
    assert not admitted(ledger, again)


def test_an_account_that_has_issued_before_has_no_first_run(ledger: Ledger) -> None:
    send(ledger, lease_one(ledger, invoice("old")))
    add_many(ledger, 5)

    assert issue_all(ledger) == 5
    assert ledger.ramp.standing(ACCOUNT, STEPS) is None


def test_what_waits_goes_on_when_the_steps_are_switched_off(ledger: Ledger) -> None:
    add_many(ledger, 4)
    issue_all(ledger)

    assert ledger.ramp.refill(lambda account: ()) == 3
    assert {job.status for job in jobs(ledger)} == {Status.DONE, Status.PENDING}


def test_accounts_do_not_share_their_steps(ledger: Ledger) -> None:
    add_many(ledger, 2)
    add(ledger, invoice("x"), account="other", source="shop")
    issue_all(ledger)
    [other] = ledger.jobs.lease("other", 1)

    assert admitted(ledger, other)


def test_hands_that_lost_the_job_get_no_place(ledger: Ledger, clock: FakeClock) -> None:
    job = lease_one(ledger)
    clock.advance(ledger.jobs.lease_seconds + 1)
    ledger.jobs.rescue()

    with pytest.raises(LeaseLostError):
        ledger.ramp.admit(job, STEPS)
