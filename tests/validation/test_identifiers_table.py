"""Identifiers that can exist and such as cannot, by country and kind: one table, one row each.

Valid numbers are published examples, or were made with the check digits worked out; wrong ones differ from them in
one place, as typing errors do.
"""

from __future__ import annotations

from collections import Counter

import pytest

from connector.validation.identifiers import bic_valid, iban_valid, legal_id_valid, tax_number_valid

TAX_NUMBERS = """
    AT  yes  ATU13585627 ATU33864707 U13585627
    AT  no   ATU13585626 AT13585627 ATU1358562
    BE  yes  BE0403019261 BE0428759497 0403.019.261 BE0203201340
    BE  no   BE0403019262 BE403019 BE2403019261
    BG  yes  BG175074752
    BG  no   BG175074751
    CY  yes  CY10259033P
    CY  no   CY10259033Z
    CZ  yes  CZ25123891
    CZ  no   CZ25123890
    DE  yes  DE136695976 136695976
    DE  no   DE136695978 DE13669597 DE1366959760
    DK  yes  DK13585628
    DK  no   DK13585627
    EE  yes  EE100931558
    EE  no   EE100594103
    ES  yes  ESB76543214 A28015865 ESA58818501 12345678Z X1234567L ESX2482300W ESP2800000H ES54362315K ESB58378431
    ES  no   ESB76543215 A28015866 12345678A X1234567A ESB12345678 ESP2800000A B7654321
    FI  yes  FI20774740
    FI  no   FI20774741
    FR  yes  FR40303265045 FR83404833048 FR84130015332 FR44732829320 40303265045
    FR  no   FR41303265045 FR84130015333 FR4030326504
    GB  yes  GB980780684
    GB  no   GB802311781
    GR  yes  EL094259216 GR094259216 094259216
    GR  no   EL094259217 EL09425921
    HR  yes  HR33392005961
    HR  no   HR33392005962
    HU  yes  HU12892312
    HU  no   HU12892313
    IE  yes  IE6433435F IE6433435OA
    IE  no   IE6433435E
    IT  yes  IT00743110157 00743110157 RCCMNL83S18D969H
    IT  no   IT00743110158 IT0074311015 RCCMNL83S18D969I
    LT  yes  LT119511515
    LT  no   LT100001919018
    LU  yes  LU15027442
    LU  no   LU15027443
    LV  yes  LV40003521600
    LV  no   LV40003521601
    MT  yes  MT11679112
    MT  no   MT11679113
    NL  yes  NL004495445B01 NL002455799B11
    NL  no   NL123456789B90 NL004495445
    PL  yes  PL8567346215
    PL  no   PL8567346216
    PT  yes  PT501964843 501964843
    PT  no   PT501964842 PT50196484
    RO  yes  RO18547290
    RO  no   RO18547291
    SE  yes  SE123456789701
    SE  no   SE123456789101
    SI  yes  SI50223054
    SI  no   SI50223055
    SK  yes  SK2022749619
    SK  no   SK2022749618
    US  yes  12-3456789 anything
    CH  yes  CHE-100.155.212
"""

COMPANY_NUMBERS = """
    0002  yes  732829320 130015332 404833048 356000000
    0002  no   732829321 73282932 7328293200
    0009  yes  73282932000074 13001533200013 35600000049837 35600000000048
    0009  no   73282932000079 13001533200014 1300153320001 35600000049838 130015332000131
    0208  yes  0403019261 0428759497
    0208  no   0403019262 403019261 BE0403019261
    0106  yes  12345678
    0106  no   1234567 1234567A
    0190  yes  00000001001234567000
    0190  no   1001234567
    0088  yes  4006381333931
    0088  no   4006381333932
    0204  yes  04011000-1234512345-06
    0204  no   991-12345-67 04011000-1234512345-07
    0060  yes  123456789
    0060  no   12345678
    0199  yes  213800KUD8LAJWSQ9D15
    0199  no   213800KUD8LXJWSQ9D15
    0192  yes  988077917
    0192  no   988077918
    0184  yes  13585628
    0184  no   13585627
    0201  yes  UFY9MH
    0201  no   UFY9M
    0212  yes  20774740
    0212  no   20774741
    0225  yes  anything-goes
"""

ACCOUNTS = """
    yes  ES9121000418450200051332 FR7630006000011234567890189 DE89370400440532013000 BE68539007547034
    yes  IT60X0542811101000000123456 NL91ABNA0417164300 PT50000201231234567890154 GB29NWBK60161331926819
    no   ES9121000418450200051333 FR7630006000011234567890188 DE89370400440532013001 BE68539007547035
    no   IT60X0542811101000000123457 NL91ABNA0417164301 PT50000201231234567890155 ES91 XX00
"""

BANKS = """
    yes  CAIXESBBXXX BNPAFRPP COBADEFFXXX KREDBEBB INGBNL2A deutdeff
    no   CAIXESB CAIXESBBXX 1AIXESBB CAIXE5BB CAIXESBBXXXX
"""


def rows(table: str) -> list[tuple[str, bool, str]]:
    """Read a table of one key per line."""
    found = []
    for key, answer, *numbers in map(str.split, table.strip().splitlines()):
        found += [(key, answer == "yes", number) for number in numbers]
    return found


def plain_rows(table: str) -> list[tuple[bool, str]]:
    """Read a table without keys."""
    found = []
    for answer, *numbers in map(str.split, table.strip().splitlines()):
        found += [(answer == "yes", number) for number in numbers]
    return found


@pytest.mark.parametrize(("country", "valid", "number"), rows(TAX_NUMBERS))
def test_tax_numbers(country: str, valid: bool, number: str) -> None:
    assert tax_number_valid(number, country) is valid


@pytest.mark.parametrize(("scheme", "valid", "number"), rows(COMPANY_NUMBERS))
def test_company_numbers(scheme: str, valid: bool, number: str) -> None:
    assert legal_id_valid(scheme, number) is valid


@pytest.mark.parametrize(("valid", "number"), plain_rows(ACCOUNTS))
def test_bank_accounts(valid: bool, number: str) -> None:
    assert iban_valid(number) is valid


@pytest.mark.parametrize(("valid", "code"), plain_rows(BANKS))
def test_banks(valid: bool, code: str) -> None:
    assert bic_valid(code) is valid


def test_grouping_by_people_does_not_matter() -> None:
    assert legal_id_valid("0009", "130 015 332 00013")
    assert legal_id_valid("0208", "0403.019.261")
    assert tax_number_valid("es-a 28.015.865", "ES")
    assert iban_valid("ES91 2100 0418 4502 0005 1332")


def test_the_tables_are_large_enough_and_balanced() -> None:
    verdicts = [valid for _, valid, _ in rows(TAX_NUMBERS) + rows(COMPANY_NUMBERS)]
    verdicts += [valid for valid, _ in plain_rows(ACCOUNTS) + plain_rows(BANKS)]
    counts = Counter(verdicts)
    assert len(verdicts) >= 150
    assert min(counts.values()) >= 60
