"""Documents as an ERP would state them: consistent in themselves, different only in what a test says.

Figures are computed here once, the way that ERP and B2Brouter both do it: by line, each rounded to the cent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from connector.domain.invoice import (
    Invoice,
    Kind,
    Line,
    Original,
    Party,
    Payment,
    Tax,
    TaxKind,
    TaxTotal,
    Totals,
)
from connector.ports import Found

NOON: Final = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
CENT: Final = Decimal("0.01")

IVA: Final = Tax(percent=Decimal(21), category="S", source_name="IVA 21%")
IVA_REDUCED: Final = Tax(percent=Decimal(10), category="S", source_name="IVA 10%")
EXEMPT: Final = Tax(percent=Decimal(0), category="E", reason="E1", source_name="IVA exento")
IRPF: Final = Tax(kind=TaxKind.WITHHOLDING, percent=Decimal(-15), category="S", name="IRPF", source_name="IRPF 15%")

SELLER: Final = Party(
    key="1",
    name="Ibérica de Montajes Aplicados, S.L.",
    tax_number="ESB76543214",
    country="ES",
    address="Calle de Alcalá 45",
    city="Madrid",
    postal_code="28014",
)
CUSTOMER: Final = Party(
    key="7",
    name="Suministros del Norte, S.A.",
    tax_number="ESA28015865",
    country="ES",
    address="Gran Vía 28",
    city="Madrid",
    postal_code="28013",
)
OTHER_CUSTOMER: Final = Party(
    key="8",
    name="Boulangerie Dupont SARL",
    tax_number="FR40303265045",
    country="FR",
    address="1 rue de la Paix",
    city="Paris",
    postal_code="75002",
)


def line(price: str = "100.00", *, quantity: str = "1", taxes: tuple[Tax, ...] = (IVA,), **changes: Any) -> Line:
    """One line whose net amount is quantity × price, rounded."""
    net = (Decimal(quantity) * Decimal(price)).quantize(CENT, ROUND_HALF_UP)
    values = {"description": "Consulting", "net_amount": net, **changes}
    return Line(quantity=Decimal(quantity), net_price=Decimal(price), taxes=taxes, **values)


def invoice(key: str = "1", *lines: Line, **changes: Any) -> Invoice:
    """A confirmed invoice of company 1 over the given lines, with taxes and totals that add up."""
    shown = lines or (line(),)
    taxes = tax_totals(shown)
    values: dict[str, Any] = {
        "company": "1",
        "confirmed": True,
        "kind": Kind.INVOICE,
        "number": f"F-{key}",
        "issue_date": date(2026, 1, 10),
        "due_date": date(2026, 2, 10),
        "currency": "EUR",
        "seller": SELLER,
        "buyer": CUSTOMER,
        "lines": shown,
        "tax_totals": taxes,
        "totals": totals(shown, taxes),
        "payment": Payment(iban="ES9121000418450200051332"),
        **changes,
    }
    return Invoice(key=key, **values)


def credit_note(key: str, original: Invoice, *lines: Line, **changes: Any) -> Invoice:
    """A credit note of an invoice, with positive amounts as everywhere in the canonical form."""
    of = Original(key=original.key, number=original.number or "", date=original.issue_date)
    values = {
        "kind": Kind.CREDIT_NOTE,
        "number": f"R-{key}",
        "original": of,
        "due_date": None,
        "buyer": original.buyer,
        **changes,
    }
    return invoice(key, *(lines or original.lines), **values)


def tax_totals(lines: Iterable[Line]) -> tuple[TaxTotal, ...]:
    """Sum up bases by tax and round each tax once."""
    bases: dict[Tax, Decimal] = defaultdict(Decimal)
    for each in lines:
        for tax in each.taxes:
            bases[tax] += each.net_amount
    return tuple(TaxTotal(tax=tax, base=base, amount=_part(base, tax)) for tax, base in bases.items())


def totals(lines: Iterable[Line], taxes: Iterable[TaxTotal]) -> Totals:
    net = sum((each.net_amount for each in lines), Decimal(0))
    sums: Mapping[bool, list[Decimal]] = {True: [], False: []}
    for entry in taxes:
        sums[entry.tax.kind is TaxKind.WITHHOLDING].append(entry.amount)
    tax, withholding = sum(sums[False], Decimal(0)), sum(sums[True], Decimal(0))
    return Totals(net=net, tax=tax, withholding=withholding, payable=net + tax + withholding)


def _part(base: Decimal, tax: Tax) -> Decimal:
    percent = tax.percent if tax.percent is not None else Decimal(0)
    return (base * percent / 100).quantize(CENT, ROUND_HALF_UP)


def with_lines(document: Invoice, *lines: Line) -> Invoice:
    """The same document over other lines, its totals with them."""
    taxes = tax_totals(lines)
    return replace(document, lines=lines, tax_totals=taxes, totals=totals(lines, taxes))


def found(document: Invoice, *, changed_at: datetime = NOON) -> Found:
    """The head of a document, as discovery sees it."""
    return Found(
        key=document.key,
        company=document.company,
        changed_at=changed_at,
        number=document.number,
        kind=document.kind,
        issue_date=document.issue_date,
        currency=document.currency,
        total=document.totals.payable,
        customer=document.buyer.name,
        original_key=document.original.key if document.original else None,
    )
