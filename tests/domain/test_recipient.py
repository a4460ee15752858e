"""Which contacts an invoice needs, and what makes two of them the same one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector.domain.identity import storable
from connector.domain.invoice import LegalId, Party
from connector.domain.recipient import Unit, directory_keys, is_for_chorus, recipients, service_code, unit_of
from tests.support.builders import CUSTOMER, OTHER_CUSTOMER, invoice

SIRET = LegalId(scheme="0009", value="130 015 332 00013")
UNIVERSITY = Party(key="9", name="U", country="FR", legal_ids=(SIRET,), is_public_body=True)
COUNCIL = Party(
    key="3",
    name="Ayuntamiento",
    country="ES",
    tax_number="P2807900B",
    is_public_body=True,
    dir3_codes=(("02", "L01280796"), ("01", "la0001"), ("03", " L01280797 ")),
)


def names(buyer: Party, **changes: Any) -> list[str]:
    return [each.identity for each in recipients("erp", "1", invoice(buyer=buyer, **changes))]


def test_a_customer_is_one_contact_under_the_erps_own_key() -> None:
    [main] = recipients("erp", "1", invoice())
    assert (main.identity, main.code, main.customer, main.unit) == ("tax:ESA28015865", "erp:7", "erp:7", None)


@pytest.mark.parametrize(
    "buyer",
    [
        replace(CUSTOMER, key="k" * 300),
        replace(CUSTOMER, key="k" * 250, tax_number="00000000T"),
        replace(CUSTOMER, key="", tax_number="1234" * 70, country="US"),
        replace(CUSTOMER, tax_number=None, legal_ids=(LegalId(scheme="0088", value="9" * 300),)),
        replace(CUSTOMER, key="7\x00", tax_number=None, legal_ids=(LegalId(scheme="0088", value="9\x00"),)),
    ],
    ids=["key", "key alone", "tax number", "registered number", "NUL"],
)
def test_whatever_an_erp_says_names_a_contact_that_the_ledger_and_b2brouter_can_keep(buyer: Party) -> None:
    [main] = recipients("erp", "1", invoice(buyer=buyer))
    [again] = recipients("erp", "1", invoice(buyer=buyer))

    names = (main.identity, main.code, main.customer, main.keyless)
    assert names == (again.identity, again.code, again.customer, again.keyless)
    assert [name for name in names if len(name) > 255 or name != storable(name)] == []


def test_a_service_of_chorus_pro_is_a_contact_under_its_body_whoever_of_the_erps_customers_bills_it() -> None:
    main, unit = recipients("erp", "1", invoice(buyer=UNIVERSITY, buyer_reference=" ESR "))
    assert main.identity == "0009:13001533200013"
    assert unit.identity == unit.code == "0009:13001533200013/8017:ESR"
    assert (unit.unit, unit.customer) == (Unit("8017", "ESR"), "erp:9")
    other = recipients("sage", "2", invoice(buyer=replace(UNIVERSITY, key="77"), buyer_reference="ESR"))
    assert other[1].code == unit.code


def test_the_documents_own_service_counts_before_the_customers() -> None:
    body = replace(UNIVERSITY, legal_ids=(SIRET, LegalId(scheme="8017", value="USUAL")))
    assert service_code(invoice(buyer=body)) == "USUAL"
    assert service_code(invoice(buyer=body, buyer_reference="SPECIAL")) == "SPECIAL"
    assert service_code(invoice(buyer=UNIVERSITY, buyer_reference="  ")) is None


@pytest.mark.parametrize("country", ["GP", "MQ", "GF", "RE", "YT"])
def test_a_hospital_overseas_is_billed_through_chorus_pro(country: str) -> None:
    hospital = replace(UNIVERSITY, name="Centre hospitalier", country=country)
    assert is_for_chorus(hospital)
    assert unit_of(invoice(buyer=hospital, buyer_reference="ESR")) == Unit("8017", "ESR")


@pytest.mark.parametrize(
    "changes", [{"is_public_body": False}, {"legal_ids": ()}, {"country": "BE"}, {"country": "PF"}]
)
def test_a_reference_is_a_service_only_to_french_public_bodies(changes: dict[str, Any]) -> None:
    assert unit_of(invoice(buyer=replace(UNIVERSITY, **changes), buyer_reference="ESR")) is None


def test_three_offices_of_face_are_a_contact_and_other_three_another() -> None:
    assert names(COUNCIL) == ["tax:ESP2807900B", "tax:ESP2807900B/dir3:LA0001.L01280796.L01280797"]
    other = replace(COUNCIL, dir3_codes=(*COUNCIL.dir3_codes[:2], ("03", "L09999999")))
    assert names(other)[1] != names(COUNCIL)[1]


@pytest.mark.parametrize(
    "codes",
    [
        (("01", "A"), ("02", "B")),
        (("01", "A"), ("02", "B"), ("03", " ")),
        (("01", "A"), ("02", "B"), ("03", "C"), ("03", "D")),  # which one is billed, nobody can say
    ],
)
def test_offices_that_are_not_clear_are_not_guessed(codes: tuple[tuple[str, str], ...]) -> None:
    assert names(replace(COUNCIL, dir3_codes=codes)) == ["tax:ESP2807900B"]


def test_a_name_fits_wherever_it_is_kept_and_stays_its_own() -> None:
    one, other = (names(UNIVERSITY, buyer_reference="x" * 400 + end)[1] for end in "ab")
    assert len(one) == len(other) == 255
    assert one != other


@pytest.mark.parametrize(
    ("buyer", "keys"),
    [
        (CUSTOMER, ((None, "ESA28015865"),)),
        (replace(OTHER_CUSTOMER, legal_ids=(SIRET,)), (("0009", "13001533200013"), (None, "FR40303265045"))),
        (replace(CUSTOMER, country="BE", tax_number="BE 0403.170.701"), ((None, "0403170701"),)),
        (replace(CUSTOMER, country="GR", tax_number="094019245"), ((None, "EL094019245"),)),
        (replace(CUSTOMER, is_company=False), ()),
        (replace(CUSTOMER, country=None), ()),
        (Party(name="Ana", country="ES"), ()),
    ],
)
def test_the_directory_is_asked_for_registered_numbers(
    buyer: Party, keys: tuple[tuple[str | None, str], ...]
) -> None:
    assert directory_keys(buyer) == keys
