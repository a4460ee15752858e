"""What the columns of the configured queries mean, value by value."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.adapters.sql.columns import FIND
from connector.adapters.sql.mapping import Mapper
from connector.adapters.sql.reader import Documents
from connector.adapters.sql.settings import SqlOptions
from connector.adapters.sql.stamps import Stamps
from connector.domain.errors import DocumentNotUsableError, UsageError
from connector.domain.invoice import Invoice, LegalId, TaxKind
from connector.validation import problems
from tests.support.builders import NOON

OPTIONS = SqlOptions(
    find="SELECT 1",
    header="SELECT 1 WHERE 1 IN :keys",
    lines="SELECT 1 WHERE 1 IN :keys",
    kinds={"F": "invoice"},
)


def header(**values: Any) -> dict[str, Any]:
    row = {
        "document_key": 1,
        "confirmed": 1,
        "number": "F-1",
        "kind": "F",
        "issue_date": date(2026, 9, 1),
        "currency": "EUR",
        "net": 100,
        "tax": 21,
        "payable": 121,
        "buyer_name": "Somebody",
    }
    return {**row, **values}


def line(**values: Any) -> dict[str, Any]:
    row = {"document_key": 1, "description": "x", "quantity": 1, "net_price": 100, "net_amount": 100}
    return {**row, **values}


def mapped(row: dict[str, Any], *lines: dict[str, Any], **more: Any) -> Invoice:
    document = Mapper.of(Documents(headers=[row], lines=lines, **more), OPTIONS).invoices()["1"]
    assert isinstance(document, Invoice), document
    return document


def problem(*headers: dict[str, Any], lines: tuple[dict[str, Any], ...] = ()) -> str:
    document = Mapper.of(Documents(headers=headers, lines=lines), OPTIONS).invoices()["1"]
    assert isinstance(document, DocumentNotUsableError)
    return document.message


@pytest.mark.parametrize(
    ("numbers", "is_public"),
    [
        ({"buyer_siret": "130 015 332 00013"}, True),
        ({"buyer_legal_scheme": "9", "buyer_legal_id": "13001533200013"}, True),
        ({"buyer_siren": "217500016"}, False),
        ({"buyer_tax_number": "FR84130015332"}, False),
        ({"buyer_siret": "77566343801906"}, False),
        ({"buyer_siret": "77566343801906", "buyer_tax_number": "FR84130015332"}, False),
        ({"buyer_siret": "77566343801906", "buyer_service_code": "S1"}, True),
        ({"buyer_country": "ES", "buyer_tax_number": "P2807900B"}, True),
        ({"buyer_country": "ES", "buyer_tax_number": "B63276174"}, False),
    ],
)
def test_a_public_body_is_known_by_its_numbers_where_the_query_does_not_say(
    numbers: dict[str, Any], is_public: bool
) -> None:
    row = header(**{"buyer_country": "FR", **numbers})
    assert mapped(row, line()).buyer.is_public_body is is_public
    assert mapped({**row, "buyer_is_public_body": None}, line()).buyer.is_public_body is is_public
    for said in (True, False):
        assert mapped({**row, "buyer_is_public_body": said}, line()).buyer.is_public_body is said


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"buyer_siret": "1300153320001"}, "siret_wrong"),
        ({"buyer_siret": "130 015 332"}, "siret_wrong"),
        ({"buyer_siret": "13001533200014"}, "siret_wrong"),
        ({"buyer_legal_scheme": "0009", "buyer_legal_id": "130015332000131"}, "siret_wrong"),
        ({"buyer_siret": "00013", "buyer_siren": "130015332"}, "siret_wrong"),
        ({"buyer_siret": "00013", "buyer_tax_number": "FR84130015332"}, "siret_wrong"),
        ({"buyer_siret": "7756634380190"}, None),
        ({"buyer_siret": "775663438", "buyer_tax_number": "FR95775663438"}, None),
        ({"buyer_siret": "00013", "buyer_tax_number": "FR95775663438"}, None),
        ({"buyer_siret": "néant", "buyer_tax_number": "FR84130015332"}, None),
    ],
)
def test_a_public_body_whose_siret_is_misspelt_is_told_and_not_billed_as_anybody_else(
    numbers: dict[str, Any], reason: str | None
) -> None:
    document = mapped(header(**{"buyer_country": "FR", **numbers}), line())
    assert document.buyer.is_public_body is (reason is not None)
    told = {problem.reason for problem in problems(document, now=NOON)}
    assert told & {"siret_missing", "siret_wrong"} == ({reason} if reason else set())


@pytest.mark.parametrize(
    ("given", "method"),
    [
        (49, "49"),
        (30.0, "30"),
        (Decimal("30.00"), "30"),
        (Decimal("3E+1"), "30"),
        (" 30 ", "30"),
        ("ZZZ", "ZZZ"),
        (None, None),
        ("", None),
    ],
)
def test_a_means_of_payment_goes_by_its_code(given: object, method: str | None) -> None:
    payment = mapped(header(payment_method=given, payment_method_text="Giro"), line()).payment
    assert (payment.method, payment.method_text) == (method, "Giro")


@pytest.mark.parametrize("given", ["PRE", 30.5, Decimal("NaN"), Decimal("Infinity"), 300])
def test_a_means_of_payment_that_is_no_code_is_told(given: object) -> None:
    assert f"payment_method is '{given}'" in problem(header(payment_method=given))


@pytest.mark.parametrize(
    ("value", "confirmed"),
    [
        (True, True),
        (1, True),
        ("t", True),
        ("YES", True),
        (1.0, True),
        (Decimal("1.00"), True),
        ("1.0", True),
        (b"\x01", True),  # BIT(1) of MySQL
        ("\x01", True),
        ("S", True),
        ("Si", True),
        ("SÍ", True),
        (False, False),
        (0, False),
        (0.0, False),
        (Decimal("0.00"), False),
        (b"\x00", False),
        ("\x00", False),
        ("n", False),
        ("No", False),
        (None, False),
    ],
)
def test_confirmed_may_be_said_in_many_ways(value: Any, confirmed: bool) -> None:
    assert mapped(header(confirmed=value)).confirmed is confirmed


@pytest.mark.parametrize(
    "value", [date(2026, 9, 1), datetime(2026, 9, 1, 23, 59, tzinfo=UTC), "2026-09-01", "2026-09-01 00:00:00"]
)
def test_dates_may_come_as_dates_times_or_text(value: Any) -> None:
    assert mapped(header(issue_date=value)).issue_date == date(2026, 9, 1)


@pytest.mark.parametrize(
    ("value", "zone", "day"),
    [
        ("2026-01-31T23:00:00Z", "Europe/Madrid", date(2026, 2, 1)),
        ("2026-01-31 23:00:00+00", "Europe/Madrid", date(2026, 2, 1)),
        (datetime(2026, 1, 31, 23, 0, tzinfo=UTC), "Europe/Madrid", date(2026, 2, 1)),
        (datetime(2026, 6, 30, 22, 0, tzinfo=UTC), "Europe/Madrid", date(2026, 7, 1)),
        (datetime(2026, 7, 1, 2, 30, tzinfo=UTC), "America/New_York", date(2026, 6, 30)),
        # Midnight as it is shown: a day without a time, or the database's own zone.
        (datetime(2026, 2, 1, tzinfo=ZoneInfo("Europe/Madrid")), "Atlantic/Canary", date(2026, 2, 1)),
        (datetime(2026, 2, 1, tzinfo=UTC), "America/New_York", date(2026, 2, 1)),
        ("2026-02-01T00:00:00+01:00", "Atlantic/Canary", date(2026, 2, 1)),
        # Nobody said in which zone, or there is no instant.
        (datetime(2026, 1, 31, 23, 0, tzinfo=UTC), "UTC", date(2026, 1, 31)),
        (datetime(2026, 2, 1, 0, 30, tzinfo=ZoneInfo("Europe/Madrid")), "UTC", date(2026, 2, 1)),
        (datetime(2026, 1, 31, 23, 0), "Europe/Madrid", date(2026, 1, 31)),  # noqa: DTZ001  # as drivers give it
        ("2026-01-31 23:00:00", "Europe/Madrid", date(2026, 1, 31)),
        (date(2026, 1, 31), "Europe/Madrid", date(2026, 1, 31)),
        (datetime(9999, 12, 31, 23, 30, tzinfo=UTC), "Europe/Madrid", date(9999, 12, 31)),
    ],
)
def test_an_instant_is_a_day_of_the_sources_zone(value: Any, zone: str, day: date) -> None:
    options = OPTIONS.model_copy(update={"timezone": zone})
    days = dict.fromkeys(("issue_date", "due_date", "delivery_date", "original_date"), value)
    row = header(**days, original_number="F-0")
    document = Mapper.of(Documents(headers=[row]), options).invoices()["1"]
    assert isinstance(document, Invoice)
    assert document.original is not None
    told = {document.issue_date, document.due_date, document.delivery_date, document.original.date}
    assert told == {day}


def test_empty_values_are_none() -> None:
    document = mapped(header(number="  ", issue_date=None, due_date="", purchase_order="", currency=None))
    assert (document.number, document.issue_date, document.due_date) == (None, None, None)
    assert (document.purchase_order, document.currency, document.original) == (None, None, None)
    assert document.company == "1"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"confirmed": "perhaps"}, "confirmed is 'perhaps', which is neither yes nor no"),
        ({"confirmed": 2}, "confirmed is 2, which is neither yes nor no"),
        ({"confirmed": -1}, "confirmed is -1, which is neither yes nor no"),
        ({"confirmed": 0.5}, "confirmed is 0.5, which is neither yes nor no"),
        ({"confirmed": "NaN"}, "confirmed is 'NaN', which is neither yes nor no"),
        ({"confirmed": b"\xff"}, "which is neither yes nor no"),
        ({"issue_date": "01/09/2026"}, "'01/09/2026' is no date of the form 2026-01-31"),
        ({"net": None}, "net is empty"),
        ({"tax": "a lot"}, "tax: 'a lot' is not a number"),
        ({"buyer_legal_id": "1", "buyer_legal_scheme": "KvK"}, "buyer_legal_scheme is no scheme of four digits"),
        ({"kind": "X"}, "the kind 'X' is not one of F"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(values: dict[str, Any], said: str) -> None:
    assert said in problem(header(**values))


def test_two_rows_for_one_document_are_not_guessed_at() -> None:
    assert "the query header gives 2 rows" in problem(header(), header())


def test_a_base_quantity_has_to_be_positive() -> None:
    assert "base_quantity is 0" in problem(header(), lines=(line(base_quantity=0),))
    assert mapped(header(), line(base_quantity=10)).lines[0].base_quantity == 10


def test_a_rate_without_category_is_standard_and_0_per_cent_without_one_is_not_mapped() -> None:
    taxed = mapped(header(), line(tax_percent=21), line(tax_percent=0), line(tax_percent=None)).lines
    assert [[tax.category for tax in each.taxes] for each in taxed] == [["S"], [None], []]


def test_a_tax_of_the_query_taxes_may_be_absolute_or_withheld() -> None:
    taxes = [
        {"line_key": 5, "percent": None, "label": "eco"},
        {"line_key": 5, "percent": 15, "kind": "withholding"},
        {"line_key": 6, "percent": 21},
    ]
    found = mapped(header(), line(line_key=5), taxes=taxes).lines[0].taxes
    assert [(tax.kind, tax.percent, tax.source_name) for tax in found] == [
        (TaxKind.VAT, None, "eco"),
        (TaxKind.WITHHOLDING, Decimal(-15), ""),
    ]


THIRDS = (line(net_amount="0.26", tax_percent=21),) * 3  # 0.1638 together, 0.05 each


@pytest.mark.parametrize(
    ("lines", "tax", "amounts"),
    [
        (THIRDS, "0.16", ["0.16"]),
        (THIRDS, "0.15", ["0.15"]),  # rounded per line
        ((line(net_amount="0.50", tax_percent=21), line(net_amount="0.10", tax_percent=5)), "0.11", ["0.11", "0.01"]),
        ((line(net_amount="0.50", tax_percent=21), line(net_amount="0.10", tax_percent=5)), "0.10", ["0.10", "0.00"]),
        ((line(tax_percent=21),), "21.01", ["21.01"]),  # in no way, but there is no other tax
        ((line(tax_percent=21),), "20", ["21.00"]),  # that is no rounding
        ((line(tax_percent=21), line(tax_percent=10)), "31.01", ["21.00", "10.00"]),  # nobody knows whose the cent is
    ],
)
def test_taxes_that_the_erp_keeps_as_one_total_are_told_apart_by_its_way_of_rounding(
    lines: tuple[dict[str, Any], ...], tax: str, amounts: list[str]
) -> None:
    found = mapped(header(tax=tax), *lines).tax_totals

    assert [one.amount for one in found] == [Decimal(amount) for amount in amounts]


def test_taxes_have_the_same_order_whatever_the_database_gives_them_in() -> None:
    """A database may give rows that a query does not order as it likes: that is no change of the document."""
    taxes = [
        {"line_key": 7, "kind": "withholding", "percent": 15, "label": "IRPF"},
        {"line_key": 7, "kind": "surcharge", "percent": Decimal("5.2"), "label": "RE"},
        {"line_key": 7, "percent": 21, "label": "ES21"},
    ]
    totals = [
        {"document_key": 1, "percent": 10, "base": 40, "amount": 4, "label": "ES10"},
        {"document_key": 1, "percent": 0, "category": "E", "base": 10, "amount": 0, "label": "E1"},
        {"document_key": 1, "percent": 21, "base": 50, "amount": Decimal("10.5"), "label": "ES21"},
    ]
    one = mapped(header(), line(line_key=7), taxes=taxes, tax_totals=totals)
    other = mapped(header(), line(line_key=7), taxes=taxes[::-1], tax_totals=totals[::-1])
    assert one.fingerprint() == other.fingerprint()
    assert [tax.kind for tax in one.lines[0].taxes] == [TaxKind.VAT, TaxKind.SURCHARGE, TaxKind.WITHHOLDING]


def test_an_unknown_kind_of_tax_is_a_problem_of_its_document() -> None:
    documents = Documents(
        headers=[header()], lines=[line(line_key=5)], taxes=[{"line_key": 5, "percent": 1, "kind": "x"}]
    )
    assert isinstance(Mapper.of(documents, OPTIONS).invoices()["1"], DocumentNotUsableError)


def test_withholding_lowers_whatever_sign_it_is_kept_with() -> None:
    for kept in (15, -15):
        assert mapped(header(withholding=kept)).totals.withholding == -15


def test_a_discount_of_a_negative_line_is_an_addition() -> None:
    (part,) = mapped(header(), line(quantity=-1, net_amount=-90, discount=10)).lines[0].allowances
    assert (part.is_charge, part.amount) == (True, Decimal(10))


def test_a_party_has_its_identifiers_codes_and_nature() -> None:
    buyer = mapped(
        header(
            buyer_siret="13001533200013",
            buyer_siren="130015332",
            buyer_service_code="FACTURES",
            buyer_legal_scheme="190",
            buyer_legal_id="00000001001234567000",
            buyer_country="es",
            buyer_is_company=0,
            buyer_dir3_fiscal="L01",
            buyer_dir3_receiver="L02",
            buyer_dir3_payer="L03",
            buyer_recipient_code="M5UXCR1",
            buyer_certified_email="lupo@pec.example",
        )
    ).buyer
    assert buyer.legal_ids == (
        LegalId(scheme="0009", value="13001533200013"),
        LegalId(scheme="0002", value="130015332"),
        LegalId(scheme="8017", value="FACTURES"),
        LegalId(scheme="0190", value="00000001001234567000"),
    )
    assert buyer.dir3_codes == (("01", "L01"), ("02", "L02"), ("03", "L03"))
    assert (buyer.country, buyer.is_company, buyer.is_public_body) == ("ES", False, True)
    assert (buyer.recipient_code, buyer.certified_email) == ("M5UXCR1", "lupo@pec.example")


def test_an_original_may_be_known_by_its_number_only() -> None:
    original = mapped(header(original_number="F-0")).original
    assert original is not None
    assert (original.key, original.number, original.date, original.confirmed) == (None, "F-0", None, True)


@pytest.mark.parametrize(
    ("key", "original", "known"),
    [
        (2, 1, "1"),
        ("F2", "F1", "F1"),
        ("F2", "F1   ", "F1"),
        ("F2   ", "F1   ", "F1"),
        ("FV-2026-10", "FV-9      ", "FV-9"),  # as long as each other: what it says of the columns is nothing
        ("   10", "    9", "9"),
        ("F2   ", "     ", None),
        ("F2   ", None, None),
    ],
)
def test_the_key_of_an_original_is_told_without_blanks(key: Any, original: Any, known: str | None) -> None:
    """So that a document that went out is the same one, whatever becomes of the columns' types."""
    row = header(document_key=key, original_key=original, original_number="F-1")
    document = Mapper.of(Documents(headers=[row]), OPTIONS).invoices()[str(key)]
    assert isinstance(document, Invoice)
    assert document.original is not None
    assert document.original.key == known


