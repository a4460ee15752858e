"""How long things have been lying, on both databases."""

from __future__ import annotations

from datetime import timedelta

from connector.domain.job import Event, Stage
from connector.ledger import Ledger
from connector.ledger.actions import SKIP
from connector.ledger.ages import Astray
from connector.ledger.records import Entry
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, SOURCE, add, advance_to, hold, jobs, lease_one, send, settle


def test_due_work_lies_only_while_nobody_has_any_in_hand(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.ages.left_lying(ACCOUNT, [SOURCE]) is None
    add(ledger, invoice("1"), invoice("2"))
    clock.advance(60)
    assert ledger.ages.left_lying(ACCOUNT, [SOURCE]) == clock.now() - timedelta(seconds=60)
    assert ledger.ages.left_lying("other", [SOURCE]) is None
    assert ledger.ages.left_lying(ACCOUNT, ["gone"]) is None

    [job] = ledger.jobs.lease(ACCOUNT, 1)
    assert ledger.ages.left_lying(ACCOUNT, [SOURCE]) is None
    ledger.jobs.give_back(job)
    assert ledger.ages.left_lying(ACCOUNT, [SOURCE]) is not None


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


def test_what_nobody_would_send_by_account(ledger: Ledger, clock: FakeClock) -> None:
    send(ledger, lease_one(ledger, invoice("sent")))
    hold(ledger, lease_one(ledger, invoice("held")))
    oldest = clock.now()
    clock.advance(60)
    job = lease_one(ledger, invoice("waits"))
    ledger.jobs.settle(job, Event.BLOCKED, reason="ramp_full", details={}, entry=Entry(what="blocked"))
    add(ledger, invoice("due"), source="shop")
    add(ledger, invoice("other"), source="shop", account="other")

    assert ledger.ages.astray({SOURCE: [ACCOUNT], "shop": [ACCOUNT, "other"]}) == {}
    renamed = ledger.ages.astray({SOURCE: ["renamed"], "shop": ["renamed", "other"]})
    assert renamed == {ACCOUNT: Astray(count=3, since=oldest, sources={SOURCE, "shop"})}
    without_a_source = ledger.ages.astray({SOURCE: [ACCOUNT]})
    assert without_a_source == {
        ACCOUNT: Astray(count=1, since=clock.now(), sources={"shop"}),
        "other": Astray(count=1, since=clock.now(), sources={"shop"}),
    }
    moved = ledger.ages.astray({SOURCE: ["other"], "shop": [ACCOUNT, "other"]})
    assert moved == {ACCOUNT: Astray(count=2, since=oldest, sources={SOURCE})}


def test_what_was_sent_and_is_not_written_back_is_astray(ledger: Ledger) -> None:
    stages = [Stage.CONTACT_READY, Stage.CREATED, Stage.VERIFIED, Stage.SENT]
    job = advance_to(ledger, lease_one(ledger, invoice("1")), stages)
    settle(ledger, job, Event.POSTPONED, "erp_unavailable", delay=60)
    assert ledger.ages.astray({SOURCE: [ACCOUNT]}) == {}
    assert ledger.ages.astray({SOURCE: ["other"]}).keys() == {ACCOUNT}


def test_what_is_left_out_or_in_hand_is_not_astray(ledger: Ledger) -> None:
    lease_one(ledger, invoice("in hand"))
    hold(ledger, lease_one(ledger, invoice("left out")))
    [held] = [job for job in jobs(ledger) if job.key == "left out"]
    ledger.actions.perform(SKIP, [held], who="ana", note="on paper")

    assert ledger.ages.astray({}) == {}
