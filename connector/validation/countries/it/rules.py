"""Rules about Italian recipients: the exchange (SdI) delivers to a recipient code or a certified mail box (PEC)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from connector.domain.invoice import Invoice
from connector.validation.countries.it.codes import MAIL_BOX, OFFICE, RECIPIENT
from connector.validation.rule import Level, Problem, Rule, rule

_SOURCE: Final = "API 5.2; FatturaPA 1.1.4 and 1.1.6"


@rule("recipient_code_missing", level=Level.WARN, source=_SOURCE)
def has_an_address_at_the_exchange(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Italian companies are reached by a recipient code or a certified mail box (PEC), public bodies by their code.

    A warning, for the exchange keeps what it cannot deliver at the customer's disposal, and a contact at B2Brouter
    may have the code already.
    """
    buyer = invoice.buyer
    of_italy = buyer.country == "IT" and (invoice.seller.country == "IT" or buyer.is_public_body)
    reached = buyer.recipient_code or (buyer.certified_email and not buyer.is_public_body)
    if of_italy and buyer.is_company and not reached:
        yield Problem("recipient_code_missing", {"party": buyer.name})


@rule("recipient_code_wrong", source=_SOURCE)
def has_a_valid_address_at_the_exchange(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Seven letters and digits, of a public body six; a certified mail box looks like one."""
    buyer = invoice.buyer
    if buyer.country != "IT":
        return
    code = OFFICE if buyer.is_public_body else RECIPIENT
    for value, form in ((buyer.recipient_code, code), (buyer.certified_email, MAIL_BOX)):
        if value and not re.fullmatch(form, value.strip(), re.ASCII | re.IGNORECASE):
            yield Problem("recipient_code_wrong", {"party": buyer.name, "code": value})


RULES: Final[tuple[Rule, ...]] = (has_an_address_at_the_exchange, has_a_valid_address_at_the_exchange)
