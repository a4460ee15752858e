"""Rules about the form of things: numbers, dates, codes that have a check digit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

from connector.domain.countries import state_of
from connector.domain.invoice import Invoice
from connector.validation.countries import COUNTRIES
from connector.validation.identifiers import SCHEMES, SIRET, bic_valid, legal_id_valid
from connector.validation.rule import Level, Problem, Rule, rule

_LONGEST_NUMBER: Final = 255
_LONGEST_TEXT: Final = 255
_MAIL_BOX: Final = r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+"
_FIRST_DAY: Final = date(2000, 1, 1)
"""Nothing older is issued electronically; such years come from two digits or from an empty field."""
_LONGEST_TERM: Final = timedelta(days=5 * 366)


@rule("number_too_long", source="API 2.4", settled=True)
def has_a_number_that_fits(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """B2Brouter keeps 255 characters; a number that was cut off could not be found again."""
    number = invoice.number or ""
    if len(number) > _LONGEST_NUMBER:
        yield Problem("number_too_long", {"length": str(len(number)), "most": str(_LONGEST_NUMBER)})


@rule("number_unprintable", source="API 13.1", settled=True)
def has_a_number_that_can_be_seen(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A number with a line break or a sign that nobody sees could not be told from another, nor found again."""
    number = (invoice.number or "").strip()
    if not number.isprintable():
        yield Problem("number_unprintable", {"number": _visible(number)})


@rule("number_form", level=Level.WARN, source="API 2.4, 12 (France); national formats")
def has_a_number_of_its_country(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Authorities take fewer characters than B2Brouter.

    A warning, for the forms bind documents that are reported, and not every account reports. France: at most 20
    letters, digits, blanks, - + _ /. Spain (Verifactu): 60 printable ones without " ' < > =. Italy (FatturaPA): 20,
    with a digit. Portugal (SAF-T): as FT 2026/1.
    """
    country = COUNTRIES.get(state_of(invoice.seller.country) or "")
    number = (invoice.number or "").strip()
    if country and number and not country.takes_number(number):
        facts = {"number": number, "country": country.code, "form": country.number_form}
        yield Problem("number_form", facts)


@rule("issue_date_implausible", source="EN 16931 BT-2")
def has_a_plausible_date(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A date before the year 2000 is a slip of the pen."""
    if invoice.issue_date is not None and invoice.issue_date < _FIRST_DAY:
        yield Problem("issue_date_implausible", {"date": invoice.issue_date.isoformat()})


@rule("due_date_implausible", level=Level.WARN, source="EN 16931 BT-9")
def has_a_plausible_due_date(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """What is due lies behind the issue date, and not more than five years."""
    issued, due = invoice.issue_date, invoice.due_date
    if issued is not None and due is not None and not issued <= due <= issued + _LONGEST_TERM:
        facts = {"due": due.isoformat(), "date": issued.isoformat()}
        yield Problem("due_date_implausible", facts)


@rule("original_date_implausible", level=Level.WARN, source="EN 16931 BT-26")
def has_an_earlier_original(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A credit note is not older than what it corrects."""
    issued = invoice.issue_date
    for original in invoice.originals:
        if original.date and issued and original.date > issued:
            facts = {"number": original.number, "original": original.date.isoformat(), "date": issued.isoformat()}
            yield Problem("original_date_implausible", facts)


@rule("account_not_iban", level=Level.WARN, source="API 8.2; EN 16931 BT-84")
def has_an_account_that_can_be_told(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """B2Brouter is told accounts by their IBAN; one of a bank that has none is left out of the document."""
    account = invoice.payment.other_account
    if account:
        yield Problem("account_not_iban", {"end": account[-4:]})


@rule("bic_wrong", source="ISO 9362; API 8.2")
def has_a_valid_bic(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """The bank's code goes out beside the IBAN, and only then."""
    payment = invoice.payment
    if payment.account and payment.bic and not bic_valid(payment.bic):
        yield Problem("bic_wrong", {"bic": payment.bic})


@rule("company_number_wrong", level=Level.WARN, source="schemes.csv; ISO 6523 lists")
def has_valid_company_numbers(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A registered number of the customer that cannot exist finds no recipient in any directory.

    The SIRET of a public body has a rule of its own.
    """
    buyer = invoice.buyer
    for legal in buyer.legal_ids:
        scheme = legal.scheme.zfill(4)
        if (buyer.is_public_body and scheme == SIRET) or legal_id_valid(scheme, legal.value):
            continue
        facts = {"number": legal.value, "scheme": f"{SCHEMES[scheme]} ({scheme})", "party": buyer.name}
        yield Problem("company_number_wrong", facts)


@rule("reference_too_long", source="API 2.4")
def has_references_that_fit(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """B2Brouter keeps 255 characters of an order number and the like; one that was cut off is another's."""
    references = {
        "series": invoice.series,
        "order number": invoice.purchase_order,
        "buyer reference": invoice.buyer_reference,
        "contract": invoice.contract,
        "sales order": invoice.sales_order,
        "original": max((each.number for each in invoice.originals), key=len, default=None),
    }
    for field, value in references.items():
        if value and len(value) > _LONGEST_TEXT:
            facts = {"field": field, "length": str(len(value)), "most": str(_LONGEST_TEXT)}
            yield Problem("reference_too_long", facts)


@rule("email_wrong", source="API 5.2")
def has_mail_boxes(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """An address is one mail box: B2Brouter refuses what is none, or several, and no mail would arrive."""
    for address in dict.fromkeys(filter(None, (invoice.buyer_email, invoice.buyer.email))):
        if not re.fullmatch(_MAIL_BOX, address.strip()):
            yield Problem("email_wrong", {"email": _visible(address), "party": invoice.buyer.name})


@rule("line_text_missing", source="EN 16931 BR-25")
def has_lines_with_text(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Every line says what was sold; receivers refuse one that does not. A file that is imported goes as it is."""
    for position, line in enumerate(invoice.lines, start=1):
        if not line.description.strip() and invoice.file_digest is None:
            yield Problem("line_text_missing", {"line": str(position)})


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:80]


RULES: Final[tuple[Rule, ...]] = (
    has_a_number_that_fits,
    has_a_number_that_can_be_seen,
    has_a_number_of_its_country,
    has_a_plausible_date,
    has_a_plausible_due_date,
    has_an_earlier_original,
    has_an_account_that_can_be_told,
    has_a_valid_bic,
    has_valid_company_numbers,
    has_references_that_fit,
    has_mail_boxes,
    has_lines_with_text,
)
