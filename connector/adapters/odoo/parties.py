"""Odoo's partners as buyer and seller."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from connector.adapters.database import Row, plain
from connector.domain.invoice import LegalId, Party

SIREN: Final = "0002"
SIRET: Final = "0009"

# Odoo's country list has codes that ISO 3166-1 lacks, or that VAT numbers use instead.
_COUNTRIES: Final = {"EL": "GR", "XI": "GB", "UK": "GB"}


def party(row: Row | None, dir3: Sequence[tuple[str, str]] = ()) -> Party:
    """Return a partner as a party; without a row, one without data, which validation will hold."""
    if row is None:
        return Party(name="")
    country = country_code(row["country"])
    tax_number = _tax_number(row["vat"])
    legal_ids = _legal_ids(country, plain(row["siret"]) or plain(row["registry"]))
    return Party(
        key=str(row["id"]),
        name=plain(row["name"]) or "",
        tax_number=tax_number,
        legal_ids=legal_ids,
        country=country,
        address=plain(row["street"]) or "",
        address2=plain(row["street2"]) or "",
        city=plain(row["city"]) or "",
        postal_code=plain(row["zip"]) or "",
        province=plain(row["province"]) or "",
        email=plain(row["email"]),
        phone=plain(row["phone"]),
        language=row["lang"][:2].lower() if row["lang"] else None,
        is_company=bool(row["is_company"]),
        is_public_body=bool(dir3) or _is_public(country, tax_number, legal_ids),
        dir3_codes=tuple(dir3),
    )


def country_code(code: str | None) -> str | None:
    """Return the ISO 3166-1 code of a country of Odoo's."""
    if not code:
        return None
    return _COUNTRIES.get(code.upper(), code.upper())


def _tax_number(vat: str | None) -> str | None:
    """Odoo lets users write "/" for "has none"."""
    number = plain(vat)
    return None if number == "/" else number


def _legal_ids(country: str | None, registry: str | None) -> tuple[LegalId, ...]:
    digits = re.sub(r"[\s.\-]", "", registry or "")
    if country == "FR" and digits.isdigit() and len(digits) in {9, 14}:
        return (LegalId(scheme=SIRET if len(digits) == 14 else SIREN, value=digits),)
    return ()


def _is_public(country: str | None, tax_number: str | None, legal_ids: Sequence[LegalId]) -> bool:
    """Whether the identifiers show a public body.

    France: INSEE gives SIREN numbers that begin with 1 to the State and its bodies, with 2 to local
    authorities; everybody else's begin with 3 to 9. A SIRET begins with the SIREN, and so do the digits of a
    VAT number behind its two-character key.

    Spain: the NIF begins with P for local authorities and S for the administrations of State and regions. Q,
    bodies of public law, includes chambers and professional colleges that FACe does not reach: those are
    public here only when Odoo has their DIR3 codes.
    """
    number = re.sub(r"[^0-9A-Z]", "", (tax_number or "").upper())
    if country == "FR":
        siren = legal_ids[0].value if legal_ids else number[4:] if number.startswith("FR") else ""
        return siren.startswith(("1", "2")) and len(siren) in {9, 14}
    if country == "ES":
        return bool(re.fullmatch(r"(ES)?[PS]\d{7}[0-9A-J]", number))
    return False
