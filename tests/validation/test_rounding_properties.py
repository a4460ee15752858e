"""Our computation of the server's totals is the server's, in all twelve ways, and no difference passes `verify`.

The simulator is the other opinion: it reads the very body that we would send, and shares no code with us.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.b2brouter.payloads import ALLOWANCE_CHARGES, sheet
from connector.domain.comparison import compare_totals
from connector.domain.correction import remote_sign
from connector.domain.errors import RefusedError
from connector.domain.invoice import (
    AllowanceCharge,
    Invoice,
    Kind,
    Line,
    Original,
    Party,
    Tax,
    TaxKind,
    TaxTotal,
    Totals,
    money,
)
from connector.domain.rounding import WAYS, Way, compute, explain
from connector.ports import RemoteAccount, RemoteInvoice, RemoteTax
from connector.simulator.totals import Totals as SimTotals
from connector.steps.case import Case
from connector.steps.verify import verify
from tests.b2brouter.samples import FRENCH_SELLER, SPANISH_SELLER
from tests.support.simulated import simulated

pytestmark = pytest.mark.no_cover  # tens of thousands of sums; measuring would take longer than they do

CUSTOMER: Final = Party(key="7", name="Example Customer", tax_number="ESB76543214", country="ES")
VAT: Final = [Tax(percent=Decimal(percent), category="S") for percent in ("21", "10", "4", "5.5", "7.25")]
EXEMPT: Final = Tax(percent=Decimal(0), category="E", reason="E1")
EXTRA: Final = [
    (),
    (),
    (),
    (Tax(kind=TaxKind.SURCHARGE, percent=Decimal("5.2")),),
    (Tax(kind=TaxKind.WITHHOLDING, percent=Decimal(-15), name="IRPF"),),
]

SUBTLE: Final = st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("-0.01"), Decimal("0.02"), Decimal(1)])


def amounts(most: int, digits: int) -> st.SearchStrategy[Decimal]:
    return st.integers(0, most * 10**digits).map(lambda units: Decimal(units).scaleb(-digits))


@st.composite
def lines(draw: st.DrawFn, unit: Decimal, spanish: bool) -> Line:
    quantity = draw(st.one_of(amounts(20, 3), amounts(20, 0))) or Decimal(1)
    price = draw(st.one_of(amounts(50, 4), amounts(3, 2), amounts(1000, 2)))
    base = draw(st.sampled_from([Decimal(1), Decimal(1), Decimal(100), Decimal(3)]))
    sign = draw(st.sampled_from([1, 1, 1, 1, -1]))
    gross = quantity * price / base
    discount = draw(st.one_of(st.just(Decimal(0)), amounts(3, 2)))
    charge = draw(st.booleans())
    entry = AllowanceCharge(is_charge=charge, amount=discount, description="10 %") if discount else None
    drift = draw(st.sampled_from([Decimal(0)] * 5 + [unit, -unit]))
    net = (gross + (discount if charge else -discount)).quantize(unit, ROUND_HALF_UP) + drift
    vat = draw(st.sampled_from([*VAT, EXEMPT]))
    extra = draw(st.sampled_from(EXTRA)) if spanish and vat is not EXEMPT else ()
    return Line(
        description="Line",
        quantity=sign * quantity,
        net_price=price,
        net_amount=sign * net,
        base_quantity=base,
        allowances=(entry,) if entry else (),
        taxes=(vat, *extra),
    )


@st.composite
def documents(draw: st.DrawFn) -> tuple[Invoice, str]:
    """A document whose totals are still to be filled in, and the version of the API that it is told in."""
    currency = draw(st.sampled_from(["EUR", "EUR", "EUR", "JPY", "KWD"]))
    unit = money(currency).unit
    credit = draw(st.booleans())
    seller = draw(st.sampled_from([SPANISH_SELLER, FRENCH_SELLER]))
    shown = tuple(draw(st.lists(lines(unit, seller is SPANISH_SELLER), min_size=1, max_size=5)))
    rates = [tax for tax in VAT if any(tax in each.taxes for each in shown)] or [EXEMPT]
    adjustment = st.builds(
        lambda amount, charge, tax: AllowanceCharge(amount=amount, is_charge=charge, description="x", taxes=(tax,)),
        amounts(5, money(currency).digits).map(lambda amount: amount or unit),
        st.booleans(),
        st.sampled_from([*rates, *rates, VAT[0]]),
    )
    version = draw(st.sampled_from(["2025-10-13", "2026-03-02", "2026-03-02", "2026-04-20"]))
    coins = st.integers(-4, 4).map(lambda units: units * unit)
    rounding = draw(coins) if version >= ALLOWANCE_CHARGES else Decimal(0)
    document = Invoice(
        key="1",
        company="1",
        confirmed=True,
        kind=Kind.CREDIT_NOTE if credit else Kind.INVOICE,
        number="F-1",
        issue_date=date(2026, 1, 10),
        currency=currency,
        seller=seller,
        buyer=CUSTOMER,
        lines=shown,
        allowances=tuple(draw(st.lists(adjustment, max_size=2))),
        tax_totals=(),
        totals=Totals(net=Decimal(0), tax=Decimal(0), rounding=rounding, payable=Decimal(0)),
        original=Original(key="0", number="F-0", date=date(2026, 1, 1)) if credit else None,
    )
    return document, version


def stated(document: Invoice, totals: SimTotals) -> Invoice:
    """The document of an ERP that calculates like this."""
    sign = remote_sign(document)
    taxes = tuple(
        TaxTotal(
            tax=Tax(percent=row.tax.percent, kind=TaxKind.WITHHOLDING if row.tax.percent < 0 else TaxKind.VAT),
            base=sign * row.base,
            amount=sign * row.amount,
        )
        for row in totals.taxes
    )
    tax = sum((total.amount for total in taxes if total.tax.kind is TaxKind.VAT), Decimal(0))
    withheld = sum((total.amount for total in taxes if total.tax.kind is TaxKind.WITHHOLDING), Decimal(0))
    figures = replace(
        document.totals,
        net=sign * totals.subtotal,
        tax=tax,
        withholding=withheld,
        payable=sign * totals.total,
    )
    return replace(document, tax_totals=taxes, totals=figures)


def answered(document: Invoice, totals: SimTotals) -> RemoteInvoice:
    return RemoteInvoice(
        id="77",
        number=document.number,
        subtotal=totals.subtotal,
        total=totals.total,
        taxes=tuple(RemoteTax(percent=row.tax.percent, base=row.base, amount=row.amount) for row in totals.taxes),
    )


class Desk:
    """As much of a case as `verify` touches."""

    def __init__(self, document: Invoice, version: str, way: Way, allowed: Decimal) -> None:
        account = RemoteAccount(
            id="1",
            rounding_method=str(way.method),
            round_before_sum=way.round_before_sum,
            apply_taxes_per_line=way.apply_taxes_per_line,
        )
        self.invoice = document
        self.file_reference = "ours"
        self.rules = SimpleNamespace(allow_difference=allowed)
        self.job = SimpleNamespace(
            fingerprint=document.fingerprint(), open_effect=None, reason=None, reference="77", account="main"
        )
        self.remote = SimpleNamespace(
            sheet=lambda invoice: sheet(invoice, api_version=version), read_account=lambda: account
        )
        self.ledger = SimpleNamespace(accounts=SimpleNamespace(learn=lambda name, way: None))
        self.passed = False
        self.warned: dict[str, str] | None = None

    def owe(self, *_: Any, **__: Any) -> None:
        self.passed = True

    def warn(self, reason: str, details: dict[str, str]) -> None:
        self.warned = details

    def verify(self, made: RemoteInvoice) -> RefusedError | None:
        try:
            verify(cast("Case", self), made)
        except RefusedError as error:
            return error
        return None


def the_same(document: Invoice, version: str) -> None:
    """See that our figures are the simulator's, to the last digit, in every way."""
    told = sheet(document, api_version=version)
    for way, theirs in zip(WAYS, simulated(document, version, *WAYS), strict=True):
        ours = compute(told, way)
        assert list(ours.nets) == list(theirs.line_nets)
        assert [(levy.name, levy.percent, base, amount) for levy, base, amount in ours.taxes] == [
            (row.tax.name, row.tax.percent, row.base, row.amount) for row in theirs.taxes
        ]
        assert (ours.subtotal, ours.total) == (theirs.subtotal, theirs.total)


