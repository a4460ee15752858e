"""Rules about German public bodies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from connector.domain.invoice import Invoice
from connector.validation.identifiers import LEITWEG, legal_id_valid
from connector.validation.rule import Level, Problem, Rule, rule


@rule("leitweg_id_missing", level=Level.WARN, source="schemes.csv, 0204; XRechnung BR-DE-15")
def has_a_leitweg_id(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """German public bodies are found by their Leitweg-ID, usually given as the buyer reference (BT-10)."""
    buyer = invoice.buyer
    if buyer.country != "DE" or not buyer.is_public_body or buyer.legal_id(LEITWEG):
        return
    if not invoice.buyer_reference or not legal_id_valid(LEITWEG, invoice.buyer_reference):
        yield Problem("leitweg_id_missing", {"party": buyer.name})


RULES: Final[tuple[Rule, ...]] = (has_a_leitweg_id,)
