"""What the formats have in common: parties with their keys, taxes, credit notes that are written below zero."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from connector.adapters.folder.xml import UnreadableError
from connector.adapters.identities import french_id, is_public_body
from connector.domain.countries import country_code, state_of
from connector.domain.identity import legal_id_key, telling_tax_number
from connector.domain.invoice import (
    AllowanceCharge,
    Invoice,
    Kind,
    LegalId,
    Line,
    Party,
    Tax,
    TaxKind,
    TaxTotal,
    Totals,
)

CREDIT_NOTES: Final = frozenset("81 83 261 262 296 308 381 396 420 458 502 503 532".split())
"""Codes of UNTDID 1001 that EN 16931 counts as credit notes (BT-3)."""

_SCHEME: Final = re.compile(r"\d{4}")
_RATED: Final = frozenset({"S", "L", "M"})
"""Categories with a rate of their own; all others are charged at 0 %, also where the file leaves that unsaid."""


def completed(party: Party, ids: Iterable[tuple[str | None, str | None]] = ()) -> Party:
    """Return a party with what follows from the rest: its identifiers, its key, whether it is a public body.

    Args:
        party: as the file states it; the country in two letters.
        ids: of registers, with the ISO 6523 scheme where the file names one.
    """
    country = country_code(party.country)
    legal_ids = _legal_ids(ids, country)
    is_public = bool(party.dir3_codes) or is_public_body(country, party.tax_number, legal_ids)
    known = replace(party, country=country, legal_ids=legal_ids, is_public_body=is_public)
    return replace(known, key=_key(known))


def _legal_ids(ids: Iterable[tuple[str | None, str | None]], country: str | None) -> tuple[LegalId, ...]:
    found: dict[str, LegalId] = {}
    for scheme, value in ids:
        if scheme and value and _SCHEME.fullmatch(scheme):
            found.setdefault(scheme, LegalId(scheme=scheme, value=value))
        elif value and state_of(country) == "FR":
            found |= {legal.scheme: legal for legal in french_id(value) if legal.scheme not in found}
    return tuple(found.values())


def _key(known: Party) -> str:
    """What stays the same in all files for one party, for files have no key for it."""
    number = telling_tax_number(known.tax_number, known.country)
    if number:
        return number
    if known.legal_ids:
        return f"{known.legal_ids[0].scheme}:{legal_id_key(known.legal_ids[0].value)}"
    return hashlib.sha256(f"{known.country}|{known.name}".encode()).hexdigest()[:24] if known.name else ""


def company_of(seller: Party) -> str:
    """Return what the configuration calls the supplier: its tax number, with its country.

    Raises:
        UnreadableError: the file names no number of it.
    """
    if not seller.tax_number and not seller.legal_ids:
        raise UnreadableError("does not name the supplier's tax number")
    return seller.key


def vat(category: str | None, percent: Decimal | None, reason: str | None = None, name: str | None = None) -> Tax:
    """Return a VAT of a file, in the categories of EN 16931."""
    if percent is None and category is not None and category not in _RATED:
        percent = Decimal(0)
    return Tax(percent=percent, category=category, reason=reason, name=name, source_name=_said(category, percent))


def _said(category: str | None, percent: Decimal | None) -> str:
    return " ".join(filter(None, (category, None if percent is None else f"{percent:f} %")))


def with_reasons(taxes: Iterable[Tax], totals: Sequence[TaxTotal]) -> tuple[Tax, ...]:
    """Return a line's taxes with the reasons that stand with the totals of the document alone."""
    reasons = {(entry.tax.category, entry.tax.percent): entry.tax.reason for entry in totals}
    return tuple(
        tax if tax.reason or tax.kind is not TaxKind.VAT
        else replace(tax, reason=reasons.get((tax.category, tax.percent)))
        for tax in taxes
    )  # fmt: skip


def positive(invoice: Invoice) -> Invoice:
    """Return a credit note with positive amounts, however its file writes them; anything else as it is."""
    if invoice.kind is not Kind.CREDIT_NOTE or invoice.totals.payable >= 0:
        return invoice
    totals = invoice.totals
    return replace(
        invoice,
        lines=tuple(map(_turned, invoice.lines)),
        allowances=tuple(map(_opposite, invoice.allowances)),
        tax_totals=tuple(replace(entry, base=-entry.base, amount=-entry.amount) for entry in invoice.tax_totals),
        totals=Totals(net=-totals.net, tax=-totals.tax, withholding=-totals.withholding, payable=-totals.payable),
    )


def _turned(line: Line) -> Line:
    """The sign is the quantity's or the price's, whichever the file put below zero."""
    allowances = tuple(map(_opposite, line.allowances))
    if line.net_price < 0:
        return replace(line, net_price=-line.net_price, net_amount=-line.net_amount, allowances=allowances)
    return replace(line, quantity=-line.quantity, net_amount=-line.net_amount, allowances=allowances)


def adjustment(
    *, is_charge: bool, amount: Decimal, description: str | None = None, taxes: tuple[Tax, ...] = ()
) -> AllowanceCharge:
    """Return a reduction or an addition; one below zero is the other of the two."""
    return AllowanceCharge(
        is_charge=is_charge != (amount < 0), amount=abs(amount), description=description or "", taxes=taxes
    )


def _opposite(entry: AllowanceCharge) -> AllowanceCharge:
    return replace(entry, is_charge=not entry.is_charge)