def no_difference_passes(
    document: Invoice, version: str, way: Way, erps: Way, off: Decimal, allowed: Decimal
) -> None:
    """See that a document passes exactly where all is equal, or within what is allowed, and is explained else."""
    by_erp, theirs = simulated(document, version, erps, way)
    erp = stated(document, by_erp)
    erp = replace(erp, totals=replace(erp.totals, payable=erp.totals.payable + off))
    sign = remote_sign(erp)
    there = {row.tax.percent: Decimal(0) for row in theirs.taxes}
    for row in theirs.taxes:
        there[row.tax.percent] += row.amount
    gaps = [erp.totals.payable * sign - theirs.total]
    for percent, amount in there.items():
        own = sum((t.amount for t in erp.tax_totals if t.tax.percent == percent), Decimal(0)) * sign
        gaps.append(own - amount)
    same_net = erp.totals.net * sign == theirs.subtotal

    desk = Desk(erp, version, way, allowed)
    error = desk.verify(answered(erp, theirs))

    may_pass = same_net and max(map(abs, gaps)) <= allowed
    assert desk.passed is may_pass
    assert (error is None) is may_pass
    assert (desk.warned is not None) is (may_pass and any(gaps))
    if error is not None:
        assert error.reason == "totals_differ"
        assert (str(erps) in error.details["ways"]) is (off == 0)


