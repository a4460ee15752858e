"""How long things have been lying, on both databases."""

from __future__ import annotations

from connector.domain.job import Event, Stage
from connector.ledger import Ledger
from connector.ledger.actions import SKIP
from connector.ledger.ages import Astray, Overdue
from connector.ledger.records import Entry
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, SOURCE, add, advance_to, hold, jobs, lease_one, send, settle


def test_due_work_lies_only_while_nobody_has_any_in_hand(ledger: Ledger, clock: FakeClock) -> None:
    mine = {ACCOUNT: [SOURCE], "other": [SOURCE]}
    assert ledger.ages.left_lying(mine) == {}
    add(ledger, invoice("1"), invoice("2"))
    since = clock.now()
    clock.advance(60)
    assert ledger.ages.left_lying(mine) == {ACCOUNT: since}
    assert ledger.ages.left_lying({ACCOUNT: ["gone"]}) == {}

    [job] = ledger.jobs.lease(ACCOUNT, 1)
    assert ledger.ages.left_lying(mine) == {}
    ledger.jobs.give_back(job)
    assert ledger.ages.left_lying(mine).keys() == {ACCOUNT}


def test_the_oldest_due_work_of_all_accounts_is_told_at_once(ledger: Ledger, clock: FakeClock) -> None:
    due = {}
    for account, source in (("a", "one"), ("b", "two"), ("a", "two"), ("c", "three"), ("b", "one")):
        add(ledger, invoice(account), account=account, source=source)
        due[account, source] = clock.now()
        clock.advance(60)
    own = {"a": ["one", "two"], "b": ["one"], "c": ["three"], "d": ["one"]}

    found = ledger.ages.left_lying(own)

    assert found == {"a": due["a", "one"], "b": due["b", "one"], "c": due["c", "three"]}
    assert ledger.ages.left_lying({**own, "a": ["two"]})["a"] == due["a", "two"]


def test_what_is_later_than_it_should_be(ledger: Ledger, clock: FakeClock) -> None:
    send(ledger, lease_one(ledger, invoice("sent")))
    hold(ledger, lease_one(ledger, invoice("held", number="F-1")))
    oldest = clock.now()
    clock.advance(60)
    job = lease_one(ledger, invoice("2"))
    ledger.jobs.settle(job, Event.BLOCKED, reason="ramp_full", details={}, entry=Entry(what="blocked"))
    add(ledger, invoice("3"), account="other")
    later = clock.now()
    clock.advance(60)

    found = ledger.ages.overdue(found_before=clock.now())
    [unnumbered] = [job for job in jobs(ledger) if job.account == "other"]
    assert found == {
        ACCOUNT: Overdue(count=2, since=oldest, number="F-1"),
        "other": Overdue(count=1, since=later, number=unnumbered.number or f"#{unnumbered.id}"),
    }
    assert ledger.ages.overdue(found_before=later) == {ACCOUNT: Overdue(count=1, since=oldest, number="F-1")}
    assert ledger.ages.overdue(found_before=oldest) == {}


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
