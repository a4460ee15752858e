"""Digests: what needs a person, by cause, once; never a message for an invoice; what stays open as one sum."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from connector.domain.invoice import Kind
from connector.domain.job import Event, Stage, Status
from connector.ledger.records import Entry, Job
from connector.ledger.tables import JobRow
from tests.notify.conftest import Desk
from tests.support.builders import invoice, line
from tests.support.ledgers import ACCOUNT, add, lease_one, send

EIGHT = datetime(2026, 1, 16, 8, 0, tzinfo=UTC)  # a Friday


def hold(desk: Desk, *numbers: str, reason: str = "lines_missing", account: str = ACCOUNT, **details: str) -> None:
    add(desk.ledger, *(invoice(number, number=f"F-{number}") for number in numbers), account=account)
    for job in desk.ledger.jobs.lease(account, len(numbers)):
        entry = Entry(what="stuck", reason=reason, details=details)
        desk.ledger.jobs.settle(job, Event.STUCK, reason=reason, details=details, entry=entry)


def cure(desk: Desk, number: str) -> None:
    with desk.ledger.database.write() as connection:
        cured = update(JobRow).where(JobRow.key == number).values(status=Status.SKIPPED, reason=None)
        connection.execute(cured)


def digest(desk: Desk, at: datetime = EIGHT) -> list[str]:
    """Let the time of a digest come; return the texts that went by it."""
    before = len(desk.mail.mails)
    desk.clock.advance_to(at)
    desk.tell()
    return [mail.text for mail in desk.mail.mails[before:]]


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    """With recipients whose first digest is still to come."""
    return begun(open_desk())


def begun(desk: Desk) -> Desk:
    desk.tell()
    assert desk.mail.mails == []
    return desk


def test_many_invoices_of_one_cause_are_one_paragraph_of_one_message(desk: Desk) -> None:
    hold(desk, *(str(n) for n in range(25)), reason="vat_number_wrong", party="Norte", number="ESX1")
    [text] = digest(desk)

    [mail] = desk.mail.mails
    assert mail.subject == "[TEST simulator] Needs a person: 25 invoices, 3,025.00 EUR"
    assert "New: 25 invoices, 3,025.00 EUR" in text
    assert "1. The tax number ESX1 of Norte is not valid – 25 invoices, 3,025.00 EUR" in text
    assert "What to do: " in text
    assert "Who acts: accounting" in text
    assert "Oldest: 2026-01-1" in text
    assert "Invoices: F-0, F-1, F-2, F-3, F-4, F-5, F-6, F-7, F-8, F-9 and 15 more" in text
    assert "connector jobs --by-cause" in text


def test_a_case_is_told_once_and_then_only_counted(desk: Desk) -> None:
    hold(desk, "1", "2")
    assert len(digest(desk)) == 1
    assert digest(desk, EIGHT + timedelta(days=3)) == [], "no news on Monday: no message"

    hold(desk, "3", reason="number_missing")
    [text] = digest(desk, EIGHT + timedelta(days=4))

    assert "F-3" in text
    assert "F-1" not in text
    assert "Still open, told before: 2 invoices, 242.00 EUR; the oldest of 2026-01-1" in text


def test_the_same_case_for_another_reason_and_one_that_comes_back_are_news(desk: Desk) -> None:
    hold(desk, "1", "2")
    digest(desk)
    with desk.ledger.database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.key == "1").values(reason="number_missing"))
    cure(desk, "2")
    [text] = digest(desk, EIGHT + timedelta(days=3))
    assert ("F-1" in text, "F-2" in text) == (True, False)

    with desk.ledger.database.write() as connection:
        again = update(JobRow).where(JobRow.key == "2").values(status=Status.HELD, reason="lines_missing")
        connection.execute(again)
    [text] = digest(desk, EIGHT + timedelta(days=4))
    assert ("F-1" in text, "F-2" in text) == (False, True)


def test_what_stays_open_without_news_is_brought_to_mind_after_a_week(desk: Desk) -> None:
    hold(desk, "1")
    digest(desk)
    days = [EIGHT + timedelta(days=n) for n in range(1, 15)]

    told = {day.day: digest(desk, day) for day in days}

    assert [day for day, texts in told.items() if texts] == [23, 30]
    assert "Still open, told before: 1 invoice" in told[23][0]
    assert "New:" not in told[23][0]


@pytest.mark.parametrize("state", ["refused", "error"])
def test_an_invoice_that_the_authority_refuses_after_all_is_told_once(desk: Desk, state: str) -> None:
    job = send(desk.ledger, lease_one(desk.ledger, invoice("1")))
    refused_later(desk, job, state)

    texts = [text for day in range(12) for text in digest(desk, EIGHT + timedelta(hours=8 * day))]

    assert len(texts) == 1
    assert "F-1" in texts[0]
    assert f"the receiver said {state}" in texts[0]


def refused_later(desk: Desk, job: Job, state: str) -> None:
    assert job.status is Status.DONE
    details = {"message": f"the receiver said {state}", "code": state, "param": ""}
    with desk.ledger.database.write() as connection:
        told = {"reason": "refused_by_b2brouter", "details": details, "remote_state": state}
        connection.execute(update(JobRow).where(JobRow.id == job.id).values(**told))


def test_a_registered_invoice_is_nobodys_news(desk: Desk) -> None:
    send(desk.ledger, lease_one(desk.ledger, invoice("1")))

    assert digest(desk) == []


def test_credit_notes_are_subtracted_and_currencies_kept_apart(desk: Desk) -> None:
    documents = [
        invoice("1", number="A"),
        invoice("2", line("10.00"), number="B", kind=Kind.CREDIT_NOTE),
        invoice("3", number="C", currency="USD"),
    ]
    add(desk.ledger, *documents)
    for job in desk.ledger.jobs.lease(ACCOUNT, 3):
        desk.ledger.jobs.settle(job, Event.STUCK, reason="lines_missing", details={}, entry=Entry(what="stuck"))
    [text] = digest(desk)

    assert "3 invoices, 108.90 EUR, 121.00 USD" in text
    assert Decimal("108.90") == Decimal("121.00") - Decimal("12.10")


def test_each_is_told_what_is_theirs_to_do(open_desk: Callable[..., Desk]) -> None:
    desk = begun(open_desk(recipients={"ops": {"for": "operators"}, "acc": {"for": "accountants", "language": "es"}}))
    hold(desk, "1", reason="lines_missing")
    hold(desk, "2", reason="crashed")
    digest(desk)

    told = {mail.to: mail for mail in desk.mail.mails}
    assert ("F-1" in told["ops@example.com"].text, "F-2" in told["ops@example.com"].text) == (False, True)
    assert ("F-1" in told["acc@example.com"].text, "F-2" in told["acc@example.com"].text) == (True, False)
    assert told["acc@example.com"].subject == "[PRUEBA simulator] Requiere a una persona: 1 factura, 121,00 EUR"
    assert "Quién actúa: contabilidad" in told["acc@example.com"].text


def test_only_ones_own_accounts_are_told_of(open_desk: Callable[..., Desk]) -> None:
    accounts = {name: {"account_id": name, "api_key": "key"} for name in ("main", "other")}
    desk = begun(open_desk(accounts=accounts, recipients={"theirs": {"accounts": ["other"]}}))
    hold(desk, "1", account="main")
    hold(desk, "2", account="other")
    [text] = digest(desk)

    assert ("F-1" in text, "F-2" in text) == (False, True)


def test_what_waits_for_a_person_is_told_though_it_is_not_held(desk: Desk) -> None:
    for number, reason in (("1", "ramp_full"), ("2", "original_waiting")):
        add(desk.ledger, invoice(number, number=f"F-{number}"))
        [job] = desk.ledger.jobs.lease(ACCOUNT, 1)
        desk.ledger.jobs.settle(job, Event.BLOCKED, reason=reason, details={}, entry=Entry(what="blocked"))
    [text] = digest(desk)

    assert ("F-1" in text, "F-2" in text) == (True, False)


def test_digests_keep_to_their_times_and_days(open_desk: Callable[..., Desk]) -> None:
    times = {"digest_at": ["09:00", "15:00"], "digest_days": ["mon", "fri"], "time_zone": "Europe/Madrid"}
    desk = begun(open_desk(recipients={"ops": times}))
    went = []
    for hour in range(0, 24 * 5, 2):  # from Thursday noon on
        hold(desk, str(hour))
        if digest(desk, desk.clock.now() + timedelta(hours=2)):
            went.append(f"{desk.clock.now():%a %H:%M}")

    assert went == ["Fri 08:00", "Fri 14:00", "Mon 08:00", "Mon 14:00"]


def test_a_digest_that_cannot_go_is_kept_and_the_next_one_tells_the_rest(desk: Desk) -> None:
    hold(desk, "1")
    desk.mail.stop()
    digest(desk)
    hold(desk, "2")
    digest(desk, EIGHT + timedelta(days=3))
    desk.mail.start()
    for _ in range(80):
        desk.wait_and_tell(60)

    texts = [mail.text for mail in desk.mail.mails]
    assert [("F-1" in text, "F-2" in text) for text in texts] == [(True, False), (False, True)]


def test_of_two_processes_one_puts_the_digest_in(desk: Desk) -> None:
    hold(desk, "1")
    desk.clock.advance_to(EIGHT)
    other = desk.another_process()
    other.notifier.plan_digests()
    desk.services.notifier.plan_digests()
    other.notifier.deliver()
    desk.services.notifier.deliver()
    other.close()

    assert len(desk.mail.mails) == 1


def test_links_lead_to_the_console_where_it_has_an_address(open_desk: Callable[..., Desk]) -> None:
    desk = begun(open_desk(web={"public_url": "https://b2b.example.com/"}))
    hold(desk, "1", reason="lines_missing")
    hold(desk, "2", reason="dir3_missing", codes="órgano gestor")
    [text] = digest(desk)

    assert "https://b2b.example.com/jobs?reason=lines_missing\n" in text
    assert "https://b2b.example.com/jobs?reason=dir3_missing&source=erp\n" in text
    assert "See them: https://b2b.example.com/jobs?attention=1\n" in text
    assert "connector jobs" not in text


def test_very_many_causes_are_summed_up(desk: Desk) -> None:
    for n in range(40):
        hold(desk, str(n), reason="vat_number_wrong", party=f"Customer {n}", number="X")
    [text] = digest(desk)

    assert "30. The tax number" in text
    assert "31. The tax number" not in text
    assert "Further causes: 10, with 10 invoices, 1,210.00 EUR" in text


def test_a_new_recipient_is_not_told_at_odd_hours(open_desk: Callable[..., Desk]) -> None:
    desk: Any = open_desk()
    hold(desk, "1")
    desk.tell()
    assert desk.mail.mails == []

    assert len(digest(desk)) == 1


def test_stages_do_not_matter(desk: Desk) -> None:
    job = lease_one(desk.ledger, invoice("1", number="F-1"))
    job = desk.ledger.jobs.advance(job, Stage.CONTACT_READY, contact_id="1")
    desk.ledger.jobs.settle(job, Event.STUCK, reason="totals_differ", details={}, entry=Entry(what="stuck"))

    assert "F-1" in digest(desk)[0]
