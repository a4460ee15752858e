"""Rules about Dutch public bodies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from connector.domain.invoice import Invoice
from connector.validation.identifiers import OIN
from connector.validation.rule import Level, Problem, Rule, rule


@rule("oin_missing", level=Level.WARN, source="schemes.csv, 0190; NLCIUS")
def has_an_oin(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Dutch public bodies are reached over Peppol by their OIN."""
    buyer = invoice.buyer
    if buyer.country == "NL" and buyer.is_public_body and not buyer.legal_id(OIN):
        yield Problem("oin_missing", {"party": buyer.name})


RULES: Final[tuple[Rule, ...]] = (has_an_oin,)
