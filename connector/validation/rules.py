"""The rules that hold for every document, whoever issues it: what B2Brouter or the law would refuse.

The most basic come first. Rules about taxes are in `tax_rules`, about the form of things in `form_rules`, and what
one country demands in its folder of `countries`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from connector.domain.countries import COUNTRY_CODES
from connector.domain.identity import tax_number_key
from connector.domain.invoice import Invoice, Party, TaxKind, money
from connector.validation.currencies import CURRENCIES
from connector.validation.identifiers import iban_valid, tax_number_valid
from connector.validation.rule import Problem, Rule, name_of, rule, taxable, taxes

_ZERO_RATED: Final = frozenset({"E", "Z", "NS", "AE", "K", "G", "O"})
"""Categories that demand 0 % (API 8.3 and EN 16931, BR-E-05 and its siblings)."""

_CHARGED: Final = frozenset({"S", "H", "AA", "AAA"})
"""Categories of a rate (tax_categories.csv)."""

_FAR_EAST: Final = timedelta(hours=14)
"""The most advanced time zone: a date that has not begun there lies in the future everywhere."""


@rule("number_missing", source="EN 16931 BR-02, API 13.1", settled=True)
def has_number(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Always our own number, for it is the only guard against duplicates."""
    if not (invoice.number or "").strip():
        yield Problem("number_missing")


