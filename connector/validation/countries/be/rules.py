"""Rules about Belgian recipients: they are reached over Peppol by their enterprise number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from connector.domain.identity import tax_number_key
from connector.domain.invoice import Invoice, Party
from connector.validation.identifiers import ENTERPRISE
from connector.validation.rule import Level, Problem, Rule, rule


def enterprise_number(party: Party) -> str | None:
    """Return the ten digits of the VAT number, which are the enterprise number (scheme 0208)."""
    key = tax_number_key(party.tax_number, "BE") or ""
    digits = key.removeprefix("BE").zfill(10) if key.startswith("BE") else ""
    return digits if re.fullmatch(r"[01]\d{9}", digits, re.ASCII) else None


@rule("peppol_endpoint_missing", level=Level.WARN, source="schemes.csv, 0208; Belgian B2B mandate of 2026")
def has_an_endpoint(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Belgian companies reach each other over Peppol, by the enterprise number: given, or within the VAT number."""
    buyer = invoice.buyer
    domestic = invoice.seller.country == buyer.country == "BE"
    if domestic and buyer.is_company and not buyer.legal_id(ENTERPRISE) and not enterprise_number(buyer):
        yield Problem("peppol_endpoint_missing", {"party": buyer.name})


@rule("peppol_endpoint_differs", level=Level.WARN, source="schemes.csv, 0208")
def has_one_enterprise_number(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Enterprise number and VAT number of a company have the same digits; otherwise one is of somebody else."""
    buyer = invoice.buyer
    given = re.sub(r"\D", "", buyer.legal_id(ENTERPRISE) or "")
    own = enterprise_number(buyer) if buyer.country == "BE" else None
    if given and own and given != own:
        facts = {"party": buyer.name, "number": given, "tax_number": buyer.tax_number or ""}
        yield Problem("peppol_endpoint_differs", facts)


RULES: Final[tuple[Rule, ...]] = (has_an_endpoint, has_one_enterprise_number)
