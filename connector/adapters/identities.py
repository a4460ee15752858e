"""What identifies a party, whatever ERP it comes from: country, registers, public bodies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from connector.domain.countries import state_of
from connector.domain.invoice import LegalId

SIREN: Final = "0002"
SIRET: Final = "0009"


def french_id(registry: str | None) -> tuple[LegalId, ...]:
    """Return a French register number with its scheme: 14 digits are a SIRET, 9 a SIREN, all else is nothing."""
    digits = re.sub(r"[\s.\-]", "", registry or "")
    if digits.isdigit() and len(digits) in {9, 14}:
        return (LegalId(scheme=SIRET if len(digits) == 14 else SIREN, value=digits),)
    return ()


def is_public_body(country: str | None, tax_number: str | None, legal_ids: Sequence[LegalId]) -> bool:
    """Whether the identifiers show a public body.

    France: INSEE gives SIREN numbers that begin with 1 to the State and its bodies, with 2 to local
    authorities; everybody else's begin with 3 to 9. A SIRET begins with the SIREN, and so do the digits of a
    VAT number behind its two-character key.

    Spain: the NIF begins with P for local authorities and S for the administrations of State and regions. Q,
    bodies of public law, includes chambers and professional colleges that FACe does not reach: those are
    public only where the ERP has their DIR3 codes.
    """
    number = re.sub(r"[^0-9A-Z]", "", (tax_number or "").upper())
    if state_of(country) == "FR":
        siren = legal_ids[0].value if legal_ids else number[4:] if number.startswith("FR") else ""
        return siren.startswith(("1", "2")) and len(siren) in {9, 14}
    if country == "ES":
        return bool(re.fullmatch(r"(ES)?[PS]\d{7}[0-9A-J]", number))
    return False
