"""Tax numbers, company numbers and bank accounts: check digits, country by country (python-stdnum knows them)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from stdnum import bic, ean, get_cc_module, iban, lei
from stdnum.exceptions import ValidationError

from connector.domain.identity import tax_number_key

_ALSO_VALID: Final[Mapping[str, tuple[str, ...]]] = {
    "IT": ("codicefiscale",),  # private persons and public bodies
    "ES": ("nif", "nie", "dni", "cif"),
}
"""Numbers that stand in for a VAT number in a country."""

_CHECKED: Final = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GB GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
)
"""Countries whose numbers are checked: the EU's, and Great Britain with Northern Ireland. Elsewhere the form of
a tax number is not ours to judge."""

_HOME_OF_PREFIX: Final[Mapping[str, str]] = {**{code: code for code in _CHECKED - {"GR"}}, "EL": "GR", "XI": "GB"}


def tax_number_valid(number: str, country: str | None) -> bool:
    """Whether a tax number can exist, by length and check digits; True where its country is not checked.

    A company may be registered in another country than that of its address: then its prefix says by which rules.

    Args:
        number: as the ERP stores it, with or without the country's prefix.
        country: of the address, ISO 3166-1 alpha-2, upper case.
    """
    return country not in _CHECKED or _exists(number, country) or foreign_home(number, country) is not None


def foreign_home(number: str | None, country: str | None) -> str | None:
    """Return the country whose valid number it is, by its prefix, where that is not the country of the address."""
    if number is None or country not in _CHECKED or _exists(number, country):
        return None
    plain = re.sub(r"[^0-9A-Za-z]", "", number).upper()
    home = _HOME_OF_PREFIX.get(plain[:2])
    return home if home and home != country and _exists(plain, home) else None


def _exists(number: str, country: str) -> bool:
    key = tax_number_key(number, country)
    if key is None:
        return False
    plain = key[2:] if key[:2] in {country, "EL", "XI"} else key
    return any(_passes(module, plain) for module in _modules(country))


def _modules(country: str) -> Iterator[Any]:
    for name in ("vat", *_ALSO_VALID.get(country, ())):
        module = get_cc_module(country.lower(), name)
        if module is not None:
            yield module


def _passes(module: Any, number: str) -> bool:
    try:
        module.validate(number)
    except ValidationError:
        return False
    return True


def iban_valid(number: str) -> bool:
    """Whether an IBAN has its country's form and the right check digits (ISO 13616).

    The library knows Belgian banks by a list, and would refuse the accounts of those founded since.
    """
    return bool(iban.is_valid(number, check_country=not iban.compact(number).startswith("BE")))


def bic_valid(code: str) -> bool:
    """Whether a bank identifier has the form of ISO 9362: bank, country, place, and perhaps a branch."""
    return bool(bic.is_valid(code))


# ---------------------------------------------------------------- registered numbers, by scheme (ISO 6523)

SIREN: Final = "0002"
SIRET: Final = "0009"
ENTERPRISE: Final = "0208"  # Belgium: KBO, BCE
LEITWEG: Final = "0204"  # Germany, public bodies
OIN: Final = "0190"  # Netherlands, public bodies

SCHEMES: Final[Mapping[str, str]] = {
    SIREN: "SIREN",
    "0007": "organisationsnummer",
    SIRET: "SIRET",
    "0060": "DUNS",
    "0088": "GLN",
    "0106": "KvK",
    "0184": "CVR",
    OIN: "OIN",
    "0191": "registrikood",
    "0192": "organisasjonsnummer",
    "0199": "LEI",
    "0201": "IPA",
    LEITWEG: "Leitweg-ID",
    ENTERPRISE: "KBO/BCE",
    "0212": "Y-tunnus",
}
"""The schemes whose numbers are checked, with what people call them."""

_FORMS: Final[Mapping[str, str]] = {"0060": r"\d{9}", "0106": r"\d{8}", OIN: r"\d{20}", "0201": r"[0-9A-Z]{6}"}
_STANDARD: Final[Mapping[str, tuple[str, str]]] = {
    SIREN: ("fr", "siren"),
    "0007": ("se", "orgnr"),
    SIRET: ("fr", "siret"),
    "0184": ("dk", "cvr"),
    "0191": ("ee", "registrikood"),
    "0192": ("no", "orgnr"),
    LEITWEG: ("de", "leitweg"),
    ENTERPRISE: ("be", "vat"),
    "0212": ("fi", "ytunnus"),
}
_WORLDWIDE: Final[Mapping[str, Any]] = {"0088": ean, "0199": lei}


def legal_id_valid(scheme: str, value: str) -> bool:
    """Whether a registered number can exist, by form and check digits; True where its scheme is not checked.

    Args:
        scheme: four digits of ISO 6523: 0009 is a SIRET.
        value: grouped by blanks, dots or dashes as people like it.
    """
    if scheme not in SCHEMES:
        return True
    if scheme == LEITWEG:  # its dashes are part of it
        return _standard(scheme)(value.strip())
    plain = re.sub(r"[\s.\-]", "", value).upper()
    if scheme in _FORMS:
        return bool(re.fullmatch(_FORMS[scheme], plain, re.ASCII))
    if scheme == ENTERPRISE and not re.fullmatch(r"\d{10}", plain, re.ASCII):
        return False  # the VAT number of the same company has letters in front
    return _standard(scheme)(plain)


def _standard(scheme: str) -> Callable[[str], bool]:
    module = _WORLDWIDE.get(scheme) or get_cc_module(*_STANDARD[scheme])
    return lambda number: module is not None and _passes(module, number)


def siret_valid(number: str) -> bool:
    """Whether a French establishment can have this number: 14 digits with check digit.

    The establishments of La Poste have another check than everybody else's: their digits add up to a multiple of 5.
    """
    return legal_id_valid(SIRET, number)
