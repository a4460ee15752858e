"""What happens to a document in the ERP after it was issued: noticed, shown, closed again, never sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from connector.domain.content import content, told
from connector.domain.errors import SourceUnavailableError
from connector.domain.invoice import Payment
from connector.domain.job import Event, Status
from connector.ledger.actions import HOLD, RELEASE, RETRY, SKIP
from connector.ledger.queries import Filter
from tests.support.builders import CUSTOMER, EXEMPT, OTHER_CUSTOMER, credit_note, invoice, line, with_lines
from tests.support.house import House, Opener

CHANGED = "changed_after_issue"


@pytest.fixture
def house(open_house: Opener) -> House:
    """A house with one issued invoice."""
    house = open_house()
    house.issue(invoice("1"))
    house.advance(5)
    house.forget_requests()
    return house


def standing(house: House, key: str = "1") -> tuple[Status, str | None]:
    job = house.job(key)
    return job.status, job.reason


def look(house: House) -> None:
    house.discover()
    house.run()


def differences(house: House, key: str = "1") -> dict[str, tuple[str, str]]:
    return {one.field: (one.issued, one.now) for one in told(house.job(key).details)}


def test_what_nobody_changed_opens_no_case_though_we_wrote_our_reference_into_it(house: House) -> None:
    look(house)

    assert standing(house) == (Status.DONE, None)
    assert house.erp.reference_of("1") is not None


@pytest.mark.parametrize("number", ["PT999999990", "N/A"])
def test_who_was_billed_is_told_as_ever_also_by_a_number_that_tells_nobody(number: str) -> None:
    """The same document gives the same content in every version of ours, or all that was issued looks changed."""
    anybody = replace(CUSTOMER, tax_number=number, country="PT")
    said = content(invoice("1", buyer=anybody))["fields"]["recipient"]
    assert said == {"PT999999990": "PT999999990", "N/A": "PTNA"}[number]


@pytest.mark.parametrize("silently", [False, True], ids=["its time moves", "its time does not move"])
def test_another_total_opens_a_case_and_the_document_stays_issued(house: House, silently: bool) -> None:
    changed = with_lines(invoice("1"), line("200.00"))
    house.erp.alter("1", silently=silently, lines=changed.lines, totals=changed.totals, tax_totals=changed.tax_totals)

    look(house)

    assert standing(house) == (Status.DONE, CHANGED)
    assert differences(house) == {
        "total": ("121.00", "242.00"),
        "subtotal": ("100.00", "200.00"),
        "tax 21 %": ("100.00 → 21.00", "200.00 → 42.00"),
        "line 1": ("Consulting: 1 × 100 = 100.00, 21 % S", "Consulting: 1 × 200 = 200.00, 21 % S"),
    }
    message = house.job().message or ""
    assert "total: 121.00 (issued) / 242.00 (ERP now)" in message
    assert house.requests() == []
    assert house.ledger.queries.cases() == 1


CASES: dict[str, tuple[Callable[[House], object], dict[str, tuple[str, str]]]] = {
    "number": (
        lambda house: house.erp.alter("1", number="F-9"),
        {"number": ("F-1", "F-9")},
    ),
    "dates": (
        lambda house: house.erp.alter("1", issue_date=date(2026, 1, 11), due_date=None),
        {"date": ("2026-01-10", "2026-01-11"), "due date": ("2026-02-10", "(none)")},
    ),
    "another customer": (
        lambda house: house.erp.alter("1", buyer=OTHER_CUSTOMER),
        {
            "recipient": (
                "Suministros del Norte, S.A. (ESA28015865)",
                "Boulangerie Dupont SARL (FR40303265045)",
            )
        },
    ),
    "currency": (lambda house: house.erp.alter("1", currency="USD"), {"currency": ("EUR", "USD")}),
    "tax of a line": (
        lambda house: house.erp.alter("1", lines=(line(taxes=(EXEMPT,)),)),
        {"line 1": ("Consulting: 1 × 100 = 100.00, 21 % S", "Consulting: 1 × 100 = 100.00, 0 % E E1")},
    ),
    "one line more": (
        lambda house: house.erp.alter("1", lines=(line("1.00"), line())),
        {"line 1 (new)": ("(none)", "Consulting: 1 × 1 = 1.00, 21 % S")},
    ),
    "back to draft": (
        lambda house: house.erp.back_to_draft("1"),
        {"state": ("confirmed", "not confirmed")},
    ),
    "deleted": (lambda house: house.erp.delete("1"), {"state": ("confirmed", "deleted")}),
}


@pytest.mark.parametrize("case", CASES)
def test_whatever_makes_up_the_document_is_shown_field_by_field(house: House, case: str) -> None:
    change, shown = CASES[case]
    change(house)

    look(house)

    assert standing(house) == (Status.DONE, CHANGED)
    assert differences(house) == shown
    assert house.requests() == []


@pytest.mark.parametrize(
    "change",
    [
        {"buyer": replace(CUSTOMER, name="Norte, S.A.", address="Calle Nueva 1", email="new@example.com")},
        {"payment": Payment(iban="ES7921000813610123456789")},
        {"note": "paid by card"},
    ],
    ids=["the customer moved", "another bank account", "a note"],
)
def test_what_the_erp_reads_live_is_no_change_of_the_document(house: House, change: dict[str, Any]) -> None:
    house.erp.alter("1", **change)

    look(house)

    assert standing(house) == (Status.DONE, None)


def test_going_back_closes_the_case_by_itself(house: House) -> None:
    house.erp.alter("1", number="F-9")
    look(house)
    house.erp.alter("1", number="F-1")

    look(house)

    assert standing(house) == (Status.DONE, None)
    assert house.told()[-2:] == ["changed", "restored"]


def test_a_case_is_opened_once_and_brought_up_to_date_when_it_changes_further(house: House) -> None:
    house.erp.alter("1", number="F-9")
    for _ in range(3):
        look(house)
    assert house.told().count("changed") == 1

    house.erp.alter("1", number="F-10")
    look(house)

    assert house.told().count("changed") == 2
    assert differences(house)["number"] == ("F-1", "F-10")


def test_a_person_lets_it_be_until_it_changes_again(house: House) -> None:
    house.erp.alter("1", number="F-9")
    look(house)

    assert house.ledger.actions.perform(SKIP, [house.job()], who="Ana", note="credit note R-7") == [1]

    house.advance(5)
    look(house)
    assert standing(house) == (Status.DONE, None)
    last = house.timeline()[-1]
    assert (last.what, last.who, last.note) == ("dismissed", "Ana", "credit note R-7")
    house.erp.alter("1", number="F-10")
    look(house)
    assert standing(house) == (Status.DONE, CHANGED)


@pytest.mark.parametrize("act", [RETRY, HOLD, RELEASE], ids=lambda act: act.name)
def test_nothing_else_fits_an_issued_document_with_a_case(house: House, act: object) -> None:
    house.erp.alter("1", number="F-9")
    look(house)

    assert house.ledger.actions.preview(act, Filter()).fitting == []  # type: ignore[arg-type]


def test_a_document_without_a_case_cannot_be_let_be(house: House) -> None:
    assert house.ledger.actions.preview(SKIP, Filter()).fitting == []


def test_an_erp_that_cannot_be_read_is_no_deletion(house: House) -> None:
    house.erp.fail("load", SourceUnavailableError("the database is down"))

    with pytest.raises(SourceUnavailableError):
        house.discover()

    assert standing(house) == (Status.DONE, None)


def test_a_document_that_cannot_be_understood_is_not_judged(house: House) -> None:
    house.erp.spoil("1", "no lines")

    look(house)

    assert standing(house) == (Status.DONE, None)


def test_a_document_that_breaks_the_adapter_hides_no_change_of_another(house: House) -> None:
    house.issue(invoice("2"))
    house.erp.breaking.add("1")
    house.erp.alter("2", issue_date=date(2026, 1, 14))

    look(house)

    assert standing(house) == (Status.DONE, None)
    assert standing(house, "2") == (Status.DONE, CHANGED)


def test_after_its_time_a_document_is_not_looked_at_any_more(house: House) -> None:
    house.advance(timedelta(days=401).total_seconds())
    house.erp.alter("1", number="F-9")

    look(house)

    assert standing(house) == (Status.DONE, None)


def test_the_round_is_slow_and_comes_to_every_document(open_house: Opener) -> None:
    house = open_house(compare_batch=3)
    house.issue(*(invoice(f"{n}") for n in range(7)))
    house.discover()  # the times that our own write-back moved, if it did
    for key in ("0", "3", "6"):
        house.erp.alter(key, silently=True, number=f"X-{key}")
    house.erp.calls.clear()

    looks = []
    for _ in range(4):
        house.discover()
        looks.append(house.ledger.queries.cases())

    assert house.erp.calls["load"] <= 4
    assert looks[-1] == 3
    assert looks[0] < 3


def test_a_changed_credit_note_is_noticed_too(open_house: Opener) -> None:
    house = open_house()
    original = invoice("1")
    house.issue(original, credit_note("2", original))
    house.erp.alter("2", totals=replace(original.totals, payable=Decimal("120.00")))

    look(house)

    assert differences(house, "2") == {"total": ("121.00", "120.00")}


def test_the_timeline_alone_keeps_what_changed(house: House) -> None:
    house.erp.alter("1", number="F-9")
    look(house)
    house.ledger.actions.perform(SKIP, [house.job()], who="Ana", note="agreed")

    kept = [told(event.details) for event in house.timeline() if event.what == "changed"]

    assert [[(one.field, one.now) for one in changes] for changes in kept] == [[("number", "F-9")]]
    assert Event.SKIPPED not in house.told()
