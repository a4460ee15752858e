"""The bodies that we send, field by field and byte by byte."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.b2brouter.payloads import (
    contact_changes,
    contact_payload,
    invoice_payload,
    new_contact_payload,
    number_of,
    usual_delivery,
    without_tax_number,
)
from connector.domain.correction import remote_sign
from connector.domain.errors import RefusedError
from connector.domain.invoice import AllowanceCharge, Kind, LegalId, Original, Party, Payment, Tax, TaxKind
from connector.domain.recipient import Unit
from tests.b2brouter.samples import (
    CUSTOMER,
    FRENCH_SELLER,
    IRPF,
    IVA,
    RE,
    SPANISH_SELLER,
    TVA,
    UNIVERSITY,
    credit_note,
    invoice,
    line,
    payload,
    sent,
)

ORIGINAL = Original(key="1", number="INV-0001", date=date(2026, 1, 21))
FLAT, REFERENCES = "2026-03-02", "2026-04-20"


# ---------------------------------------------------------------- the guides' samples


def test_the_invoice_of_the_guide_to_sending() -> None:
    document = invoice(line(taxes=(Tax(percent=Decimal(21), category="S", name="VAT"),)), due_date=date(2026, 2, 21))
    body = invoice_payload(document, contact_id="1313228399", file_reference="erp-x", api_version="2026-03-02")
    assert body == (
        b'{"send_after_import":false,"invoice":{"type":"IssuedInvoice","number":"INV-0001","date":"2026-01-21",'
        b'"terms":"custom","due_date":"2026-02-21","currency":"EUR","contact_id":1313228399,'
        b'"file_reference":"erp-x","invoice_lines_attributes":[{"position":1,"description":"Example service",'
        b'"quantity":1,"price":10,"taxes_attributes":[{"name":"VAT","category":"S","percent":21}]}]}}'
    )


def test_the_invoice_of_the_guide_to_chorus_pro() -> None:
    catering = line("135", "25", description="Cocktail Dinatoire", unit="DAY", article_code="14", taxes=(TVA,))
    document = invoice(
        catering,
        number="00002",
        issue_date=date(2025, 6, 18),
        due_date=date(2025, 7, 18),
        seller=FRENCH_SELLER,
        buyer=UNIVERSITY,
        payment=Payment(iban="FR76 3000 6000 0112 3456 7890 189"),
        purchase_order="0123456",
        buyer_reference="ESR_MISSION_FACTURES_DEPLACEMENTS",
    )
    body = invoice_payload(document, contact_id="1313228399", file_reference="erp-x", api_version="2026-03-02")
    assert body == (
        b'{"send_after_import":false,"invoice":{"type":"IssuedInvoice","number":"00002","date":"2025-06-18",'
        b'"terms":"custom","due_date":"2025-07-18","currency":"EUR","contact_id":1313228399,'
        b'"file_reference":"erp-x","ponumber":"0123456",'
        b'"buyer_reference":"ESR_MISSION_FACTURES_DEPLACEMENTS",'
        b'"payment_method_text":"Virement","payment_terms":"\xc3\x89ch\xc3\xa9ance : 18/07/2025",'
        b'"remittance_information":"00002",'
        b'"bank_account":{"type":"iban","iban":"FR7630006000011234567890189"},"payment_method":4,'
        b'"invoice_lines_attributes":[{"position":1,"article_code":"14","description":"Cocktail Dinatoire",'
        b'"quantity":135,"unit":5,"price":25,'
        b'"taxes_attributes":[{"name":"TVA","category":"S","percent":10}]}]}}'
    )


def test_the_contacts_of_the_guide_to_chorus_pro() -> None:
    body = contact_payload(UNIVERSITY, integration_code="erp:9")
    assert new_contact_payload(body, usual_delivery(UNIVERSITY)) == (
        b'{"contact":{"name":"UNIVERSITE D AIX MARSEILLE","country":"fr","cin_scheme":"0009",'
        b'"cin_value":"13001533200013","address":"58 BD CHARLES LIVON","city":"MARSEILLE 7",'
        b'"postalcode":"13007","language":"en","is_client":true,"public_sector":true,'
        b'"integration_code":"erp:9","is_provider":true,"terms":"custom","currency":"EUR",'
        b'"transport_type_code":"fr.chorus","document_type_code":"xml.ubl.invoice.chorus"}}'
    )
    service = Unit("8017", "ESR_MISSION_FACTURES_DEPLACEMENTS")
    unit = contact_payload(UNIVERSITY, integration_code="the unit", unit=service, parent_id="1313228381")
    assert new_contact_payload(unit, usual_delivery(UNIVERSITY, service)) == (
        b'{"contact":{"parent_id":1313228381,"name":"UNIVERSITE D AIX MARSEILLE","country":"fr",'
        b'"address":"58 BD CHARLES LIVON","city":"MARSEILLE 7","postalcode":"13007","cin1_scheme":"8017",'
        b'"cin1_value":"ESR_MISSION_FACTURES_DEPLACEMENTS","integration_code":"the unit"}}'
    )


def test_a_unit_has_its_service_code_and_its_body_the_tax_number() -> None:
    service = LegalId(scheme="8017", value="X")
    body = replace(UNIVERSITY, tax_number="FR84130015332", legal_ids=(*UNIVERSITY.legal_ids, service))
    for unit in (None, Unit("8017", "X")):
        payload = contact_payload(body, integration_code="x", unit=unit, parent_id="1")
        fields = json.loads(payload)["contact"]
        assert ("tin_value" in fields) == (unit is None)
        assert ("cin1_value" in fields) == (unit is not None)
        assert "tin_value" not in json.loads(without_tax_number(payload))["contact"]


def test_an_italian_customer_has_its_address_at_the_exchange() -> None:
    buyer = Party(name="Officine Lupo", country="IT", recipient_code="M5UXCR1", certified_email="lupo@pec.example")
    fields = json.loads(contact_payload(buyer, integration_code="x"))["contact"]
    assert (fields["recipient_code"], fields["certified_email"]) == ("M5UXCR1", "lupo@pec.example")


def test_a_unit_of_face_has_its_way_and_no_field_for_its_offices() -> None:
    offices = Unit("dir3", "L01.L02.L03")
    buyer = Party(name="Ayuntamiento", country="ES", tax_number="P2807900B", is_public_body=True)
    body = new_contact_payload(
        contact_payload(buyer, integration_code="tax:ESP2807900B/dir3:L01.L02.L03", unit=offices, parent_id="5"),
        usual_delivery(buyer, offices),
    )
    assert json.loads(body)["contact"] == {
        "parent_id": 5,
        "name": "Ayuntamiento",
        "country": "es",
        "integration_code": "tax:ESP2807900B/dir3:L01.L02.L03",
        "transport_type_code": "es.face",
        "document_type_code": "xml.facturae.3.2.2",
    }
    assert usual_delivery(buyer) is None


def test_only_what_the_erp_changed_is_told() -> None:
    before = contact_payload(UNIVERSITY, integration_code="erp:9")
    moved = contact_payload(replace(UNIVERSITY, city="AIX", email="a@b.example"), integration_code="erp:9")
    assert contact_changes(before, moved) == b'{"contact":{"email":"a@b.example","city":"AIX"}}'
    assert contact_changes(before, before) is None
    assert contact_changes(moved, before) == b'{"contact":{"city":"MARSEILLE 7"}}'  # nothing is ever set to null


def test_the_contact_of_the_guide_to_sending() -> None:
    buyer = Party(name="Example Customer", tax_number="B00000000", country="ES", email="billing@example.com")
    assert contact_payload(buyer, integration_code="erp:7") == (
        b'{"contact":{"name":"Example Customer","country":"es","tin_scheme":"9920","tin_value":"ESB00000000",'
        b'"email":"billing@example.com","language":"es","is_client":true,"public_sector":false,'
        b'"integration_code":"erp:7"}}'
    )


# ---------------------------------------------------------------- header


def test_every_reference_has_its_field() -> None:
    body = sent(
        invoice(
            series="A",
            delivery_date=date(2026, 1, 15),
            purchase_order="PO",
            buyer_reference="BR",
            contract="CO",
            sales_order="SO",
            note="Two\nlines",
            buyer_email="me@example.com",
            payment=Payment(iban="ES91 2100", bic="caix esbb", terms="30 days", reference="RF18"),
        )
    )
    del body["invoice_lines_attributes"]
    assert body == {
        "type": "IssuedInvoice",
        "number": "INV-0001",
        "series_code": "A",
        "date": "2026-01-21",
        "currency": "EUR",
        "contact_id": 77,
        "file_reference": "erp-x",
        "ponumber": "PO",
        "buyer_reference": "BR",
        "contract_number": "CO",
        "sales_order_reference": "SO",
        "delivery_date": "2026-01-15",
        "extra_info": "Two\nlines",
        "contact_email_override": "me@example.com",
        "bank_account": {"type": "iban", "iban": "ES912100", "bic": "CAIXESBB"},
        "payment_method": 4,
        "payment_terms": "30 days",
        "remittance_information": "RF18",
    }


@pytest.mark.parametrize(
    ("unit", "name", "text", "number", "told"),
    [
        (None, None, "Cable", None, "Cable"),
        ("C62", None, "Cable", 1, "Cable"),
        ("H87", None, "Cable", 1, "Cable"),
        ("HUR", None, "Cable", 2, "Cable"),
        ("MTR", "m", "Cable", 6, "Cable (m)"),
        ("MTR", "m", "Cable, m", 6, "Cable, m"),
        ("MTR", "m", "Metal", 6, "Metal (m)"),
        ("MTR", None, "Cable", 6, "Cable (MTR)"),
        (None, "Palé", "Cable", 6, "Cable (Palé)"),
        (None, "Palé", "Cable en palé", 6, "Cable en palé"),
        ("MTR", "m", "100 m of cable", 6, "100 m of cable"),
        ("MTR", "m", "100m of cable", 6, "100m of cable"),
        ("MTR", "m", "Cable (m).", 6, "Cable (m)."),
        ("MTR", "m", "100 mm of cable", 6, "100 mm of cable (m)"),
        ("MTR", "m", "Cable, M", 6, "Cable, M"),
        ("INH", "in", "Cable installed in Paris", 6, "Cable installed in Paris (in)"),
        (None, "a", "Transporte a Madrid", 6, "Transporte a Madrid (a)"),
        (None, "m²", "Parquet, 12 m² of oak", 6, "Parquet, 12 m² of oak"),
    ],
)
def test_a_unit_that_the_api_has_no_number_for_is_no_piece_and_its_name_stands_in_the_text(
    unit: str | None, name: str | None, text: str, number: int | None, told: str
) -> None:
    [body] = sent(invoice(line(description=text, unit=unit, unit_name=name)))["invoice_lines_attributes"]
    assert (body.get("unit"), body["description"]) == (number, told)


def test_the_name_of_a_unit_stays_where_the_text_is_cut() -> None:
    [body] = sent(invoice(line(description="x" * 3000, unit_name="Palé")))["invoice_lines_attributes"]
    assert (len(body["description"]), body["description"][-8:]) == (2500, "… (Palé)")


@pytest.mark.parametrize(
    ("method", "number", "has_account"),
    [
        (None, 4, True),
        ("30", 4, True),
        ("58", 58, True),
        ("49", None, False),
        ("59", None, False),
        ("48", 19, False),
        ("20", 11, False),
        ("10", 1, False),
        ("ZZZ", 13, True),
    ],
)
def test_how_the_customer_pays_and_our_account_where_it_pays_to_that(
    method: str | None, number: int | None, has_account: bool
) -> None:
    body = sent(invoice(payment=Payment(iban="ES9121000418450200051332", method=method)))
    assert (body.get("payment_method"), "bank_account" in body) == (number, has_account)


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("30", "Bank transfer"),
        ("31", "Bank transfer"),
        ("42", "Bank transfer"),
        ("58", "SEPA credit transfer"),
        ("49", "Direct debit"),
        ("59", "SEPA direct debit"),
    ],
)
def test_a_means_that_needs_an_account_is_told_in_words_alone_where_there_is_none_to_tell(
    method: str, text: str
) -> None:
    for said, told in ((None, text), ("As agreed", "As agreed")):
        body = sent(invoice(payment=Payment(method=method, method_text=said)))
        assert body["payment_method_text"] == told
        assert not {"payment_method", "bank_account"} & set(body)


def test_a_transfer_to_an_account_that_is_no_iban_is_told_in_words_without_it() -> None:
    body = sent(invoice(payment=Payment(other_account="021000021123456789", bic="CHASUS33")))
    assert body["payment_method_text"] == "Bank transfer"
    assert not {"payment_method", "bank_account"} & set(body)
    assert "021000021123456789" not in str(body)


def test_nothing_is_said_of_the_means_where_nothing_is_known() -> None:
    assert "payment_method" not in sent(invoice(payment=Payment()))


TEXTS = ("payment_method_text", "payment_terms", "remittance_information")


@pytest.mark.parametrize(
    ("payment", "due", "told"),
    [
        (Payment(iban="FR76"), date(2026, 2, 21), ("Virement", "Échéance : 21/02/2026", "INV-0001")),
        (Payment(), None, ("Mode de paiement non précisé", "À réception", "INV-0001")),
        (Payment(iban="FR76", method="49"), None, ("Prélèvement", "À réception", "INV-0001")),
        (Payment(method="30"), None, ("Virement", "À réception", "INV-0001")),
        (Payment(other_account="1"), None, ("Virement", "À réception", "INV-0001")),
        (Payment(method="97"), None, ("Autre", "À réception", "INV-0001")),
        (
            Payment(method="ZZZ", method_text="LCR", terms="30 jours", reference="RF18"),
            None,
            ("LCR", "30 jours", "RF18"),
        ),
    ],
)
@pytest.mark.parametrize("country", ["FR", "RE"])
def test_a_french_company_says_how_when_and_for_what_to_pay_as_its_reporting_demands(
    payment: Payment, due: date | None, told: tuple[str, ...], country: str
) -> None:
    seller = replace(FRENCH_SELLER, country=country)
    body = sent(invoice(seller=seller, payment=payment, due_date=due))
    assert tuple(body[name] for name in TEXTS) == told


def test_other_companies_say_of_it_what_the_erp_says() -> None:
    assert not set(TEXTS) & set(sent(invoice(payment=Payment())))
    assert sent(invoice(payment=Payment(method_text="Giro")))["payment_method_text"] == "Giro"


def test_the_same_invoice_gives_the_same_bytes_whatever_zeros_the_database_adds() -> None:
    assert payload(invoice(line("1.000", "10.00", "10.0"))) == payload(invoice(line("1", "10", "10")))


@pytest.mark.parametrize("field", ["number", "issue_date", "currency"])
def test_what_validation_demands_is_taken_for_granted(field: str) -> None:
    with pytest.raises(ValueError, match="is missing"):
        payload(invoice(**{field: None}))


@pytest.mark.parametrize(("contact_id", "written"), [("77", 77), ("inv_1", "inv_1"), ("007", "007"), ("٣", "٣")])
def test_an_id_is_a_number_where_it_is_one(contact_id: str, written: int | str) -> None:
    body = invoice_payload(invoice(), contact_id=contact_id, file_reference="x", api_version=FLAT)
    assert json.loads(body)["invoice"]["contact_id"] == written


def test_long_texts_are_cut_and_the_number_never_is() -> None:
    body = sent(
        invoice(
            line(description="ñ" * 3000, article_code="a" * 300),
            number="9" * 300,
            purchase_order="xe" + "\u0301e" * 200,
            note="n" * 5000,
        )
    )
    shown = body["invoice_lines_attributes"][0]
    assert body["number"] == "9" * 300
    assert body["extra_info"] == "n" * 5000
    assert shown["description"] == "ñ" * 2499 + "…"
    assert shown["article_code"] == "a" * 254 + "…"
    assert body["ponumber"] == "xe" + "\u0301e" * 125 + "\u0301…"  # no accent without its letter


def test_what_xml_cannot_carry_is_blanked() -> None:
    body = sent(invoice(line(description="a\x00b\x1bc\ud800d\uffffe\tf\n"), purchase_order="\x07 \n"))
    assert body["invoice_lines_attributes"][0]["description"] == "a b c d e\tf"
    assert "ponumber" not in body


@given(st.text(max_size=300))
def test_any_text_makes_a_readable_body(text: str) -> None:
    body = sent(invoice(line(description=text), note=text, purchase_order=text))
    assert len(body.get("ponumber", "")) <= 255


def test_the_number_is_found_again_in_the_bytes() -> None:
    assert number_of(payload(invoice(number="F/2026 €1"))) == "F/2026 €1"


# ---------------------------------------------------------------- corrections


@pytest.mark.parametrize(
    ("kind", "country", "sign"),
    [
        (Kind.INVOICE, "ES", 1),
        (Kind.CREDIT_NOTE, "ES", -1),
        (Kind.CREDIT_NOTE, "es", -1),
        (Kind.CREDIT_NOTE, "FR", 1),
        (Kind.CREDIT_NOTE, None, 1),
    ],
)
def test_only_spanish_corrections_are_shown_with_the_other_sign(kind: Kind, country: str | None, sign: int) -> None:
    assert remote_sign(invoice(kind=kind, seller=Party(name="x", country=country))) == sign


def correction(version: str, **changes: Any) -> dict[str, Any]:
    names = {"is_credit_note", "amended_number", "amended_date", "amend_reason", "invoice_references"}
    body = sent(credit_note(**{"original": ORIGINAL, **changes}), version=version)
    return {name: value for name, value in body.items() if name in names}


def test_a_spanish_correction_by_flat_fields() -> None:
    assert correction(FLAT) == {
        "amended_number": "INV-0001",
        "amended_date": "2026-01-21",
        "amend_reason": "R1",
    }


def test_a_spanish_correction_by_references() -> None:
    assert correction(REFERENCES, amend_reason="R4") == {
        "invoice_references": [
            {"reference_type": "amend", "number": "INV-0001", "date": "2026-01-21", "reason": "R4"}
        ]
    }


def test_a_french_credit_note_by_flat_fields() -> None:
    assert correction(FLAT, seller=FRENCH_SELLER) == {
        "is_credit_note": True,
        "amended_number": "INV-0001",
        "amended_date": "2026-01-21",
    }


def test_a_french_credit_note_by_references() -> None:
    undated = replace(ORIGINAL, date=None)
    assert correction(REFERENCES, seller=FRENCH_SELLER, original=undated) == {
        "is_credit_note": True,
        "invoice_references": [{"reference_type": "amend", "number": "INV-0001"}],
    }


def test_a_credit_note_of_several_invoices_refers_to_each_where_there_is_room() -> None:
    several = {"seller": FRENCH_SELLER, "further_originals": (Original(key="2", number="INV-0002"),)}
    references = correction(REFERENCES, **several)["invoice_references"]
    assert [each["number"] for each in references] == ["INV-0001", "INV-0002"]
    assert correction(FLAT, **several)["amended_number"] == "INV-0001"


def test_the_sellers_country_decides_and_not_the_customers() -> None:
    assert "is_credit_note" not in correction(FLAT, buyer=UNIVERSITY)
    assert correction(FLAT, seller=FRENCH_SELLER, buyer=CUSTOMER)["is_credit_note"] is True


def test_a_correction_of_nothing_known_refers_to_nothing() -> None:
    assert correction(FLAT, original=None) == {"amend_reason": "R1"}
    assert correction(REFERENCES, original=None) == {}
    assert correction(REFERENCES, original=None, seller=FRENCH_SELLER) == {"is_credit_note": True}


def test_a_debit_note_refers_to_the_earlier_invoice_without_the_flag() -> None:
    debit = {"kind": Kind.INVOICE}
    assert correction(FLAT, **debit) == {
        "amended_number": "INV-0001",
        "amended_date": "2026-01-21",
        "amend_reason": "R1",
    }
    assert correction(REFERENCES, **debit, seller=FRENCH_SELLER) == {
        "invoice_references": [{"reference_type": "amend", "number": "INV-0001", "date": "2026-01-21"}]
    }


def test_an_invoice_without_an_original_corrects_nothing() -> None:
    body = sent(invoice(amend_reason="R1"))
    assert not {"amended_number", "amend_reason", "is_credit_note"} & set(body)


# ---------------------------------------------------------------- taxes


def taxes(*given: Tax, country: str = "ES") -> list[dict[str, Any]]:
    document = invoice(line(taxes=given), seller=Party(name="x", country=country))
    found: list[dict[str, Any]] = sent(document)["invoice_lines_attributes"][0]["taxes_attributes"]
    return found


@pytest.mark.parametrize(
    ("country", "name"),
    [
        *[(country, "IVA") for country in ("ES", "IT", "PT")],
        *[(country, "TVA") for country in ("FR", "BE", "LU", "RO")],
        ("DE", "MwSt"),
        ("AT", "USt"),
        ("NL", "BTW"),
        *[(country, "VAT") for country in ("GB", "IE", "PL", "SE")],
    ],
)
def test_the_tax_is_called_as_in_the_issuers_country(country: str, name: str) -> None:
    assert taxes(IVA, country=country) == [{"name": name, "category": "S", "percent": 21}]


def test_a_name_of_the_mapping_wins() -> None:
    assert taxes(Tax(percent=Decimal(7), category="S", name="IGIC"))[0]["name"] == "IGIC"


def test_an_exempt_tax_says_why() -> None:
    exempt = Tax(percent=Decimal(0), category="E", reason="E1")
    assert taxes(exempt) == [{"name": "IVA", "category": "E", "percent": 0, "comment": "E1"}]


def test_a_surcharge_takes_the_category_of_the_vat_beside_it() -> None:
    reduced = Tax(percent=Decimal(10), category="AA")
    assert taxes(reduced, RE)[1] == {"name": "RE", "category": "AA", "percent": Decimal("5.2")}


@pytest.mark.parametrize("percent", [-15, 15])
@pytest.mark.parametrize(("country", "name"), [("ES", "IRPF"), ("IT", "IRPEF")])
def test_withholding_is_negative(country: str, name: str, percent: int) -> None:
    withheld = replace(IRPF, percent=Decimal(percent))
    assert taxes(IVA, withheld, country=country)[1] == {"name": name, "category": "S", "percent": -15}


def test_withholding_on_an_exempt_line_has_a_category_that_allows_a_rate() -> None:
    assert taxes(Tax(percent=Decimal(0), category="E"), replace(IRPF, category="E"))[1]["category"] == "S"
    assert taxes(IVA, replace(IRPF, category="AA"))[1]["category"] == "AA"


def test_a_withholding_without_a_name_is_refused_and_not_dropped() -> None:
    with pytest.raises(RefusedError) as caught:
        taxes(IVA, replace(IRPF, source_name="Retenção 25%"), country="PT")
    assert (caught.value.reason, caught.value.details["tax"]) == ("withholding_unnamed", "Retenção 25%")


def test_a_tax_without_a_percentage_is_a_bug_here() -> None:
    with pytest.raises(ValueError, match="percentage is missing"):
        taxes(Tax(percent=None, category="S"))


# ---------------------------------------------------------------- allowances of the document


def test_an_allowance_of_the_document_stays_in_the_header() -> None:
    entry = AllowanceCharge(amount=Decimal(5), description="Loyalty", taxes=(IVA,))
    body = sent(invoice(allowances=(entry,)))
    assert body["allowance_charges_attributes"] == [
        {
            "allowance_charge_indicator": "allowance",
            "amount": 5,
            "apply_taxes": True,
            "description": "Loyalty",
            "tax_attributes": {"name": "IVA", "category": "S", "percent": 21},
        }
    ]
    assert len(body["invoice_lines_attributes"]) == 1


@pytest.mark.parametrize(
    ("build", "taxes", "version", "quantity"),
    [
        (invoice, (IVA, RE), FLAT, -1),
        (invoice, (), FLAT, -1),
        (invoice, (IVA,), "2025-10-13", -1),
        (credit_note, (IVA,), FLAT, 1),
    ],
)
def test_an_allowance_that_the_header_cannot_carry_becomes_a_line(
    build: Any, taxes: tuple[Tax, ...], version: str, quantity: int
) -> None:
    body = sent(build(allowances=(AllowanceCharge(amount=Decimal(5), taxes=taxes),)), version=version)
    last = body["invoice_lines_attributes"][-1]
    assert "allowance_charges_attributes" not in body
    assert (last["position"], last["description"]) == (2, "Discount")
    assert (last["quantity"], last["price"]) == (quantity, 5)
    assert [tax["percent"] for tax in last["taxes_attributes"]] == [tax.percent for tax in taxes]


# ---------------------------------------------------------------- contacts


def contact(**changes: Any) -> dict[str, Any]:
    body = contact_payload(Party(**{"name": "X", **changes}), integration_code="erp:1")
    found: dict[str, Any] = json.loads(body)["contact"]
    return found


@pytest.mark.parametrize(
    ("country", "number", "scheme", "value"),
    [
        ("ES", "B-00.000 000", "9920", "ESB00000000"),
        ("ES", "esb00000000", "9920", "ESB00000000"),
        ("GR", "094014201", "9933", "EL094014201"),
        ("GR", "GR094014201", "9933", "EL094014201"),
        ("GR", "EL094014201", "9933", "EL094014201"),
        ("FR", "46458880332", "9957", "FR46458880332"),
        ("BE", "BE 0123.456.789", "9925", "BE0123456789"),
        ("GB", "XI123456789", "9932", "XI123456789"),
        ("IT", "IT 01234567890", "9906", "IT01234567890"),
        ("IT", "RSSMRA80A01H501U", "9907", "RSSMRA80A01H501U"),
        ("IT", "ITRSSMRA80A01H501U", "9907", "RSSMRA80A01H501U"),
        ("SE", "556012579001", "9999", "SE556012579001"),
        ("ES", "00000000T", "9920", "ES00000000T"),
        ("PT", "999999990", "9946", "PT999999990"),
        ("MX", "XAXX010101000", "9999", "XAXX010101000"),
        ("CH", "CHE-123.456.788 MWST", "9927", "CHE123456788MWST"),
        ("US", "12-3456789", "9959", "123456789"),
        ("US", "DE123456789", "9930", "DE123456789"),
        ("JP", "7000012050002", "9999", "7000012050002"),
        (None, "123", "9999", "123"),
        (None, "FR46458880332", "9957", "FR46458880332"),
    ],
)
def test_a_tax_number_has_its_scheme_and_its_prefix(
    country: str | None, number: str, scheme: str, value: str
) -> None:
    body = contact(country=country, tax_number=number)
    assert (body["tin_scheme"], body["tin_value"]) == (scheme, value)


@pytest.mark.parametrize("number", [None, "", " - ", "N/A"])
def test_no_tax_number_no_scheme(number: str | None) -> None:
    assert not {"tin_scheme", "tin_value"} & set(contact(country="ES", tax_number=number))


def test_identifiers_go_where_their_scheme_belongs() -> None:
    ids = [("0002", "130 015 332"), ("0009", "130 015 332 00013"), ("8017", "SERVICE-1"), ("225", "130_X")]
    body = contact(legal_ids=tuple(LegalId(scheme=scheme, value=value) for scheme, value in ids))
    assert {name: value for name, value in body.items() if "in" in name[:3] and "_" in name[2:]} == {
        "cin_scheme": "0009",
        "cin_value": "13001533200013",
        "cin1_scheme": "8017",
        "cin1_value": "SERVICE-1",
        "pin_scheme": "0225",
        "pin_value": "130_X",
        "integration_code": "erp:1",
    }


@pytest.mark.parametrize(
    "changes",
    [{"is_public_body": False}, {"country": "ES"}, {"legal_ids": (LegalId(scheme="0002", value="1"),)}],
)
def test_only_french_public_bodies_with_a_siret_go_through_chorus_pro(changes: dict[str, Any]) -> None:
    assert usual_delivery(replace(UNIVERSITY, **changes)) is None


@pytest.mark.parametrize(
    ("language", "country", "shown"),
    [("ca_ES", "ES", "ca"), ("FR", None, "fr"), (None, "AT", "de"), (None, "JP", "en"), ("1", "PT", "pt")],
)
def test_a_contact_has_a_language(language: str | None, country: str | None, shown: str) -> None:
    assert contact(language=language, country=country)["language"] == shown


def test_the_address_is_told_as_far_as_it_is_known() -> None:
    body = contact(address="Calle 1", address2="2º", city="Madrid", postal_code="28014", province=" ", phone="+34 1")
    assert {name: body[name] for name in ("address", "address2", "city", "postalcode", "phone")} == {
        "address": "Calle 1",
        "address2": "2º",
        "city": "Madrid",
        "postalcode": "28014",
        "phone": "+34 1",
    }
    assert "province" not in body


def test_an_invoice_of_an_unknown_kind_of_tax_does_not_lose_its_lines() -> None:
    odd = Tax(kind=TaxKind.VAT, percent=Decimal(3), category=None)
    assert taxes(odd) == [{"name": "IVA", "percent": 3}]


def test_the_seller_is_not_told_for_the_account_is_the_seller() -> None:
    assert SPANISH_SELLER.name.encode() not in payload(invoice())
