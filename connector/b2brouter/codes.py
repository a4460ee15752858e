"""Code lists of the API: schemes of identifiers, names of taxes, units.

Source: schemes.csv, tax_names.csv, unit_codes.csv; only what is used here is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from connector.domain.countries import state_of
from connector.domain.identity import tax_number_key
from connector.domain.invoice import Tax, TaxKind

UNKNOWN_SCHEME: Final = "9999"
"""Any tax number whose own scheme is not known."""

ELECTRONIC_ADDRESS: Final = "0225"  # France, national reform

_TAX_NUMBER_SCHEMES: Final[Mapping[str, str]] = {
    "AD": "9922", "AL": "9923", "AT": "9914", "AU": "0151", "BA": "9924", "BE": "9925", "BG": "9926",
    "CH": "9927", "CY": "9928", "CZ": "9929", "DE": "9930", "DK": "0198", "EE": "9931", "ES": "9920",
    "FI": "0213", "FR": "9957", "GB": "9932", "GR": "9933", "HR": "9934", "HU": "9910", "IE": "9935",
    "IT": "9906", "LI": "9936", "LT": "9937", "LU": "9938", "LV": "9939", "MC": "9940", "ME": "9941",
    "MK": "9942", "MT": "9943", "NL": "9944", "PL": "9945", "PT": "9946", "RO": "9947", "RS": "9948",
    "SI": "9949", "SK": "9950", "SM": "9951", "TR": "9952", "US": "9959", "VA": "9953",
}  # fmt: skip

_PREFIXED: Final = frozenset(
    {
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR",
        "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    }
)  # fmt: skip
"""Countries whose tax numbers carry the country in front; elsewhere the number is sent as it is written."""
_COUNTRY_OF_PREFIX: Final = {
    **{country: country for country in _PREFIXED - {"GR"}},
    "EL": "GR",
    "XI": "GB",
}
_CODICE_FISCALE: Final = re.compile(r"(IT)?([A-Z]{6}[0-9A-Z]{2}[A-Z][0-9A-Z]{2}[A-Z][0-9A-Z]{3}[A-Z])")

_VAT_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ES", "IT", "PT"), "IVA"),
    **dict.fromkeys(("FR", "BE", "LU", "RO"), "TVA"),
    "DE": "MwSt",
    "AT": "USt",
    "NL": "BTW",
}
_WITHHOLDING_NAMES: Final[Mapping[str, str]] = {"ES": "IRPF", "IT": "IRPEF"}

UNITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("C62", "H87", "EA", "NAR", "E48"), 1),
    **dict.fromkeys(("CS", "BX"), 7),
    "HUR": 2, "KGM": 3, "LTR": 4, "DAY": 5,
}  # fmt: skip
"""UN/ECE code to the API's number."""
OTHER_UNIT: Final = 6

CREDIT_TRANSFER: Final = 4
_OTHER_METHOD: Final = 13

_PAYMENT_METHODS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("30", "31", "42"), CREDIT_TRANSFER),
    **dict.fromkeys(("48", "54", "55"), 19),
    "8": 3, "10": 1, "20": 11, "23": 17, "49": 2, "58": 58, "59": 59, "60": 10, "97": 14,
}  # fmt: skip
"""UNCL 4461 to the API's number: payment_methods.csv; cards are one there."""

NEED_AN_ACCOUNT: Final[Mapping[int, str]] = {
    CREDIT_TRANSFER: "Bank transfer",
    58: "SEPA credit transfer",
    2: "Direct debit",
    59: "SEPA direct debit",
}
"""Transfers need the seller's account, debits the payer's and its mandate, which no ERP here tells: meaning and
needs_bank_account of payment_methods.csv; EN 16931 BR-61, Peppol R061."""

_FRENCH_METHODS: Final[Mapping[int, str]] = {
    1: "Espèces",
    2: "Prélèvement",
    4: "Virement",
    11: "Chèque",
    19: "Carte bancaire",
    58: "Virement SEPA",
    59: "Prélèvement SEPA",
}

_LANGUAGES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("FR", "MC"), "fr"),
    **dict.fromkeys(("DE", "AT", "LI"), "de"),
    **dict.fromkeys(("IT", "SM", "VA"), "it"),
    "ES": "es",
    "PT": "pt",
    "NL": "nl",
    "AD": "ca",
}


def compact(identifier: str) -> str:
    """Return an identifier in upper case without blanks, dots, dashes and the like."""
    return re.sub(r"[^0-9A-Za-z]", "", identifier).upper()


def tax_number(number: str | None, country: str | None) -> tuple[str, str] | None:
    """Return scheme and value of a tax number; None where there is none, or words instead.

    The country is put in front where the ERP leaves it out: `EL` for Greece. A number that begins with
    another country's prefix keeps it, and has that country's scheme.
    """
    plain = compact(number or "")
    if tax_number_key(plain, country) is None:
        return None
    personal = _CODICE_FISCALE.fullmatch(plain) if country == "IT" else None
    if personal:
        return "9907", personal[2]
    home = _COUNTRY_OF_PREFIX.get(plain[:2])
    if home and home != country:
        return _TAX_NUMBER_SCHEMES.get(home, UNKNOWN_SCHEME), plain
    if country in _PREFIXED:
        plain = tax_number_key(plain, country) or plain
    return _TAX_NUMBER_SCHEMES.get(country or "", UNKNOWN_SCHEME), plain


def tax_name(tax: Tax, issuer: str | None) -> str | None:
    """Return the family of a tax as the API spells it, by the issuer's country; None where it has none.

    A tax without a name is dropped by the server without a word (API reference 8.3).
    """
    if tax.name:
        return tax.name
    if tax.kind is TaxKind.SURCHARGE:
        return "RE"
    if tax.kind is TaxKind.WITHHOLDING:
        return _WITHHOLDING_NAMES.get(issuer or "")
    return _VAT_NAMES.get(state_of(issuer) or "", "VAT")


def payment_method(method: str) -> int:
    """Return the number of a means of payment; what the API has no number for is another one."""
    return _PAYMENT_METHODS.get(method, _OTHER_METHOD)


def french_method(number: int | None) -> str:
    """Return the name of a means of payment for a French document; no number: the ERP names none."""
    return _FRENCH_METHODS.get(number or 0, "Autre" if number else "Mode de paiement non précisé")


def language(wanted: str | None, country: str | None) -> str:
    """Return two letters: what the ERP says, else what is spoken in the country, else English."""
    letters = (wanted or "")[:2].lower()
    if len(letters) == 2 and letters.isascii() and letters.isalpha():
        return letters
    return _LANGUAGES.get(state_of(country) or "", "en")
