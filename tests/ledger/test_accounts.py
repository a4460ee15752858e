"""Accounts that work and accounts that do not, what the ledger is bound to, and offices of which there is one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta

import pytest

from connector.bench.throughput import tallied
from connector.domain import catalogue
from connector.domain.errors import EnvironmentLockedError
from connector.domain.job import Event, Status
from connector.ledger import Ledger, owner, sources, waiting
from connector.ledger.accounts import PROBE_AFTER, PROBE_CAP
from connector.operations.timeline import says
from tests.support.builders import NOON, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, add, add_many, hold, job_of, jobs, lease_one, settle, told


def stamp(ledger: Ledger, account_id: str = "1", environment: str = "sandbox") -> None:
    ledger.accounts.stamp(
        ACCOUNT,
        environment=environment,
        host="https://api.b2brouter.net",
        account_id=account_id,
        remote_id=account_id,
        tax_number="ESB76543214",
    )


# ---------------------------------------------------------------- pause, let wait, resume


def test_a_pause_is_announced_once_and_probed_ever_more_rarely(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.accounts.pause(ACCOUNT, "access_refused", {"status": "401"})
    assert not ledger.accounts.pause(ACCOUNT, "access_refused", {"status": "401"})

    state = ledger.accounts.get(ACCOUNT)
    assert state is not None
    assert (state.paused_reason, state.paused_details, state.paused_at) == (
        "access_refused",
        {"status": "401"},
        NOON,
    )
    waits = []
    for _ in range(8):
        ledger.accounts.pause(ACCOUNT, "access_refused", {})
        state = ledger.accounts.get(ACCOUNT)
        assert state is not None
        assert state.probe_at is not None
        waits.append((state.probe_at - NOON).total_seconds())
    assert waits == sorted(waits)
    assert waits[-1] == PROBE_CAP


def test_a_paused_account_is_probed_when_it_is_time(ledger: Ledger, clock: FakeClock) -> None:
    ledger.accounts.pause(ACCOUNT, "access_refused", {})
    assert ledger.accounts.to_probe() == []

    clock.advance(PROBE_AFTER)

    assert ledger.accounts.to_probe() == [ACCOUNT]


def test_the_next_probe_comes_also_where_a_clock_was_ahead_but_no_person_s_pause_ends_early(
    ledger: Ledger, clock: FakeClock
) -> None:
    clock.put(86400)
    ledger.accounts.pause(ACCOUNT, "access_refused", {})
    clock.put(-86400)
    assert ledger.accounts.to_probe() == [ACCOUNT]

    pause_by_person(ledger, until=clock.now() + timedelta(days=1))
    assert ledger.accounts.to_probe() == []


def test_very_many_wait_piece_by_piece(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.ledger.waiting._PIECE", 2)
    add_many(ledger, 5)
    ledger.accounts.pause(ACCOUNT, "access_refused", {})
    assert ledger.accounts.let_wait(ACCOUNT, "the key is refused") == 5
    assert ledger.accounts.resume(ACCOUNT) == 5
    ledger.sources.pause("erp", who="ana", note="it moves", until=None)
    assert {job.reason for job in jobs(ledger)} == {"source_paused"}
    assert [told(ledger, job).count("blocked") for job in jobs(ledger)] == [2] * 5


def test_pending_jobs_of_a_paused_account_wait_and_say_why_and_go_on_by_themselves(ledger: Ledger) -> None:
    add_many(ledger, 3)
    [job] = ledger.jobs.lease(ACCOUNT, 1)
    settle(ledger, job, Event.POSTPONED, "rate_limited", attempts=2)
    add(ledger, invoice("other"), account="other")
    ledger.accounts.pause(ACCOUNT, "access_refused", {})

    assert ledger.accounts.let_wait(ACCOUNT, "the key is refused") == 3
    assert ledger.accounts.let_wait(ACCOUNT, "the key is refused") == 0

    waiting = [job for job in jobs(ledger) if job.account == ACCOUNT]
    assert {(job.status, job.reason) for job in waiting} == {(Status.WAITING, "account_paused")}
    assert {job.message for job in waiting} == {"The account main is paused: the key is refused"}
    assert job_of(ledger, "other").status is Status.PENDING

    assert ledger.accounts.resume(ACCOUNT) == 3

    assert {job.status for job in jobs(ledger)} == {Status.PENDING}
    assert [job.attempts for job in jobs(ledger) if job.id == waiting[0].id] == [0]  # nothing is used up
    assert len(ledger.jobs.lease(ACCOUNT, 9)) == 3
    assert told(ledger, waiting[1]) == ["found", "blocked", "released"]


def test_the_timeline_says_which_account_is_paused_and_why_in_the_language_of_the_reader(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(ledger, invoice())
    facts = {"account": ACCOUNT, "status": "401", "message": "no such key"}
    ledger.accounts.pause(ACCOUNT, "access_refused", facts)
    ledger.accounts.let_wait(ACCOUNT, catalogue.within("why", "access_refused", facts))

    blocked = ledger.queries.timeline(job_of(ledger).id)[-1]

    assert says(blocked) == f"Waits: {job_of(ledger).message}"
    monkeypatch.setattr(catalogue, "spoken", lambda: "es")
    assert says(blocked).startswith("En espera: La cuenta main está en pausa: ")
    assert "?" not in says(blocked)


def test_the_timeline_says_who_paused_a_source_and_why(ledger: Ledger) -> None:
    add(ledger, invoice())
    ledger.sources.pause("erp", who="ana", note="month end", until=None)

    assert says(ledger.queries.timeline(job_of(ledger).id)[-1]) == "Waits: ana paused the source erp: month end"


def test_a_resume_leaves_those_alone_that_wait_for_something_else(ledger: Ledger) -> None:
    settle(ledger, lease_one(ledger), Event.BLOCKED, "not_confirmed")
    ledger.accounts.pause(ACCOUNT, "access_refused", {})
    ledger.accounts.let_wait(ACCOUNT, "x")

    assert ledger.accounts.resume(ACCOUNT) == 0

    assert job_of(ledger).reason == "not_confirmed"


def test_who_notices_late_that_an_account_failed_holds_nothing_back_once_it_works_again(ledger: Ledger) -> None:
    add_many(ledger, 2)
    ledger.accounts.pause(ACCOUNT, "access_refused", {})
    ledger.accounts.resume(ACCOUNT)

    assert ledger.accounts.let_wait(ACCOUNT, "the key is refused") == 0

    assert len(ledger.jobs.lease(ACCOUNT, 9)) == 2


def test_holding_back_waits_for_a_resume_that_is_under_way(ledger: Ledger) -> None:
    add_many(ledger, 2)
    ledger.accounts.pause(ACCOUNT, "access_refused", {})
    with ThreadPoolExecutor(1) as pool:
        with ledger.database.write() as connection:
            ledger.accounts._write(connection, ACCOUNT, paused_reason=None)
            late = pool.submit(ledger.accounts.let_wait, ACCOUNT, "the key is refused")
            assert not wait([late], timeout=0.3).done
        assert late.result(10) == 0


def test_an_account_and_its_jobs_go_on_in_one_transaction(ledger: Ledger) -> None:
    add_many(ledger, 2)
    ledger.accounts.pause(ACCOUNT, "access_refused", {})
    ledger.accounts.let_wait(ACCOUNT, "x")

    with tallied(ledger.database.engine) as tally:
        ledger.accounts.resume(ACCOUNT)

    assert tally.commits == 1


def test_a_held_job_is_not_held_back(ledger: Ledger) -> None:
    hold(ledger, lease_one(ledger))
    ledger.accounts.pause(ACCOUNT, "access_refused", {})

    assert ledger.accounts.let_wait(ACCOUNT, "x") == 0


# ---------------------------------------------------------------- what no probe sees


def wait_after_pause(ledger: Ledger, clock: FakeClock) -> float:
    """Pause an account; return the seconds until its probe."""
    ledger.accounts.pause(ACCOUNT, "account_refused", {"status": "403"})
    state = ledger.accounts.get(ACCOUNT)
    assert state is not None
    assert state.probe_at is not None
    return (state.probe_at - clock.now()).total_seconds()


def test_an_account_that_stops_again_soon_goes_on_with_the_longer_pauses(ledger: Ledger, clock: FakeClock) -> None:
    waits = []
    for _ in range(6):
        waits.append(wait_after_pause(ledger, clock))
        clock.advance(waits[-1])
        ledger.accounts.resume(ACCOUNT)
        clock.advance(5)

    assert waits == [60, 120, 240, 480, 900, 900]


def test_one_that_has_worked_for_as_long_as_the_longest_pause_begins_anew(ledger: Ledger, clock: FakeClock) -> None:
    for worked in (PROBE_CAP - 1, PROBE_CAP):
        clock.advance(wait_after_pause(ledger, clock))
        ledger.accounts.resume(ACCOUNT)
        clock.advance(worked)

    assert wait_after_pause(ledger, clock) == PROBE_AFTER


def test_one_that_a_person_resumes_begins_anew(ledger: Ledger, clock: FakeClock) -> None:
    for _ in range(3):
        wait_after_pause(ledger, clock)
    ledger.accounts.resume_by_person(ACCOUNT, who="vera", note="the key is right by now")

    assert wait_after_pause(ledger, clock) == PROBE_AFTER


def test_one_that_a_person_had_paused_for_a_while_begins_anew(ledger: Ledger, clock: FakeClock) -> None:
    for _ in range(3):
        wait_after_pause(ledger, clock)
    pause_by_person(ledger, until=clock.now() + timedelta(hours=1))
    clock.advance(3600)
    ledger.accounts.resume(ACCOUNT)

    assert wait_after_pause(ledger, clock) == PROBE_AFTER


def test_of_an_account_that_works_no_probe_is_told(ledger: Ledger, clock: FakeClock) -> None:
    for _ in range(3):
        clock.advance(wait_after_pause(ledger, clock))
    ledger.accounts.resume(ACCOUNT)

    for state in (ledger.accounts.get(ACCOUNT), *ledger.accounts.all()):
        assert state is not None
        assert (state.probe_at, state.probes) == (None, 0)
    assert ledger.accounts.to_probe() == []


def test_an_account_may_be_unwell_for_weeks(ledger: Ledger, clock: FakeClock) -> None:
    wait_after_pause(ledger, clock)
    with ledger.database.write() as connection:
        ledger.accounts._write(connection, ACCOUNT, probes=5000)

    assert wait_after_pause(ledger, clock) == PROBE_CAP


# ---------------------------------------------------------------- a person's pause


def paused_by(ledger: Ledger) -> str | None:
    state = ledger.accounts.get(ACCOUNT)
    return state.paused_by if state else None


def pause_by_person(ledger: Ledger, until: datetime | None = None) -> None:
    ledger.accounts.pause_by_person(ACCOUNT, who="ana", note="month end", until=until)


def test_a_probe_that_ends_well_does_not_end_what_a_person_decided_meanwhile(ledger: Ledger) -> None:
    add_many(ledger, 2)
    ledger.accounts.pause(ACCOUNT, "access_refused", {})
    ledger.accounts.let_wait(ACCOUNT, "x")
    pause_by_person(ledger)

    assert ledger.accounts.resume(ACCOUNT) is None

    assert paused_by(ledger) == "ana"
    assert {job.status for job in jobs(ledger)} == {Status.WAITING}


def test_a_probe_ends_a_person_s_pause_once_its_own_time_has_come(ledger: Ledger, clock: FakeClock) -> None:
    pause_by_person(ledger, until=NOON + timedelta(hours=1))
    assert ledger.accounts.resume(ACCOUNT) is None

    clock.advance(3600)

    assert ledger.accounts.resume(ACCOUNT) == 0
    assert paused_by(ledger) is None


def test_a_person_ends_whatever_pause_there_is(ledger: Ledger) -> None:
    add_many(ledger, 2)
    pause_by_person(ledger)
    ledger.accounts.let_wait(ACCOUNT, "x")

    assert ledger.accounts.resume_by_person(ACCOUNT, who="vera", note="over") == 2

    assert paused_by(ledger) is None
    assert {job.status for job in jobs(ledger)} == {Status.PENDING}


def test_a_probe_that_comes_second_changes_nothing(ledger: Ledger) -> None:
    ledger.accounts.pause(ACCOUNT, "access_refused", {})
    ledger.accounts.resume(ACCOUNT)
    before = ledger.accounts.get(ACCOUNT)

    assert ledger.accounts.resume(ACCOUNT) == 0

    assert ledger.accounts.get(ACCOUNT) == before


@pytest.mark.parametrize("known", [True, False])
def test_a_fault_that_is_noticed_while_a_person_pauses_changes_nothing(ledger: Ledger, known: bool) -> None:
    if known:
        stamp(ledger)
    decided = {"paused_reason": "paused_by_person", "paused_by": "ana", "paused_at": NOON}
    with ThreadPoolExecutor(1) as pool:
        with ledger.database.write() as connection:
            ledger.accounts._write(connection, ACCOUNT, **decided)
            late = pool.submit(ledger.accounts.pause, ACCOUNT, "access_refused", {})
            assert not wait([late], timeout=0.3).done
        assert late.result(10) is False

    state = ledger.accounts.get(ACCOUNT)
    assert state is not None
    assert (state.paused_reason, state.paused_by, state.probe_at) == ("paused_by_person", "ana", None)
    assert ledger.alarms.lasting() == []


# ---------------------------------------------------------------- what the ledger is bound to


def test_a_ledger_is_bound_to_the_first_environment_and_account(ledger: Ledger) -> None:
    assert not ledger.accounts.check_stamp(ACCOUNT, environment="sandbox", account_id="1")
    stamp(ledger)
    assert ledger.accounts.check_stamp(ACCOUNT, environment="sandbox", account_id="1")

    for environment, account_id in (("production", "1"), ("sandbox", "2")):
        with pytest.raises(EnvironmentLockedError, match="Nothing is sent"):
            ledger.accounts.check_stamp(ACCOUNT, environment=environment, account_id=account_id)


def test_a_binding_is_never_written_over(ledger: Ledger) -> None:
    """Two processes with two configurations may both come to stamp at their first use."""
    stamp(ledger)
    stamp(ledger, account_id="2", environment="production")

    assert ledger.accounts.check_stamp(ACCOUNT, environment="sandbox", account_id="1")


def test_an_account_that_was_paused_before_its_first_use_is_bound_all_the_same(ledger: Ledger) -> None:
    ledger.accounts.pause(ACCOUNT, "access_refused", {})

    stamp(ledger)

    state = ledger.accounts.get(ACCOUNT)
    assert state is not None
    assert (state.environment, state.paused_reason) == ("sandbox", "access_refused")
    assert [state.name for state in ledger.accounts.all()] == [ACCOUNT]


# ---------------------------------------------------------------- offices


@pytest.fixture
def as_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the ledger believe that another process asks."""

    def become(name: str) -> None:
        monkeypatch.setattr(owner, "this_process", lambda: name)

    return become


