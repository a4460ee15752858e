"""The fingerprint: it differs exactly when the content does."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.invoice import (
    AllowanceCharge,
    Attachment,
    Invoice,
    Kind,
    LegalId,
    Original,
    Party,
    Payment,
    Totals,
    money,
)
from tests.support.builders import EXEMPT, OTHER_CUSTOMER, invoice, line, with_lines

OTHER: dict[str, Any] = {
    "key": "2",
    "company": "2",
    "confirmed": False,
    "kind": Kind.CREDIT_NOTE,
    "number": "F-2",
    "series": "B",
    "issue_date": date(2026, 1, 11),
    "due_date": None,
    "currency": "USD",
    "seller": OTHER_CUSTOMER,
    "buyer": OTHER_CUSTOMER,
    "buyer_email": "a@example.com",
    "lines": (line("100.01"),),
    "allowances": (AllowanceCharge(amount=Decimal(1)),),
    "tax_totals": (),
    "totals": Totals(net=Decimal(1), tax=Decimal(0), payable=Decimal(1)),
    "payment": Payment(),
    "file_digest": "0" * 64,
    "buyer_reference": "x",
    "purchase_order": "x",
    "contract": "x",
    "sales_order": "x",
    "note": "x",
    "original": Original(key="1", number="F-1"),
    "further_originals": (Original(key="2", number="F-2"),),
    "amend_reason": "R1",
    "delivery_date": date(2026, 1, 9),
    "attachments": (Attachment(name="F-1.pdf", size=9, digest="1"),),
}
NOT_CONTENT = {"reference", "xref"}  # what we write back ourselves must not look like a change


@pytest.mark.parametrize("field", [f.name for f in fields(Invoice) if f.compare and f.name not in NOT_CONTENT])
def test_a_change_of_any_field_changes_the_fingerprint(field: str) -> None:
    document = invoice("1")

    assert replace(document, **{field: OTHER[field]}).fingerprint() != document.fingerprint()


def test_our_own_write_back_is_no_change() -> None:
    document = invoice("1")

    assert replace(document, reference="100001", xref="b2brouter:x:1:100001").fingerprint() == document.fingerprint()


def test_the_fingerprints_in_ledgers_stay_those_of_their_documents() -> None:
    """Another one for the same content would have every unsent document withdrawn and made anew by an upgrade."""
    assert invoice("1").fingerprint() == "9a761b6c017a3dc8aefbf9c01a8417fb6d8c7c4af7369d31fddaaef74aaf1248"


def test_a_change_deep_inside_changes_the_fingerprint() -> None:
    document = invoice("1")
    renamed = replace(document, buyer=replace(document.buyer, city="Toledo"))
    reasoned = with_lines(document, line(taxes=(replace(EXEMPT, reason="E2"),)))

    assert len({document.fingerprint(), renamed.fingerprint(), reasoned.fingerprint()}) == 3


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15), st.integers(0, 12))
def test_trailing_zeros_are_not_a_change(amount: Decimal, zeros: int) -> None:
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)
    digits = "0" * zeros
    longer = Decimal(f"{amount:f}{digits}" if exponent < 0 else f"{amount:f}.{digits or '0'}")

    one, two = (with_net(value) for value in (amount, longer))

    assert one.fingerprint() == two.fingerprint()


@given(
    st.decimals(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False),
)
def test_two_amounts_have_one_fingerprint_only_if_they_are_equal(one: Decimal, two: Decimal) -> None:
    same = with_net(one).fingerprint() == with_net(two).fingerprint()

    assert same is (one == two)


def test_amounts_that_differ_in_the_thirtieth_digit_differ() -> None:
    long = Decimal("1." + "0" * 30 + "1")

    assert with_net(long).fingerprint() != with_net(Decimal(1)).fingerprint()


def with_net(net: Decimal) -> Invoice:
    document = invoice("1")
    return replace(document, totals=replace(document.totals, net=net))


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    assert invoice("1").fingerprint() == invoice("1").fingerprint()
    assert len(invoice("1").fingerprint()) == 64


def test_the_total_of_the_norm_is_before_withholding() -> None:
    totals = Totals(net=Decimal(100), tax=Decimal(21), withholding=Decimal(-15), payable=Decimal(106))

    assert totals.with_tax == Decimal(121)


def test_a_party_knows_its_identifiers_by_scheme() -> None:
    party = Party(name="x", legal_ids=(LegalId(scheme="0002", value="1"), LegalId(scheme="0009", value="2")))

    assert (party.legal_id("0009"), party.legal_id("0007")) == ("2", None)


@pytest.mark.parametrize(("currency", "unit"), [("EUR", "0.01"), ("JPY", "1"), ("KWD", "0.001"), ("XYZ", "0.01")])
def test_currencies_have_their_own_smallest_amounts(currency: str, unit: str) -> None:
    assert money(currency).unit == Decimal(unit)


def test_only_a_credit_note_is_one() -> None:
    assert not invoice("1").is_credit_note
    assert replace(invoice("1"), kind=Kind.CREDIT_NOTE).is_credit_note
