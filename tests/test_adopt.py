"""First runs where invoices already exist at B2Brouter: equal ones are taken over, others are held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from connector.domain.identity import file_reference
from connector.domain.invoice import Invoice, LegalId
from connector.domain.job import Stage, Status
from connector.ledger.actions import RETRY
from tests.support.builders import CUSTOMER, OTHER_CUSTOMER, credit_note, invoice, line
from tests.support.house import House

CREATE, SEND, LIST = "create_invoice", "send_invoice", "list_invoices"


@pytest.fixture
def adopting(house: House) -> House:
    """An installation that adopts what exists."""
    house.rules = replace(house.rules, adopt_existing=True)
    return house


def by_hand(house: House, document: Invoice, **changes: Any) -> str:
    """Have somebody else make and send the document at B2Brouter; return its id."""
    contact = {
        "account": 1,
        "name": document.buyer.name,
        "country": (document.buyer.country or "").lower(),
        "tin_value": document.buyer.tax_number,
    }
    known = {one.fields.get("tin_value"): one.id for one in house.remote_contacts()}
    contact_id = changes.get("contact_id") or known.get(document.buyer.tax_number)
    contact_id = contact_id or house.plant(contacts=[contact])["contacts"][0]
    sign = -1 if document.is_credit_note else 1
    lines = [
        {
            "description": each.description,
            "quantity": str(each.quantity * sign),
            "price": str(each.net_price),
            "taxes_attributes": [
                {"name": "IVA", "category": tax.category, "percent": str(tax.percent)} for tax in each.taxes
            ],
        }
        for each in document.lines
    ]
    made = {
        "account": 1,
        "contact_id": contact_id,
        "number": document.number,
        "date": str(document.issue_date),
        "state": "sent",
        "invoice_lines_attributes": lines,
        **changes,
    }
    return str(house.plant(invoices=[made])["invoices"][0])


def writes(house: House) -> list[str | None]:
    return [entry.operation for entry in house.requests() if entry.method != "GET"]


# ---------------------------------------------------------------- off


def test_by_default_nothing_is_asked_and_what_exists_is_held(house: House) -> None:
    by_hand(house, invoice("1"))
    house.issue(invoice("2"))
    assert house.requests(LIST) == []

    house.issue(invoice("1"))

    assert (house.job().status, house.job().reason) == (Status.HELD, "already_exists")
    assert "equal in all that can be compared" in (house.job().message or "")


# ---------------------------------------------------------------- equal


@pytest.mark.parametrize("mark", [None, "ORDER-77"], ids=["by hand", "by an earlier integration"])
@pytest.mark.parametrize("guard", [True, False], ids=["guard", "no-guard"])
def test_an_equal_document_is_taken_over_and_nothing_is_written_at_b2brouter(
    adopting: House, guard: bool, mark: str | None
) -> None:
    house = adopting
    house.world.switches.number_guard = guard
    reference = by_hand(house, invoice("1"), file_reference=mark)

    house.issue(invoice("1"))

    assert (house.job().status, house.job().stage) == (Status.DONE, Stage.RECORDED)
    assert house.erp.reference_of("1") == (reference, f"b2brouter:simulator:1:{reference}")
    assert "taken_over" in house.told()
    assert writes(house) == []
    house.assert_nothing_twice()


def test_what_is_not_there_is_made_at_the_price_of_one_call(adopting: House) -> None:
    adopting.know_customer(invoice())

    adopting.issue(invoice("1"))

    adopting.assert_issued("1")
    assert adopting.operations() == [LIST, CREATE, SEND]


def test_what_others_had_sent_is_told_apart_from_what_is_sent_now(adopting: House) -> None:
    house = adopting
    began = house.clock.now()
    by_hand(house, invoice("1"))
    by_hand(house, invoice("2"), state="new")

    house.issue(invoice("1"), invoice("2"), invoice("3"))

    assert house.ledger.queries.sent_since(began) == 3
    assert house.ledger.queries.sent_already_since(began) == 1


@pytest.mark.parametrize("state", ["new", "validating"])
def test_an_unsent_one_is_sent_once_it_has_passed_the_rules(adopting: House, state: str) -> None:
    house = adopting
    wrong = invoice("1", payment=replace(invoice().payment, iban="ES9121000418450200051333"))
    reference = by_hand(house, wrong, state=state)
    house.issue(wrong)
    assert (house.job().status, house.job().reason) == (Status.HELD, "iban_wrong")
    assert writes(house) == []

    [there] = house.remote_invoices("F-1")
    there.state, there.sent_times = "new", 0
    house.erp.alter("1", payment=invoice().payment)
    house.discover()
    house.run()

    house.assert_issued("1")
    assert house.job().reference == reference
    assert writes(house) == [SEND]


def test_what_others_have_sent_needs_no_judgement_of_ours(adopting: House) -> None:
    """It is out. To hold it because of a wrong IBAN of today would change nothing."""
    wrong = invoice("1", payment=replace(invoice().payment, iban="ES9121000418450200051333"))
    by_hand(adopting, wrong)

    adopting.issue(wrong)

    assert adopting.job().status is Status.DONE


def test_a_credit_note_and_its_original_are_both_taken_over(adopting: House) -> None:
    original = invoice("1")
    note = credit_note("2", original)
    by_hand(adopting, original)
    by_hand(adopting, note)

    adopting.issue(note, original)

    assert {job.status for job in adopting.jobs()} == {Status.DONE}
    assert writes(adopting) == []


def test_a_new_credit_note_of_an_adopted_original_follows_it(adopting: House) -> None:
    original = invoice("1")
    by_hand(adopting, original)

    adopting.issue(original, credit_note("2", original))

    assert {job.status for job in adopting.jobs()} == {Status.DONE}
    assert [entry.number for entry in adopting.requests(SEND)] == ["R-2"]


def test_the_reference_of_an_earlier_integration_is_believed_if_the_document_is_equal(adopting: House) -> None:
    house = adopting
    reference = by_hand(house, invoice("1"))
    house.take_in(invoice("1"))
    house.erp.write("1", reference, f"b2brouter:simulator:1:{reference}")

    house.run()

    assert (house.job().status, house.job().reference) == (Status.DONE, reference)
    assert writes(house) == []


# ---------------------------------------------------------------- different


def _other_lines(document: Invoice) -> Invoice:
    return replace(document, lines=(line("99.99"),))


def _other_day(document: Invoice) -> Invoice:
    return replace(document, issue_date=date(2026, 1, 9))


def _other_customer(document: Invoice) -> Invoice:
    return replace(document, buyer=OTHER_CUSTOMER)


DIFFERENCES: list[tuple[Callable[[Invoice], Invoice], dict[str, Any], str]] = [
    (_other_lines, {}, "total 121.00 (ERP) / 120.99 (B2Brouter)"),
    (_other_day, {}, "date 2026-01-10 (ERP) / 2026-01-09 (B2Brouter)"),
    (_other_customer, {}, "recipient ESA28015865 (ERP) / FR40303265045 (B2Brouter)"),
    (lambda same: same, {"currency": "USD"}, "currency EUR (ERP) / USD (B2Brouter)"),
    (lambda same: same, {"is_credit_note": True}, "credit note no (ERP) / yes (B2Brouter)"),
]


@pytest.mark.parametrize(("change", "fields", "says"), DIFFERENCES, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("guard", [True, False], ids=["guard", "no-guard"])
def test_a_different_one_is_held_with_both_versions_and_nothing_is_made(
    adopting: House, change: Callable[[Invoice], Invoice], fields: dict[str, Any], says: str, guard: bool
) -> None:
    house = adopting
    house.world.switches.number_guard = guard
    reference = by_hand(house, change(invoice("1")), **fields)

    house.issue(invoice("1"))

    job = house.job()
    assert (job.status, job.reason, job.reference) == (Status.HELD, "already_exists", None)
    assert says in (job.message or "")
    assert reference in (job.message or "")
    assert writes(house) == []
    assert house.erp.reference_of("1") is None


@pytest.mark.parametrize(("own", "there"), [(None, (None, None)), ("N/A", ("FR44732829320", "FR40303265045"))])
def test_a_recipient_without_a_tax_number_is_told_by_its_registered_one(
    adopting: House, own: str | None, there: Sequence[str | None]
) -> None:
    """What answers show does not tell it then: the contact is read."""
    siret = LegalId(scheme="0009", value="13001533200013")
    body = replace(CUSTOMER, tax_number=own, country="FR", legal_ids=(siret,))
    for key, number, tax in zip("12", ("13001533200013", "21750001600019"), there, strict=True):
        contact = {"account": 1, "name": "Body", "country": "fr", "cin_scheme": "0009", "cin_value": number}
        contact |= {"tin_value": tax} if tax else {}
        [known] = adopting.plant(contacts=[contact])["contacts"]
        by_hand(adopting, invoice(key, buyer=body), contact_id=known)

    adopting.issue(invoice("1", buyer=body), invoice("2", buyer=body))

    assert adopting.job("1").status is Status.DONE
    assert adopting.job("2").reason == "already_exists"
    assert "21750001600019" in (adopting.job("2").message or "")


@pytest.mark.parametrize("change", [{"number": "F-2"}, {"issue_date": date(2025, 12, 1)}], ids=["number", "date"])
def test_what_was_issued_under_the_number_that_the_document_has_by_now_is_found(
    adopting: House, change: dict[str, Any]
) -> None:
    adopting.world.switches.number_guard = False
    adopting.take_in(invoice("1"))
    theirs = by_hand(adopting, adopting.erp.alter("1", **change))

    adopting.run()

    job = adopting.job()
    assert (job.stage, job.reference) == (Stage.RECORDED, theirs)
    assert {name: getattr(job, name) for name in change} == change
    assert writes(adopting) == []


def test_of_two_with_the_number_none_is_chosen(adopting: House) -> None:
    adopting.world.switches.number_guard = False
    by_hand(adopting, invoice("1"))
    by_hand(adopting, invoice("1"))

    adopting.issue(invoice("1"))

    assert (adopting.job().status, adopting.job().reason) == (Status.HELD, "already_exists")


def test_the_document_of_another_invoice_of_a_connector_is_not_taken(adopting: House) -> None:
    by_hand(adopting, invoice("1"), file_reference=file_reference("erp", "1", "other"))

    adopting.issue(invoice("1"))

    assert (adopting.job().status, adopting.job().reason) == (Status.HELD, "already_exists")


def test_two_documents_of_the_erp_do_not_share_one_at_b2brouter(adopting: House) -> None:
    by_hand(adopting, invoice("1", number="F-1"))

    adopting.issue(invoice("1", number="F-1"), invoice("2", number="F-1"))

    assert {(job.status, job.reason) for job in adopting.jobs()} == {
        (Status.DONE, None),
        (Status.HELD, "number_clash"),
    }


def test_a_difference_that_was_cured_in_the_erp_is_taken_over_after_a_retry(adopting: House) -> None:
    house = adopting
    by_hand(house, _other_lines(invoice("1")))
    house.issue(invoice("1"))
    cured = invoice("1", line("99.99"))
    house.erp.replace(cured)
    house.ledger.actions.perform(RETRY, [house.job()], who="Ana", note="corrected")
    house.run()

    assert house.job().status is Status.DONE
    assert writes(house) == []


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize("kind", ["garbage", "html", "truncated", "unavailable_before"])
def test_a_list_that_cannot_be_read_is_not_taken_for_absence(adopting: House, kind: str) -> None:
    house = adopting
    house.world.switches.number_guard = False
    by_hand(house, invoice("1"))
    house.fault(kind, operation=LIST, times=4)

    house.issue(invoice("1"))

    assert house.job().status is Status.DONE
    assert writes(house) == []


def test_a_lost_answer_after_the_look_is_settled_as_ever(adopting: House) -> None:
    adopting.know_customer(invoice())
    adopting.fault("drop_after", operation=CREATE)

    adopting.issue(invoice("1"))

    adopting.assert_issued("1")
    assert len(adopting.requests(CREATE)) == 1


def test_an_adopted_unsent_document_is_never_deleted(adopting: House) -> None:
    """It is not ours: when the ERP changes, a person is asked."""
    house = adopting
    house.know_customer(invoice(buyer=CUSTOMER))
    by_hand(house, invoice("1"), state="new")
    house.take_in(invoice("1"))
    house.fault("rate_limit", operation=SEND)
    house.drain()
    house.erp.replace(invoice("1", line("50.00")))

    house.run()

    assert (house.job().status, house.job().reason) == (Status.HELD, "withdrawal_refused")
    assert house.requests("delete_invoice") == []
    assert house.remote_invoices("F-1")[0].sent_times == 0
