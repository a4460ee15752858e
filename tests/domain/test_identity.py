"""Names that every restart computes alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.identity import (
    contact_identity,
    file_reference,
    integration_code,
    legal_id_key,
    number_key,
    tax_number_key,
    tax_number_spelling,
    telling_tax_number,
    xref,
)
from connector.domain.invoice import LegalId, Party
from tests.support.builders import CUSTOMER, invoice


@pytest.mark.parametrize(
    ("number", "country", "key"),
    [
        ("ESB76543214", "ES", "ESB76543214"),
        ("B76543214", "ES", "ESB76543214"),
        ("es b-76.543.214", "ES", "ESB76543214"),
        ("094259216", "GR", "EL094259216"),
        ("EL094259216", "GR", "EL094259216"),
        ("GR094259216", "GR", "EL094259216"),
        ("XI123456789", "GB", "XI123456789"),
        ("123456789", "GB", "GB123456789"),
        ("GB123456789", "GB", "GB123456789"),
        ("U12345678", "AT", "ATU12345678"),
        ("FR40303265045", None, "FR40303265045"),
        ("40303265045", None, "40303265045"),
        ("", "ES", None),
        (None, "ES", None),
        (" - ", "ES", None),
    ],
)
def test_a_tax_number_has_one_spelling(number: str | None, country: str | None, key: str | None) -> None:
    assert tax_number_key(number, country) == key


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("N/A", "US"),
        ("n.a.", "CH"),
        ("EXPORT", "MA"),
        ("NONE", None),
        ("ES", "ES"),
        ("0", "NO"),
        ("GR000000000", "GR"),
        ("9999", "US"),
        ("66.666.666-6", "CL"),
    ],
)
def test_what_stands_for_none_is_no_tax_number(number: str, country: str | None) -> None:
    assert tax_number_key(number, country) is None


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("X0000000T", "ES"),
        ("00000000T", "ES"),
        ("ES00000000T", "ES"),
        ("PT999999990", "PT"),
        ("999999990", "PT"),
        ("XAXX010101000", "MX"),
        ("XEXX010101000", "US"),
        ("OO99999999999", "CN"),
    ],
)
def test_what_is_prescribed_for_nobody_in_particular_is_a_number_that_tells_nobody(number: str, country: str) -> None:
    assert tax_number_key(number, country) == tax_number_spelling(number, country)
    assert telling_tax_number(number, country) is None


@pytest.mark.parametrize(
    ("number", "country", "key"),
    [("GB HA555", "GB", "GBHA555"), ("11111111H", "ES", "ES11111111H"), ("999999990", "US", "US999999990")],
)
def test_a_number_that_merely_looks_odd_is_one(number: str, country: str, key: str) -> None:
    assert tax_number_key(number, country) == telling_tax_number(number, country) == key


@pytest.mark.parametrize("numbers", [("N/A", "n.a."), ("XEXX010101000", "XEXX 010101 000")])
def test_customers_without_a_number_of_their_own_are_never_one_recipient(numbers: tuple[str, str]) -> None:
    acme, globex = (
        Party(key=key, name=name, country="US", tax_number=number)
        for key, name, number in zip("12", ("Acme Inc", "Globex Corp"), numbers, strict=True)
    )

    assert {contact_identity("erp", "1", party) for party in (acme, globex)} == {"own:erp:1:1", "own:erp:1:2"}


@given(st.text(max_size=20), st.sampled_from(["ES", "GR", "GB", "FR", "US", None]))
def test_the_spelling_is_its_own_spelling(number: str, country: str | None) -> None:
    key = tax_number_key(number, country)

    assert tax_number_key(key, country) == key
    assert key is None or key.isalnum()


def test_our_mark_is_the_same_for_ever_and_for_no_two_documents() -> None:
    assert file_reference("erp", "1", "42") == "erp-e5uueen2v2evrsuhjppfdiba"
    marks = {file_reference(*names) for names in (("a", "b", "c"), ("a", "bc", ""), ("ab", "", "c"), ("a", "c", "b"))}
    assert len(marks) == 4


def test_the_cross_reference_has_its_fixed_form() -> None:
    assert xref("sandbox", "1234", "4919734") == "b2brouter:sandbox:1234:4919734"


def test_a_number_counts_by_series_and_year() -> None:
    keys = {
        number_key(document)
        for document in (
            invoice("1"),
            invoice("1", series="B"),
            invoice("1", issue_date=date(2025, 1, 10)),
            invoice("1", number="F-2"),
        )
    }
    assert len(keys) == 4
    assert number_key(invoice("1")) == number_key(invoice("9", number="F-1", issue_date=date(2026, 12, 31)))


@pytest.mark.parametrize(
    ("value", "key"), [("130 015 332 00013", "13001533200013"), ("130.015-332", "130015332"), (" A-1 ", "A-1")]
)
def test_a_registered_identifier_has_one_spelling(value: str, key: str) -> None:
    assert legal_id_key(value) == key


def test_recipients_are_told_apart_by_what_b2brouter_tells_them_apart_by() -> None:
    def who(party: Party) -> str:
        return contact_identity("erp", "1", party)

    siret = (LegalId(scheme="0002", value="130015332"), LegalId(scheme="0009", value="130 015 332 00013"))
    university = Party(key="9", name="U", tax_number="FR00130015332", legal_ids=siret, is_public_body=True)
    assert who(CUSTOMER) == "tax:ESA28015865"
    assert who(replace(CUSTOMER, key="99", name="Norte, the same")) == who(CUSTOMER)
    assert who(university) == "0009:13001533200013"
    assert who(replace(university, is_public_body=False)) == "tax:FR00130015332"
    assert who(replace(university, is_public_body=False, tax_number=None)) == "0002:130015332"
    assert who(Party(key="5", name="Ana")) == "own:erp:1:5"


def test_our_contacts_carry_the_erps_own_key() -> None:
    assert integration_code("erp", CUSTOMER) == "erp:7"


def test_without_a_key_a_customer_has_its_number_for_a_code_or_else_all_that_is_known_of_it() -> None:
    firm = replace(CUSTOMER, key="")
    dutch = Party(name="Klant", country="NL", legal_ids=(LegalId(scheme="0106", value="1234 5678"),))
    anybody = Party(name="Ana", country="ES", tax_number="00000000T", city="Lugo")
    assert integration_code("erp", firm) == "erp:tax:ESA28015865"
    assert integration_code("erp", dutch) == "erp:0106:12345678"
    assert integration_code("erp", anybody) == "erp:like:7253c1f3eb2961b95edc1d857a22c8c2"
    assert contact_identity("erp", "1", anybody) == "own:erp:1:like:7253c1f3eb2961b95edc1d857a22c8c2"
    changed: list[dict[str, Any]] = [{"name": "Eva"}, {"city": "Vigo"}, {"email": "ana@example.com"}]
    codes = {integration_code("erp", replace(anybody, **changes)) for changes in [*changed, {"address": "Rúa 1"}, {}]}
    assert len(codes) == 5


@pytest.mark.parametrize(
    "legal_ids",
    [
        (LegalId(scheme="8017", value="FACTURES"),),
        (LegalId(scheme="0009", value=" "),),
    ],
)
def test_what_is_no_number_of_a_customer_does_not_tell_it(legal_ids: tuple[LegalId, ...]) -> None:
    assert contact_identity("erp", "1", Party(key="5", name="Ana", legal_ids=legal_ids)) == "own:erp:1:5"
    registered = (*legal_ids, LegalId(scheme="0002", value="130015332"))
    assert contact_identity("erp", "1", Party(key="5", name="Ana", legal_ids=registered)) == "0002:130015332"
