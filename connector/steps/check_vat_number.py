"""The customer's VAT number against the register of the European Union, where the operator wants that.

Only a clear "no" of the register counts. One that is silent stops nothing: the timeline says so, once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from connector.domain.errors import RefusedError
from connector.domain.identity import telling_tax_number
from connector.domain.invoice import Invoice
from connector.ledger.vat_numbers import VatNumbers
from connector.steps.case import Case, VatCheck
from connector.validation.identifiers import foreign_home

_DOUBT: Final = timedelta(hours=1)
"""How long a "no" is remembered: the customer may be registered soon, and a person who retries wants to know."""

_MEMBERS: Final = frozenset(
    "AT BE BG CY CZ DE DK EE EL ES FI FR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK XI".split()
)
"""The prefixes that the register knows: Greece has EL, Northern Ireland XI."""


def check_vat_number(case: Case) -> None:
    """Let the document pass, unless the register does not know its customer and the operator wants it held.

    Raises:
        RefusedError: `vat_number_not_registered`.
    """
    check = case.vat_check
    number = _number(case.invoice, domestic=check.domestic) if check else None
    if check is None or number is None:
        return
    registered = _answer(check, case.ledger.vat_numbers, number, case.clock.now())
    facts = {"number": number, "party": case.invoice.buyer.name, "buyer": case.invoice.buyer.key}
    if registered is None:
        case.warn("vat_register_silent", facts)
    elif not registered and check.blocks:
        raise RefusedError("vat_number_not_registered", facts)
    elif not registered:
        case.warn("vat_number_not_registered", facts)


def _number(invoice: Invoice, *, domestic: bool) -> str | None:
    """The number to ask about. At home many numbers are rightly not in the register, which is for trade abroad."""
    buyer = invoice.buyer
    home = foreign_home(buyer.tax_number, buyer.country) or buyer.country
    number = telling_tax_number(buyer.tax_number, home)
    if number is None or number[:2] not in _MEMBERS or len(number) < 4:
        return None
    at_home = (home or "").upper() == (invoice.seller.country or "").upper()
    return number if domestic or not at_home else None


def is_registered(invoice: Invoice, check: VatCheck, numbers: VatNumbers, *, now: datetime) -> bool | None:
    """Return whether the customer's number is registered, or need not be; None where the register is silent."""
    number = _number(invoice, domestic=check.domestic)
    return True if number is None else _answer(check, numbers, number, now)


def _answer(check: VatCheck, numbers: VatNumbers, number: str, now: datetime) -> bool | None:
    known = numbers.known(number)
    if known is not None:
        registered, asked_at = known
        if now - asked_at < (check.keep if registered else min(_DOUBT, check.keep)):
            return registered
    answer = check.register.ask(number)
    if answer is not None:
        numbers.learn(number, registered=answer)
    return answer
