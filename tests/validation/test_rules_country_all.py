"""Rules of countries, of taxes and of form: for each a document that keeps it and one that breaks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.domain import catalogue
from connector.domain.invoice import Attachment, Invoice, LegalId, Party, Payment, Tax, TaxKind
from connector.validation import ALL, LATER, ON_TRIAL, Level, judge, levels_of
from connector.validation.countries import COUNTRIES
from connector.validation.rules import RULES
from tests.support.builders import CUSTOMER, EXEMPT, IRPF, IVA, NOON, SELLER, credit_note, invoice, line

FRENCH = Party(name="Ateliers Lumière", tax_number="FR44732829320", country="FR")
BELGIAN = Party(name="Ateliers Belges", tax_number="BE0403019261", country="BE")
UNIVERSITY = Party(
    name="Université", country="FR", legal_ids=(LegalId(scheme="0009", value="13001533200013"),), is_public_body=True
)
TOWN = Party(
    name="Ayuntamiento",
    tax_number="ESP2800000H",
    country="ES",
    is_public_body=True,
    dir3_codes=(("01", "L01281777"), ("02", "L01281777"), ("03", "L01281777")),
)
ITALIAN = Party(name="Officine Lupo", tax_number="IT00743110157", country="IT")
COMUNE = replace(ITALIAN, name="Comune", is_public_body=True)
AGENCY = Party(name="Bundesamt", tax_number="DE136695976", country="DE", is_public_body=True)
MINISTRY = Party(name="Ministerie", tax_number="NL004495445B01", country="NL", is_public_body=True)
SURCHARGE = Tax(kind=TaxKind.SURCHARGE, percent=Decimal("5.2"), category="S", source_name="RE 5,2%")


def chorus(**changes: object) -> Invoice:
    given = {"buyer": UNIVERSITY, "buyer_reference": "FACTURES", "purchase_order": "4500012345"}
    return invoice("1", **{**given, **changes})


def ids(*legal: tuple[str, str]) -> tuple[LegalId, ...]:
    return tuple(LegalId(scheme=scheme, value=value) for scheme, value in legal)


def attached(name: str, **changes: Any) -> Attachment:
    return Attachment(**{"name": name, "size": 1, "digest": "1", **changes})


BROKEN: Mapping[str, Invoice] = {
    "number_too_long": invoice("1", number="F" * 256),
    "number_form": invoice("1", number="FACT 2026 / 000000001", seller=FRENCH),
    "issue_date_implausible": invoice("1", issue_date=date(1926, 1, 10), due_date=None),
    "due_date_implausible": invoice("1", due_date=date(2025, 1, 10)),
    "original_date_implausible": credit_note("2", invoice("1", issue_date=date(2026, 1, 11))),
    "due_date_missing": invoice("1", seller=FRENCH, due_date=None),
    "currency_not_euro": invoice("1", seller=FRENCH, currency="USD"),
    "account_not_iban": invoice("1", payment=Payment(other_account="021000021123456789")),
    "bic_wrong": invoice("1", payment=Payment(iban="ES9121000418450200051332", bic="CAIXA")),
    "company_number_wrong": invoice("1", buyer=replace(BELGIAN, legal_ids=ids(("0106", "123")))),
    "exemption_reason_missing": invoice("1", line(taxes=(replace(EXEMPT, reason=None),))),
    "exemption_reason_wrong": invoice("1", line(taxes=(replace(EXEMPT, reason="E7"),))),
    "exemption_reason_unknown": invoice("1", line(taxes=(replace(EXEMPT, reason="VATEX-FR-NEW"),)), seller=FRENCH),
    "exemption_reason_advised": invoice("1", line(taxes=(replace(EXEMPT, category="AE", reason=None),))),
    "withholding_not_negative": invoice("1", line(taxes=(IVA, replace(IRPF, percent=Decimal(15))))),
    "tax_negative": invoice("1", line(taxes=(replace(IVA, percent=Decimal(-21)),))),
    "surcharge_without_vat": invoice("1", line(taxes=(EXEMPT, SURCHARGE)), seller=BELGIAN),
    "surcharge_rate_unusual": invoice("1", line(taxes=(IVA, replace(SURCHARGE, percent=Decimal("1.4"))))),
    "tax_of_elsewhere": invoice("1", seller=replace(SELLER, postal_code="35001")),
    "tax_twice": invoice("1", line(taxes=(IVA, replace(IVA, source_name="IVA 21% bienes")))),
    "vat_twice": invoice("1", line(taxes=(IVA, replace(IVA, percent=Decimal(10), source_name="IVA 10%")))),
    "number_unprintable": invoice("1", number="F-1\n2"),
    "reference_too_long": invoice("1", purchase_order="4" * 256),
    "email_wrong": invoice("1", buyer=replace(CUSTOMER, email="ana@norte.example; luis@norte.example")),
    "line_text_missing": invoice("1", line(description=" ")),
    "postal_code_wrong": invoice("1", buyer=replace(CUSTOMER, postal_code="8013")),
    "siret_missing": chorus(buyer=replace(UNIVERSITY, legal_ids=ids(("0002", "130015332")))),
    "siret_wrong": chorus(buyer=replace(UNIVERSITY, legal_ids=ids(("0009", "13001533200014")))),
    "service_code_missing": chorus(buyer_reference=None),
    "order_number_missing": chorus(purchase_order=None),
    "dir3_missing": invoice("1", buyer=replace(TOWN, dir3_codes=TOWN.dir3_codes[:2])),
    "dir3_wrong": invoice("1", buyer=replace(TOWN, dir3_codes=(*TOWN.dir3_codes[:2], ("03", "L0128177")))),
    "peppol_endpoint_missing": invoice("1", seller=BELGIAN, buyer=replace(BELGIAN, tax_number="FR44732829320")),
    "peppol_endpoint_differs": invoice("1", buyer=replace(BELGIAN, legal_ids=ids(("0208", "0428759497")))),
    "recipient_code_missing": invoice("1", seller=ITALIAN, buyer=ITALIAN),
    "recipient_code_wrong": invoice("1", buyer=replace(ITALIAN, recipient_code="ABC12")),
    "leitweg_id_missing": invoice("1", buyer=AGENCY, buyer_reference="Frau Müller"),
    "oin_missing": invoice("1", buyer=MINISTRY),
    "attachment_name_wrong": invoice("1", attachments=(attached("../a.pdf"),)),
    "attachment_twice": invoice("1", attachments=(attached("a.pdf"), attached("a.pdf", digest="2"))),
    "attachment_type": invoice("1", attachments=(attached("macro.docm"),)),
    "attachment_size": invoice("1", attachments=(attached("a.pdf", size=10 * 1024 * 1024 + 1),)),
    "attachments_too_many": invoice("1", attachments=tuple(attached(f"{n}.pdf") for n in range(21))),
}

KEPT: Mapping[str, Invoice] = {
    "a plain invoice": invoice("1"),
    "Chorus Pro": chorus(),
    "Chorus Pro, the code on the unit": chorus(
        buyer=replace(UNIVERSITY, legal_ids=(*UNIVERSITY.legal_ids, *ids(("8017", "FACTURES")))), buyer_reference=None
    ),
    "La Poste": chorus(buyer=replace(UNIVERSITY, legal_ids=ids(("0009", "35600000049837")))),
    "FACe": invoice("1", buyer=TOWN),
    "German body": invoice("1", buyer=AGENCY, buyer_reference="04011000-1234512345-06"),
    "Dutch body": invoice("1", buyer=replace(MINISTRY, legal_ids=ids(("0190", "00000001001234567000")))),
    "Belgian to Belgian": invoice(
        "1", seller=BELGIAN, buyer=replace(BELGIAN, legal_ids=ids(("0208", "0403.019.261")))
    ),
    "an Italian by code": invoice("1", seller=ITALIAN, buyer=replace(ITALIAN, recipient_code="M5UXCR1")),
    "an Italian by mail": invoice("1", seller=ITALIAN, buyer=replace(ITALIAN, certified_email="lupo@pec.example")),
    "an Italian private person": invoice("1", seller=ITALIAN, buyer=replace(ITALIAN, is_company=False)),
    "an Italian body": invoice("1", buyer=replace(COMUNE, recipient_code="UF5HHG")),
    "from Spain to Italy": invoice("1", buyer=ITALIAN),
    "withholding and surcharge": invoice("1", line(taxes=(IVA, SURCHARGE, IRPF))),
    "an exempt line": invoice("1", line(taxes=(EXEMPT,))),
    "a French number": invoice("1", seller=FRENCH, number="2026/F-001_a+b"),
    "a Portuguese number": invoice("1", seller=replace(SELLER, country="PT"), number="FT 2026A/17"),
    "a credit note": credit_note("2", invoice("1")),
    "an odd number": invoice("1", number="Ñ-漢字 № 1/2026", seller=BELGIAN),
    "an odd mail box": invoice("1", buyer=replace(CUSTOMER, email="o'neil+x@sub.norte.example")),
    "two files": invoice("1", attachments=(attached("F-1.pdf", is_view=True), attached("Tabla de precios.XLSX"))),
    "a BIC without an account goes nowhere": invoice("1", payment=Payment(bic="CAIXA")),
    "an account goes nowhere where all is paid in cash": invoice(
        "1", payment=Payment(iban="ES00", bic="CAIXA", method="10")
    ),
    "an account goes nowhere where the seller debits the buyer's": invoice(
        "1", payment=Payment(iban="ES00", bic="CAIXA", method="59")
    ),
}


def said(document: Invoice) -> list[str]:
    found = judge(document, now=NOON)
    return [problem.reason for problem in (*found.blocks, *found.warnings)]


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_rule_is_told_with_all_its_facts(reason: str) -> None:
    found = judge(BROKEN[reason], now=NOON)
    rule = next(rule for rule in ALL if rule.id == reason)
    level = found.blocks if rule.level is Level.BLOCK else found.warnings

    [problem] = [problem for problem in level if problem.reason == reason]
    entry = catalogue.reason(reason)
    for language in ("en", "es", "fr", "ca"):
        assert "?" not in entry.message(problem.details, language) + entry.advice(problem.details, language)


@pytest.mark.parametrize("name", KEPT)
def test_a_document_that_keeps_all_rules_is_let_pass_in_silence(name: str) -> None:
    assert said(KEPT[name]) == []


@pytest.mark.parametrize("seller", [SELLER, FRENCH])
def test_chorus_pro_asks_for_a_due_date_whoever_bills(seller: Party) -> None:
    assert said(chorus(seller=seller, due_date=None)) == ["due_date_missing"]
    assert said(chorus(seller=seller)) == []


def test_every_rule_beyond_the_basic_ones_has_a_document_that_breaks_it() -> None:
    assert set(BROKEN) == {rule.id for rule in ALL} - {rule.id for rule in RULES}


def test_a_rule_gives_no_other_reason_than_its_own() -> None:
    for rule in ALL:
        assert {problem.reason for document in BROKEN.values() for problem in rule(document, NOON)} <= {rule.id}


def test_ids_are_unique_and_every_rule_says_what_it_is_for() -> None:
    assert len({rule.id for rule in ALL}) == len(ALL)
    assert all(rule.check.__doc__ and rule.source and rule.id in catalogue.reasons() for rule in ALL)
    assert all(country.code == code for code, country in COUNTRIES.items())


def test_an_account_chooses_the_levels() -> None:
    document = invoice("1", payment=Payment(iban="ES00"), buyer=replace(TOWN, dir3_codes=()))
    levels = levels_of({"iban_wrong": "warn", "dir3_missing": "block"})

    found = judge(document, now=NOON, levels=levels)

    assert [problem.reason for problem in found.blocks] == ["dir3_missing"]
    assert [problem.reason for problem in found.warnings] == ["iban_wrong"]


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"ibn_wrong": "warn"}, "there is no rule ibn_wrong; did you mean iban_wrong?"),
        ({"xyzzy": "warn"}, "there is no rule xyzzy; docs/validation.md lists them"),
        ({"iban_wrong": "off"}, "iban_wrong is 'off', but a level is block or warn"),
        ({"tax_missing": "warn"}, "tax_missing is always block"),
    ],
)
def test_a_wrong_choice_is_told_in_one_sentence(chosen: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("?", r"\?")):
        levels_of(chosen)


@pytest.mark.parametrize("name", ["", " ", "a" * 256, "a/b.pdf", "a\\b.pdf", "a\nb.pdf"])
def test_a_file_needs_a_name_that_can_be_sent(name: str) -> None:
    assert "attachment_name_wrong" in said(invoice("1", attachments=(attached(name),)))


@pytest.mark.parametrize("size", [0, -1, 10 * 1024 * 1024 + 1])
def test_a_file_is_neither_empty_nor_very_large(size: int) -> None:
    assert said(invoice("1", attachments=(attached("a.pdf", size=size),))) == ["attachment_size"]


@pytest.mark.parametrize("change", [{}, {"certified_email": "comune@pec.example"}], ids=["nothing", "a mail box"])
def test_an_italian_public_body_is_reached_by_its_code_alone(change: dict[str, Any]) -> None:
    assert said(invoice("1", buyer=replace(COMUNE, **change))) == ["recipient_code_missing"]


@pytest.mark.parametrize(
    "change", [{"recipient_code": "M5UXCR1"}, {"recipient_code": "UF5HHG", "certified_email": "comune"}]
)
def test_an_italian_address_has_its_form(change: dict[str, Any]) -> None:
    assert said(invoice("1", buyer=replace(COMUNE, **change))) == ["recipient_code_wrong"]


@pytest.mark.parametrize("country", ["GP", "MQ", "GF", "RE", "YT"])
def test_a_public_body_overseas_has_the_rules_of_chorus_pro(country: str) -> None:
    hospital = replace(UNIVERSITY, country=country)
    assert said(chorus(buyer=replace(hospital, legal_ids=()))) == said(
        chorus(buyer=replace(UNIVERSITY, legal_ids=()))
    )
    assert said(chorus(buyer=hospital)) == []


def test_a_customer_without_anything_special_is_nobodys_public_body() -> None:
    assert said(invoice("1", buyer=replace(CUSTOMER, is_company=False))) == []


def test_the_documentation_lists_every_rule_with_its_level_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| \[`(\w+)`\]\(reasons\.md#\w+\) \| ([\w, ]+) \|", page, re.MULTILINE))

    rules = {rule.id: f"{rule.level}{', always' if rule.settled else ''}" for rule in ALL}
    later = {
        name: f"{level}{f', outside production {ON_TRIAL[name]}' if name in ON_TRIAL else ''}"
        for name, level in LATER.items()
    }
    assert listed == rules | later


def test_what_a_rule_holds_is_looked_at_again() -> None:
    assert {rule.id for rule in ALL} | set(LATER) <= set(catalogue.cured_by_erp())
