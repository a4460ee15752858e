"""Tax numbers and bank accounts: check digits, country by country (python-stdnum knows them)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from stdnum import get_cc_module, iban
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


def tax_number_valid(number: str, country: str | None) -> bool:
    """Whether a tax number can exist, by length and check digits; True where its country is not checked.

    Args:
        number: as the ERP stores it, with or without the country's prefix.
        country: ISO 3166-1 alpha-2, upper case.
    """
    if country not in _CHECKED:
        return True
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
