"""Who is to be one contact at B2Brouter: a customer, or an organisational unit of a public body.

A unit is a contact of its own under its body's (API reference 5.3): documents go to the unit, and two units of one
body are never the same contact although they share one tax number.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from connector.domain.countries import state_of
from connector.domain.identity import (
    SERVICE_CODE,
    SIRET,
    contact_identity,
    integration_code,
    known_as,
    legal_id_key,
    telling_tax_number,
)
from connector.domain.invoice import Invoice, Party

DIR3: Final = "dir3"
"""Not a scheme of B2Brouter's: it has none for the offices of FACe (docs/decisions/0009)."""

_OFFICES: Final = ("01", "02", "03")
_LONGEST: Final = 255
_LONGEST_NUMBER: Final = 64
_SIRET_DIGITS: Final = 14


@dataclass(frozen=True, slots=True)
class Unit:
    """An organisational unit of a public body."""

    scheme: str
    code: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.code}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How documents reach a contact, in B2Brouter's codes (transports.csv, document_types.csv)."""

    transport: str
    document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One contact to be found or made."""

    identity: str  # what makes two recipients of an account the same contact
    code: str  # under which the contact is found again at B2Brouter
    customer: str  # of the ERP, by the code of its own contact: whose data the contact may have
    keyless: str  # the customer's code as long as the ERP gives no key of it
    party: Party
    unit: Unit | None = None  # None: the customer itself

    def is_customer(self, code: str | None) -> bool:
        """Whether a customer's code is this one's, of today or from when the ERP gave no key of it."""
        return code in {self.customer, self.keyless}


def recipients(source: str, company: str, invoice: Invoice) -> tuple[Recipient, ...]:
    """Return the contacts that an invoice needs, parents first: it is addressed to the last one."""
    buyer = invoice.buyer
    customer, keyless = (_name(integration_code(source, each)) for each in (buyer, replace(buyer, key="")))
    identity = _name(contact_identity(source, company, buyer))
    main = Recipient(identity=identity, code=customer, customer=customer, keyless=keyless, party=buyer)
    unit = unit_of(invoice)
    if unit is None or (unit.scheme == DIR3 and invoice.file_digest):
        return (main,)  # a file names its offices itself
    # Whoever bills the unit finds it by the same code, whichever of the ERP's customers stands for it.
    name = _name(f"{identity}/{unit}")
    return main, replace(main, identity=name, code=name, unit=unit)


def _name(text: str) -> str:
    """Return a name that fits into the ledger and into the API's short texts, and still is no other's."""
    name = known_as(text)
    if len(name) <= _LONGEST:
        return name
    return name[: _LONGEST - 41] + "#" + hashlib.sha256(name.encode()).hexdigest()[:40]


def unit_of(invoice: Invoice) -> Unit | None:
    """Return the unit that an invoice is for: a service of Chorus Pro, or the three offices of FACe."""
    service = service_code(invoice)
    if service:
        return Unit(SERVICE_CODE, service)
    offices = _offices(invoice.buyer)
    return Unit(DIR3, ".".join(offices)) if offices else None


def is_for_chorus(buyer: Party) -> bool:
    """Whether a customer is billed through Chorus Pro: a French public body, named by its establishment."""
    return state_of(buyer.country) == "FR" and buyer.is_public_body and bool(siret_of(buyer))


def siret_of(buyer: Party) -> str:
    """Return the SIRET of a customer in one spelling; empty where it has none."""
    return legal_id_key(buyer.legal_id(SIRET) or "")


def is_siret(number: str) -> bool:
    """Whether a number, in one spelling, has the form of a SIRET."""
    return len(number) == _SIRET_DIGITS and number.isdigit()


def service_code(invoice: Invoice) -> str | None:
    """Return the service of a French public body that is billed: the document's own word, else the customer's."""
    if not is_for_chorus(invoice.buyer):
        return None
    return (invoice.buyer_reference or "").strip() or (invoice.buyer.legal_id(SERVICE_CODE) or "").strip() or None


def _offices(buyer: Party) -> tuple[str, ...]:
    """Return accounting office, managing body and processing unit; none where one is missing or not the only one."""
    if buyer.country != "ES":
        return ()
    codes = {(role, code.strip().upper()) for role, code in buyer.dir3_codes if code.strip()}
    chosen = sorted(codes)
    return tuple(code for _, code in chosen) if [role for role, _ in chosen] == list(_OFFICES) else ()


def directory_keys(buyer: Party) -> tuple[tuple[str | None, str], ...]:
    """Return (scheme, value) by which the directory may know a customer, the registered number first.

    Private persons are in no directory. Belgium's tax numbers are asked for without their prefix (API 6.1).
    """
    if not buyer.country or not buyer.is_company:
        return ()
    legal = [(entry.scheme.zfill(4), legal_id_key(entry.value)) for entry in buyer.legal_ids if entry.value.strip()]
    registered: list[tuple[str | None, str]] = [
        (scheme, value)
        for scheme, value in legal
        if scheme != SERVICE_CODE and len(scheme + value) <= _LONGEST_NUMBER
    ]
    tax = telling_tax_number(buyer.tax_number, buyer.country)
    if tax and buyer.country == "BE":
        tax = tax.removeprefix("BE")
    return (*registered[:1], *([(None, tax)] if tax and len(tax) <= _LONGEST_NUMBER else []))
