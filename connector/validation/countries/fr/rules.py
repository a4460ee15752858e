"""Rules that bind French issuers, and everybody who writes to French public bodies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from connector.domain.countries import state_of
from connector.domain.invoice import Invoice
from connector.validation.countries.fr import codes
from connector.validation.identifiers import SIRET, siret_valid
from connector.validation.rule import Level, Problem, Rule, rule

_CHORUS: Final = "API 5.3; guide to Chorus Pro"


def _is_for_chorus(invoice: Invoice) -> bool:
    return state_of(invoice.buyer.country) == "FR" and invoice.buyer.is_public_body


@rule("siret_missing", source=_CHORUS)
def has_the_siret_of_a_public_body(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Chorus Pro finds its recipients by their establishment, which a tax number does not name."""
    if _is_for_chorus(invoice) and not invoice.buyer.legal_id(SIRET):
        yield Problem("siret_missing", {"party": invoice.buyer.name})


@rule("siret_wrong", source=_CHORUS)
def has_a_valid_siret(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """14 digits with their check digit; La Poste has a check of its own."""
    siret = invoice.buyer.legal_id(SIRET)
    if _is_for_chorus(invoice) and siret and not siret_valid(siret):
        yield Problem("siret_wrong", {"number": siret, "party": invoice.buyer.name})


@rule("service_code_missing", level=Level.WARN, source=_CHORUS)
def has_a_service_code(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Whether a service code is obligatory is the recipient's choice, shown in Chorus Pro's own directory."""
    has_unit = invoice.buyer.legal_id(codes.SERVICE_CODE)
    if _is_for_chorus(invoice) and not invoice.buyer_reference and not has_unit:
        yield Problem("service_code_missing", {"party": invoice.buyer.name})


@rule("order_number_missing", level=Level.WARN, source=_CHORUS)
def has_an_order_number(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Whether an order number (numéro d'engagement) is obligatory is the recipient's choice, too."""
    if _is_for_chorus(invoice) and not invoice.purchase_order:
        yield Problem("order_number_missing", {"party": invoice.buyer.name})


@rule("due_date_missing", level=Level.WARN, source="API 12; guide to Chorus Pro")
def has_a_due_date(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """French reporting and Chorus Pro demand a due date; a warning, for not every account reports."""
    is_asked = state_of(invoice.seller.country) == "FR" or _is_for_chorus(invoice)
    if is_asked and not invoice.is_credit_note and invoice.due_date is None:
        yield Problem("due_date_missing")


@rule("currency_not_euro", level=Level.WARN, source="API 12")
def has_the_euro(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """French reporting is in euro; a warning, for not every account reports."""
    if state_of(invoice.seller.country) == "FR" and invoice.currency and invoice.currency != "EUR":
        yield Problem("currency_not_euro", {"currency": invoice.currency})


RULES: Final[tuple[Rule, ...]] = (
    has_the_siret_of_a_public_body,
    has_a_valid_siret,
    has_a_service_code,
    has_an_order_number,
    has_a_due_date,
    has_the_euro,
)