@given(document=documents())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_our_computation_is_the_servers_in_all_twelve_ways(document: tuple[Invoice, str]) -> None:
    the_same(*document)


@given(
    document=documents(),
    way=st.sampled_from(WAYS),
    erps=st.sampled_from(WAYS),
    off=SUBTLE,
    allowed=st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("0.02")]),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_difference_passes(
    document: tuple[Invoice, str], way: Way, erps: Way, off: Decimal, allowed: Decimal
) -> None:
    no_difference_passes(*document, way, erps, off, allowed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(document=documents(), way=st.sampled_from(WAYS), erps=st.sampled_from(WAYS), off=SUBTLE)
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_ten_thousand_documents(document: tuple[Invoice, str], way: Way, erps: Way, off: Decimal) -> None:
    the_same(*document)
    no_difference_passes(*document, way, erps, off, Decimal(0))


def test_the_way_of_the_erp_is_found_among_the_twelve() -> None:
    line = Line(
        description="x",
        quantity=Decimal("1.1"),
        net_price=Decimal("0.05"),
        net_amount=Decimal("0.06"),
        taxes=(VAT[0],),
    )
    document = Invoice(
        key="1", company="1", confirmed=True, kind=Kind.INVOICE, number="F-1", issue_date=date(2026, 1, 10),
        currency="EUR", seller=SPANISH_SELLER, buyer=CUSTOMER, lines=(line, line, line), tax_totals=(),
        totals=Totals(net=Decimal(0), tax=Decimal(0), payable=Decimal(0)),
    )  # fmt: skip
    per_line = Way(apply_taxes_per_line=True)
    erp = stated(document, *simulated(document, "2026-03-02", per_line))
    told = sheet(erp, api_version="2026-03-02")

    found = explain(erp, told, Way())

    assert found.change == "apply_taxes_per_line = true"
    assert found.line == "–" or found.line.startswith(("1 ", "2 ", "3 "))
    assert not compare_totals(erp, compute(told, per_line).figures())
