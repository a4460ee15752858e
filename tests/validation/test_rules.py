"""Each rule: what it lets pass, and what it says of what it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from connector.domain import catalogue
from connector.domain.invoice import AllowanceCharge, Invoice, LegalId, Payment, Tax
from connector.validation import Problem
from connector.validation import problems as all_problems
from connector.validation.currencies import CURRENCIES
from connector.validation.rules import RULES
from tests.support.builders import (
    CUSTOMER,
    EXEMPT,
    IRPF,
    IVA,
    IVA_REDUCED,
    NOON,
    OTHER_CUSTOMER,
    SELLER,
    credit_note,
    invoice,
    line,
)

COMMON = {rule.id for rule in RULES}


def problems(document: Invoice, *, now: datetime) -> list[Problem]:
    """What the rules that hold for every document say; those about taxes, forms and countries have own tests."""
    return [problem for problem in all_problems(document, now=now) if problem.reason in COMMON]


REVERSE = Tax(percent=Decimal(0), category="AE", source_name="ISP")
RIGHT = {
    "plain": invoice("1"),
    "several rates and withholding": invoice("1", line(taxes=(IVA, IRPF)), line(taxes=(IVA_REDUCED,))),
    "exempt": invoice("1", line(taxes=(EXEMPT,))),
    "reverse charge": invoice("1", line(taxes=(REVERSE,))),
    "of today": invoice("1", issue_date=NOON.date()),
    "without bank account": invoice("1", payment=Payment()),
    "foreign currency": invoice("1", currency="USD"),
    "a person, by a registered number": invoice(
        "1", buyer=replace(CUSTOMER, tax_number=None, legal_ids=(LegalId(scheme="0009", value="1"),))
    ),
    "outside the EU": invoice("1", buyer=replace(CUSTOMER, tax_number="12-3456789", country="US")),
    "the Portuguese final consumer": invoice("1", buyer=replace(CUSTOMER, tax_number="999999990", country="PT")),
    "the Mexican public at large": invoice("1", buyer=replace(CUSTOMER, tax_number="XAXX010101000", country="MX")),
    "the Spanish number of nobody": invoice("1", buyer=replace(CUSTOMER, tax_number="00000000T")),
    "credit note": credit_note("2", invoice("1")),
    "a line that lowers": invoice("1", line("100"), line("10", quantity="-1")),
    "nothing to pay": invoice("1", line("0")),
}


@pytest.mark.parametrize("document", RIGHT.values(), ids=RIGHT)
def test_a_right_document_passes(document: Invoice) -> None:
    assert problems(document, now=NOON) == []


def totals(document: Invoice, **changes: str) -> Invoice:
    return replace(
        document, totals=replace(document.totals, **{name: Decimal(value) for name, value in changes.items()})
    )


def buyer(**changes: object) -> Invoice:
    return invoice("1", buyer=replace(CUSTOMER, **changes))  # type: ignore[arg-type]


WRONG: Mapping[str, tuple[Invoice, str, Mapping[str, str]]] = {
    "no number": (invoice("1", number=None), "number_missing", {}),
    "a blank number": (invoice("1", number="  "), "number_missing", {}),
    "no date": (invoice("1", issue_date=None), "issue_date_missing", {}),
    "a future date": (invoice("1", issue_date=date(2026, 1, 17)), "issue_date_future", {"date": "2026-01-17"}),
    "no currency": (invoice("1", currency=None), "currency_unknown", {"currency": "(none)"}),
    "no such currency": (invoice("1", currency="EURO"), "currency_unknown", {"currency": "EURO"}),
    "a metal": (invoice("1", currency="XAU"), "currency_unknown", {"currency": "XAU"}),
    "no lines": (
        totals(replace(invoice("1"), lines=(), tax_totals=()), net="0", tax="0", payable="0"),
        "lines_missing",
        {},
    ),
    "a line without tax": (invoice("1", line(taxes=())), "tax_missing", {"line": "Consulting"}),
    "a line with withholding alone": (invoice("1", line(taxes=(IRPF,))), "tax_missing", {"line": "Consulting"}),
    "an amount as tax": (
        invoice("1", line(taxes=(IVA, Tax(percent=None, category="S", source_name="Ecotax")))),
        "tax_absolute",
        {"tax": "Ecotax", "line": "Consulting"},
    ),
    "an unmapped tax": (
        invoice("1", line(taxes=(Tax(percent=Decimal(0), source_name="0 %"),))),
        "tax_unmapped",
        {"tax": "0 %", "line": "Consulting"},
    ),
    "exempt at a rate": (
        invoice("1", line(taxes=(replace(IVA, category="E"),))),
        "tax_inconsistent",
        {"tax": "IVA 21%", "percent": "21", "category": "E", "line": "Consulting"},
    ),
    "a rate of nothing": (
        invoice("1", line(taxes=(replace(IVA, percent=Decimal(0)),))),
        "tax_inconsistent",
        {"tax": "IVA 21%", "percent": "0", "category": "S", "line": "Consulting"},
    ),
    "a category that there is not": (
        invoice("1", line(taxes=(replace(IVA, category="s"),))),
        "tax_inconsistent",
        {"tax": "IVA 21%", "percent": "21", "category": "s", "line": "Consulting"},
    ),
    "a nameless customer": (buyer(name=" "), "buyer_incomplete", {"party": " ", "fields": "name"}),
    "a customer of no country": (
        buyer(country=None),
        "buyer_incomplete",
        {"party": CUSTOMER.name, "fields": "country"},
    ),
    "a credit note that would bill": (
        credit_note("2", invoice("1"), line("100", quantity="-1")),
        "credit_note_negative",
        {"total": "-121.00", "currency": "EUR"},
    ),
    "an invoice that would pay": (
        invoice("1", line("100", quantity="-1")),
        "invoice_negative",
        {"total": "-121.00", "currency": "EUR"},
    ),
    "an issuer of no country": (
        invoice("1", seller=replace(SELLER, country=None)),
        "seller_country_missing",
        {"country": "(none)"},
    ),
    "an issuer of no country that there is": (
        invoice("1", seller=replace(SELLER, country="ESPAÑA")),
        "seller_country_missing",
        {"country": "ESPAÑA"},
    ),
    "a customer of no country that there is": (
        buyer(country="SPAIN"),
        "country_unknown",
        {"party": CUSTOMER.name, "country": "SPAIN"},
    ),
    "a dash for a tax number": (
        buyer(tax_number=" - "),
        "buyer_identifier_missing",
        {"party": CUSTOMER.name},
    ),
    "words for a tax number, where the form of one is not checked": (
        buyer(tax_number="n.a.", country="US"),
        "buyer_identifier_missing",
        {"party": CUSTOMER.name},
    ),
    "a blank for a registered number": (
        buyer(tax_number=None, legal_ids=(LegalId(scheme="0009", value=" "),)),
        "buyer_identifier_missing",
        {"party": CUSTOMER.name},
    ),
    "a customer without any number": (
        buyer(tax_number=None),
        "buyer_identifier_missing",
        {"party": CUSTOMER.name},
    ),
    "a wrong tax number": (
        buyer(tax_number="ESA28015866"),
        "vat_number_wrong",
        {"number": "ESA28015866", "party": CUSTOMER.name},
    ),
    "a wrong IBAN": (
        invoice("1", payment=Payment(iban="ES91 2100 0418 4502 0005 1333")),
        "iban_wrong",
        {"end": "1333"},
    ),
    "a wrong payable": (
        totals(invoice("1"), payable="121.01"),
        "totals_do_not_add_up",
        {"sum": "100.00 + 21.00 + 0 is not 121.01"},
    ),
    "wrong taxes": (
        totals(invoice("1"), tax="20.99", payable="120.99"),
        "totals_do_not_add_up",
        {"sum": "the taxes add up to 21.00, not 20.99"},
    ),
    "wrong lines": (
        replace(invoice("1"), lines=(line("90"),)),
        "totals_do_not_add_up",
        {"sum": "the lines add up to 90.00, not 100.00"},
    ),
    "a document discount without tax": (
        totals(
            replace(
                invoice("1", line("110")),
                allowances=(AllowanceCharge(amount=Decimal(10), description="Rappel"),),
            ),
            net="100.00", tax="23.10", payable="123.10",
        ),
        "tax_missing",
        {"line": "Rappel"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("document", "reason", "facts"), WRONG.values(), ids=WRONG)
def test_a_wrong_document_is_told_what_is_wrong(document: Invoice, reason: str, facts: Mapping[str, str]) -> None:
    found = problems(document, now=NOON)

    assert [(problem.reason, dict(problem.details)) for problem in found] == [(reason, dict(facts))]
    entry = catalogue.reason(reason)
    assert "?" not in entry.message(facts)


def test_every_rule_has_a_document_that_breaks_it() -> None:
    broken = {rule for rule in RULES for document, *_ in WRONG.values() if list(rule(document, NOON))}

    assert broken == set(RULES)


def test_the_most_basic_problem_comes_first() -> None:
    document = invoice("1", number=None, currency="EURO", payment=Payment(iban="x"))

    assert [problem.reason for problem in problems(document, now=NOON)] == [
        "number_missing",
        "currency_unknown",
        "iban_wrong",
    ]


def test_a_date_that_has_begun_somewhere_is_not_in_the_future() -> None:
    document = invoice("1", issue_date=date(2026, 1, 16))

    assert problems(document, now=datetime(2026, 1, 15, 10, 0, tzinfo=UTC)) == []
    assert problems(document, now=datetime(2026, 1, 15, 9, 59, 59, tzinfo=UTC)) != []


def test_ways_of_rounding_are_not_an_error() -> None:
    lines = [line("0.335") for _ in range(3)]  # 0.34 each, 1.005 together
    document = invoice("1", *lines)
    rounded_once = totals(document, net="1.01", payable=str(Decimal("1.01") + document.totals.tax))

    assert problems(rounded_once, now=NOON) == []
    far_off = totals(document, net="1.06", payable=str(Decimal("1.06") + document.totals.tax))
    assert [problem.reason for problem in problems(far_off, now=NOON)] == ["totals_do_not_add_up"]


def test_no_sentence_shows_a_whole_bank_account() -> None:
    [problem] = problems(invoice("1", payment=Payment(iban="ES9121000418450200051333")), now=NOON)

    assert "ES91210004184502" not in str(problem)


def test_document_discounts_and_charges_belong_to_the_net_total() -> None:
    allowances = (
        AllowanceCharge(amount=Decimal("10.00"), taxes=(IVA,)),
        AllowanceCharge(amount=Decimal("4.00"), is_charge=True, taxes=(IVA,)),
    )
    document = replace(invoice("1", line("106")), allowances=allowances)
    tax = replace(invoice("1").tax_totals[0], base=Decimal(100), amount=Decimal(21))
    document = replace(totals(document, net="100", tax="21", payable="121"), tax_totals=(tax,))

    assert problems(document, now=NOON) == []


def test_the_currencies_are_those_that_money_is_counted_in() -> None:
    assert {"EUR", "USD", "GBP", "CHF", "JPY"} <= CURRENCIES
    assert CURRENCIES.isdisjoint({"XAU", "XXX", "XTS", "CHE", "HRK"})
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)


def test_a_buyer_abroad_is_judged_by_the_rules_of_its_own_country() -> None:
    assert problems(invoice("1", buyer=OTHER_CUSTOMER), now=NOON + timedelta(days=1)) == []
    wrong = replace(OTHER_CUSTOMER, tax_number="FR41303265045")
    assert [p.reason for p in problems(invoice("1", buyer=wrong), now=NOON)] == ["vat_number_wrong"]
