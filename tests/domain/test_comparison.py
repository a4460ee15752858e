"""The ERP's document against B2Brouter's: every cent counts, and what is not said is not invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connector.domain.comparison import RemoteFigures, compare_heads, compare_totals
from connector.domain.correction import remote_sign
from connector.domain.invoice import Invoice
from tests.support.builders import CUSTOMER, EXEMPT, IRPF, IVA, OTHER_CUSTOMER, credit_note, invoice, line


def same(document: Invoice, **changes: Any) -> RemoteFigures:
    """What B2Brouter says of a document where all is well."""
    sign = remote_sign(document)
    taxes = [(t.tax.percent or Decimal(0), t.base * sign, t.amount * sign) for t in document.tax_totals]
    values: dict[str, Any] = {
        "type": "IssuedInvoice",
        "number": document.number,
        "series": document.series,
        "issue_date": document.issue_date,
        "currency": document.currency,
        "subtotal": document.totals.net * sign,
        "total": document.totals.payable * sign,
        "taxes": taxes,
        "contact_tax_number": document.buyer.tax_number,
        **changes,
    }
    return RemoteFigures(**values)


FRENCH = replace(OTHER_CUSTOMER, key="2", name="Lumière")
DOCUMENTS = [
    invoice("1"),
    invoice("2", line("33.33", quantity="3", taxes=(IVA, IRPF)), line("5.00", taxes=(EXEMPT,))),
    invoice("3", series="B"),
    credit_note("4", invoice("1")),
    replace(credit_note("5", invoice("1")), seller=FRENCH),
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.key)
def test_equal_documents_do_not_differ(document: Invoice) -> None:
    assert compare_heads(document, same(document)) == []
    assert compare_totals(document, same(document)) == []


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("type", "ReceivedInvoice", "type"),
        ("number", "F-10", "number"),
        ("issue_date", date(2026, 1, 11), "date"),
        ("currency", "USD", "currency"),
        ("contact_tax_number", "ESB63276174", "recipient"),
        ("number", "f-1", "number"),
    ],
)
def test_a_difference_in_the_head_is_named(field: str, value: object, name: str) -> None:
    document = invoice("1")

    [found] = compare_heads(document, same(document, **{field: value}))

    assert found.field == name
    assert str(value) in str(found)


def test_a_credit_note_must_not_have_become_an_invoice() -> None:
    french = replace(credit_note("5", invoice("1")), seller=FRENCH)

    assert [d.field for d in compare_heads(french, same(french, is_credit_note=False))] == ["credit note"]
    assert compare_heads(french, same(french, is_credit_note=True)) == []
    ordinary = invoice("1")
    assert [d.field for d in compare_heads(ordinary, same(ordinary, is_credit_note=True))] == ["credit note"]


def test_a_spanish_correction_is_known_by_the_sign_of_its_amounts() -> None:
    spanish = credit_note("4", invoice("1"))

    assert compare_heads(spanish, same(spanish, is_credit_note=False)) == []
    assert compare_heads(spanish, same(spanish, is_credit_note=True)) == []
    positive = same(spanish, total=Decimal("121.00"))
    assert [d.field for d in compare_totals(spanish, positive)] == ["total"]


def test_a_series_counts_where_the_erp_has_one() -> None:
    document = invoice("3", series="B")

    assert [d.field for d in compare_heads(document, same(document, series="C"))] == ["series"]
    assert compare_heads(invoice("1"), same(invoice("1"), series="C")) == []


def test_the_spelling_of_a_tax_number_is_no_difference() -> None:
    document = invoice("1", buyer=replace(CUSTOMER, tax_number="A-28.015.865"))

    assert compare_heads(document, same(document, contact_tax_number="ESA28015865")) == []


@pytest.mark.parametrize("amount", ["120.99", "121.01", "-121.00", "0", "1210"])
def test_the_total_counts_to_the_last_cent(amount: str) -> None:
    document = invoice("1")

    [found] = compare_totals(document, same(document, total=Decimal(amount)))

    assert str(found).startswith("total 121.00 (ERP) / ")


def test_noise_of_binary_fractions_is_no_difference() -> None:
    document = invoice("1")

    assert compare_totals(document, same(document, total=Decimal("121.00000000000001"))) == []
    assert compare_totals(document, same(document, total=Decimal("121.001"))) != []


def test_a_total_must_be_stated_and_the_rest_need_not() -> None:
    document = invoice("1")
    silent = RemoteFigures(
        type=None,
        number=None,
        series=None,
        issue_date=None,
        currency=None,
        subtotal=None,
        total=None,
        taxes=None,
        contact_tax_number=None,
    )

    assert compare_heads(document, silent) == []
    assert [str(d) for d in compare_totals(document, silent)] == ["total 121.00 (ERP) / not stated (B2Brouter)"]


def test_each_tax_is_compared_and_a_missing_one_counts_as_nothing() -> None:
    document = invoice("1", line(taxes=(IVA, IRPF)))
    vat_only = [(Decimal(21), Decimal(100), Decimal(21))]

    [found] = compare_totals(document, same(document, taxes=vat_only))

    assert str(found) == "tax -15 % -15.00 (ERP) / 0.00 (B2Brouter)"
    extra = [*vat_only, (Decimal(-15), None, Decimal(-15)), (Decimal("5.2"), None, Decimal("5.20"))]
    assert [d.field for d in compare_totals(document, same(document, taxes=extra))] == ["tax 5.2 %"]


def test_one_rate_in_several_entries_is_summed_up() -> None:
    document = invoice("1")
    split = [(Decimal("21.0"), None, Decimal(20)), (Decimal(21), None, Decimal(1))]

    assert compare_totals(document, same(document, taxes=split)) == []


def of_file(document: Invoice, tax: str) -> Invoice:
    """A document that was imported, whose amounts may have more decimals than the euro."""
    [total] = document.tax_totals
    return replace(document, file_digest="x", tax_totals=(replace(total, amount=Decimal(tax)),))


@pytest.mark.parametrize(
    ("tax", "shown", "differs"),
    [
        ("20.9979", "20.9979", False),
        ("20.9979", "21.00", False),
        ("20.995", "20.99", False),
        ("20.9979", "20.99", True),
        ("20.99", "21.00", True),
        ("21.00", "21.004", True),
    ],
)
def test_what_a_file_states_more_exactly_may_be_shown_rounded(tax: str, shown: str, differs: bool) -> None:
    document = of_file(invoice("1"), tax)
    there = same(document, taxes=[(Decimal(21), Decimal(100), Decimal(shown))])
    assert bool(compare_totals(document, there)) is differs
    own = replace(document, file_digest=None)
    assert bool(compare_totals(own, there)) is (Decimal(tax) != Decimal(shown))


def test_the_total_of_a_file_may_be_shown_rounded_too() -> None:
    document = of_file(invoice("1"), "20.9979")
    totals = replace(document.totals, net=Decimal("99.9996"), tax=Decimal("20.9979"), payable=Decimal("120.9975"))
    document = replace(document, totals=totals)
    shown = same(document, subtotal=Decimal("100.00"), total=Decimal("121.00"))
    assert compare_totals(document, shown) == []
    [difference] = compare_totals(document, replace(shown, total=Decimal("121.01")))
    assert difference.field == "total"
    [difference] = compare_totals(document, replace(shown, subtotal=Decimal("99.99")))
    assert difference.field == "subtotal"
