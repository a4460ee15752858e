"""Tax numbers and bank accounts: are they written as their countries write them?"""

import re
from typing import Final

_SEPARATORS: Final = str.maketrans("", "", " .-/\t")

# VAT numbers of the European Union and its neighbours, without the country prefix.
_VAT_FORMS: Final = {
    "AT": r"U\d{8}",
    "BE": r"[01]\d{9}",
    "BG": r"\d{9,10}",
    "CH": r"E?\d{9}(MWST|TVA|IVA)?",
    "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}",
    "DE": r"\d{9}",
    "DK": r"\d{8}",
    "EE": r"\d{9}",
    "EL": r"\d{9}",
    "FI": r"\d{8}",
    "GB": r"(\d{9}|\d{12}|(GD|HA)\d{3})",
    "HR": r"\d{11}",
    "HU": r"\d{8}",
    "IE": r"\d[0-9A-Z+*]\d{5}[A-Z]{1,2}",
    "IT": r"\d{11}",
    "LT": r"(\d{9}|\d{12})",
    "LU": r"\d{8}",
    "LV": r"\d{11}",
    "MT": r"\d{8}",
    "NL": r"\d{9}B\d{2}",
    "PL": r"\d{10}",
    "PT": r"\d{9}",
    "RO": r"\d{2,10}",
    "SE": r"\d{12}",
    "SI": r"\d{8}",
    "SK": r"\d{10}",
}
_NIF_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_CIF_LETTERS: Final = "JABCDEFGHI"


def normalised(value: str) -> str:
    """Upper case without separators, as two spellings of one number are compared."""
    return value.translate(_SEPARATORS).upper()


def looks_like_tax_number(value: str) -> bool:
    """Letters and digits, at least one digit, at most 20 characters (limit of the ancestor)."""
    compact = normalised(value)
    return 3 <= len(compact) <= 20 and compact.isalnum() and any(sign.isdigit() for sign in compact)


def tax_number_checks(value: str, country: str) -> bool:
    """Form, and for Spain and France the check digits; a country without a known form passes."""
    number = normalised(value)
    prefix = "EL" if country.upper() == "GR" else country.upper()
    number = number.removeprefix(prefix)
    if prefix == "ES":
        return _spanish(number)
    if prefix == "FR":
        return _french(number)
    form = _VAT_FORMS.get(prefix)
    return re.fullmatch(form, number) is not None if form else looks_like_tax_number(value)


def iban_checks(value: str) -> bool:
    """The checksum of ISO 13616: moved to the end, letters as numbers, the rest by 97 is 1."""
    compact = normalised(value)
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", compact):
        return False
    digits = "".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])
    return int(digits) % 97 == 1


def _spanish(number: str) -> bool:
    if re.fullmatch(r"[XYZ]?\d{7,8}[A-Z]", number) and len(number) == 9:
        digits = number[:-1].translate(str.maketrans("XYZ", "012"))
        return _NIF_LETTERS[int(digits) % 23] == number[-1]
    if not re.fullmatch(r"[A-HJNP-SUVWKLM]\d{7}[0-9A-J]", number):
        return False
    odd = (2 * int(sign) for sign in number[1:8:2])
    total = sum(value // 10 + value % 10 for value in odd) + sum(int(sign) for sign in number[2:8:2])
    check = -total % 10
    return number[-1] in {str(check), _CIF_LETTERS[check]}


def _french(number: str) -> bool:
    if not re.fullmatch(r"[0-9A-Z]{2}\d{9}", number):
        return False
    key, siren = number[:2], number[2:]
    return not key.isdigit() or int(key) == (12 + 3 * (int(siren) % 97)) % 97
