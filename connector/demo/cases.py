"""The documents of the demo and the fate that each of them must meet."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

SPAIN: Final = 1
FRANCE: Final = 2

GOOD_IBAN: Final = "ES9121000418450200051332"
WRONG_IBAN: Final = "ES9121000418450200051333"
GOOD_VAT: Final = "ESB12345674"
OTHER_VAT: Final = "ESG09123456"
FRENCH_IBAN: Final = "FR7630006000011234567890189"


@dataclass(frozen=True, slots=True)
class Work:
    """One line of a document."""

    description: str
    quantity: Decimal
    unit: str
    rate: Decimal
    vat_code: str | None

    @property
    def amount(self) -> Decimal:
        """Before VAT."""
        return (self.quantity * self.rate).quantize(Decimal("0.01"))


def work(description: str, quantity: str, unit: str, rate: str, vat_code: str | None = "ES21") -> Work:
    """Return a line."""
    return Work(description, Decimal(quantity), unit, Decimal(rate), vat_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One document of the back office, and what must become of it."""

    id: int
    number: str | None
    title: str
    story: str  # what is special about it
    lines: tuple[Work, ...]
    days_ago: int = 10
    office: int = SPAIN
    customer: int = 10
    status: str = "invoiced"
    currency: str = "EUR"
    corrects: int | None = None
    order: str | None = None
    pay_to: str | None = GOOD_IBAN
    vat_per_line: bool = False  # the back office rounds VAT line by line
    reason: str | None = None  # why it is held; None: it is issued
    touched: bool = True  # whether the connector may find it at all
    way: str = ""  # what its timeline must show
    guide: str = ""  # which integration guide warns of this very failure
    cured: str = ""  # what somebody does about it afterwards; then it is issued
    cure: tuple[str, ...] = ()  # the same in the ERP, in SQL; none where the cure lies elsewhere

    @property
    def is_credit_note(self) -> bool:
        """Whether it corrects another document."""
        return self.corrects is not None


OFFICES: Final = (
    (SPAIN, "Palabras al Vuelo, S.L.", "ESB76543214", "ES"),
    (FRANCE, "Mots Voyageurs SAS", "FR44732829320", "FR"),
)

# id, name, vat_number, siret, is_public, service_code, street, city, postcode, country, invoice_email
CUSTOMERS: Final = (
    (10, "Editorial Faro Norte, S.A.", "ESA58818501", None, 0, None, "Calle del Puerto, 7", "Santander",
     "39001", "ES", "facturas@faronorte.example"),
    (11, "Hostal Tres Vientos, S.L.", "ESB12345678", None, 0, None, "Plaza Mayor, 3", "Soria",
     "42001", "ES", "hola@tresvientos.example"),
    (12, "Hafenwerk Reisen GmbH", "DE136695976", None, 0, None, "Am Kai 3", "Hamburg",
     "20457", "DE", "rechnung@hafenwerk.example"),
    (13, "Harbor Lights Travel Inc.", "12-3456789", None, 0, None, "8 Pier Road", "Boston MA",
     "02110", "US", "billing@harborlights.example"),
    (14, "Université d'Aix-Marseille", None, "13001533200013", 1, "SERVICE-7", "58 boulevard Charles Livon",
     "Marseille", "13007", "FR", "factures@univ.example"),
    (15, "Amigos del Camino", None, None, 0, None, "Calle Larga, 8", "Burgos",
     "09001", "ES", "camino@amigos.example"),
)  # fmt: skip

# code, percent, category, reason
VAT_CODES: Final = (
    ("ES21", 21, "S", None),
    ("FR20", 20, "S", None),
    ("EU-RC", 0, "AE", "VATEX-EU-AE"),
    ("EXPORT", 0, "NS", "N2"),
    ("STAMP-5", None, None, None),
)

