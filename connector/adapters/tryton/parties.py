"""Tryton's parties as buyer and seller, each with the address that the document names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from connector.adapters.database import Row, plain
from connector.adapters.identities import french_id, is_public_body
from connector.adapters.tryton.reader import Parties
from connector.adapters.tryton.streets import street
from connector.domain.countries import country_code, state_of
from connector.domain.invoice import LegalId, Party

# The types of `party_identifier` that are numbers for VAT or income tax in Europe, as Tryton's own list of tax
# identifiers has them; as of 7.0 most of them are called by their country alone, as fr_vat is. An identifier without
# a type may be anything: users enter what fails its check digit so.
_TAX_TYPES: Final = frozenset(
    "ad_nrt at_uid cz_dic dk_cvr ee_kmkr es_cif es_dni es_nie es_nif fi_alv fr_tva hr_oib hu_anum is_vsk it_iva"
    " li_peid lt_pvm lu_tva lv_pvn mc_tva nl_btw no_mva pl_nip pt_nif ro_cf si_ddv sk_dph sm_coe".split()
)
_VAT: Final = re.compile("[a-z]{2}_vat")
_FRENCH_TYPES: Final = ("fr_siret", "fr_siren")


def party(
    known: Parties,
    key: int | None,
    name: str | None,
    *,
    address: int | None = None,
    tax_identifier: int | None = None,
) -> Party:
    """Return a party; without a key, one without data, which validation will hold.

    Args:
        known: what was read of all parties.
        key: its id.
        name: its name.
        address: the one that the document names; None takes the party's first.
        tax_identifier: the one that the document names; None takes the party's first number for a tax.
    """
    if key is None:
        return Party(name="")
    place = _address(known.addresses.get(key, ()), address)
    identifiers = known.identifiers.get(key, ())
    mechanisms = known.mechanisms.get(key, ())
    country = country_code(place["country"]) if place else None
    tax_number = _tax_number(identifiers, tax_identifier)
    legal_ids = _french_ids(identifiers, address) if state_of(country) == "FR" else ()
    lines = _lines(place)
    return Party(
        key=str(key),
        name=plain(name) or "",
        tax_number=tax_number,
        legal_ids=legal_ids,
        country=country,
        address=lines[0] if lines else "",
        address2=", ".join(lines[1:]),
        city=(place and plain(place["city"])) or "",
        postal_code=(place and plain(place["postal_code"])) or "",
        province=(place and plain(place["province"])) or "",
        email=_first(mechanisms, "email"),
        phone=_first(mechanisms, "phone", "mobile"),
        is_public_body=is_public_body(country, tax_number, legal_ids),
    )


def _address(rows: Sequence[Row], wanted: int | None) -> Row | None:
    named = next((row for row in rows if row["id"] == wanted), None)
    return named or next((row for row in rows if row["active"]), None)


def _lines(place: Row | None) -> list[str]:
    """Return the street, and behind it whom or what the address names besides."""
    if place is None:
        return []
    first, *rest = street(place) or [""]
    named = (plain(place[column]) for column in ("party_name", "attn", "building"))
    return [line for line in (first, *named, *rest) if line]


def _tax_number(rows: Sequence[Row], wanted: int | None) -> str | None:
    named = next((row for row in rows if row["id"] == wanted), None)
    chosen = named or next((row for row in rows if row["active"] and _is_for_tax(row["type"])), None)
    return plain(chosen["code"]) if chosen else None


def _is_for_tax(kind: str | None) -> bool:
    return kind in _TAX_TYPES or _VAT.fullmatch(kind or "") is not None


def _french_ids(rows: Sequence[Row], address: int | None) -> tuple[LegalId, ...]:
    """Return the SIRET of the address, else of the party; its SIREN where there is none."""
    french = [row for row in rows if row["active"] and row["type"] in _FRENCH_TYPES]
    ordered = sorted(french, key=lambda row: (_FRENCH_TYPES.index(row["type"]), row["address"] != address))
    return french_id(ordered[0]["code"]) if ordered else ()


def _first(rows: Sequence[Row], *types: str) -> str | None:
    return next((plain(row["value"]) for kind in types for row in rows if row["type"] == kind and row["value"]), None)
