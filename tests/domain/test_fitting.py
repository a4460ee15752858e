"""The settings that an ERP needs, found from its own documents."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from connector.b2brouter import payloads
from connector.domain.fitting import fitting
from connector.domain.invoice import Invoice, Tax
from connector.domain.rounding import Method, Sheet, Way
from tests.support.builders import invoice, line

PER_LINE = Way(apply_taxes_per_line=True)


def sheet(document: Invoice) -> Sheet:
    return payloads.sheet(document, api_version="2026-03-02")


def a_cent_more(document: Invoice) -> Invoice:
    """The same, its VAT a cent higher, as an ERP has it that rounds line by line."""
    [tax] = document.tax_totals
    cent = Decimal("0.01")
    totals = replace(document.totals, tax=document.totals.tax + cent, payable=document.totals.payable + cent)
    return replace(document, tax_totals=(replace(tax, amount=tax.amount + cent),), totals=totals)


def two_leaflets(key: str) -> Invoice:
    return a_cent_more(invoice(key, line("10.03"), line("10.03")))


def test_the_present_way_is_kept_where_it_fits() -> None:
    found = fitting([invoice("1"), invoice("2")], sheet, Way(method=Method.BANKERS))
    assert (found.used.documents, found.used.misses, found.improves) == (2, 0, False)
    assert found.best is found.used


def test_the_way_with_the_fewest_changes_is_preferred() -> None:
    found = fitting([invoice("1"), two_leaflets("2")], sheet, Way(method=Method.BANKERS))
    assert found.used.misses == 1
    assert found.used.example == "F-2"
    assert found.improves
    assert found.best.way == Way(method=Method.BANKERS, apply_taxes_per_line=True)


def test_the_best_way_need_not_fit_all() -> None:
    broken = a_cent_more(a_cent_more(invoice("3")))
    found = fitting([two_leaflets("1"), two_leaflets("2"), broken], sheet, Way())
    assert (found.used.misses, found.best.misses, found.best.way) == (3, 1, PER_LINE)


def test_figures_that_cannot_be_told_are_counted_apart() -> None:
    stamp = invoice("1", line(taxes=(Tax(percent=None, source_name="stamp"),)))
    found = fitting([stamp, invoice("2")], sheet, Way())
    assert (found.unusable, found.used.documents) == (1, 1)
