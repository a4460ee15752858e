"""Tax numbers and bank accounts of many countries, right and wrong by a digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.validation.identifiers import foreign_home, iban_valid, tax_number_valid

VALID = [
    ("AT", "ATU13585627"),
    ("AT", "U13585627"),
    ("BE", "BE0403019261"),
    ("BE", "0403.019.261"),
    ("BG", "BG175074752"),
    ("CY", "CY10259033P"),
    ("CZ", "CZ25123891"),
    ("DE", "DE136695976"),
    ("DE", "136 695 976"),
    ("DK", "DK13585628"),
    ("EE", "EE100931558"),
    ("ES", "ESB76543214"),
    ("ES", "A28015865"),
    ("ES", "12345678Z"),  # of a person
    ("ES", "X1234567L"),  # of a foreign resident
    ("ES", "ESX2482300W"),
    ("FI", "FI20774740"),
    ("FR", "FR40303265045"),
    ("FR", "40 303 265 045"),
    ("GB", "GB980780684"),
    ("GB", "XI980780684"),
    ("GR", "EL094259216"),
    ("GR", "GR094259216"),
    ("GR", "094259216"),
    ("HR", "HR33392005961"),
    ("HU", "HU12892312"),
    ("IE", "IE6433435F"),
    ("IE", "IE6433435OA"),
    ("IT", "IT00743110157"),
    ("IT", "RCCMNL83S18D969H"),  # codice fiscale
    ("LT", "LT119511515"),
    ("LU", "LU15027442"),
    ("LV", "LV40003521600"),
    ("MT", "MT11679112"),
    ("NL", "NL004495445B01"),
    ("PL", "PL8567346215"),
    ("PT", "PT501964843"),
    ("RO", "RO18547290"),
    ("SE", "SE556188840401"),
    ("SI", "SI50223054"),
    ("SK", "SK2022749619"),
]
WRONG = [
    ("AT", "ATU13585626"),
    ("BE", "BE0403019262"),
    ("CZ", "CZ25123890"),
    ("DE", "DE136695978"),
    ("DK", "DK13585627"),
    ("EE", "EE100931559"),
    ("ES", "ESA28015866"),
    ("ES", "12345678A"),
    ("ES", "X1234567A"),
    ("ES", "ES"),
    ("ES", "?"),
    ("FI", "FI20774741"),
    ("FR", "FR41303265045"),
    ("GB", "GB980780685"),
    ("GR", "EL123456781"),
    ("HR", "HR33392005962"),
    ("HU", "HU12892313"),
    ("IE", "IE6433435E"),
    ("IT", "IT00743110158"),
    ("IT", "RCCMNL83S18D969X"),
    ("LU", "LU15027443"),
    ("NL", "NL123456789B90"),
    ("PL", "PL8567346216"),
    ("PT", "PT501964842"),
    ("SE", "SE556188840402"),
    ("SI", "SI50223055"),
    ("SK", "SK2022749618"),
]
UNCHECKED = [("US", "12-3456789"), ("CH", "anything"), ("AD", "L-707070-Z"), (None, "123")]


@pytest.mark.parametrize(("country", "number"), VALID)
def test_a_number_that_can_exist_passes(country: str, number: str) -> None:
    assert tax_number_valid(number, country)


@pytest.mark.parametrize(("country", "number"), WRONG)
def test_a_number_that_cannot_exist_is_caught(country: str, number: str) -> None:
    assert not tax_number_valid(number, country)


@pytest.mark.parametrize(
    ("country", "number", "home"),
    [
        ("ES", "PT501964843", "PT"),
        ("ES", "PT 501 964 843", "PT"),
        ("FR", "LU15027442", "LU"),
        ("GB", "IE6433435F", "IE"),
        ("FR", "ESX1234567L", "ES"),
        ("ES", "EL094259216", "GR"),
        ("ES", "XI980780684", "GB"),
        ("BE", "NL004495445B01", "NL"),
    ],
)
def test_a_number_of_another_country_passes_by_the_rules_there(country: str, number: str, home: str) -> None:
    assert foreign_home(number, country) == home
    assert tax_number_valid(number, country)


@pytest.mark.parametrize(
    ("country", "number"),
    [
        ("ES", "PT501964842"),
        ("ES", "PT999999999"),
        ("ES", "GR094259216"),  # the prefix of Greece is EL
        ("ES", "501964843"),
        ("FR", "CHE116281710"),  # a country whose numbers are not checked proves nothing
    ],
)
def test_a_number_that_cannot_exist_in_the_country_of_its_prefix_is_caught(country: str, number: str) -> None:
    assert foreign_home(number, country) is None
    assert not tax_number_valid(number, country)


@pytest.mark.parametrize(("country", "number"), [*VALID, *UNCHECKED, ("US", "ESA28015865")])
def test_a_number_of_ones_own_country_has_no_other_home(country: str | None, number: str) -> None:
    assert foreign_home(number, country) is None


@pytest.mark.parametrize(("country", "number"), UNCHECKED)
def test_elsewhere_the_form_of_a_number_is_not_ours_to_judge(country: str | None, number: str) -> None:
    assert tax_number_valid(number, country)


@given(st.text(max_size=24), st.sampled_from(sorted({country for country, _ in VALID})))
def test_whatever_a_user_types_is_judged_and_nothing_fails(number: str, country: str) -> None:
    assert tax_number_valid(number, country) in {True, False}


@pytest.mark.parametrize(
    "iban",
    [
        "ES9121000418450200051332",
        "ES91 2100 0418 4502 0005 1332",
        "es9121000418450200051332",
        "FR7630006000011234567890189",
        "DE89370400440532013000",
        "IT60X0542811101000000123456",
        "GB29NWBK60161331926819",
        "NL91ABNA0417164300",
        "PT50000201231234567890154",
        "BE68539007547034",
        "AT611904300234573201",
        "CH9300762011623852957",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
    ],
)
def test_a_bank_account_that_can_exist_passes(iban: str) -> None:
    assert iban_valid(iban)


@pytest.mark.parametrize(
    "iban",
    [
        "",
        "ES",
        "ES9121000418450200051333",
        "ES912100041845020005133",
        "FR7630006000011234567890188",
        "DE89370400440532013001",
        "XX9121000418450200051332",
        "2100 0418 45 0200051332",
        "no account",
    ],
)
def test_a_bank_account_that_cannot_exist_is_caught(iban: str) -> None:
    assert not iban_valid(iban)


@given(st.text(max_size=40))
def test_whatever_is_typed_as_an_account_is_judged(iban: str) -> None:
    assert iban_valid(iban) in {True, False}
