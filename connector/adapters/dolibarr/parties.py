"""Dolibarr's company and third parties as seller and buyer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from connector.adapters.database import Row, plain
from connector.adapters.dolibarr.settings import DolibarrOptions
from connector.adapters.identities import SIREN, SIRET, is_public_body
from connector.domain.countries import country_code, state_of
from connector.domain.invoice import LegalId, Party

_PRIVATE: Final = "TE_PRIVATE"  # code of c_typent; Dolibarr itself takes any code that begins with it


def seller(entity: int, values: Mapping[str, str]) -> Party:
    """Return the company of an entity, as its settings (`llx_const`) say."""
    country = company_country(values)
    address, address2 = _address(values.get("MAIN_INFO_SOCIETE_ADDRESS"))
    legal_ids = _legal_ids(country, values.get("MAIN_INFO_SIREN"), values.get("MAIN_INFO_SIRET"))
    return Party(
        key=str(entity),
        name=plain(values.get("MAIN_INFO_SOCIETE_NOM")) or "",
        tax_number=company_tax_number(values),
        legal_ids=legal_ids,
        country=country,
        address=address,
        address2=address2,
        city=plain(values.get("MAIN_INFO_SOCIETE_TOWN")) or "",
        postal_code=plain(values.get("MAIN_INFO_SOCIETE_ZIP")) or "",
        province=_last_part(values.get("MAIN_INFO_SOCIETE_STATE")),
        email=plain(values.get("MAIN_INFO_SOCIETE_MAIL")),
        phone=plain(values.get("MAIN_INFO_SOCIETE_TEL")),
    )


def buyer(row: Row, fields: Row | None, options: DolibarrOptions) -> Party:
    """Return a third party from the columns of a header; without a third party, one that validation will hold."""
    if row["buyer_id"] is None:
        return Party(name="")
    country = country_code(plain(row["country"]))
    tax_number = _tax_number(country, row["tva_intra"], row["siren"])
    legal_ids = _legal_ids(country, row["siren"], row["siret"])
    dir3 = _dir3(fields, options)
    address, address2 = _address(row["address"])
    language = plain(row["default_lang"])
    return Party(
        key=str(row["buyer_id"]),
        name=plain(row["name"]) or "",
        tax_number=tax_number,
        legal_ids=legal_ids,
        country=country,
        address=address,
        address2=address2,
        city=plain(row["town"]) or "",
        postal_code=plain(row["zip"]) or "",
        province=plain(row["province"]) or "",
        email=plain(row["email"]),
        phone=plain(row["phone"]),
        language=language[:2].lower() if language else None,
        is_company=not (row["buyer_type"] or "").startswith(_PRIVATE),
        is_public_body=bool(dir3) or is_public_body(country, tax_number, legal_ids),
        dir3_codes=dir3,
    )


def company_country(values: Mapping[str, str]) -> str | None:
    """Return the country of `4:ES:España`; older settings have the number alone, which the reader resolves."""
    parts = (values.get("MAIN_INFO_SOCIETE_COUNTRY") or "").split(":")
    return country_code(plain(parts[1]) if len(parts) > 1 else plain(values.get("country")))


def company_tax_number(values: Mapping[str, str]) -> str | None:
    """Return the VAT number of a company; in Spain its tax number where that is all it has."""
    return _tax_number(company_country(values), values.get("MAIN_INFO_TVAINTRA"), values.get("MAIN_INFO_SIREN"))


def _tax_number(country: str | None, vat: str | None, first_identifier: str | None) -> str | None:
    """The first professional identifier is a tax number (CIF, NIF) in Spain, and something else elsewhere."""
    return plain(vat) or (plain(first_identifier) if country == "ES" else None)


def _legal_ids(country: str | None, siren: str | None, siret: str | None) -> tuple[LegalId, ...]:
    """The second professional identifier is a SIRET in France, and something else elsewhere."""
    if state_of(country) != "FR":
        return ()
    for scheme, value, length in ((SIRET, siret, 14), (SIREN, siren, 9)):
        digits = re.sub(r"[\s.\-]", "", value or "")
        if digits.isdigit() and len(digits) == length:
            return (LegalId(scheme=scheme, value=digits),)
    return ()


def _address(text: str | None) -> tuple[str, str]:
    """Dolibarr has one field of several lines."""
    first, _, rest = (plain(text) or "").replace("\r\n", "\n").partition("\n")
    return first.strip(), ", ".join(line.strip() for line in rest.splitlines() if line.strip())


def _last_part(text: str | None) -> str:
    """Return the name of `123:08:Barcelona`; a number alone names nothing."""
    last = (text or "").rpartition(":")[2].strip()
    return "" if last.isdigit() else last


def _dir3(fields: Row | None, options: DolibarrOptions) -> tuple[tuple[str, str], ...]:
    if fields is None:
        return ()
    found = ((role, plain(fields.get(column))) for role, column in sorted(options.dir3_columns.items()))
    return tuple((role, code) for role, code in found if code)
