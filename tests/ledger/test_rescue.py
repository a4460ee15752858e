"""Rescue: what a vanished worker held is free again, and what kills workers is found out."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from connector.domain.job import Effect, Event, Stage, Status
from connector.ledger import Ledger, owner
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, add, job_of, lease_one, settle, told


def dead_owner() -> str:
    """A process of this machine that certainly does not exist any more."""
    machine = owner.this_process().split("/")[0]
    child = subprocess.run(  # it has ended when this returns
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    return f"{machine}/{child.stdout.strip()}/1"


def test_a_lapsed_lease_is_freed(ledger: Ledger, clock: FakeClock) -> None:
    lease_one(ledger)
    clock.advance(ledger.jobs.lease_seconds)
    assert ledger.jobs.rescue() == 0
    clock.advance(1)

    assert ledger.jobs.rescue() == 1

    job = job_of(ledger)
    assert (job.status, job.lease_owner, job.leased_until, job.lapses) == (Status.PENDING, None, None, 1)
    assert job.due_at == clock.now()
    assert told(ledger, job)[-1] == "lease_lapsed"


def test_nobody_elses_job_is_touched(ledger: Ledger, clock: FakeClock) -> None:
    add(ledger, *(invoice(key) for key in "123"))
    before, lapsed, after = ledger.jobs.lease(ACCOUNT, 3)
    for job in (before, after):
        settle(ledger, job, Event.STUCK, "totals_differ")
    others = [job_of(ledger, key) for key in "13"]
    clock.advance(ledger.jobs.lease_seconds + 1)

    assert ledger.jobs.rescue() == 1

    assert job_of(ledger, lapsed.key).status is Status.PENDING
    assert [job_of(ledger, key) for key in "13"] == others


def test_the_pen_is_taken_from_the_one_that_had_it(ledger: Ledger, clock: FakeClock) -> None:
    job = lease_one(ledger)
    clock.advance(ledger.jobs.lease_seconds + 1)

    ledger.jobs.rescue()

    assert job_of(ledger).fence == job.fence + 1


def test_the_lease_of_a_dead_process_is_freed_at_once(tables_url: str, clock: FakeClock) -> None:
    if owner._machine() is None:
        pytest.skip("this system does not tell its processes apart")
    gone = Ledger(tables_url, clock=clock, owner=dead_owner())
    lease_one(gone)
    gone.close()

    heir = Ledger(tables_url, clock=clock)
    assert heir.jobs.rescue() == 1
    assert len(heir.jobs.lease(ACCOUNT, 1, suspects=True)) == 1
    heir.close()


def test_a_living_process_that_is_hidden_from_us_is_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if owner._machine() is None:
        pytest.skip("this system does not tell its processes apart")
    holder, gone = owner.this_process(), dead_owner()
    monkeypatch.setattr(owner, "_PROC", tmp_path)  # as ProtectProc=invisible shows other users' processes

    assert not owner.is_dead(holder)
    assert owner.is_dead(gone)


def test_the_lease_of_a_living_process_is_respected(ledger: Ledger) -> None:
    lease_one(ledger)

    assert ledger.jobs.rescue() == 0


@pytest.mark.parametrize("name", ["another-machine/1/1", "unknown/4711", "nonsense", ""])
def test_of_strangers_nothing_is_known_before_their_time_is_over(
    tables_url: str, clock: FakeClock, name: str
) -> None:
    far = Ledger(tables_url, clock=clock, owner=name or "x")
    lease_one(far)

    assert far.jobs.rescue() == 0
    clock.advance(far.jobs.lease_seconds + 1)
    assert far.jobs.rescue() == 1
    far.close()


def test_a_process_id_used_again_is_not_the_old_process() -> None:
    if owner._machine() is None:
        pytest.skip("this system does not tell its processes apart")
    machine, pid, start = owner.this_process().split("/")

    assert not owner.is_dead(f"{machine}/{pid}/{start}")
    assert owner.is_dead(f"{machine}/{pid}/{int(start) - 1}")


def test_each_child_process_has_a_name_of_its_own() -> None:
    code = "from connector.ledger import owner; print(owner.this_process())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert child.stdout.strip() != owner.this_process()


def crash(ledger: Ledger, clock: FakeClock) -> None:
    clock.advance(ledger.jobs.lease_seconds + 1)
    assert ledger.jobs.rescue() == 1


def test_what_ends_three_workers_in_a_row_is_held(ledger: Ledger, clock: FakeClock) -> None:
    add(ledger, invoice("1"))
    for lapses in range(3):
        assert len(ledger.jobs.lease(ACCOUNT, 1, suspects=lapses > 0)) == 1
        crash(ledger, clock)

    job = job_of(ledger)
    assert (job.status, job.reason, job.lapses) == (Status.HELD, "crashed", 0)
    assert job.fence == 6  # one more with each lease and each rescue
    assert ledger.jobs.lease(ACCOUNT, 1) == []


def test_an_intent_written_before_each_crash_does_not_hide_the_poison(ledger: Ledger, clock: FakeClock) -> None:
    add(ledger, invoice("1"))
    for lapses in range(3):
        [job] = ledger.jobs.lease(ACCOUNT, 1, suspects=lapses > 0)
        ledger.jobs.begin(job, Effect.CREATE, payload=b"{}", invoice=invoice("1"))
        crash(ledger, clock)

    assert job_of(ledger).reason == "crashed"
    assert job_of(ledger).open_effect is Effect.CREATE


def test_progress_or_a_proper_end_clears_the_count(ledger: Ledger, clock: FakeClock) -> None:
    add(ledger, invoice("1"))
    for lapses in range(2):
        ledger.jobs.lease(ACCOUNT, 1, suspects=lapses > 0)
        crash(ledger, clock)
    [job] = ledger.jobs.lease(ACCOUNT, 1, suspects=True)
    assert ledger.jobs.advance(job, Stage.CONTACT_READY, contact_id="1").lapses == 0
    crash(ledger, clock)
    [job] = ledger.jobs.lease(ACCOUNT, 1, suspects=True)
    assert job.lapses == 1

    settle(ledger, job, Event.POSTPONED, "rate_limited")

    assert job_of(ledger).lapses == 0


def test_one_of_several_effects_of_a_stage_is_progress_too(ledger: Ledger, clock: FakeClock) -> None:
    lease_one(ledger)
    crash(ledger, clock)
    [job] = ledger.jobs.lease(ACCOUNT, 1, suspects=True)
    job = ledger.jobs.begin(job, Effect.ATTACH)

    assert ledger.jobs.close_intent(job, outcome="done").lapses == 0


def test_a_killed_process_leaves_its_job_to_the_next(tables_url: str, ledger: Ledger) -> None:
    """A real process dies by kill -9 between intent and answer."""
    if owner._machine() is None:
        pytest.skip("this system does not tell its processes apart")
    add(ledger, invoice("1"))
    code = f"""
        import os, signal
        from connector.domain.job import Effect
        from connector.ledger import Ledger
        from tests.support.clock import FakeClock
        ledger = Ledger({tables_url!r}, clock=FakeClock())
        [job] = ledger.jobs.lease("main", 1)
        ledger.jobs.begin(job, Effect.SEND)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert ended.returncode == -9

    assert ledger.jobs.rescue() == 1
    [job] = ledger.jobs.lease(ACCOUNT, 1, suspects=True)
    assert job.open_effect is Effect.SEND
