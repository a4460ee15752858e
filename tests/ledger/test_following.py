"""Events and states of sent documents, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import update

from connector.domain.job import Status
from connector.domain.notice import Notice
from connector.domain.remote_state import News
from connector.ledger import Ledger
from connector.ledger.following import Change
from connector.ledger.records import Job
from connector.ledger.tables import JobRow
from connector.ports import RemoteTaxReport
from tests.support.builders import NOON, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, SOURCE, add, job_of, lease_one, send, told

REFERENCE = "100001"


def done(ledger: Ledger) -> Job:
    return send(ledger, lease_one(ledger), REFERENCE)


def event(event_id: str = "1", state: str = "registered", subject: str = REFERENCE) -> Notice:
    return Notice(
        code="issued_invoice.state_change", event_id=event_id, subject=subject, document=None, state=state,
        note=None, triggered_at=NOON, body=b"{}",
    )  # fmt: skip


def take(ledger: Ledger, state: str, seconds: float = 1, note: str | None = None) -> set[int]:
    job = ledger.following.jobs(ACCOUNT, [REFERENCE])[REFERENCE]
    news = News(state=state, changed_at=NOON + timedelta(seconds=seconds))
    return ledger.following.take([Change(job=job, news=news, note=note)])


def test_an_event_is_kept_once_and_waits_for_its_document(ledger: Ledger) -> None:
    assert ledger.inbox.put(ACCOUNT, event())
    assert not ledger.inbox.put(ACCOUNT, event())
    assert ledger.inbox.put("other", event())  # another address tells for itself
    assert ledger.inbox.about_invoices(ACCOUNT, 9) == []
    done(ledger)
    letters = ledger.inbox.about_invoices(ACCOUNT, 9)
    assert [letter.account for letter in letters] == [ACCOUNT, "other"]
    ledger.inbox.settle(letters, "taken")
    assert ledger.inbox.about_invoices(ACCOUNT, 9) == []


def test_what_events_told_of_a_document_is_known_before_its_job_may_be_written_to(ledger: Ledger) -> None:
    for number, (account, state) in enumerate([(ACCOUNT, "new"), ("other", "sending")]):
        ledger.inbox.put(account, event(str(number), state))
    ledger.inbox.put(ACCOUNT, event("9", "refused", subject="another"))

    assert ledger.inbox.states_to_come(REFERENCE) == ["new", "sending"]


def test_news_is_written_with_a_case_that_other_news_closes(ledger: Ledger) -> None:
    job = done(ledger)
    assert take(ledger, "refused", note="No") == set()
    refused = job_of(ledger)
    assert (refused.remote_state, refused.reason, refused.status) == ("refused", "refused_by_receiver", Status.DONE)
    take(ledger, "accepted", 2)
    assert (job_of(ledger).remote_state, job_of(ledger).reason) == ("accepted", None)
    assert told(ledger, job)[-2:] == ["state", "state"]


def test_a_job_that_moved_meanwhile_is_left_alone(ledger: Ledger) -> None:
    job = done(ledger)
    read = ledger.following.jobs(ACCOUNT, [REFERENCE])[REFERENCE]
    take(ledger, "accepted", 5)
    late = Change(job=read, news=News(state="sent", changed_at=NOON + timedelta(seconds=1)), note=None)
    assert ledger.following.take([late]) == {job.id}
    assert job_of(ledger).remote_state == "accepted"


def test_what_the_erp_was_told_is_remembered_unless_it_is_old_by_then(ledger: Ledger) -> None:
    done(ledger)
    take(ledger, "sent")
    [first] = ledger.following.unrecorded(ACCOUNT, SOURCE, 9)
    take(ledger, "registered", 2)
    ledger.following.recorded({first: NOON})
    [second] = ledger.following.unrecorded(ACCOUNT, SOURCE, 9)
    assert second.remote_state == "registered"
    ledger.following.recorded({second: NOON})
    assert ledger.following.unrecorded(ACCOUNT, SOURCE, 9) == []


def test_of_each_account_the_first_and_the_last_of_which_news_is_expected_are_told(
    ledger: Ledger, clock: FakeClock
) -> None:
    begun = clock.now()
    for number, account in enumerate(["a", "b", "b", "c", "b", "d"]):
        add(ledger, invoice(str(number)), account=account)
        [job] = ledger.jobs.lease(account, 1)
        ledger.jobs.give_back(send(ledger, job, str(number)))
        clock.advance(60)
    with ledger.database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.account.in_(["c", "d"])).values(remote_state="closed"))
    ledger.tax_reports.expect("c", {"r3": "3"})  # nothing but an authority's word is missing

    def at(minutes: int) -> datetime:
        return begun + timedelta(minutes=minutes)

    accounts = ["a", "b", "c", "d", "e"]
    assert ledger.following.sent(accounts, since=begun) == {
        "a": (at(0), at(0)),
        "b": (at(1), at(4)),
        "c": (at(3), at(3)),
    }
    assert ledger.following.sent(accounts, since=at(2)) == {"b": (at(2), at(4)), "c": (at(3), at(3))}
    assert ledger.following.sent(["b"], since=at(4)) == {"b": (at(4), at(4))}
    assert ledger.following.sent([], since=begun) == {}


def due(
    ledger: Ledger, *, account: str = ACCOUNT, sent_since: datetime = NOON, limit: int = 9
) -> Mapping[str, datetime]:
    return ledger.tax_reports.due(account, sent_since=sent_since, longest=timedelta(days=1), limit=limit)


def test_reports_are_expected_then_known_and_never_older(ledger: Ledger, clock: FakeClock) -> None:
    done(ledger)
    ledger.tax_reports.expect(ACCOUNT, {"41": REFERENCE})
    ledger.tax_reports.expect(ACCOUNT, {"41": REFERENCE})
    assert due(ledger) == {"41": NOON}
    new = RemoteTaxReport(
        id="41", reference=REFERENCE, kind="tbai", qr="iVBO", state="registered", changed_at=clock.now()
    )
    old = RemoteTaxReport(id="41", reference=REFERENCE, state="error", changed_at=clock.now() - timedelta(hours=1))
    assert ledger.tax_reports.take(ACCOUNT, new)
    assert not ledger.tax_reports.take(ACCOUNT, new)
    assert not ledger.tax_reports.take(ACCOUNT, old)
    assert ledger.tax_reports.of(REFERENCE) == [new]
    assert due(ledger) == {}
    [(key, report)] = ledger.tax_reports.unrecorded(ACCOUNT, SOURCE, 9)
    assert (key, report) == ("1", new)
    ledger.tax_reports.recorded(report)
    assert ledger.tax_reports.unrecorded(ACCOUNT, SOURCE, 9) == []


def test_a_correction_that_is_named_later_is_followed_though_the_time_stays_the_same(
    ledger: Ledger, clock: FakeClock
) -> None:
    done(ledger)
    refused = RemoteTaxReport(id="41", reference=REFERENCE, state="error", changed_at=clock.now())
    assert ledger.tax_reports.take(ACCOUNT, refused)
    assert ledger.tax_reports.take(ACCOUNT, replace(refused, corrected_by="42"))
    assert [(one.id, one.corrected_by) for one in ledger.tax_reports.of(REFERENCE)] == [("41", "42"), ("42", None)]


def test_a_report_that_was_put_off_is_due_again_then_or_when_it_is_doubted(ledger: Ledger, clock: FakeClock) -> None:
    done(ledger)
    ledger.tax_reports.expect(ACCOUNT, {"41": REFERENCE, "42": REFERENCE})
    ledger.tax_reports.put_off("41", clock.now() + timedelta(hours=1))
    assert due(ledger).keys() == {"42"}
    clock.advance(3600)
    assert list(due(ledger)) == ["42", "41"]
    assert list(due(ledger, limit=1)) == ["42"]
    assert due(ledger, account="other") == {}
    assert due(ledger, sent_since=NOON + timedelta(hours=1)) == {}

    ledger.tax_reports.put_off("41", clock.now() + timedelta(days=1))
    ledger.tax_reports.doubt(ACCOUNT, "41", REFERENCE)
    assert "41" in due(ledger)

    ledger.tax_reports.put_off("41", clock.now() + timedelta(days=1, seconds=1))
    assert "41" in due(ledger), "the clock has been set back since"


def test_a_correction_is_followed_also_where_what_names_it_is_known_already(ledger: Ledger, clock: FakeClock) -> None:
    done(ledger)
    refused = RemoteTaxReport(id="41", reference=REFERENCE, state="error", changed_at=clock.now(), corrected_by="42")
    assert ledger.tax_reports.take(ACCOUNT, refused)
    with ledger.database.write() as connection:  # the process had died before it noted the correction
        connection.exec_driver_sql("DELETE FROM tax_report WHERE id = '42'")
    assert not ledger.tax_reports.take(ACCOUNT, refused)
    assert [one.id for one in ledger.tax_reports.of(REFERENCE)] == ["41", "42"]


def test_old_events_are_dropped(ledger: Ledger, clock: FakeClock) -> None:
    ledger.inbox.put(ACCOUNT, event())
    clock.advance(91 * 86400)
    assert ledger.inbox.tidy() == 1