@rule("issue_date_missing", source="EN 16931 BR-03", settled=True)
def has_a_date(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Every document has an issue date."""
    if invoice.issue_date is None:
        yield Problem("issue_date_missing")


@rule("issue_date_future", source="API 7.1")
def has_no_future_date(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """B2Brouter accepts a future date, but the document goes out at once."""
    if invoice.issue_date is not None and invoice.issue_date > (now + _FAR_EAST).date():
        yield Problem("issue_date_future", {"date": invoice.issue_date.isoformat()})


@rule("currency_unknown", source="EN 16931 BR-05", settled=True)
def has_a_currency(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A currency of ISO 4217 in which money is counted; funds, metals and test codes are none."""
    if invoice.currency not in CURRENCIES:
        yield Problem("currency_unknown", {"currency": invoice.currency or "(none)"})


@rule("lines_missing", source="EN 16931 BR-16", settled=True)
def has_lines(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A document has at least one line."""
    if not invoice.lines:
        yield Problem("lines_missing")


@rule("tax_missing", source="EN 16931 BR-CO-4, API 2.1", settled=True)
def has_tax_on_every_line(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A line without tax would leave untaxed without a word.

    In a file that is imported, what lowers or raises the whole may have none: Facturae states no tax of it.
    """
    for entry in taxable(invoice) if invoice.file_digest is None else invoice.lines:
        if not any(tax.kind is TaxKind.VAT for tax in entry.taxes):
            yield Problem("tax_missing", {"line": name_of(entry)})


@rule("tax_absolute", source="API 8.3", settled=True)
def has_taxes_in_percent(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """B2Brouter knows percentages only."""
    for line, tax in taxes(invoice):
        if tax.percent is None:
            yield Problem("tax_absolute", {"tax": tax.source_name, "line": name_of(line)})


@rule("tax_unmapped", source="design: never guessed", settled=True)
def has_mapped_taxes(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A category is never guessed."""
    for line, tax in taxes(invoice):
        if tax.category is None and tax.percent is not None and tax.kind is TaxKind.VAT:
            yield Problem("tax_unmapped", {"tax": tax.source_name, "line": name_of(line)})


@rule("tax_inconsistent", source="API 8.3, EN 16931 BR-E-05")
def has_consistent_taxes(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Category and percentage must agree: what is not charged has 0 %, and what is charged has not.

    B2Brouter knows no categories but these; those of a file that is imported are its own.
    """
    for line, tax in taxes(invoice):
        if tax.percent is None or tax.category is None or tax.kind is not TaxKind.VAT:
            continue
        known = tax.category in _ZERO_RATED | _CHARGED or invoice.file_digest is not None
        if not known or (tax.category in _ZERO_RATED) is not (tax.percent == 0):
            facts = {"tax": tax.source_name, "percent": f"{tax.percent:f}", "category": tax.category}
            yield Problem("tax_inconsistent", {**facts, "line": name_of(line)})


@rule("credit_note_negative", source="EN 16931 BT-3; API 8.5", settled=True)
def has_a_credit_note_that_lowers(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """The kind says that a credit note lowers: with an amount below zero it would be billed once more."""
    if invoice.is_credit_note and invoice.totals.with_tax < 0:
        yield Problem("credit_note_negative", _total(invoice))


@rule("invoice_negative", source="EN 16931 BT-3")
def has_an_invoice_that_raises(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """What comes to less than nothing is a credit note, which names what it corrects."""
    if not invoice.is_credit_note and invoice.totals.with_tax < 0:
        yield Problem("invoice_negative", _total(invoice))


def _total(invoice: Invoice) -> dict[str, str]:
    return {"total": f"{invoice.totals.with_tax:f}", "currency": invoice.currency or ""}


@rule("seller_country_missing", source="EN 16931 BR-09; API 8.5", settled=True)
def has_a_seller_of_some_country(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """The issuer's country says how a credit note is told, and which rules and names of taxes hold.

    A file that is imported goes as it is.
    """
    if invoice.file_digest is None and invoice.seller.country not in COUNTRY_CODES:
        yield Problem("seller_country_missing", {"country": invoice.seller.country or "(none)"})


@rule("buyer_incomplete", source="EN 16931 BR-07, BR-11")
def has_a_complete_buyer(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """The customer has a name and a country."""
    buyer = invoice.buyer
    missing = [field for field, value in (("name", buyer.name.strip()), ("country", buyer.country)) if not value]
    if missing:
        yield Problem("buyer_incomplete", {"party": buyer.name or "(no name)", "fields": ", ".join(missing)})


@rule("country_unknown", source="EN 16931 BR-CL-14")
def has_a_buyer_of_a_known_country(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A country is two letters of ISO 3166-1: by others, no rule and no way of delivery is found."""
    buyer = invoice.buyer
    if buyer.country and buyer.country not in COUNTRY_CODES:
        yield Problem("country_unknown", {"party": buyer.name, "country": buyer.country})


@rule("buyer_identifier_missing", source="API 5.2")
def has_an_identified_buyer(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A contact at B2Brouter needs a tax number or a registration number."""
    buyer = invoice.buyer
    registered = any(legal.value.strip() for legal in buyer.legal_ids)
    if not _has_number(buyer) and not registered:
        yield Problem("buyer_identifier_missing", {"party": buyer.name})


def _has_number(party: Party) -> bool:
    """Signs that people write for "has none", such as a dash, are no number."""
    return tax_number_key(party.tax_number, party.country) is not None


@rule("vat_number_wrong", source="API 3.3")
def has_a_valid_tax_number(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A wrong tax number of the customer is the most frequent reason for a refusal."""
    buyer = invoice.buyer
    if buyer.tax_number and _has_number(buyer) and not tax_number_valid(buyer.tax_number, buyer.country):
        yield Problem("vat_number_wrong", {"number": buyer.tax_number, "party": buyer.name})


@rule("iban_wrong", source="API 3.3, ISO 13616")
def has_a_valid_iban(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A wrong bank account is refused where the document tells it; the whole of it is nobody's business."""
    iban = invoice.payment.account
    if iban and not iban_valid(iban):
        yield Problem("iban_wrong", {"end": iban.replace(" ", "")[-4:]})


@rule("totals_do_not_add_up", source="EN 16931 BR-CO-10 to BR-CO-15")
def has_totals_that_add_up(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """The ERP's own figures add up. Ways of rounding differ; more than that is an error."""
    totals = invoice.totals
    parts = [totals.net, totals.tax, totals.withholding, *([totals.rounding] if totals.rounding else [])]
    if not _come_to(parts, totals.payable, invoice):
        yield _wrong_sum(f"{' + '.join(f'{part:f}' for part in parts)} is not {totals.payable:f}")
    amounts = [total.amount for total in invoice.tax_totals]
    if not _come_to(amounts, totals.tax + totals.withholding, invoice):
        charged = sum(amounts, Decimal(0))
        yield _wrong_sum(f"the taxes add up to {charged:f}, not {totals.tax + totals.withholding:f}")
    net = _net_of_lines(invoice)
    slack = money(invoice.currency or "").unit * max(1, len(invoice.lines))
    if abs(net - totals.net) > slack:
        yield _wrong_sum(f"the lines add up to {net:f}, not {totals.net:f}")


def _come_to(parts: Sequence[Decimal], stated: Decimal, invoice: Invoice) -> bool:
    return abs(sum(parts, Decimal(0)) - stated) <= invoice.slack((*parts, stated))


def _net_of_lines(invoice: Invoice) -> Decimal:
    lines = sum((line.net_amount for line in invoice.lines), Decimal(0))
    return lines + sum((a.amount if a.is_charge else -a.amount for a in invoice.allowances), Decimal(0))


def _wrong_sum(text: str) -> Problem:
    return Problem("totals_do_not_add_up", {"sum": text})


RULES: Final[tuple[Rule, ...]] = (
    has_number,
    has_a_date,
    has_no_future_date,
    has_a_currency,
    has_lines,
    has_tax_on_every_line,
    has_taxes_in_percent,
    has_mapped_taxes,
    has_consistent_taxes,
    has_a_credit_note_that_lowers,
    has_an_invoice_that_raises,
    has_a_seller_of_some_country,
    has_a_complete_buyer,
    has_a_buyer_of_a_known_country,
    has_an_identified_buyer,
    has_a_valid_tax_number,
    has_a_valid_iban,
    has_totals_that_add_up,
)
