"""Leases: a job is in one pair of hands, and hands that lost it can change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from connector.domain.errors import LeaseLostError
from connector.domain.job import Effect, Event, Stage, Status
from connector.ledger import Ledger
from connector.ledger.queries import Filter
from connector.ledger.records import Entry, Job
from tests.support.builders import NOON, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, add, add_many, job_of, jobs, lease_one, settle, told


def test_a_lease_names_its_holder_and_its_end(ledger: Ledger) -> None:
    job = lease_one(ledger)

    assert job.status is Status.RUNNING
    assert job.lease_owner == ledger.jobs.owner
    assert job.leased_until == NOON + timedelta(seconds=ledger.jobs.lease_seconds)
    assert job.fence == 1
    assert ledger.jobs.lease(ACCOUNT, 10) == []


def test_the_longest_due_come_first_and_never_more_than_asked_for(ledger: Ledger, clock: FakeClock) -> None:
    for key in ("late", "early"):
        [job] = [lease_one(ledger, invoice(key))]
        settle(ledger, job, Event.POSTPONED, "rate_limited", delay=20 if key == "late" else 10)
    for account in ("another", "other"):
        add(ledger, invoice(account), account=account)
    clock.advance(30)

    assert [job.key for job in ledger.jobs.lease(ACCOUNT, 1)] == ["early"]
    assert [job.key for job in ledger.jobs.lease(ACCOUNT, 10)] == ["late"]


def test_nothing_is_leased_before_it_is_due(ledger: Ledger, clock: FakeClock) -> None:
    settle(ledger, lease_one(ledger), Event.POSTPONED, "rate_limited", delay=10)

    clock.advance(9.9)
    assert ledger.jobs.lease(ACCOUNT, 1) == []
    clock.advance(0.1)
    assert len(ledger.jobs.lease(ACCOUNT, 1)) == 1


def test_only_jobs_of_the_sources_asked_for_are_leased(ledger: Ledger) -> None:
    add(ledger, invoice("1"), source="erp")
    add(ledger, invoice("1"), source="shop")

    assert ledger.jobs.lease(ACCOUNT, 10, sources=[]) == []
    assert [job.source for job in ledger.jobs.lease(ACCOUNT, 10, sources=["shop"])] == ["shop"]


def test_a_paused_account_is_not_leased_from(ledger: Ledger) -> None:
    add(ledger, invoice("1"))
    ledger.accounts.pause(ACCOUNT, "access_refused", {})

    assert ledger.jobs.lease(ACCOUNT, 10) == []
    assert ledger.jobs.due_accounts() == []
    assert ledger.jobs.next_due() is None


def test_the_pause_of_one_account_does_not_stop_the_others(ledger: Ledger) -> None:
    for account in ("another", ACCOUNT, "other"):
        add(ledger, invoice(account), account=account)
    ledger.accounts.pause("another", "access_refused", {})
    ledger.accounts.pause("other", "access_refused", {})

    assert len(ledger.jobs.lease(ACCOUNT, 10)) == 1


@pytest.mark.parametrize("event", [Event.STUCK, Event.BLOCKED])
def test_what_rests_takes_nobodys_place(ledger: Ledger, event: Event) -> None:
    settle(ledger, lease_one(ledger), event, "vat_number_wrong")
    add(ledger, invoice("2"))

    assert [job.key for job in ledger.jobs.lease(ACCOUNT, 1)] == ["2"]


def test_threads_never_share_a_job(ledger: Ledger) -> None:
    add_many(ledger, 60)

    def worker(_: int) -> list[Job]:
        taken: list[Job] = []
        while leased := ledger.jobs.lease(ACCOUNT, 3):
            taken += leased
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [job.id for batch in pool.map(worker, range(8)) for job in batch]

    assert Counter(Counter(taken).values()) == {1: 60}


def test_processes_never_share_a_job(tables_url: str, clock: FakeClock) -> None:
    """Each ledger object has connections of its own, as each process has."""
    ledgers = [Ledger(tables_url, clock=clock, owner=f"process {n}", pool_size=2) for n in range(4)]
    add_many(ledgers[0], 40)

    def worker(ledger: Ledger) -> list[int]:
        taken: list[int] = []
        while leased := ledger.jobs.lease(ACCOUNT, 2):
            taken += [job.id for job in leased]
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [id_ for batch in pool.map(worker, ledgers) for id_ in batch]
    for ledger in ledgers:
        ledger.close()

    assert sorted(taken) == sorted(set(taken))
    assert len(taken) == 40


# ---------------------------------------------------------------- the fence


def begin(ledger: Ledger, job: Job) -> None:
    ledger.jobs.begin(job, Effect.CREATE, payload=b"stale", invoice=invoice("1", number="STALE"))


def finish(ledger: Ledger, job: Job) -> None:
    ledger.jobs.advance(job, Stage.SENT)


def look(ledger: Ledger, job: Job) -> None:
    ledger.jobs.look(job)


def close(ledger: Ledger, job: Job) -> None:
    ledger.jobs.close_intent(job, outcome="not_sent")


def let_go(ledger: Ledger, job: Job) -> None:
    ledger.jobs.settle(job, Event.STUCK, reason="bug", details={}, delay=0, attempts=1, entry=Entry(what="stuck"))


STALE_WRITES = [begin, finish, look, close, let_go]


@pytest.mark.parametrize("write", STALE_WRITES)
def test_a_holder_whose_lease_went_to_another_changes_nothing(
    ledger: Ledger, clock: FakeClock, write: Callable[[Ledger, Job], None]
) -> None:
    stale = lease_one(ledger)
    clock.advance(ledger.jobs.lease_seconds + 1)
    ledger.jobs.rescue()
    [fresh] = ledger.jobs.lease(ACCOUNT, 1, suspects=True)
    before, timeline = job_of(ledger), told(ledger, fresh)

    with pytest.raises(LeaseLostError):
        write(ledger, stale)

    assert job_of(ledger) == before
    assert told(ledger, fresh) == timeline
    ledger.jobs.advance(fresh, Stage.CONTACT_READY, contact_id="5001")  # the rightful holder goes on


@pytest.mark.parametrize("write", STALE_WRITES)
def test_a_rescued_job_that_nobody_took_yet_is_not_the_old_holders_either(
    ledger: Ledger, clock: FakeClock, write: Callable[[Ledger, Job], None]
) -> None:
    stale = lease_one(ledger)
    clock.advance(ledger.jobs.lease_seconds + 1)
    ledger.jobs.rescue()

    with pytest.raises(LeaseLostError):
        write(ledger, stale)

    assert job_of(ledger).status is Status.PENDING


@pytest.mark.parametrize("write", STALE_WRITES)
@pytest.mark.parametrize("event", [Event.POSTPONED, Event.BLOCKED, Event.STUCK])
def test_a_holder_that_let_go_has_nothing_more_to_say(
    ledger: Ledger, event: Event, write: Callable[[Ledger, Job], None]
) -> None:
    job = lease_one(ledger)
    resting = settle(ledger, job, event, "rate_limited")

    with pytest.raises(LeaseLostError):
        write(ledger, job)

    assert job_of(ledger) == resting


def test_a_number_claimed_by_a_stale_holder_is_not_kept_from_others(ledger: Ledger, clock: FakeClock) -> None:
    stale = lease_one(ledger)
    clock.advance(ledger.jobs.lease_seconds + 1)
    ledger.jobs.rescue()
    with pytest.raises(LeaseLostError):
        begin(ledger, stale)

    second = lease_one(ledger, invoice("2", number="STALE"))
    ledger.jobs.begin(second, Effect.CREATE, payload=b"{}", invoice=invoice("2", number="STALE"))


def test_a_job_whose_holder_vanished_is_taken_apart_from_the_others(ledger: Ledger, clock: FakeClock) -> None:
    lease_one(ledger)
    clock.advance(ledger.jobs.lease_seconds + 1)
    ledger.jobs.rescue()
    add(ledger, invoice("2"))

    assert [job.key for job in ledger.jobs.lease(ACCOUNT, 10)] == ["2"]
    assert [job.key for job in ledger.jobs.lease(ACCOUNT, 10, suspects=True)] == ["1"]


def test_who_asks_for_those_is_given_no_other(ledger: Ledger) -> None:
    add(ledger, invoice("1"))

    assert ledger.jobs.lease(ACCOUNT, 10, suspects=True) == []


def test_who_asks_for_what_is_overdue_is_given_nothing_that_is_due_just_now(ledger: Ledger, clock: FakeClock) -> None:
    add(ledger, invoice("1"))
    clock.advance(59)
    assert ledger.jobs.lease(ACCOUNT, 10, overdue=60) == []

    clock.advance(1)

    assert len(ledger.jobs.lease(ACCOUNT, 10, overdue=60)) == 1


def test_of_those_the_one_that_lost_fewer_holders_comes_first(ledger: Ledger, clock: FakeClock) -> None:
    add(ledger, invoice("1"), invoice("2"))
    assert len(ledger.jobs.lease(ACCOUNT, 2)) == 2
    clock.advance(ledger.jobs.lease_seconds + 1)
    ledger.jobs.rescue()
    assert [job.key for job in ledger.jobs.lease(ACCOUNT, 1, suspects=True)] == ["1"]
    clock.advance(ledger.jobs.lease_seconds + 1)
    ledger.jobs.rescue()

    assert [job.key for job in ledger.jobs.lease(ACCOUNT, 2, suspects=True)] == ["2", "1"]


def test_handing_back_what_is_in_other_hands_is_not_an_error(ledger: Ledger, clock: FakeClock) -> None:
    stale = lease_one(ledger)
    clock.advance(ledger.jobs.lease_seconds + 1)
    ledger.jobs.rescue()
    [fresh] = ledger.jobs.lease(ACCOUNT, 1, suspects=True)

    ledger.jobs.give_back(stale)

    assert job_of(ledger) == fresh


def test_a_job_handed_back_is_due_at_once(ledger: Ledger) -> None:
    ledger.jobs.give_back(lease_one(ledger))

    job = job_of(ledger)
    assert (job.status, job.lease_owner, job.attempts) == (Status.PENDING, None, 0)
    assert len(ledger.jobs.lease(ACCOUNT, 1)) == 1


def test_a_job_let_go_is_due_at_once_and_without_failures_unless_said_otherwise(ledger: Ledger) -> None:
    job = ledger.jobs.settle(lease_one(ledger), Event.RETURNED, reason=None, details={}, entry=Entry(what="returned"))

    assert (job.due_at, job.attempts, job.lease_owner, job.leased_until) == (NOON, 0, None, None)


def test_every_write_is_a_sign_of_life(ledger: Ledger, clock: FakeClock) -> None:
    job = lease_one(ledger)
    clock.advance(60)
    job = ledger.jobs.advance(job, Stage.CONTACT_READY, contact_id="5001")
    clock.advance(60)

    assert ledger.jobs.rescue() == 0
    assert job.leased_until == NOON + timedelta(seconds=60 + ledger.jobs.lease_seconds)


# ---------------------------------------------------------------- what is due next


def test_next_due_is_the_nearest_of_due_times_and_leases(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.jobs.next_due() is None
    job = lease_one(ledger)
    assert ledger.jobs.next_due() == job.leased_until
    settle(ledger, job, Event.POSTPONED, "rate_limited", delay=10)
    assert ledger.jobs.next_due() == NOON + timedelta(seconds=10)
    assert ledger.jobs.next_due(sources=["shop"]) is None
    assert ledger.jobs.next_due(but={ACCOUNT}) is None


def test_accounts_with_due_jobs_are_named_each_once(ledger: Ledger, clock: FakeClock) -> None:
    add(ledger, invoice("0"), invoice("1"), account="b")
    clock.advance(1)
    add(ledger, invoice("2"), account="a")
    clock.advance(1)
    settle(ledger, lease_of(ledger, "3", "c"), Event.POSTPONED, "rate_limited", delay=10)

    assert sorted(ledger.jobs.due_accounts()) == ["a", "b"]
    assert ledger.jobs.due_accounts(sources=["shop"]) == []


def test_an_account_is_not_due_for_what_is_done_held_or_in_hand(ledger: Ledger, clock: FakeClock) -> None:
    lease_of(ledger, "0", "a")
    settle(ledger, lease_of(ledger, "1", "a"), Event.STUCK, "totals_differ")
    ledger.jobs.advance(lease_of(ledger, "2", "a"), Stage.RECORDED)
    settle(ledger, lease_of(ledger, "3", "a"), Event.POSTPONED, "rate_limited", delay=10)

    assert ledger.jobs.due_accounts() == []
    clock.advance(10)
    assert ledger.jobs.due_accounts() == ["a"]


def lease_of(ledger: Ledger, key: str, account: str) -> Job:
    add(ledger, invoice(key), account=account)
    [job] = ledger.jobs.lease(account, 1)
    return job


def test_the_filter_of_everything_finds_everything(ledger: Ledger) -> None:
    add_many(ledger, 3)

    assert Filter().empty
    assert len(jobs(ledger)) == 3


# ---------------------------------------------------------------- a clock that was ahead

LONGEST = timedelta(hours=1)


def test_what_was_found_while_the_clock_was_ahead_is_due_and_no_older_than_it_is(
    ledger: Ledger, clock: FakeClock
) -> None:
    clock.put(30 * 86400)
    settle(ledger, lease_one(ledger, invoice("2")), Event.POSTPONED, "erp_unavailable", delay=300, attempts=3)
    add(ledger, invoice("1"))
    clock.put(-30 * 86400)
    assert ledger.jobs.due_accounts() == []

    assert ledger.jobs.hasten(longest=LONGEST) == 2

    assert ledger.jobs.due_accounts() == [ACCOUNT]
    found, postponed = job_of(ledger, "1"), job_of(ledger, "2")
    assert [(job.due_at, job.created_at) for job in (found, postponed)] == [(NOON, NOON)] * 2
    assert (postponed.attempts, postponed.reason) == (3, "erp_unavailable")
    assert ledger.jobs.hasten(longest=LONGEST) == 0


def test_what_waits_its_time_is_not_due_any_sooner(ledger: Ledger, clock: FakeClock) -> None:
    for key, delay in (("soon", 30.0), ("at the latest", LONGEST.total_seconds())):
        settle(ledger, lease_one(ledger, invoice(key)), Event.POSTPONED, "rate_limited", delay=delay)
    settle(ledger, lease_one(ledger, invoice("rests")), Event.BLOCKED, "original_waiting", delay=86400)
    held = settle(ledger, lease_one(ledger, invoice("held")), Event.STUCK, "issue_date_future", delay=86400)
    before = jobs(ledger)

    assert ledger.jobs.hasten(longest=LONGEST) == 0
    clock.put(-60)  # as of a machine that is a little behind
    assert ledger.jobs.hasten(longest=LONGEST) == 0

    assert jobs(ledger) == before
    assert job_of(ledger, "held") == held


def test_a_question_that_was_asked_while_the_clock_was_ahead_keeps_its_quiet_time(
    ledger: Ledger, clock: FakeClock
) -> None:
    clock.put(86400)
    job = ledger.jobs.begin(lease_one(ledger), Effect.CREATE, payload=b"{}", invoice=invoice("1"))
    job = settle(ledger, job, Event.POSTPONED, "looking_up", delay=2)
    clock.put(-86400)

    assert ledger.jobs.hasten(longest=LONGEST) == 1

    assert job_of(ledger).open_since == job.open_since