def test_columns_are_checked_by_name() -> None:
    names = ["document_key", "changed_at", "number", "kind", "issue_date", "currency", "total"]
    FIND.check([*names, "customer"])
    for wrong, said in (
        (names[1:], "does not give the column document_key"),
        ([*names, "custommer"], "did you mean customer?"),
        ([*names, "number"], "gives a column twice"),
    ):
        with pytest.raises(UsageError, match=said.replace("?", r"\?")):
            FIND.check(wrong)


@pytest.mark.parametrize(
    "example",
    [
        "2026-03-29 01:30:00",
        "2026-03-29T01:30:00.123456Z",
        "2026-03-29 01:30:00.123",
        "2026-03-29T01:30:00+02:00",
        "2026-03-29",
        1774747800,
        1774747800.5,
        Decimal("1774747800.25"),
        date(2026, 3, 29),
        datetime(2026, 3, 29, 1, 30),  # noqa: DTZ001  # as drivers give it
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Madrid", "Asia/Tokyo"])
def test_a_time_of_change_takes_the_form_of_its_column_again(example: Any, zone: str) -> None:
    stamps = Stamps(ZoneInfo(zone), example)
    moment = stamps.read(example)
    assert moment.utcoffset() == UTC.utcoffset(None)
    assert stamps.write(moment) == example
    assert type(stamps.write(moment)) is type(example)


@pytest.mark.parametrize("value", [True, b"x", "29/03/2026", "2026-03-29 1:30"])
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="no time"):
        Stamps(ZoneInfo("UTC"), "2026-03-29 01:30:00").read(value)
