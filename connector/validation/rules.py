"""The rules, each a small named function from an invoice to the problems it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from connector.domain.invoice import AllowanceCharge, Invoice, Line, Tax, TaxKind, money
from connector.validation.currencies import CURRENCIES
from connector.validation.identifiers import iban_valid, tax_number_valid

_ZERO_RATED: Final = frozenset({"E", "Z", "NS", "AE", "K", "G", "O"})
"""Categories that demand 0 % (API 8.3 and EN 16931, BR-E-05 and its siblings)."""

_FAR_EAST: Final = timedelta(hours=14)
"""The most advanced time zone: a date that has not begun there lies in the future everywhere."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule: a reason of the error catalogue with the facts that its sentence names."""

    reason: str
    details: Mapping[str, str] = field(default_factory=dict)


def problems(invoice: Invoice, *, now: datetime) -> list[Problem]:
    """Return all broken rules, the most basic first.

    Args:
        invoice: as the ERP states it.
        now: aware.
    """
    return [problem for rule in RULES for problem in rule(invoice, now)]


def has_number(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """BR-02: always our own number, for it is the only guard against duplicates (API 13.1)."""
    if not (invoice.number or "").strip():
        yield Problem("number_missing")


def has_a_past_date(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """BR-03; B2Brouter accepts a future date, but the document goes out at once (API 7.1)."""
    if invoice.issue_date is None:
        yield Problem("issue_date_missing")
    elif invoice.issue_date > (now + _FAR_EAST).date():
        yield Problem("issue_date_future", {"date": invoice.issue_date.isoformat()})


def has_a_currency(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """BR-05."""
    if invoice.currency not in CURRENCIES:
        yield Problem("currency_unknown", {"currency": invoice.currency or "(none)"})


def has_lines(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """BR-16."""
    if not invoice.lines:
        yield Problem("lines_missing")


def has_tax_on_every_line(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """BR-CO-4; a line without tax would leave untaxed without a word (API 2.1)."""
    for entry in _taxable(invoice):
        if not any(tax.kind is TaxKind.VAT for tax in entry.taxes):
            yield Problem("tax_missing", {"line": _name(entry)})


def has_taxes_in_percent(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """B2Brouter knows percentages only (API 8.3)."""
    for line, tax in _taxes(invoice):
        if tax.percent is None:
            yield Problem("tax_absolute", {"tax": tax.source_name, "line": _name(line)})


def has_mapped_taxes(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A category is never guessed."""
    for line, tax in _taxes(invoice):
        if tax.category is None and tax.percent is not None and tax.kind is TaxKind.VAT:
            yield Problem("tax_unmapped", {"tax": tax.source_name, "line": _name(line)})


def has_consistent_taxes(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Category and percentage must agree."""
    for line, tax in _taxes(invoice):
        if tax.percent is None or tax.category is None or tax.kind is not TaxKind.VAT:
            continue
        if (tax.category in _ZERO_RATED) is not (tax.percent == 0):
            facts = {"tax": tax.source_name, "percent": f"{tax.percent:f}", "category": tax.category}
            yield Problem("tax_inconsistent", {**facts, "line": _name(line)})


def has_a_complete_buyer(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """BR-07, BR-11."""
    buyer = invoice.buyer
    missing = [
        field for field, value in (("name", buyer.name.strip()), ("country", buyer.country)) if not value
    ]
    if missing:
        yield Problem("buyer_incomplete", {"party": buyer.name or "(no name)", "fields": ", ".join(missing)})


def has_an_identified_buyer(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A contact needs a tax number or a registration number (API 5.2)."""
    if not invoice.buyer.tax_number and not invoice.buyer.legal_ids:
        yield Problem("buyer_identifier_missing", {"party": invoice.buyer.name})


def has_a_valid_tax_number(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A wrong tax number of the customer is the most frequent reason for a refusal."""
    buyer = invoice.buyer
    if buyer.tax_number and not tax_number_valid(buyer.tax_number, buyer.country):
        yield Problem("vat_number_wrong", {"number": buyer.tax_number, "party": buyer.name})


def has_a_valid_iban(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A wrong bank account is refused (API 3.3); the whole of it is nobody's business."""
    iban = invoice.payment.iban
    if iban and not iban_valid(iban):
        yield Problem("iban_wrong", {"end": iban.replace(" ", "")[-4:]})


def has_totals_that_add_up(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """BR-CO-10 to BR-CO-15 on the ERP's own figures. Ways of rounding differ; more than that is an error."""
    totals = invoice.totals
    if totals.net + totals.tax + totals.withholding != totals.payable:
        yield _wrong_sum(
            f"{totals.net:f} + {totals.tax:f} + {totals.withholding:f} is not {totals.payable:f}"
        )
    taxes = sum((total.amount for total in invoice.tax_totals), Decimal(0))
    if taxes != totals.tax + totals.withholding:
        yield _wrong_sum(f"the taxes add up to {taxes:f}, not {totals.tax + totals.withholding:f}")
    net = _net_of_lines(invoice)
    slack = money(invoice.currency or "").unit * max(1, len(invoice.lines))
    if abs(net - totals.net) > slack:
        yield _wrong_sum(f"the lines add up to {net:f}, not {totals.net:f}")


def _net_of_lines(invoice: Invoice) -> Decimal:
    lines = sum((line.net_amount for line in invoice.lines), Decimal(0))
    return lines + sum((a.amount if a.is_charge else -a.amount for a in invoice.allowances), Decimal(0))


def _wrong_sum(text: str) -> Problem:
    return Problem("totals_do_not_add_up", {"sum": text})


def _taxable(invoice: Invoice) -> Iterator[Line | AllowanceCharge]:
    """The lines, and what lowers or raises the whole document: it is taxed like a line."""
    yield from invoice.lines
    yield from invoice.allowances


def _taxes(invoice: Invoice) -> Iterator[tuple[Line | AllowanceCharge, Tax]]:
    return ((entry, tax) for entry in _taxable(invoice) for tax in entry.taxes)


def _name(line: Line | AllowanceCharge) -> str:
    first = next(iter(line.description.splitlines()), "")
    return first[:80] or "(a line without text)"


Rule = Callable[[Invoice, datetime], Iterator[Problem]]

RULES: Final[tuple[Rule, ...]] = (
    has_number,
    has_a_past_date,
    has_a_currency,
    has_lines,
    has_tax_on_every_line,
    has_taxes_in_percent,
    has_mapped_taxes,
    has_consistent_taxes,
    has_a_complete_buyer,
    has_an_identified_buyer,
    has_a_valid_tax_number,
    has_a_valid_iban,
    has_totals_that_add_up,
)
