"""The totals of each tax where the ERP keeps only the total of all of them.

The taxes are computed from the lines in the ways that ERPs round; the one that gives the ERP's own totals is what the
ERP did. Where none does, the first stands, and validation holds the document: then the query tax_totals is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Final

from connector.domain.invoice import ZERO, Line, Tax, TaxKind, TaxTotal, Totals, money

_METHODS: Final = (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN)

Bases = Mapping[Tax, Sequence[Decimal]]
"""The net amounts of the lines that a tax is on."""


def computed_tax_totals(lines: Sequence[Line], totals: Totals, currency: str) -> tuple[TaxTotal, ...]:
    """Return the totals of the taxes of the lines.

    Args:
        lines: of the document.
        totals: what the ERP says of the document.
        currency: ISO 4217; its smallest unit is what is rounded to.
    """
    bases: dict[Tax, list[Decimal]] = {}
    for line in lines:
        for tax in line.taxes:
            bases.setdefault(tax, []).append(line.net_amount)
    unit = money(currency).unit
    for way in _ways(bases, unit):  # the first is most ERPs'
        if _sums(way) == (totals.tax, totals.withholding):
            return way
    return _of_its_kind_alone(next(_ways(bases, unit)), totals, slack=unit * len(lines))


def _ways(bases: Bases, unit: Decimal) -> Iterator[tuple[TaxTotal, ...]]:
    for method in _METHODS:
        yield tuple(_total(tax, nets, [sum(nets, ZERO)], unit, method) for tax, nets in bases.items())
        yield tuple(_total(tax, nets, nets, unit, method) for tax, nets in bases.items())


def _total(tax: Tax, nets: Sequence[Decimal], rounded: Sequence[Decimal], unit: Decimal, method: str) -> TaxTotal:
    rate = (tax.percent or ZERO) / 100
    amounts = ((net * rate).quantize(unit, method) for net in rounded)
    return TaxTotal(tax=tax, base=sum(nets, ZERO), amount=sum(amounts, ZERO))


def _sums(found: Sequence[TaxTotal]) -> tuple[Decimal, Decimal]:
    withheld = sum((one.amount for one in found if one.tax.kind is TaxKind.WITHHOLDING), ZERO)
    return sum((one.amount for one in found), ZERO) - withheld, withheld


def _of_its_kind_alone(found: tuple[TaxTotal, ...], totals: Totals, *, slack: Decimal) -> tuple[TaxTotal, ...]:
    """Take the ERP's own total where it is that of one tax, unless more than rounding lies between."""
    for withheld, stated in ((False, totals.tax), (True, totals.withholding)):
        some = [one for one in found if (one.tax.kind is TaxKind.WITHHOLDING) is withheld]
        if len(some) == 1 and abs(some[0].amount - stated) <= slack:
            found = tuple(replace(one, amount=stated) if one is some[0] else one for one in found)
    return found
