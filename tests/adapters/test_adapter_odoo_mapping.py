"""What Odoo's rows mean, value by value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.adapters.database import exact
from connector.adapters.figures import net_price
from connector.adapters.odoo.mapping import Mapper
from connector.adapters.odoo.parties import party
from connector.adapters.odoo.reader import Documents
from connector.adapters.odoo.taxes import tax
from connector.adapters.tax_mapping import TaxMapping
from connector.adapters.texts import plain_text
from connector.domain.invoice import Invoice, Line, Party, TaxKind


def tax_row(**values: Any) -> dict[str, Any]:
    row = {
        "id": 1,
        "name": '{"en_US": "a tax"}',
        "amount": Decimal(0),
        "amount_type": "percent",
        "sequence": 1,
        "country": "ES",
        "group": '{"en_US": "VAT 0%"}',
        "description": None,
        "applicability": None,
        "es_type": None,
        "es_reason": None,
        "category": None,
        "reason": None,
    }
    return {**row, **values}


def partner(**values: Any) -> Party:
    columns = "name vat registry siret street street2 zip city province country email phone lang is_company"
    return party({"id": 7, **dict.fromkeys(columns.split()), **values})


def line_of(
    *,
    quantity: str,
    price: str,
    discount: str = "0",
    subtotal: str,
    currency: str = "EUR",
    unit: str | None = '{"en_US": "Hours"}',
) -> Line:
    row = {
        "id": 2,
        "display_type": "product",
        "description": "x",
        "quantity": Decimal(quantity),
        "price_unit": Decimal(price),
        "discount": Decimal(discount),
        "price_subtotal": Decimal(subtotal),
        "article_code": None,
        "unit": unit,
    }
    names = (
        "id company_id move_type state number ref invoice_date invoice_date_due invoice_origin narration"
        " payment_reference payment_terms amount_untaxed amount_tax amount_total partner_id commercial_partner_id"
        " company_partner_id buyer_reference purchase_order_reference contract_reference delivery_date"
        " currency iban bic original_id original_number original_date original_state"
    )
    header = dict.fromkeys(names.split()) | {"id": 1, "move_type": "out_invoice", "currency": currency}
    document = Mapper.of(Documents(headers=[header], lines={1: [row]}), {}).invoices()["1"]
    assert isinstance(document, Invoice)
    return document.lines[0]


@pytest.mark.parametrize(
    ("stored", "code", "name"),
    [
        ('{"en_US": "Units", "es_ES": "Unidades"}', "C62", None),
        ('{"en_US": "Hours"}', "HUR", None),
        ('{"en_US": "Dozens"}', "DZN", "Dozens"),
        ('"Palé"', None, "Palé"),
        (None, None, None),
    ],
)
def test_a_unit_that_is_not_everyday_keeps_its_name(stored: str | None, code: str | None, name: str | None) -> None:
    found = line_of(quantity="1", price="1", subtotal="1", unit=stored)
    assert (found.unit, found.unit_name) == (code, name)


# --- taxes


@pytest.mark.parametrize(
    ("es_type", "es_reason", "category", "reason"),
    [
        ("sujeto_isp", None, "AE", None),
        ("no_sujeto", None, "NS", "N1"),
        ("no_sujeto_loc", None, "NS", "N2"),
        ("exento", "E1", "E", "E1"),
        ("exento", "E2", "G", "E2"),
        ("exento", "E3", "E", "E3"),
        ("exento", "E4", "E", "E4"),
        ("exento", "E5", "K", "E5"),
        ("exento", "E6", "E", "E6"),
        ("exento", None, None, None),
        ("ignore", None, None, None),
        (None, None, None, None),
    ],
)
def test_a_tax_of_0_per_cent_in_spain_goes_by_its_spanish_type(
    es_type: str | None, es_reason: str | None, category: str | None, reason: str | None
) -> None:
    mapped = tax(tax_row(es_type=es_type, es_reason=es_reason), {})
    assert (mapped.category, mapped.reason) == (category, reason)


@pytest.mark.parametrize(
    ("name", "category"),
    [("0% G", "Z"), ("0% S", "Z"), ("IVA 0% (Bienes)", "Z"), ("IVA 0% (Servicios)", "Z"), ("0% own", None)],
)
def test_the_default_type_means_a_rate_of_0_for_the_charts_own_taxes_alone(name: str, category: str | None) -> None:
    assert tax(tax_row(name=f'"{name}"', es_type="sujeto"), {}).category == category


# The chart of the Canary Islands has no types; Odoo writes its default.
CANARY_CHART = [
    ("7%", "7", "IGIC 7%", "IGIC 7%", "S"),
    ("0% EX", "0", "IGIC 0%", "IGIC 0% (Exports)", None),
    ("0% Sale RC", "0", "IGIC 0%", "IGIC 0% Sale Reverse Charge", None),
    ("EXEMPT PO", "0", "EXEMPT IGIC", "IGIC Exempt Passed On", None),
    ("NS", "0", "IGIC 0%", "IGIC Not subject Passed on", None),
    ("0% G", "0", "IGIC 0%", "IGIC 0% (Goods)", None),
    ("EXEMPT RT", "0", "IGIC Retail Trade", "Exempt for Retail Trade", None),
]


@pytest.mark.parametrize(("name", "amount", "group", "description", "category"), CANARY_CHART)
def test_a_tax_of_the_canary_islands_is_igic_and_what_0_per_cent_means_is_left_open(
    name: str, amount: str, group: str, description: str, category: str | None
) -> None:
    texts = {key: f'{{"en_US": "{text}"}}' for key, text in (("name", name), ("group", group))}
    row = tax_row(**texts, description=f'"{description}"', amount=Decimal(amount), es_type="sujeto")
    mapped = tax(row, {})
    assert (mapped.name, mapped.category, mapped.kind) == ("IGIC", category, TaxKind.VAT)


@pytest.mark.parametrize(
    ("applicability", "name", "family"),
    [
        ("02", "4%", "IPSI"),
        ("03", "7%", "IGIC"),
        ("01", "21% G", None),
        ("01", "IPSI 4%", "IPSI"),
        (None, "7%", None),
    ],
)
def test_the_field_for_it_says_what_a_spanish_tax_is_called(
    applicability: str | None, name: str, family: str | None
) -> None:
    row = tax_row(applicability=applicability, name=f'"{name}"', amount=Decimal(7), es_type="sujeto")
    assert tax(row, {}).name == family
    assert tax({**row, "country": "FR"}, {}).name is None


@pytest.mark.parametrize(
    ("name", "category", "reason"),
    [
        ("0% EX G", "G", "VATEX-EU-G"),
        ("0% EU G", "K", "VATEX-EU-IC"),
        ("0% EU S", "AE", "VATEX-EU-AE"),
        ("0% EX S", "O", "VATEX-EU-O"),
        ("0% EXEMPT S", None, None),
        ("something else", None, None),
    ],
)
def test_a_tax_of_0_per_cent_in_france_goes_by_its_name_and_never_by_the_spanish_type(
    name: str, category: str | None, reason: str | None
) -> None:
    mapped = tax(tax_row(name=f'{{"en_US": "{name}"}}', country="FR", es_type="sujeto"), {})
    assert (mapped.category, mapped.reason, mapped.source_name) == (category, reason, name)


def test_the_category_that_odoo_19_keeps_wins_over_the_name() -> None:
    row = tax_row(name='"0% EU G"', country="FR", category="E", reason="VATEX-FR-FRANCHISE")
    mapped = tax(row, {})
    assert (mapped.category, mapped.reason) == ("E", "VATEX-FR-FRANCHISE")


@pytest.mark.parametrize(
    ("country", "es_type", "amount", "kind", "category"),
    [
        ("ES", "sujeto", "21", TaxKind.VAT, "S"),
        ("ES", "recargo", "5.2", TaxKind.SURCHARGE, "S"),
        ("ES", "retencion", "-15", TaxKind.WITHHOLDING, "S"),
        ("FR", "retencion", "20", TaxKind.VAT, "S"),
        ("IT", "sujeto", "-20", TaxKind.WITHHOLDING, "S"),
        ("ES", "sujeto", "-21", TaxKind.VAT, None),  # a negative VAT is nothing that we know
    ],
)
def test_the_kind_of_a_tax(country: str, es_type: str, amount: str, kind: TaxKind, category: str | None) -> None:
    mapped = tax(tax_row(country=country, es_type=es_type, amount=Decimal(amount)), {})
    assert (mapped.kind, mapped.percent, mapped.category) == (kind, Decimal(amount), category)


@pytest.mark.parametrize("es_type", [None, "sujeto"])
@pytest.mark.parametrize(
    ("name", "amount", "kind"),
    [
        ("Retenciones a cuenta IRPF 15%", "-15", TaxKind.WITHHOLDING),
        ("Retenciones a cuenta 19% (Arrendamientos)", "-19", TaxKind.WITHHOLDING),
        ("5.2% Recargo Equivalencia Ventas", "5.2", TaxKind.SURCHARGE),
        ("1,4% Recargo de equivalencia", "1.4", TaxKind.SURCHARGE),
        ("R.E. 5,2%", "5.2", TaxKind.SURCHARGE),
        ("Retenciones a cuenta IRPF 15%", "15", TaxKind.VAT),
        ("IVA 21% (Servicios)", "21", TaxKind.VAT),
    ],
)
def test_where_nobody_chose_a_type_the_name_tells_the_kind_of_a_spanish_tax(
    es_type: str | None, name: str, amount: str, kind: TaxKind
) -> None:
    row = tax_row(name=f'"{name}"', amount=Decimal(amount), es_type=es_type)
    assert tax(row, {}).kind is kind
    assert tax({**row, "country": "PT"}, {}).kind is not TaxKind.SURCHARGE


@pytest.mark.parametrize("amount_type", ["fixed", "code", "group"])
def test_a_tax_without_rate_has_none_and_no_category(amount_type: str) -> None:
    mapped = tax(tax_row(amount=Decimal(3), amount_type=amount_type), {})
    assert (mapped.percent, mapped.category) == (None, None)


def test_a_configured_kind_category_reason_and_name_win() -> None:
    options = {"a tax": TaxMapping(kind=TaxKind.VAT, category="E", reason="E1", name="IGIC")}
    mapped = tax(tax_row(es_type="retencion"), options)
    assert (mapped.kind, mapped.category, mapped.reason, mapped.name) == (TaxKind.VAT, "E", "E1", "IGIC")


def test_the_id_of_a_tax_wins_over_its_name() -> None:
    options = {"a tax": TaxMapping(category="E"), "1": TaxMapping(category="G")}
    assert tax(tax_row(), options).category == "G"


# --- lines


def test_a_price_that_gives_the_net_amount_stays_as_it_is() -> None:
    line = line_of(quantity="12.5", price="33.33", subtotal="416.63")
    assert (line.net_price, line.base_quantity, line.allowances) == (Decimal("33.33"), Decimal(1), ())
    assert line.unit == "HUR"


def test_a_net_price_without_end_is_given_per_whole_quantity() -> None:
    line = line_of(quantity="3", price="40.33", subtotal="100.00")
    assert (line.net_price, line.base_quantity) == (Decimal("100.00"), Decimal(3))


@pytest.mark.parametrize(
    ("net", "quantity", "price", "base"),
    [
        ("300.00", "3", "100", "1"),
        ("1.00", "8", "0.125", "1"),
        ("100.00", "3", "100.00", "3"),
        ("-100.00", "-3", "100.00", "3"),
        ("-100.00", "3", "-100.00", "3"),
        ("0.00", "0", "0.00", "1"),
    ],
)
def test_a_derived_price_gives_the_net_amount_back_exactly(net: str, quantity: str, price: str, base: str) -> None:
    derived = net_price(Decimal(net), Decimal(quantity))
    assert derived == (Decimal(price), Decimal(base))
    assert Decimal(quantity) * derived[0] / derived[1] == Decimal(net)


def test_a_discount_on_a_negative_line_is_an_addition() -> None:
    line = line_of(quantity="-1", price="100", discount="10", subtotal="-90.00")
    assert [(part.is_charge, part.amount) for part in line.allowances] == [(True, Decimal(10))]


def test_a_discount_may_have_more_digits_than_the_currency() -> None:
    line = line_of(quantity="12.5", price="33.33", discount="10", subtotal="374.96")
    assert line.allowances[0].amount == Decimal("41.665")


def test_currencies_without_cents_round_to_whole_units() -> None:
    line = line_of(quantity="3", price="33.4", subtotal="100", currency="JPY")
    assert line.net_price == Decimal("33.4")


# --- parties


@pytest.mark.parametrize(
    ("values", "public"),
    [
        ({"country": "FR", "siret": "13001533200013"}, True),
        ({"country": "FR", "registry": "217 500 016 00019"}, True),
        ({"country": "FR", "siret": "73282932000074"}, False),
        ({"country": "FR", "vat": "FR84130015332"}, True),
        ({"country": "FR", "vat": "FR44732829320"}, False),
        ({"country": "FR"}, False),
        ({"country": "RE", "siret": "13001533200013"}, True),
        ({"country": "GP", "vat": "FR84130015332"}, True),
        ({"country": "NC", "siret": "13001533200013"}, False),
        ({"country": "ES", "vat": "ESP2800000H"}, True),
        ({"country": "ES", "vat": "S-2800001-J"}, True),
        ({"country": "ES", "vat": "ESQ2801175B"}, False),
        ({"country": "ES", "vat": "ESB58378431"}, False),
        ({"country": "PT", "vat": "PT100000000", "registry": "13001533200013"}, False),
    ],
)
def test_public_bodies_are_told_by_their_identifiers(values: dict[str, str], public: bool) -> None:
    assert partner(**values).is_public_body is public


@pytest.mark.parametrize("country", ["GP", "MQ", "GF", "RE", "YT"])
def test_the_departments_overseas_are_in_the_register_of_france(country: str) -> None:
    assert partner(country=country, siret="732 829 320 00074").legal_id("0009") == "73282932000074"


def test_a_siret_or_a_siren_is_a_legal_identifier_in_france_only() -> None:
    assert partner(country="FR", siret="732 829 320 00074").legal_id("0009") == "73282932000074"
    assert partner(country="FR", registry="732829320").legal_id("0002") == "732829320"
    assert partner(country="FR", registry="RCS Paris").legal_ids == ()
    assert partner(country="NL", registry="73282932000074").legal_ids == ()


@pytest.mark.parametrize(("code", "country"), [("EL", "GR"), ("xi", "GB"), ("es", "ES"), ("", None), (None, None)])
def test_countries_become_iso_codes(code: str | None, country: str | None) -> None:
    assert partner(country=code).country == country


def test_a_slash_is_no_tax_number() -> None:
    assert partner(vat="/").tax_number is None


def test_a_missing_partner_is_a_party_without_data() -> None:
    assert party(None) == Party(name="")


# --- texts and numbers


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (None, None),
        ("", None),
        ("<p><br></p>", None),
        ("plain words", "plain words"),
        ("<p>One <b>two</b>&nbsp;&amp; three</p><p>four<br/>five</p>", "One two & three\nfour\nfive"),
        ("<ul><li>a</li>\n<li>b</li></ul>", "a\nb"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("<style>p {color: red}</style><div>x &lt; y</div><script>alert(1)</script>", "x < y"),
        ("<p>never closed <i>and crossed</p></i> on", "never closed and crossed\non"),
        ("<p>a</p><![foo[bar]]>z", "a\nz"),
        ("<![ ]> x", "x"),
    ],
)
def test_html_becomes_plain_text(html: str | None, text: str | None) -> None:
    assert plain_text(html) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.1 + 0.2, "0.3"),
        (0.333, "0.333"),
        (1234567.89, "1234567.89"),
        (1e-7, "1E-7"),
        (7, "7"),
        (" 12.50 ", "12.50"),
        (Decimal("1.10"), "1.10"),
    ],
)
def test_numbers_of_drivers_become_exact(value: Any, number: str) -> None:
    assert exact(value) == Decimal(number)


@pytest.mark.parametrize("value", ["x", "", float("nan"), float("inf"), Decimal("NaN")])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a"):
        exact(value)
