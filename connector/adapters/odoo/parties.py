"""Odoo's partners as buyer and seller."""

from __future__ import annotations

from collections.abc import Sequence

from connector.adapters.database import Row, plain
from connector.adapters.identities import french_id, is_public_body
from connector.domain.countries import country_code, state_of
from connector.domain.invoice import Party


def party(row: Row | None, dir3: Sequence[tuple[str, str]] = ()) -> Party:
    """Return a partner as a party; without a row, one without data, which validation will hold."""
    if row is None:
        return Party(name="")
    country = country_code(row["country"])
    tax_number = _tax_number(row["vat"])
    legal_ids = french_id(plain(row["siret"]) or plain(row["registry"])) if state_of(country) == "FR" else ()
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
        is_public_body=bool(dir3) or is_public_body(country, tax_number, legal_ids),
        dir3_codes=tuple(dir3),
        recipient_code=plain(row["recipient_code"]) if country == "IT" else None,
        certified_email=plain(row["certified_email"]) if country == "IT" else None,
    )


def _tax_number(vat: str | None) -> str | None:
    """Odoo lets users write "/" for "has none"."""
    number = plain(vat)
    return None if number == "/" else number
