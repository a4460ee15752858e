"""Rules about taxes: reasons for what is not charged, withholding, surcharges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from connector.domain.countries import state_of
from connector.domain.invoice import AllowanceCharge, Invoice, Line, Tax, TaxKind
from connector.validation.countries import COUNTRIES
from connector.validation.countries.country import Reasons
from connector.validation.rule import Level, Problem, Rule, name_of, rule, taxable, taxes
from connector.validation.vatex import VATEX

_UNCHARGED: Final = frozenset({"E", "AE", "K", "G", "O", "NS"})
"""Categories that tell why nothing is charged (EN 16931 BR-E-10 and its siblings). Z is a rate and needs none."""

Taxed = tuple[Line | AllowanceCharge, Tax]


def _reasons(invoice: Invoice, tax: Tax) -> Reasons:
    country = COUNTRIES.get(state_of(invoice.seller.country) or "")
    known = country.reasons if country else {}
    return known.get(tax.category or "", Reasons())


def _uncharged(invoice: Invoice) -> Iterator[Taxed]:
    return (
        (line, tax)
        for line, tax in taxes(invoice)
        if tax.kind is TaxKind.VAT and tax.percent == 0 and tax.category in _UNCHARGED
    )


@rule("exemption_reason_missing", source="API 8.3, 12; tax_categories.csv")
def has_a_reason_where_demanded(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Where the issuer's country demands a coded reason, a document without one is stored and never delivered.

    Spain demands one for E (E1-E6) and NS (N1, N2), France for E (VATEX).
    """
    for line, tax in _uncharged(invoice):
        reasons = _reasons(invoice, tax)
        if reasons.demanded and not tax.reason:
            facts = {"tax": tax.source_name, "category": tax.category or "", "form": reasons.form}
            yield Problem("exemption_reason_missing", {**facts, "line": name_of(line)})


@rule("exemption_reason_wrong", source="API 8.3, 12")
def has_a_reason_of_its_country(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Where the issuer's country has codes for the reasons, nothing but one of them is understood.

    In the fields of the API, that is: a file that is imported has the words of its own format.
    """
    if invoice.file_digest is not None:
        return
    for line, tax in _uncharged(invoice):
        reasons = _reasons(invoice, tax)
        if tax.reason and not reasons.allow(tax.reason):
            facts = {"tax": tax.source_name, "reason": tax.reason, "form": reasons.form}
            yield Problem("exemption_reason_wrong", {**facts, "line": name_of(line)})


@rule("exemption_reason_unknown", level=Level.WARN, source="VATEX code list")
def has_a_listed_reason(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A VATEX code that is not in the list may be a slip of the pen, or younger than our list."""
    for line, tax in _uncharged(invoice):
        if (tax.reason or "").startswith("VATEX") and tax.reason not in VATEX:
            facts = {"tax": tax.source_name, "reason": tax.reason or "", "line": name_of(line)}
            yield Problem("exemption_reason_unknown", facts)


@rule("exemption_reason_advised", level=Level.WARN, source="EN 16931 BR-E-10, BR-AE-10, BR-IC-10, BR-G-10, BR-O-10")
def has_a_reason(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Elsewhere a reason belongs to every category that is not charged; B2Brouter may know a text of its own."""
    for line, tax in _uncharged(invoice):
        if not tax.reason and not _reasons(invoice, tax).demanded:
            facts = {"tax": tax.source_name, "category": tax.category or "", "line": name_of(line)}
            yield Problem("exemption_reason_advised", facts)


@rule("withholding_not_negative", source="API 8.3")
def has_negative_withholding(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Withholding is a tax with a negative percentage: it lowers what is payable."""
    for line, tax in taxes(invoice):
        if tax.kind is TaxKind.WITHHOLDING and tax.percent is not None and tax.percent > 0:
            facts = {"tax": tax.source_name, "percent": f"{tax.percent:f}", "line": name_of(line)}
            yield Problem("withholding_not_negative", facts)


@rule("tax_negative", source="API 8.3; EN 16931 BT-152")
def has_no_other_negative_tax(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Nothing but withholding is negative: a VAT rate below 0 % is a withholding tax that was not told apart."""
    for line, tax in taxes(invoice):
        if tax.kind is not TaxKind.WITHHOLDING and tax.percent is not None and tax.percent < 0:
            facts = {"tax": tax.source_name, "percent": f"{tax.percent:f}", "line": name_of(line)}
            yield Problem("tax_negative", facts)


@rule("surcharge_without_vat", source="API 8.3; tax_names.csv, RE")
def has_vat_beside_a_surcharge(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """The equivalence surcharge needs a charged VAT on the same line, whose category it shares."""
    for line, tax in taxes(invoice):
        if tax.kind is not TaxKind.SURCHARGE or not tax.percent:
            continue
        beside = [vat for vat in line.taxes if vat.kind is TaxKind.VAT and vat.percent]
        if not any(tax.category in {None, vat.category} for vat in beside):
            yield Problem("surcharge_without_vat", {"tax": tax.source_name, "line": name_of(line)})


@rule("tax_twice", source="API 8.3")
def has_every_tax_once(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """B2Brouter takes one tax of a name and percentage per line."""
    for line in taxable(invoice):
        seen = Counter((tax.kind, tax.name, tax.percent) for tax in line.taxes)
        for (_, _, percent), count in seen.items():
            if count > 1 and percent is not None:
                yield Problem("tax_twice", {"percent": f"{percent:f}", "line": name_of(line)})


@rule("vat_twice", source="EN 16931 BG-30")
def has_one_vat_per_line(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A line has one VAT: two rates on one line would both be charged."""
    for line in taxable(invoice):
        rated = [tax for tax in line.taxes if tax.kind is TaxKind.VAT and tax.percent is not None]
        vats = {(tax.name, tax.percent): tax for tax in rated}
        if len(vats) > 1:
            rates = ", ".join(tax.source_name or f"{tax.percent:f} %" for tax in vats.values())
            yield Problem("vat_twice", {"taxes": rates, "line": name_of(line)})


RULES: Final[tuple[Rule, ...]] = (
    has_a_reason_where_demanded,
    has_a_reason_of_its_country,
    has_a_listed_reason,
    has_a_reason,
    has_negative_withholding,
    has_no_other_negative_tax,
    has_vat_beside_a_surcharge,
    has_every_tax_once,
    has_one_vat_per_line,
)