CASES: Final = (
    Case(
        id=90, number="B-0090", title="City map of last year", story="dated before the start: not ours to send",
        touched=False, days_ago=400, lines=(work("Translation", "1000", "word", "0.10"),),
        cured="ERP: the year was a slip; the date is corrected",
        cure=(
            "UPDATE project SET invoice_date = date('now', '-9 days') WHERE id = 90",
            "UPDATE project SET due_date = date('now', '+21 days'), updated_at = datetime('now') WHERE id = 90",
        ),
    ),
    Case(
        id=101, number="B-0101", title="Travel guide in two languages", story="an ordinary invoice", order="FN-4471",
        lines=(work("Translation, words", "12500", "word", "0.0875"), work("Proof-reading", "2.5", "hour", "25.50")),
    ),
    Case(
        id=102, number="B-0102", title="Menu cards", story="the customer's VAT number is wrong", customer=11,
        lines=(work("Translation, pages", "4", "page", "15"),), reason="vat_number_wrong",
        guide="FAST", cured="ERP: the customer's VAT number is corrected",
        cure=(f"UPDATE customer SET vat_number = '{GOOD_VAT}' WHERE id = 11",),  # noqa: S608
    ),
    Case(
        id=103, number="B-0103", title="Interpreting at a fair", story="the IBAN is wrong", pay_to=WRONG_IBAN,
        lines=(work("Interpreting", "2", "day", "400"),), reason="iban_wrong",
        guide="Protemos", cured="ERP: the IBAN is corrected",
        cure=(f"UPDATE project SET pay_to = '{GOOD_IBAN}' WHERE id = 103",),  # noqa: S608
    ),
    Case(
        id=104, number="C-0104", title="Travel guide, correction", story="credit note of B-0101", corrects=101,
        days_ago=8, lines=(work("Words counted twice", "-1000", "word", "0.10"),),
    ),
    Case(
        id=105, number="C-0105", title="City map, correction", story="credit note; its original was never sent",
        corrects=90, days_ago=8, lines=(work("Late delivery", "-1", "piece", "20"),), reason="original_not_issued",
        guide="FAST", cured="nothing: it follows its original by itself",
    ),
    Case(
        id=106, number="B-0106", title="Two leaflets", story="VAT rounded per line: one cent more",
        vat_per_line=True, reason="totals_differ",
        lines=(work("Leaflet, first", "1", "piece", "10.03"), work("Leaflet, second", "1", "piece", "10.03")),
        cured="B2Brouter: the account adds up VAT line by line",
    ),
    Case(
        id=107, number=None, title="Web site", story="a draft", status="quoted", touched=False,
        lines=(work("Translation, words", "9000", "word", "0.10"),),
    ),
    Case(
        id=108, number="B-0108", title="Poster", story="cancelled", status="cancelled", touched=False,
        lines=(work("Translation", "1", "page", "60"),),
    ),
    Case(
        id=109, number="B-0109", title="Audio guide", story="somebody made it at B2Brouter by hand",
        lines=(work("Recording", "3", "hour", "80"),), reason="already_exists",
    ),
    Case(
        id=110, number="B-0110", title="Booking terms", story="B2Brouter's answer got lost", customer=12,
        lines=(work("Legal translation", "1", "day", "411.11", "EU-RC"),), way="adopted",
    ),
    Case(
        id=111, number="B-0111", title="Hotel directory", story="B2Brouter answered 503, twice",
        lines=(work("Data entry", "6", "hour", "31.25"),), way="outcome",
    ),
    Case(
        id=112, number="B-0112", title="Guide du campus", story="French public body, Chorus Pro", office=FRANCE,
        customer=14, order="BC-2209", pay_to=FRENCH_IBAN,
        lines=(work("Traduction, mots", "9000", "word", "0.10", "FR20"),),
    ),
    Case(
        id=113, number="B-0113", title="Group tour", story="in dollars; a customer new to B2Brouter", customer=13,
        currency="USD", lines=(work("Guided tour", "2", "day", "649.50", "EXPORT"),),
    ),
    Case(
        id=114, number="B-0114", title="Sworn translation", story="a tax that is an amount",
        lines=(work("Sworn translation", "1", "piece", "90", "STAMP-5"),), reason="tax_absolute",
        guide="Protemos", cured="ERP: a tax with a percentage",
        cure=(
            "UPDATE task SET vat_code = 'ES21' WHERE project_id = 114",
            "UPDATE project_vat SET vat_code = 'ES21', amount = '18.90' WHERE project_id = 114",
            "UPDATE project SET total_vat = '18.90', total_payable = '108.90' WHERE id = 114",
        ),
    ),
    Case(
        id=115, number="B-0115", title="Subtitles", story="a line without tax", reason="tax_missing",
        lines=(work("Subtitles, minutes", "40", "piece", "7.50"), work("Express", "1", "piece", "50", None)),
        guide="Protemos", cured="ERP: every line has a tax",
        cure=(
            "UPDATE task SET vat_code = 'ES21' WHERE project_id = 115",
            "UPDATE project_vat SET base = '350.00', amount = '73.50' WHERE project_id = 115",
            "UPDATE project SET total_vat = '73.50', total_payable = '423.50' WHERE id = 115",
        ),
    ),
    Case(
        id=116, number="B-0116", title="Pilgrims' handbook", story="no client at B2Brouter, and none can be made",
        customer=15, lines=(work("Proof-reading", "1", "piece", "100"),), reason="buyer_identifier_missing",
        guide="Protemos", cured="ERP: the customer's tax number is entered",
        cure=(f"UPDATE customer SET vat_number = '{OTHER_VAT}' WHERE id = 15",),  # noqa: S608
    ),
)  # fmt: skip

SINCE_DAYS: Final = 90
"""Nothing older is ever sent."""
