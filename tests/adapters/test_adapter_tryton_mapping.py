"""What Tryton's rows mean: taxes, parties and values, one case at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.adapters.database import Row
from connector.adapters.tax_mapping import TaxMapping
from connector.adapters.tryton import taxes
from connector.adapters.tryton.mapping import Mapper
from connector.adapters.tryton.parties import party
from connector.adapters.tryton.reader import Documents, Parties
from connector.adapters.tryton.streets import PARTS
from connector.adapters.tryton.values import number
from connector.domain.invoice import Invoice, Kind, TaxKind, Totals


def tax_row(name: str, rate: str | None = "0", **changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(("description", "legal_notice", "ec_sales_list_code", "es_reported_with", "parent"))
    rate_stored = None if rate is None else Decimal(rate)
    return {**row, "id": 1, "name": name, "company": 1, "type": "percentage", "rate": rate_stored, **changes}


@pytest.mark.parametrize(
    ("row", "meaning"),
    [
        (tax_row("IVA 21% (bienes)", "0.21"), (TaxKind.VAT, "21", "S", None)),
        (tax_row("Retenciones a cuenta IRPF 15%", "-0.15"), (TaxKind.WITHHOLDING, "-15", "S", None)),
        (tax_row("Arrendamientos", "-0.19", description="IRPF 19%"), (TaxKind.WITHHOLDING, "-19", "S", None)),
        (tax_row("Algo negativo", "-0.21"), (TaxKind.VAT, "-21", None, None)),
        (tax_row("Recargo Equivalencia 1.4%", "0.014"), (TaxKind.SURCHARGE, "1.4", "S", None)),
        (tax_row("RE 5,2", "0.052", es_reported_with=1), (TaxKind.SURCHARGE, "5.2", "S", None)),
        (tax_row("IVA Exento (bienes)"), (TaxKind.VAT, "0", "E", None)),
        (tax_row("Intra", ec_sales_list_code="E"), (TaxKind.VAT, "0", "K", "E5")),
        (tax_row("Intra", ec_sales_list_code="S"), (TaxKind.VAT, "0", "NS", "N2")),
        (tax_row("Export", legal_notice="artículo 21 de la ley 37/1992"), (TaxKind.VAT, "0", "G", "E2")),
        (tax_row("Otro", legal_notice="artículo 211 de la ley 37/1992"), (TaxKind.VAT, "0", None, None)),
        (tax_row("Otro 0%"), (TaxKind.VAT, "0", None, None)),
    ],
)
def test_a_spanish_tax(row: dict[str, Any], meaning: tuple[Any, ...]) -> None:
    tax = taxes.tax(row, {}, "ES")
    assert (tax.kind, f"{tax.percent:f}", tax.category, tax.reason) == meaning


@pytest.mark.parametrize(
    ("row", "name", "category"),
    [
        (tax_row("IGIC 7%", "0.07"), "IGIC", "S"),
        (tax_row("Tipo general", "0.07", description="igic7"), "IGIC", "S"),
        (tax_row("IPSI 4 %", "0.04"), "IPSI", "S"),
        (tax_row("IGIC 7%", "0.07", description="IVA de Canarias"), "IGIC", "S"),
        (tax_row("IVA 21%", "0.21", description="no IGIC"), None, "S"),
        (tax_row("IGIC 0%"), "IGIC", None),  # nobody says why
        (tax_row("IVA 21%", "0.21"), None, "S"),
        (tax_row("Export", description="IVA, ventas a Canarias (IGIC)", ec_sales_list_code="E"), None, "K"),
        (tax_row("Ventas a Canarias, Ceuta y Melilla", "0.21", description="IGIC, IPSI"), None, "S"),
        (tax_row("Digicard", "0.21"), None, "S"),
        (tax_row("Retención IRPF sin IGIC", "-0.15"), None, "S"),
    ],
)
def test_a_tax_of_the_canary_islands_or_of_ceuta_and_melilla_has_its_name(
    row: dict[str, Any], name: str | None, category: str | None
) -> None:
    tax = taxes.tax(row, {}, "ES")
    assert (tax.name, tax.category) == (name, category)
    assert taxes.tax(row, {}, "PT").name is None
    assert taxes.tax(row, {"1": TaxMapping(name="IVA")}, "ES").name == "IVA"


@pytest.mark.parametrize("name", ["IVA Exento", "TVA 0% intracommunautaire", "Anything"])
def test_a_zero_of_another_country_is_never_guessed(name: str) -> None:
    assert taxes.tax(tax_row(name, ec_sales_list_code="E"), {}, "FR").category is None


def test_a_fixed_amount_has_no_rate() -> None:
    assert taxes.tax(tax_row("Canon", None, type="fixed"), {}, "ES").percent is None


@pytest.mark.parametrize("key", ["1", "IVA Exento (bienes)"])
def test_the_operators_word_wins(key: str) -> None:
    mapped = taxes.tax(tax_row("IVA Exento (bienes)"), {key: TaxMapping(category="AE", reason="VATEX-EU-AE")}, "ES")
    assert (mapped.category, mapped.reason) == ("AE", "VATEX-EU-AE")
    withheld = taxes.tax(tax_row("IVA Exento (bienes)", "-0.1"), {key: TaxMapping(kind=TaxKind.WITHHOLDING)}, "FR")
    assert (withheld.kind, withheld.category) == (TaxKind.WITHHOLDING, "S")


@pytest.mark.parametrize("stored", [b"1210.00", "1210.00", 1210.0, 1210, Decimal("1210.00")])
def test_a_number_is_exact_in_every_form(stored: object) -> None:
    assert number(stored) == Decimal(1210)


@pytest.mark.parametrize("stored", [b"many", b"NaN", b"\xff", float("inf")])
def test_what_is_no_number_is_told(stored: object) -> None:
    with pytest.raises(ValueError, match="number"):
        number(stored)


# --- parties


def identifier(kind: str | None, code: str, **changes: Any) -> Row:
    return {"id": 1, "party": 5, "active": True, "type": kind, "code": code, "address": None, **changes}


def place(**changes: Any) -> Row:
    row = dict.fromkeys([*"street postal_code city country party_name attn building province".split(), *PARTS])
    return {**row, "id": 9, "party": 5, "active": True, **changes}


@pytest.mark.parametrize("country", ["FR", "RE"])
def test_the_establishment_of_the_address_goes_before_others(country: str) -> None:
    known = Parties(
        addresses={5: [place(country=country), place(id=10, country=country)]},
        identifiers={
            5: [
                identifier("fr_siren", "130015332"),
                identifier("fr_siret", "13001533200013"),
                identifier("fr_siret", "13001533200021", address=10),
            ]
        },
    )
    assert party(known, 5, "AMU", address=10).legal_id("0009") == "13001533200021"
    assert party(known, 5, "AMU", address=9).legal_id("0009") == "13001533200013"


def test_the_number_on_the_document_goes_before_the_partys_first() -> None:
    known = Parties(identifiers={5: [identifier("eu_vat", "ESA58818501"), identifier("eu_vat", "FR1", id=2)]})
    assert party(known, 5, "X", tax_identifier=2).tax_number == "FR1"
    assert party(known, 5, "X").tax_number == "ESA58818501"


@pytest.mark.parametrize(
    "identifiers", [[identifier(None, "ESB12345678")], [identifier("eu_vat", "X", active=False)]]
)
def test_what_is_no_number_for_a_tax_is_not_taken_for_one(identifiers: list[Row]) -> None:
    assert party(Parties(identifiers={5: identifiers}), 5, "X").tax_number is None


def test_the_lines_of_an_address_keep_whom_it_names() -> None:
    known = Parties(addresses={5: [place(street="Calle 1\n 2º B", party_name="Sucursal", building="Torre")]})
    found = party(known, 5, "X")
    assert (found.address, found.address2) == ("Calle 1", "Sucursal, Torre, 2º B")


@pytest.mark.parametrize(
    ("country", "first"), [("ES", "Calle Mayor 12"), ("FR", "12 Calle Mayor"), (None, "Calle Mayor 12")]
)
def test_a_street_in_parts_has_its_number_where_the_country_puts_it(country: str | None, first: str) -> None:
    parts = {"street_name": "Calle Mayor", "building_number": "12", "room_number": "2º B", "street": "typed"}
    found = party(Parties(addresses={5: [place(country=country, **parts)]}), 5, "X")
    assert (found.address, found.address2) == (first, "2º B")


def test_without_a_party_there_is_a_party_without_data() -> None:
    assert party(Parties(), None, None).name == ""


# --- documents


HEADER: dict[str, Any] = {
    **dict.fromkeys("reference description comment due_date seller seller_name tax_identifier invoice_date".split()),
    **dict.fromkeys("party party_name invoice_address party_tax_identifier written_reference written_xref".split()),
    **dict.fromkeys("payment_terms untaxed_amount_cache tax_amount_cache total_amount_cache cash_rounding".split()),
    "id": 1, "company": 1, "issued": 1, "number": "F1", "currency": "EUR", "currency_id": 1, "digits": 2,
    "rounding": Decimal("0.01"),
}  # fmt: skip


def line(quantity: float, price: str, **changes: Any) -> dict[str, Any]:
    row = {"id": 1, "invoice": 1, "description": "x", "article_code": None, "unit": "h"}
    return {**row, "quantity": quantity, "unit_price": Decimal(price), **changes}


def mapped(documents: Documents) -> Invoice:
    invoice = Mapper(documents, {}).invoices()["1"]
    assert isinstance(invoice, Invoice)
    return invoice


@pytest.mark.parametrize(
    ("quantity", "price", "rounding", "net"),
    [
        (12.5, "33.33", "0.01", "416.62"),
        (2.5, "33.33", "0.01", "83.32"),
        (3, "19.995", "0.01", "59.98"),
        (1, "10.03", "0.05", "10.05"),
        (1, "1234.5", "1", "1234"),
        (0.333, "1234.565", "0.01", "411.11"),
    ],
)
def test_a_line_rounds_half_to_even_to_the_currency(quantity: float, price: str, rounding: str, net: str) -> None:
    documents = Documents(headers=[{**HEADER, "rounding": Decimal(rounding)}], lines={1: [line(quantity, price)]})
    (found,) = mapped(documents).lines
    assert (found.net_amount, found.unit) == (Decimal(net), "HUR")


@pytest.mark.parametrize(
    ("symbol", "code", "name"), [("u", "C62", None), ("m", "MTR", "m"), ("palé", None, "palé"), (None, None, None)]
)
def test_a_unit_that_is_not_everyday_keeps_its_symbol(symbol: str | None, code: str | None, name: str | None) -> None:
    (found,) = mapped(Documents(headers=[HEADER], lines={1: [line(1, "1", unit=symbol)]})).lines
    assert (found.unit, found.unit_name) == (code, name)


def test_totals_that_are_not_stored_yet_are_those_that_tryton_shows() -> None:
    tax = {"invoice": 1, "tax": None, "description": "Tasa", "base": Decimal(-20), "amount": Decimal(-2)}
    found = mapped(Documents(headers=[HEADER], lines={1: [line(-2, "10")]}, tax_rows={1: [tax]}))
    assert found.kind is Kind.CREDIT_NOTE
    assert found.totals == Totals(net=Decimal(20), tax=Decimal(2), payable=Decimal(22))
    assert (found.tax_totals[0].tax.source_name, found.tax_totals[0].tax.percent) == ("Tasa", None)


def test_a_tax_with_children_stands_for_them() -> None:
    rows: dict[int, Row] = {
        1: tax_row("IVA + RE", None, id=1, type="none"),
        2: tax_row("IVA 21%", "0.21", id=2, parent=1),
        3: tax_row("Recargo equivalencia 5.2%", "0.052", id=3, parent=1),
        4: tax_row("Other", "0.1", id=4),
    }
    documents = Documents(headers=[HEADER], lines={1: [line(1, "10")]}, line_taxes={1: [1]}, taxes=rows)
    (found,) = mapped(documents).lines
    assert [tax.source_name for tax in found.taxes] == ["IVA 21%", "Recargo equivalencia 5.2%"]


def test_the_account_is_the_one_in_the_currency_of_the_document() -> None:
    accounts: list[Row] = [
        {"iban": "GB1", "bic": None, "currency": 3},
        {"iban": "ES1", "bic": None, "currency": None},
        {"iban": "ES2", "bic": "B", "currency": 1},
    ]
    header = {**HEADER, "seller": 7}
    assert mapped(Documents(headers=[header], bank_numbers={7: accounts})).payment.iban == "ES2"
    assert mapped(Documents(headers=[header], bank_numbers={7: accounts[:2]})).payment.iban == "ES1"
    assert mapped(Documents(headers=[header], bank_numbers={7: accounts[:1]})).payment.iban is None
