"""Intents: what is about to be done is written down before it is done, and stays until an answer settles it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest

from connector.domain.errors import LeaseLostError, RefusedError
from connector.domain.identity import number_key
from connector.domain.job import Effect, Event, Stage, Status
from connector.ledger import Ledger
from connector.ledger.actions import SKIP
from connector.ledger.records import Entry
from tests.support.builders import NOON, credit_note, invoice
from tests.support.clock import FakeClock
from tests.support.house import rows
from tests.support.ledgers import ACCOUNT, add, hold, job_of, lease_one, send, settle, told


def test_an_intent_is_on_disk_before_begin_returns(ledger: Ledger, tables_url: str, clock: FakeClock) -> None:
    job = lease_one(ledger)
    document = invoice("1", number="F-9")

    ledger.jobs.begin(job, Effect.CREATE, payload=b'{"a":1}', invoice=document)

    another = Ledger(tables_url, clock=clock)  # with connections of its own
    seen = job_of(another)
    another.close()
    assert (seen.open_effect, seen.open_since, seen.payload) == (Effect.CREATE, NOON, b'{"a":1}')
    assert (seen.number, seen.fingerprint) == ("F-9", document.fingerprint())
    assert told(ledger, seen)[-1] == "intent"


@pytest.mark.parametrize("event", [Event.POSTPONED, Event.STUCK, Event.BLOCKED, Event.RETURNED])
def test_letting_go_keeps_the_question_open(ledger: Ledger, event: Event) -> None:
    job = ledger.jobs.begin(lease_one(ledger), Effect.CREATE, payload=b"{}", invoice=invoice("1"))

    settle(ledger, job, event, "looking_up")

    assert job_of(ledger).open_effect is Effect.CREATE
    assert job_of(ledger).open_since == NOON


def test_a_rescue_keeps_the_question_open(ledger: Ledger, clock: FakeClock) -> None:
    ledger.jobs.begin(lease_one(ledger), Effect.SEND)
    clock.advance(ledger.jobs.lease_seconds + 1)

    assert ledger.jobs.rescue() == 1

    assert job_of(ledger).open_effect is Effect.SEND


def test_after_a_rescue_the_quiet_time_begins_anew_unless_somebody_has_looked(
    ledger: Ledger, clock: FakeClock
) -> None:
    add(ledger, invoice("1"), invoice("2"), invoice("3"))
    idle, asked, looked = ledger.jobs.lease(ACCOUNT, 3)
    ledger.jobs.begin(asked, Effect.CREATE)
    ledger.jobs.look(ledger.jobs.begin(looked, Effect.CREATE))
    clock.advance(ledger.jobs.lease_seconds + 1)

    assert ledger.jobs.rescue() == 3

    since = {job.key: job_of(ledger, job.key).open_since for job in (idle, asked, looked)}
    assert since == {"1": None, "2": clock.now(), "3": NOON}


def test_looks_are_counted_and_forgotten_with_the_answer(ledger: Ledger) -> None:
    job = ledger.jobs.begin(lease_one(ledger), Effect.CREATE)
    job = ledger.jobs.look(ledger.jobs.look(job))
    assert job.looks == 2

    job = ledger.jobs.close_intent(job, outcome="not_sent", request_id="r-1")

    assert (job.open_effect, job.open_since, job.looks) == (None, None, 0)
    last = ledger.queries.timeline(job.id)[-1]
    assert (last.what, last.effect, last.outcome, last.request_id) == (
        "outcome",
        Effect.CREATE,
        "not_sent",
        "r-1",
    )


@pytest.mark.parametrize(("outcome", "failures"), [("done", 0), ("not_sent", 3), ("refused", 3)])
def test_an_effect_that_came_to_nothing_does_not_forget_the_failures(
    ledger: Ledger, outcome: str, failures: int
) -> None:
    settle(ledger, lease_one(ledger), Event.POSTPONED, "rate_limited", attempts=3)
    [job] = ledger.jobs.lease(ACCOUNT, 1)

    job = ledger.jobs.close_intent(ledger.jobs.begin(job, Effect.ATTACH), outcome=outcome)

    assert job.attempts == failures


def test_progress_settles_the_question_and_forgets_the_failures(ledger: Ledger) -> None:
    job = lease_one(ledger)
    settle(ledger, job, Event.POSTPONED, "rate_limited", attempts=3)
    [job] = ledger.jobs.lease(ACCOUNT, 1)
    job = ledger.jobs.look(ledger.jobs.begin(job, Effect.CREATE))

    job = ledger.jobs.advance(job, Stage.CREATED, reference="100001")

    assert (job.open_effect, job.open_since, job.looks) == (None, None, 0)
    assert (job.attempts, job.reason, job.reference) == (0, None, "100001")
    assert job.status is Status.RUNNING


def test_the_last_stage_ends_the_lease(ledger: Ledger) -> None:
    job = send(ledger, lease_one(ledger))

    assert (job.stage, job.status, job.lease_owner, job.leased_until) == (
        Stage.RECORDED,
        Status.DONE,
        None,
        None,
    )
    assert job.sent_at == NOON


def test_the_time_of_sending_is_when_it_was_sent_and_no_other(ledger: Ledger, clock: FakeClock) -> None:
    job = lease_one(ledger)
    for stage in (Stage.CONTACT_READY, Stage.CREATED, Stage.VERIFIED):
        job = ledger.jobs.advance(job, stage)
        assert job.sent_at is None
    sent = ledger.jobs.advance(job, Stage.SENT)
    clock.advance(60)

    assert ledger.jobs.advance(sent, Stage.RECORDED).sent_at == sent.sent_at == NOON


@pytest.mark.parametrize("stage", [Stage.CREATED, Stage.VERIFIED, Stage.SENT])
def test_what_waits_for_an_original_goes_on_when_it_is_sent_and_not_before(ledger: Ledger, stage: Stage) -> None:
    original = invoice("1")
    add(ledger, original, credit_note("2", original))
    first, follower = ledger.jobs.lease(ACCOUNT, 2)
    settle(ledger, follower, Event.BLOCKED, "original_waiting")

    ledger.jobs.advance(first, stage)

    assert job_of(ledger, "2").status is (Status.PENDING if stage is Stage.SENT else Status.WAITING)


# ---------------------------------------------------------------- one writer per number


@pytest.mark.parametrize("late", ["1", "2"])
def test_a_number_belongs_to_one_job_of_the_account(ledger: Ledger, late: str) -> None:
    add(ledger, invoice("1"), invoice("2"))
    one, two = sorted(ledger.jobs.lease(ACCOUNT, 2), key=lambda job: job.key == late)
    ledger.jobs.begin(one, Effect.CREATE, payload=b"{}", invoice=invoice("1", number="F-1"))

    with pytest.raises(RefusedError) as caught:
        ledger.jobs.begin(two, Effect.CREATE, payload=b"{}", invoice=invoice("2", number="F-1"))

    assert (caught.value.reason, caught.value.details) == ("number_clash", {"other": str(one.id)})
    assert job_of(ledger, late).open_effect is None  # nothing was written


@pytest.mark.parametrize(
    "other",
    [
        {"issue_date": date(2025, 12, 31)},
        {"series": "B"},
        {"number": "F-2"},
    ],
)
def test_another_year_or_series_is_another_number(ledger: Ledger, other: dict[str, object]) -> None:
    add(ledger, invoice("1"), invoice("2"))
    one, two = ledger.jobs.lease(ACCOUNT, 2)
    ledger.jobs.begin(one, Effect.CREATE, invoice=invoice("1", number="F-1"))

    ledger.jobs.begin(two, Effect.CREATE, invoice=invoice("2", **{"number": "F-1", **other}))


def test_a_credit_note_does_not_share_the_number_of_an_invoice(ledger: Ledger) -> None:
    original = invoice("1", number="F-1")
    add(ledger, original, credit_note("2", original))
    one, two = ledger.jobs.lease(ACCOUNT, 2)
    ledger.jobs.begin(one, Effect.CREATE, invoice=original)

    with pytest.raises(RefusedError):
        ledger.jobs.begin(two, Effect.CREATE, invoice=replace(credit_note("2", original), number="F-1"))


def test_another_account_has_numbers_of_its_own(ledger: Ledger) -> None:
    for account in ("b", "a", "c"):
        add(ledger, invoice(account), account=account)
        [job] = ledger.jobs.lease(account, 1)
        ledger.jobs.begin(job, Effect.CREATE, invoice=invoice(account, number="F-1"))


def test_a_repetition_keeps_its_own_number(ledger: Ledger) -> None:
    job = lease_one(ledger)
    for _ in range(2):
        job = ledger.jobs.begin(job, Effect.CREATE, payload=b"{}", invoice=invoice("1"))
        job = ledger.jobs.close_intent(job, outcome="not_sent")

    assert rows(ledger, "SELECT number_key, job_id FROM number_claim") == [("2026||F-1", job.id)]


@pytest.mark.parametrize(("old", "new"), [("F-1", "F-2"), ("F-2", "F-1")])
def test_a_renumbered_document_lets_its_old_number_go_and_no_other_documents(
    ledger: Ledger, old: str, new: str
) -> None:
    add(ledger, invoice("1"), invoice("2"), invoice("3"))
    before, job, after = ledger.jobs.lease(ACCOUNT, 3)
    ledger.jobs.begin(before, Effect.CREATE, invoice=invoice("1", number="F-0"))
    ledger.jobs.begin(after, Effect.CREATE, invoice=invoice("3", number="F-9"))
    job = ledger.jobs.begin(job, Effect.CREATE, invoice=invoice("2", number=old))
    job = ledger.jobs.close_intent(job, outcome="refused")

    ledger.jobs.begin(job, Effect.CREATE, invoice=invoice("2", number=new))

    claimed = rows(ledger, "SELECT number_key FROM number_claim ORDER BY job_id")
    assert claimed == [("2026||F-0",), (f"2026||{new}",), ("2026||F-9",)]


@pytest.mark.parametrize("stage", [Stage.CONTACT_READY, Stage.CREATED, Stage.VERIFIED])
def test_a_skipped_document_lets_its_number_go(ledger: Ledger, stage: Stage) -> None:
    job = ledger.jobs.begin(lease_one(ledger), Effect.CREATE, invoice=invoice("1"))
    held = hold(ledger, ledger.jobs.advance(job, stage))

    ledger.actions.perform(SKIP, [held], who="Ana", note="by paper")

    assert rows(ledger, "SELECT * FROM number_claim") == []


def test_a_withdrawn_document_lets_its_number_go_and_no_other_documents(ledger: Ledger) -> None:
    add(ledger, invoice("1"), invoice("2"))
    kept, withdrawn = (
        ledger.jobs.advance(ledger.jobs.begin(job, Effect.CREATE, invoice=invoice(job.key)), Stage.CREATED)
        for job in ledger.jobs.lease(ACCOUNT, 2)
    )

    ledger.jobs.advance(withdrawn, Stage.FOUND)

    assert rows(ledger, "SELECT number_key, job_id FROM number_claim") == [(number_key(invoice(kept.key)), kept.id)]


def test_of_many_that_claim_a_number_at_once_one_gets_it(ledger: Ledger) -> None:
    add(ledger, *(invoice(str(n)) for n in range(8)))
    leased = ledger.jobs.lease(ACCOUNT, 8)

    def claims(index: int) -> bool:
        job = leased[index]
        try:
            ledger.jobs.begin(job, Effect.CREATE, payload=b"{}", invoice=invoice(job.key, number="F-1"))
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(claims, range(8)))

    assert won.count(True) == 1


# ---------------------------------------------------------------- the timeline


def test_the_timeline_tells_all_that_happened_in_order(ledger: Ledger) -> None:
    job = send(ledger, lease_one(ledger))

    events = ledger.queries.timeline(job.id)
    assert [(e.what, str(e.effect) if e.effect else None, e.outcome) for e in events] == [
        ("found", None, None),
        ("reached", None, "done"),
        ("intent", "create", None),
        ("reached", "create", "done"),
        ("reached", None, "done"),
        ("intent", "send", None),
        ("reached", "send", "done"),
        ("reached", None, "done"),
    ]


def test_nothing_in_the_code_changes_or_removes_what_the_timeline_holds() -> None:
    from pathlib import Path

    import connector.ledger

    for file in Path(connector.ledger.__file__).parent.glob("*.py"):
        source = file.read_text(encoding="utf-8")
        if file.name != "erasure.py":  # a person's deed: personal data goes, what happened stays
            assert "update(EventRow)" not in source, file.name
        assert "delete(EventRow)" not in source, file.name


def test_a_note_and_its_author_stay_in_the_timeline(ledger: Ledger) -> None:
    held = hold(ledger, lease_one(ledger))

    ledger.actions.perform(SKIP, [held], who="Ana", note="sent on paper")

    last = ledger.queries.timeline(held.id)[-1]
    assert (last.what, last.who, last.note, last.reason) == (
        "skip",
        "Ana",
        "sent on paper",
        "vat_number_wrong",
    )


def test_an_entry_of_a_failed_write_is_not_there(ledger: Ledger) -> None:
    job = lease_one(ledger)
    stale = replace(job, fence=job.fence + 1)

    with pytest.raises(LeaseLostError):
        ledger.jobs.settle(stale, Event.STUCK, reason="bug", details={}, entry=Entry(what="stuck", reason="bug"))

    assert told(ledger, job) == ["found"]
