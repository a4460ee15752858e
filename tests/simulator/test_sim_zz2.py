"""The server's arithmetic: what each of the account's settings does to the cents."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.simulator.totals import Adjustment, Arithmetic, Line, Tax, calculate

CENT = Decimal("0.01")
VAT21 = Tax("IVA", "S", Decimal(21))
VAT10 = Tax("IVA", "AA", Decimal(10))
IRPF = Tax("IRPF", "S", Decimal(-15))
RE = Tax("RE", "S", Decimal("5.2"))
WAYS = [
    Arithmetic(CENT, method, before, per_line)
    for method, before, per_line in product(("half_up", "bankers", "truncate"), (False, True), (False, True))
]


def d(text: str) -> Decimal:
    return Decimal(text)


def off(amount: str, **details: object) -> Adjustment:
    return Adjustment(is_charge=False, amount=d(amount), **details)  # type: ignore[arg-type]


def on(amount: str, **details: object) -> Adjustment:
    return Adjustment(is_charge=True, amount=d(amount), **details)  # type: ignore[arg-type]


def test_a_line_is_quantity_times_price_and_tax_is_a_share_of_it() -> None:
    totals = calculate([Line(d("3"), d("9.99"), taxes=[VAT21])], [], Arithmetic(CENT))
    assert totals.subtotal == d("29.97")
    assert [(row.base, row.amount) for row in totals.taxes] == [(d("29.97"), d("6.29"))]
    assert totals.total == d("36.26")


def test_the_price_counts_for_the_base_quantity() -> None:
    totals = calculate([Line(d("250"), d("4.20"), base_quantity=d("1000"))], [], Arithmetic(CENT))
    assert totals.subtotal == d("1.05")


def test_a_line_is_rounded_before_it_is_summed() -> None:
    totals = calculate([Line(d("1"), d("0.005"))] * 2, [], Arithmetic(CENT))
    assert totals.subtotal == d("0.02")


@pytest.mark.parametrize(
    ("method", "price", "net"),
    [
        ("half_up", "0.125", "0.13"),
        ("half_up", "-0.125", "-0.13"),
        ("bankers", "0.125", "0.12"),
        ("bankers", "0.135", "0.14"),
        ("truncate", "0.129", "0.12"),
        ("truncate", "-0.129", "-0.12"),
    ],
)
def test_the_rounding_method_of_the_account_decides_ties(method: str, price: str, net: str) -> None:
    totals = calculate([Line(d("1"), d(price))], [], Arithmetic(CENT, method))
    assert totals.subtotal == d(net)


def test_an_allowance_of_20_on_100_leaves_80_to_be_taxed() -> None:
    totals = calculate([Line(d("1"), d("100"), taxes=[VAT21], adjustments=[off("20")])], [], Arithmetic(CENT))
    assert totals.subtotal == d("80.00")
    assert totals.total == d("96.80")


def test_an_allowance_shrinks_a_negative_line_too() -> None:
    totals = calculate([Line(d("-1"), d("100"), adjustments=[off("20")])], [], Arithmetic(CENT))
    assert totals.subtotal == d("-80.00")


def test_a_percentage_is_taken_of_the_line() -> None:
    tenth = Adjustment(is_charge=True, percentage=d("10"))
    totals = calculate([Line(d("2"), d("50"), adjustments=[tenth])], [], Arithmetic(CENT))
    assert totals.subtotal == d("110.00")


def test_withholding_is_a_tax_with_a_negative_percent() -> None:
    totals = calculate([Line(d("1"), d("1000"), taxes=[VAT21, IRPF])], [], Arithmetic(CENT))
    assert [row.amount for row in totals.taxes] == [d("210.00"), d("-150.00")]
    assert totals.total == d("1060.00")


def test_the_equivalence_surcharge_stands_beside_vat_on_the_same_base() -> None:
    totals = calculate([Line(d("1"), d("100"), taxes=[VAT21, RE])], [], Arithmetic(CENT))
    assert [row.amount for row in totals.taxes] == [d("21.00"), d("5.20")]


def test_a_document_allowance_is_shared_in_proportion_to_the_lines() -> None:
    lines = [Line(d("1"), d("300"), taxes=[VAT21]), Line(d("1"), d("100"), taxes=[VAT10])]
    totals = calculate(lines, [off("40")], Arithmetic(CENT))
    assert [(row.base, row.amount) for row in totals.taxes] == [
        (d("270.00"), d("56.70")),
        (d("90.00"), d("9.00")),
    ]
    assert totals.subtotal == d("360.00")


def test_a_document_allowance_with_a_tax_of_its_own_stays_with_that_tax() -> None:
    lines = [Line(d("1"), d("300"), taxes=[VAT21]), Line(d("1"), d("100"), taxes=[VAT10])]
    totals = calculate(lines, [off("40", tax=VAT10)], Arithmetic(CENT))
    assert [row.base for row in totals.taxes] == [d("300.00"), d("60.00")]


def test_a_document_charge_under_a_tax_that_no_line_has_makes_a_row_of_its_own() -> None:
    totals = calculate([Line(d("1"), d("100"), taxes=[VAT21])], [on("10", tax=VAT10)], Arithmetic(CENT))
    assert [(row.tax.percent, row.base, row.amount) for row in totals.taxes] == [
        (d("21"), d("100.00"), d("21.00")),
        (d("10"), d("10.00"), d("1.00")),
    ]


@pytest.mark.parametrize("entry", [on("5", apply_taxes=False), on("5", is_reimbursable_expense=True)])
def test_an_untaxed_charge_is_in_the_total_alone(entry: Adjustment) -> None:
    totals = calculate([Line(d("1"), d("100"), taxes=[VAT21])], [entry], Arithmetic(CENT))
    assert (totals.subtotal, totals.untaxed, totals.total) == (d("100.00"), d("5.00"), d("126.00"))


def test_taxes_per_line_round_each_line() -> None:
    lines = [Line(d("1"), d("0.12"), taxes=[VAT21])] * 3  # 0.0252 each
    assert calculate(lines, [], Arithmetic(CENT)).taxes[0].amount == d("0.08")
    assert calculate(lines, [], Arithmetic(CENT, apply_taxes_per_line=True)).taxes[0].amount == d("0.09")


def test_rounding_before_the_sum_rounds_each_lines_part_of_the_discount() -> None:
    lines = [Line(d("1"), d("10"), taxes=[VAT21])] * 3
    unrounded = calculate(lines, [off("1")], Arithmetic(CENT)).taxes[0]
    rounded = calculate(lines, [off("1")], Arithmetic(CENT, round_before_sum=True)).taxes[0]
    assert (unrounded.base, rounded.base) == (d("29.00"), d("29.01"))  # three times 0.33 is 0.99


def test_three_thirds_are_one_again_and_a_tie_is_a_tie() -> None:
    lines = [Line(d("1"), d("1"), taxes=[Tax("IVA", "S", d("50"))])] * 3
    totals = calculate(lines, [off("0.99")], Arithmetic(CENT))
    assert totals.taxes[0].amount == d("1.01")  # of 2.01: 1.005, which is a tie


def test_a_currency_without_minor_units_has_none() -> None:
    totals = calculate([Line(d("1"), d("100.5"), taxes=[VAT10])], [], Arithmetic(Decimal(1)))
    assert (totals.subtotal, totals.total) == (d("101"), d("111"))


# ------------------------------------------------- against an oracle in fractions

amounts = st.decimals(min_value=-9999, max_value=9999, places=4, allow_nan=False, allow_infinity=False)
sizes = st.decimals(min_value=0, max_value=500, places=3, allow_nan=False, allow_infinity=False)
entries = st.builds(
    Adjustment, is_charge=st.booleans(), amount=sizes, apply_taxes=st.sampled_from([True, True, False])
)
lines_of_any_kind = st.builds(
    Line,
    quantity=amounts,
    price=sizes,
    base_quantity=st.sampled_from([Decimal(1), Decimal(3), Decimal(100)]),
    taxes=st.sampled_from([(), (VAT21,), (VAT10,), (VAT21, IRPF), (VAT21, RE)]),
    adjustments=st.lists(entries, max_size=2),
)
documents = st.tuples(st.lists(lines_of_any_kind, min_size=1, max_size=5), st.lists(entries, max_size=2))


@settings(max_examples=4000, deadline=None)
@given(documents, st.sampled_from(WAYS))
def test_every_figure_agrees_with_exact_fractions(
    document: tuple[list[Line], list[Adjustment]], way: Arithmetic
) -> None:
    lines, header = document
    totals = calculate(lines, header, way)
    nets, families, subtotal, untaxed = oracle(lines, header, way)
    assert [Fraction(net) for net in totals.line_nets] == nets
    assert {row.tax.family: Fraction(row.amount) for row in totals.taxes} == families
    assert Fraction(totals.subtotal) == subtotal
    assert Fraction(totals.untaxed) == untaxed
    assert Fraction(totals.total) == subtotal + sum(families.values()) + untaxed


@settings(max_examples=4000, deadline=None)
@given(documents, st.sampled_from(WAYS))
def test_the_total_is_the_sum_of_what_is_shown(
    document: tuple[list[Line], list[Adjustment]], way: Arithmetic
) -> None:
    totals = calculate(*document, way)
    assert totals.total == totals.subtotal + sum(row.amount for row in totals.taxes) + totals.untaxed
    shown = [totals.subtotal, totals.total, *totals.line_nets, *(row.amount for row in totals.taxes)]
    assert all(figure == figure.quantize(CENT) for figure in shown)


@given(st.lists(lines_of_any_kind, min_size=1, max_size=5))
def test_a_document_turned_negative_has_the_same_figures_turned_negative(lines: list[Line]) -> None:
    turned = [Line(-line.quantity, line.price, line.base_quantity, line.taxes, line.adjustments) for line in lines]
    settled = [line for line in lines if line.quantity * line.price == 0 and line.adjustments]
    if settled:  # an allowance on nothing has no sign to turn
        return
    for method in ("half_up", "bankers", "truncate"):
        way = Arithmetic(CENT, method)
        assert calculate(turned, [], way).total == -calculate(lines, [], way).total


def oracle(
    lines: Sequence[Line], header: Sequence[Adjustment], way: Arithmetic
) -> tuple[list[Fraction], dict[tuple[str, str, Decimal], Fraction], Fraction, Fraction]:
    """The rules once more, in another number system and without sharing."""
    bases = [Fraction(line.quantity) * Fraction(line.price) / Fraction(line.base_quantity) for line in lines]
    nets = [
        rounded(base + sum(effect(entry, base) for entry in line.adjustments if entry.apply_taxes), way)
        for base, line in zip(bases, lines, strict=True)
    ]
    whole = sum(nets, Fraction(0))
    effects = [rounded(effect(entry, whole), way) for entry in header if entry.apply_taxes]
    untaxed = sum((effect(entry, whole) for entry in header if not entry.apply_taxes), Fraction(0)) + sum(
        (
            effect(entry, base)
            for base, line in zip(bases, lines, strict=True)
            for entry in line.adjustments
            if not entry.apply_taxes
        ),
        Fraction(0),
    )
    families: dict[tuple[str, str, Decimal], list[Fraction]] = {}
    for net, line in zip(nets, lines, strict=True):
        for tax in line.taxes:
            families.setdefault(tax.family, []).append(net)
    amounts_by_family = {}
    for family, members in families.items():
        taxable = [net + sum((share(one, net, whole, way) for one in effects), Fraction(0)) for net in members]
        percent = Fraction(family[2]) / 100
        if way.apply_taxes_per_line:
            amounts_by_family[family] = sum((rounded(base * percent, way) for base in taxable), Fraction(0))
        else:
            amounts_by_family[family] = rounded(sum(taxable, Fraction(0)) * percent, way)
    return nets, amounts_by_family, whole + sum(effects, Fraction(0)), rounded(untaxed, way)


def effect(entry: Adjustment, base: Fraction) -> Fraction:
    size = Fraction(entry.amount or 0)
    return size if entry.is_charge == (base >= 0) else -size


def share(one: Fraction, net: Fraction, whole: Fraction, way: Arithmetic) -> Fraction:
    if whole == 0:
        return Fraction(0)
    part = one * net / whole
    return rounded(part, way) if way.round_before_sum else part


def rounded(value: Fraction, way: Arithmetic) -> Fraction:
    cents = value * 100
    size, rest = divmod(abs(cents), 1)
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and (way.rounding_method == "half_up" or size % 2 == 1))
    size += 1 if up and way.rounding_method != "truncate" else 0
    return Fraction(size if cents >= 0 else -size, 100)
