"""Whatever the ERP's prices and discounts, the server arrives at the ERP's own line amounts."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connector.b2brouter.figures import figures
from connector.domain.invoice import AllowanceCharge, Line
from tests.b2brouter.samples import FRENCH_SELLER, SPANISH_SELLER, credit_note, invoice, line, payload, sent
from tests.b2brouter.server_sums import ROUNDINGS, body_of, line_nets, subtotal

MODERN, OLD = "2026-03-02", "2025-10-13"
ALLOWANCE = (AllowanceCharge(amount=Decimal(2), description="Winter sale"),)


def first_line(document: Any, version: str = MODERN) -> dict[str, Any]:
    found: dict[str, Any] = sent(document, version=version)["invoice_lines_attributes"][0]
    return found


def numbers(document: Any, version: str = MODERN) -> dict[str, Any]:
    plain = {"position", "description", "taxes_attributes"}
    return {name: value for name, value in first_line(document, version).items() if name not in plain}


def test_a_price_that_leads_to_the_amount_is_kept() -> None:
    assert numbers(invoice(line("3", "33.335", "100.01"))) == {"quantity": 3, "price": Decimal("33.335")}


def test_an_erps_base_quantity_is_kept() -> None:
    shown = numbers(invoice(line("250", "12", "30", base_quantity=Decimal(100))))
    assert shown == {"quantity": 250, "price": 12, "base_quantity": 100}


def test_a_rounded_price_is_told_as_an_amount_for_all_units() -> None:
    assert numbers(invoice(line("3", "33.33", "100"))) == {"quantity": 3, "price": 100, "base_quantity": 3}


def test_a_rounded_price_with_a_true_one_near_is_told_as_that() -> None:
    assert numbers(invoice(line("8", "1.25", "10.01"))) == {"quantity": 8, "price": Decimal("1.25125")}


def test_an_old_version_gets_a_price_with_as_many_decimals_as_it_takes() -> None:
    assert numbers(invoice(line("3", "33.33", "100")), OLD) == {"quantity": 3, "price": Decimal("33.334")}
    assert numbers(invoice(line("3000", "0.03", "100")), OLD) == {
        "quantity": 3000,
        "price": Decimal("0.033334"),
    }


def test_a_price_that_lands_on_the_edge_of_rounding_is_not_near_enough() -> None:
    assert numbers(invoice(line("1.5", "0.02", "0.01")), OLD)["price"] == Decimal("0.007")


def test_an_amount_with_more_decimals_than_the_currency_changes_nothing() -> None:
    shown = numbers(invoice(line("250", "12.01", "30.025", base_quantity=Decimal(100))))
    assert shown == {"quantity": 250, "price": Decimal("12.01"), "base_quantity": 100}


def test_a_base_quantity_is_not_told_to_an_old_version() -> None:
    shown = numbers(invoice(line("250", "12", "30", base_quantity=Decimal(100))), OLD)
    assert shown == {"quantity": 250, "price": Decimal("0.12")}


def test_a_discount_is_one_allowance_of_what_is_missing() -> None:
    shown = numbers(invoice(line("3", "9.99", "27.98", allowances=ALLOWANCE)))
    assert shown["allowance_charges_attributes"] == [
        {
            "allowance_charge_indicator": "allowance",
            "amount": Decimal("1.99"),
            "apply_taxes": True,
            "description": "Winter sale",
        }
    ]


def test_several_discounts_keep_their_names() -> None:
    both = (
        *ALLOWANCE,
        AllowanceCharge(amount=Decimal(1)),
        AllowanceCharge(is_charge=True, amount=Decimal(9)),
    )
    shown = numbers(invoice(line("1", "10", "7", allowances=both)))
    assert shown["allowance_charges_attributes"][0]["description"] == "Winter sale; Discount"


def test_a_charge_on_a_line_raises_it() -> None:
    extra = (AllowanceCharge(is_charge=True, amount=Decimal(5), description="Express"),)
    shown = numbers(invoice(line("1", "10", "15", allowances=extra)))
    assert shown["allowance_charges_attributes"][0] == {
        "allowance_charge_indicator": "charge",
        "amount": 5,
        "apply_taxes": True,
        "description": "Express",
    }


def test_an_old_version_has_flat_fields_for_a_discount() -> None:
    shown = numbers(invoice(line("1", "10", "8", allowances=ALLOWANCE)), OLD)
    assert shown == {"quantity": 1, "price": 10, "discount_amount": 2, "discount_text": "Winter sale"}
    extra = (AllowanceCharge(is_charge=True, amount=Decimal(5)),)
    shown = numbers(invoice(line("1", "10", "15", allowances=extra)), OLD)
    assert shown == {"quantity": 1, "price": 10, "charge_amount": 5, "charge_reason": "Charge"}


@pytest.mark.parametrize("version", [MODERN, OLD])
def test_a_discount_on_a_negative_line_is_told_by_the_price(version: str) -> None:
    deduction = invoice(line("10"), line("-2", "5", "-8", allowances=ALLOWANCE))
    shown = sent(deduction, version=version)["invoice_lines_attributes"][1]
    assert (shown["quantity"], shown["price"]) == (-2, 4)
    assert not {"allowance_charges_attributes", "discount_amount"} & set(shown)


def test_a_negative_price_becomes_a_negative_quantity() -> None:
    assert numbers(invoice(line("1", "-5", "-5"))) == {"quantity": -1, "price": 5}


def test_a_line_for_nothing_stays_as_it_is() -> None:
    assert numbers(invoice(line("0", "5", "0"))) == {"quantity": 0, "price": 5}
    assert numbers(invoice(line("5", "0", "0"))) == {"quantity": 5, "price": 0}


def test_a_line_given_away_shows_its_price_and_the_discount() -> None:
    free = (AllowanceCharge(amount=Decimal(10)),)
    shown = numbers(invoice(line("1", "10", "0", allowances=free)))
    assert (shown["price"], shown["allowance_charges_attributes"][0]["amount"]) == (10, 10)


def test_a_spanish_credit_note_is_negative_and_has_no_allowances() -> None:
    shown = numbers(credit_note(line("3", "9.99", "27.98", allowances=ALLOWANCE)))
    assert shown == {"quantity": -3, "price": Decimal("27.98"), "base_quantity": 3}


def test_a_deduction_within_a_spanish_credit_note_is_positive() -> None:
    assert numbers(credit_note(line("-1", "4", "-4"))) == {"quantity": 1, "price": 4}


def test_a_french_credit_note_is_positive() -> None:
    shown = numbers(credit_note(line("3", "10"), seller=FRENCH_SELLER))
    assert shown == {"quantity": 3, "price": 10}


# ---------------------------------------------------------------- for all numbers

CENTS = st.integers(0, 10**7).map(lambda cents: Decimal(cents).scaleb(-2))
PRICES = st.decimals(0, 10**5, places=6, allow_nan=False, allow_infinity=False)
QUANTITIES = st.decimals(Decimal("0.001"), 10**5, places=3, allow_nan=False, allow_infinity=False)
BASES = st.sampled_from([Decimal(1), Decimal(1), Decimal(100), Decimal(3), Decimal("0.5")])


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """Lines as ERPs have them: the amount rounded, or off by the rounding of the price, or discounted."""
    quantity, price, base = draw(QUANTITIES), draw(PRICES), draw(BASES)
    gross = (quantity * price / base).quantize(Decimal("0.01"), ROUND_HALF_UP)
    discount = draw(st.one_of(st.just(Decimal(0)), CENTS.map(lambda amount: min(amount, gross))))
    drift = draw(st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("-0.01"), Decimal("0.37")]))
    net = max(gross - discount + drift, Decimal(0))
    sign = draw(st.sampled_from([1, 1, 1, -1]))
    allowances = (AllowanceCharge(amount=discount),) if discount else ()
    return Line(
        description="x",
        quantity=sign * quantity,
        net_price=price,
        base_quantity=base,
        net_amount=sign * net,
        allowances=allowances,
    )


@pytest.mark.parametrize("version", [MODERN, OLD])
@given(lines=st.lists(lines(), min_size=1, max_size=4), spanish_credit=st.booleans())
def test_the_server_arrives_at_the_erps_line_amounts(version: str, lines: list[Line], spanish_credit: bool) -> None:
    document = credit_note(*lines) if spanish_credit else invoice(*lines)
    expected = [(-1 if spanish_credit else 1) * each.net_amount for each in lines]
    body = body_of(payload(document, version=version))
    assert line_nets(body) == expected
    if version == OLD:
        fields = {name for told in body["invoice_lines_attributes"] for name in told}
        assert not fields & {"base_quantity", "allowance_charges_attributes"}


@pytest.mark.parametrize("rounding", sorted(ROUNDINGS))
@pytest.mark.parametrize("version", [MODERN, OLD])
@given(lines=st.lists(lines(), min_size=1, max_size=3))
def test_where_the_erps_price_does_not_lead_there_no_way_of_rounding_matters(
    version: str, rounding: str, lines: list[Line]
) -> None:
    body = body_of(payload(invoice(*lines), version=version))
    for each, told, half_up, found in zip(
        lines,
        body["invoice_lines_attributes"],
        line_nets(body),
        line_nets(body, rounding=rounding),
        strict=True,
    ):
        as_in_the_erp = told["price"] == each.net_price and "allowance_charges_attributes" not in told
        assert found == half_up or as_in_the_erp


@given(line=lines(), digits=st.sampled_from([0, 2, 3]), modern=st.booleans())
def test_prices_are_never_negative_and_units_never_nothing(line: Line, digits: int, modern: bool) -> None:
    told = figures(line, sign=1, digits=digits, modern=modern)
    assert told.price >= 0
    assert told.base_quantity > 0


@given(
    net=CENTS,
    entries=st.lists(st.tuples(st.booleans(), CENTS.filter(bool), st.integers(0, 2)), max_size=4),
    spanish_credit=st.booleans(),
    version=st.sampled_from([MODERN, OLD, "2026-04-20"]),
)
def test_allowances_and_charges_of_the_document_come_through(
    net: Decimal, entries: list[tuple[bool, Decimal, int]], spanish_credit: bool, version: str
) -> None:
    taxes = line().taxes
    allowances = tuple(
        AllowanceCharge(is_charge=charge, amount=amount, taxes=taxes * families)
        for charge, amount, families in entries
    )
    expected = net + sum((amount if charge else -amount for charge, amount, _ in entries), Decimal(0))
    assume(net > 0)
    build = credit_note if spanish_credit else invoice
    document = build(line("1", str(net)), allowances=allowances, seller=SPANISH_SELLER)
    found = subtotal(body_of(payload(document, version=version)))
    assert found == (-expected if spanish_credit else expected)
