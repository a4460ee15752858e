"""What the taxes of real invoices mean, country by country: category, reason, and where the meaning comes from.

Each row is one situation: who issues, what the ERP's tax looks like, and what is expected of it, with its source:

* `rate`: a rate above zero is category S, or a withholding, and nothing else is needed;
* `chart`: the kind of tax of the Spanish chart (l10n_es_type) with its reason;
* `code`: the category that the ERP keeps with the tax (UBL category and VATEX code, Odoo 18 and later);
* `name`: the name in the French chart, which tells its taxes of 0 % apart by nothing else;
* `mapping`: what the operator wrote into the source's options;
* `none`: nobody knows, so that the document is held. A category is never guessed.

The last column is what the rules then say of such a line: nothing, a warning (w:) or a block (b:).
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from connector.adapters.odoo import taxes
from connector.adapters.tax_mapping import TaxMapping
from connector.b2brouter import codes
from connector.domain.invoice import Party, Tax, TaxKind
from connector.validation import judge
from tests.support.builders import IVA, NOON, SELLER, invoice, line

SITUATIONS = """
# issuer; situation; rate; chart; ERP's code and reason; name; mapping => kind category reason family; source; rules
ES; domestic standard;          21;   sujeto;        ;              21% S;     => vat S - IVA; rate;
ES; domestic reduced;           10;   sujeto;        ;              10% S;     => vat S - IVA; rate;
ES; domestic super-reduced;     4;    sujeto;        ;              4% G;      => vat S - IVA; rate;
ES; rate 0 for basic food;      0;    sujeto;        ;              0% G;      => vat Z - IVA; chart;
ES; reverse charge, scrap;      0;    sujeto_isp;    ;              0% RC;     => vat AE - IVA; chart; w:exemption_reason_advised
ES; training, art. 20;          0;    exento E1;     ;              0% EXEMPT; => vat E E1 IVA; chart;
ES; export of goods, art. 21;   0;    exento E2;     ;              0% EX G;   => vat G E2 IVA; chart;
ES; ships, art. 22;             0;    exento E3;     ;              0% E;      => vat E E3 IVA; chart;
ES; free zones, art. 23-24;     0;    exento E4;     ;              0% E;      => vat E E4 IVA; chart;
ES; intra-Community, art. 25;   0;    exento E5;     ;              0% EU G;   => vat K E5 IVA; chart;
ES; other exemptions;           0;    exento E6;     ;              0% E;      => vat E E6 IVA; chart;
ES; exempt without a reason;    0;    exento;        ;              0% E;      => vat - - IVA; none; b:tax_unmapped
ES; not subject, art. 7;        0;    no_sujeto;     ;              0% NS;     => vat NS N1 IVA; chart;
ES; services abroad;            0;    no_sujeto_loc; ;              0% EU S;   => vat NS N2 IVA; chart;
ES; withholding of 15 %;        -15;  retencion;     ;              15% WHI;   => withholding S - IRPF; chart;
ES; withholding on rent;        -19;  retencion;     ;              19% WH;    => withholding S - IRPF; chart;
ES; equivalence surcharge;      5.2;  recargo;       ;              5.2% SE;   => surcharge S - RE; chart;
ES; surcharge on 10 %;          1.4;  recargo;       ;              1.4% SE;   => surcharge S - RE; chart; w:surcharge_rate_unusual
ES; 0 %, nobody says why;       0;    sujeto;        ;              0% own;    => vat - - IVA; none; b:tax_unmapped
ES; Canary Islands;             7;    sujeto;        ;              IGIC 7%;   => vat S - IGIC; name;
ES; Canary Islands, 0 %;        0;    sujeto;        ;              IGIC 0%;   => vat - - IGIC; none; b:tax_unmapped
ES; Melilla, mapped;            4;    sujeto;        ;              4%;        S - IPSI => vat S - IPSI; mapping;
ES; exempt, code unknown;       0;    exento E9;     ;              0% E;      => vat - - IVA; none; b:tax_unmapped
ES; exempt, mapped;             0;    exento;        ;              0% own;    E E1 - => vat E E1 IVA; mapping;
ES; exempt, mapped in words;    0;    exento;        ;              0% own;    E art.20 - => vat E art.20 IVA; mapping; b:exemption_reason_wrong
ES; exempt, mapped, no reason;  0;    exento;        ;              0% own;    E - - => vat E - IVA; mapping; b:exemption_reason_missing
FR; domestic standard;          20;   sujeto;        ;              20% S;     => vat S - TVA; rate;
FR; domestic reduced;           5.5;  sujeto;        ;              5.5% G;    => vat S - TVA; rate;
FR; export of goods;            0;    sujeto;        ;              0% EX G;   => vat G VATEX-EU-G TVA; name;
FR; goods within the EU;        0;    sujeto;        ;              0% EU G;   => vat K VATEX-EU-IC TVA; name;
FR; services within the EU;     0;    sujeto;        ;              0% EU S;   => vat AE VATEX-EU-AE TVA; name;
FR; services outside the EU;    0;    sujeto;        ;              0% EX S;   => vat O VATEX-EU-O TVA; name;
FR; exempt, nobody says why;    0;    sujeto;        ;              0% EXEMPT; => vat - - TVA; none; b:tax_unmapped
FR; small business, mapped;     0;    sujeto;        ;              0% EXEMPT; E VATEX-FR-FRANCHISE - => vat E VATEX-FR-FRANCHISE TVA; mapping;
FR; exempt, mapped, no reason;  0;    sujeto;        ;              0% EXEMPT; E - - => vat E - TVA; mapping; b:exemption_reason_missing
FR; exempt, mapped in words;    0;    sujeto;        ;              0% EXEMPT; E art.261 - => vat E art.261 TVA; mapping; b:exemption_reason_wrong
FR; education, by code;         0;    sujeto;  E VATEX-EU-132-1I;   0%;        => vat E VATEX-EU-132-1I TVA; code;
FR; a code nobody knows;        0;    sujeto;  E VATEX-FR-XYZ;      0%;        => vat E VATEX-FR-XYZ TVA; code; w:exemption_reason_unknown
IT; domestic standard;          22;   ;              ;              22%;       => vat S - IVA; rate;
IT; domestic reduced;           10;   ;              ;              10%;       => vat S - IVA; rate;
IT; reverse charge;             0;    ;        AE VATEX-EU-AE;      0% RC;     => vat AE VATEX-EU-AE IVA; code;
IT; intra-Community;            0;    ;        K VATEX-EU-IC;       0% EU;     => vat K VATEX-EU-IC IVA; code;
IT; exempt, art. 10;            0;    ;        E;                   0% Es;     => vat E - IVA; code; w:exemption_reason_advised
IT; withholding of 20 %;        -20;  ;              ;              -20%;      => withholding S - IRPEF; rate;
IT; no code at all;             0;    ;              ;              0%;        => vat - - IVA; none; b:tax_unmapped
BE; domestic standard;          21;   ;              ;              21%;       => vat S - TVA; rate;
BE; domestic reduced;           6;    ;              ;              6%;        => vat S - TVA; rate;
BE; co-contractor;              0;    ;        AE;                  0% Cocont; => vat AE - TVA; code; w:exemption_reason_advised
BE; goods within the EU;        0;    ;        K VATEX-EU-IC;       0% EU G;   => vat K VATEX-EU-IC TVA; code;
BE; zero rate, newspapers;      0;    ;        Z;                   0%;        => vat Z - TVA; code;
DE; domestic standard;          19;   ;              ;              19%;       => vat S - MwSt; rate;
DE; domestic reduced;           7;    ;              ;              7%;        => vat S - MwSt; rate;
DE; construction, § 13b;        0;    ;        AE VATEX-EU-AE;      0% 13b;    => vat AE VATEX-EU-AE MwSt; code;
DE; export;                     0;    ;        G VATEX-EU-G;        0% EX;     => vat G VATEX-EU-G MwSt; code;
DE; small business, § 19;       0;    ;              ;              0% 19;     E VATEX-EU-D - => vat E VATEX-EU-D MwSt; mapping;
PT; domestic standard;          23;   ;              ;              23%;       => vat S - IVA; rate;
PT; Azores;                     16;   ;              ;              16%;       => vat S - IVA; rate;
PT; exempt, art. 9;             0;    ;              ;              0% Is;     E M07 - => vat E M07 IVA; mapping;
PT; goods within the EU;        0;    ;        K VATEX-EU-IC;       0% EU;     => vat K VATEX-EU-IC IVA; code;
NL; domestic standard;          21;   ;              ;              21%;       => vat S - BTW; rate;
NL; domestic reduced;           9;    ;              ;              9%;        => vat S - BTW; rate;
NL; verlegd;                    0;    ;        AE VATEX-EU-AE;      0% verl;   => vat AE VATEX-EU-AE BTW; code;
NL; export;                     0;    ;        G;                   0% EX;     => vat G - BTW; code; w:exemption_reason_advised
GB; domestic standard;          20;   ;              ;              20%;       => vat S - VAT; rate;
GB; zero rate;                  0;    ;        Z;                   0%;        => vat Z - VAT; code;
US; no VAT;                     0;    ;        O VATEX-EU-O;        0%;        => vat O VATEX-EU-O VAT; code;
US; sales tax;                  8.25; ;              ;              8.25%;     => vat S - VAT; rate;
CH; domestic standard;          8.1;  ;              ;              8.1%;      => vat S - VAT; rate;
CH; export;                     0;    ;        G VATEX-EU-G;        0%;        => vat G VATEX-EU-G VAT; code;
XX; a negative rate;            -5;   ;              ;              -5%;       - - - vat => vat - - VAT; none; b:tax_unmapped
"""  # noqa: E501 - a table is read by its columns


def situations() -> list[Any]:
    return [_situation(text) for text in SITUATIONS.strip().splitlines() if not text.startswith("#")]


def _situation(text: str) -> Any:
    given, told = text.split("=>")
    issuer, about, rate, chart, code, name, mapping = (part.strip() for part in given.split(";"))
    expected, source, verdict = (part.strip() for part in told.split(";"))
    chart_type, _, chart_reason = chart.partition(" ")
    category, _, reason = code.partition(" ")
    row = {
        "id": 1,
        "name": f'{{"en_US": "{name}"}}',
        "amount": Decimal(rate),
        "amount_type": "percent",
        "country": issuer,
        "group": None,
        "description": None,
        "applicability": None,
        "es_type": chart_type or None,
        "es_reason": chart_reason or None,
        "category": category or None,
        "reason": reason or None,
    }
    values = (issuer, row, _mapping(name, mapping), expected.split(), source, verdict)
    return pytest.param(*values, id=f"{issuer}: {about}")


def _mapping(name: str, text: str) -> dict[str, TaxMapping]:
    if not text:
        return {}
    words: list[str | None] = [None if word == "-" else word for word in text.split()]
    category, reason, family, kind = (*words, None)[:4]
    return {name: TaxMapping(category=category, reason=reason, name=family, kind=TaxKind(kind) if kind else None)}


def meaning(tax: Tax, issuer: str) -> list[str]:
    name = codes.tax_name(tax, issuer)
    return [str(tax.kind), tax.category or "-", tax.reason or "-", name or "-"]


def without(row: dict[str, Any], source: str) -> dict[str, Any]:
    """Take away what a meaning is said to come from."""
    gone: dict[str, dict[str, Any]] = {
        "chart": {"es_type": None, "es_reason": None},
        "code": {"category": None, "reason": None},
        "name": {"name": '{"en_US": "another"}'},
    }
    return {**row, **gone.get(source, {})}


@pytest.mark.parametrize(("issuer", "row", "mapping", "expected", "source", "verdict"), situations())
def test_a_tax_means_what_its_source_says(
    issuer: str, row: dict[str, Any], mapping: dict[str, TaxMapping], expected: list[str], source: str, verdict: str
) -> None:
    tax = taxes.tax(row, mapping)

    assert meaning(tax, issuer) == expected
    bare = {**without(row, "chart"), "category": None, "reason": None, "name": '{"en_US": "x"}'}
    match source:
        case "rate":
            assert meaning(taxes.tax(bare, {}), issuer) == expected
        case "mapping":
            assert meaning(taxes.tax(row, {}), issuer) != expected
        case "none":
            assert tax.category is None
        case _:
            assert meaning(taxes.tax(without(row, source), {}), issuer) != expected


@pytest.mark.parametrize(("issuer", "row", "mapping", "expected", "source", "verdict"), situations())
def test_the_rules_say_of_it(
    issuer: str, row: dict[str, Any], mapping: dict[str, TaxMapping], expected: list[str], source: str, verdict: str
) -> None:
    tax = taxes.tax(row, mapping)
    seller: Party = SELLER if issuer == "ES" else Party(name="Issuer", country=issuer)
    beside = () if tax.kind is TaxKind.VAT else (IVA,)
    found = judge(invoice("1", line(taxes=(*beside, tax)), seller=seller, number="FT 2026/1"), now=NOON)

    said = [f"b:{problem.reason}" for problem in found.blocks] + [f"w:{problem.reason}" for problem in found.warnings]
    if expected[1] == "-" and "-5" in str(row["amount"]):
        assert "b:tax_negative" in said
    else:
        assert said == ([verdict] if verdict else [])


def test_all_countries_and_sources_are_there() -> None:
    rows = [entry.values for entry in situations()]
    assert len(rows) >= 40
    assert {row[0] for row in rows} >= {"ES", "FR", "IT", "BE", "DE", "PT", "NL", "US", "CH"}
    assert set(Counter(row[4] for row in rows)) == {"rate", "chart", "code", "name", "mapping", "none"}