def test_an_office_has_one_holder_who_keeps_it_by_signs_of_life(
    ledger: Ledger, clock: FakeClock, as_process: Callable[[str], None]
) -> None:
    as_process("one")
    assert ledger.offices.hold("scheduler", seconds=30)
    clock.advance(20)
    assert ledger.offices.hold("scheduler", seconds=30)
    as_process("two")
    clock.advance(20)
    assert not ledger.offices.hold("scheduler", seconds=30)
    clock.advance(11)
    assert ledger.offices.hold("scheduler", seconds=30)
    as_process("one")
    assert not ledger.offices.hold("scheduler", seconds=30)


def test_an_office_given_up_is_free_at_once_but_only_by_its_holder(
    ledger: Ledger, as_process: Callable[[str], None]
) -> None:
    as_process("one")
    ledger.offices.hold("scheduler", seconds=30)
    as_process("two")
    ledger.offices.leave("scheduler")
    assert not ledger.offices.hold("scheduler", seconds=30)
    as_process("one")
    ledger.offices.leave("scheduler")
    as_process("two")
    assert ledger.offices.hold("scheduler", seconds=30)


def test_the_office_of_a_dead_process_is_free_at_once(ledger: Ledger) -> None:
    from tests.ledger.test_rescue import dead_owner

    ledger.offices.hold("scheduler", seconds=3600)
    with ledger.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE lease SET owner = '{dead_owner()}'")

    assert ledger.offices.hold("scheduler", seconds=30)


def test_of_many_candidates_one_is_elected(
    tables_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    monkeypatch.setattr(owner, "this_process", lambda: threading.current_thread().name)
    candidates = [Ledger(tables_url, clock=clock, pool_size=1) for _ in range(6)]
    barrier = threading.Barrier(6)

    def stand(ledger: Ledger) -> bool:
        barrier.wait()
        return ledger.offices.hold("scheduler", seconds=30)

    with ThreadPoolExecutor(6) as pool:
        elected = list(pool.map(stand, candidates))
    for ledger in candidates:
        ledger.close()

    assert elected.count(True) == 1


def test_different_offices_do_not_disturb_each_other(
    ledger: Ledger, clock: FakeClock, as_process: Callable[[str], None]
) -> None:
    as_process("one")
    assert ledger.offices.hold("scheduler", seconds=30)
    as_process("two")
    assert ledger.offices.hold("digest", seconds=30)
    clock.advance(timedelta(seconds=5).total_seconds())
    assert not ledger.offices.hold("scheduler", seconds=30)


def test_a_large_backlog_of_a_paused_account_waits_piece_by_piece(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_PIECE", 2)
    add_many(ledger, 5)
    ledger.accounts.pause(ACCOUNT, "outage", {})

    assert [ledger.accounts.let_wait(ACCOUNT, "x", seconds=0) for _ in range(4)] == [2, 2, 1, 0]

    ledger.accounts.resume_by_person(ACCOUNT, who="ana", note="well again")
    assert ledger.accounts.let_wait(ACCOUNT, "x", seconds=0) == 0


def test_who_pauses_or_locks_a_source_does_not_wait_for_all_of_a_large_backlog(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_PIECE", 2)
    monkeypatch.setattr(sources, "_AT_ONCE", 0)
    add_many(ledger, 5)

    ledger.sources.pause("erp", who="ana", note="it moves", until=None)
    assert [job.status for job in jobs(ledger)].count(Status.WAITING) == 2
    assert ledger.jobs.lease(ACCOUNT, 9) == ledger.jobs.lease(ACCOUNT, 9, sources=["erp"]) == []
    ledger.sources.let_wait()
    assert {job.reason for job in jobs(ledger)} == {"source_paused"}

    ledger.sources.resume("erp", who="ana", note="it has moved")
    ledger.sources.lock("erp")
    assert [job.status for job in jobs(ledger)].count(Status.WAITING) == 2
    ledger.sources.let_wait()
    assert {job.reason for job in jobs(ledger)} == {"source_is_another"}


def test_a_pause_of_a_source_that_is_over_keeps_nobody_from_its_work(ledger: Ledger, clock: FakeClock) -> None:
    ledger.sources.pause("erp", who="ana", note="lunch", until=clock.now() + timedelta(hours=1))
    add(ledger, invoice())
    assert ledger.jobs.lease(ACCOUNT, 1) == []

    clock.advance(3600)
    assert len(ledger.jobs.lease(ACCOUNT, 1)) == 1
