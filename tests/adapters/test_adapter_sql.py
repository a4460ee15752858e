"""The sql adapter on the booking example, on every database that it is documented for."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url

from config.sections.sources import SourceSettings
from connector.adapters.database import Database, Timeouts
from connector.adapters.sql import SqlAdapter
from connector.adapters.sql.stamps import EPOCH
from connector.adapters.testing.sql import statements
from connector.domain.errors import (
    ConnectorError,
    DocumentNotUsableError,
    SchemaChangedError,
    SourceNotPermittedError,
    SourceUnavailableError,
    UsageError,
    WriteBackRefusedError,
)
from connector.domain.invoice import Attachment, Invoice, Kind, TaxKind
from connector.ports import File, Found, Position, RecordsTaxReport, RemoteTaxReport
from tests.adapters.databases import execute, meanwhile, query

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
XREF = "b2brouter:sandbox:1:4711"

MakeAdapter = Callable[..., SqlAdapter]


def booking_options(**changes: Any) -> dict[str, Any]:
    configured = tomllib.loads((EXAMPLES / "booking.toml").read_text())["sources"]["booking"]["options"]
    return {key: value for key, value in (configured | changes).items() if value is not None}


def make_tables(url: str) -> None:
    script = (EXAMPLES / "booking.sql").read_text()
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'booking.db'}"


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def url(request: pytest.FixtureRequest) -> str:
    """The booking example's database, on each kind of server."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    make_tables(url)
    return url


@pytest.fixture
def make() -> Iterator[MakeAdapter]:
    made: list[SqlAdapter] = []

    def make_adapter(url: str, **changes: Any) -> SqlAdapter:
        made.append(SqlAdapter.open("booking", url, booking_options(**changes)))
        return made[-1]

    yield make_adapter
    for adapter in made:
        adapter.close()


@pytest.fixture
def booking(url: str, make: MakeAdapter) -> SqlAdapter:
    return make(url)


def everything(adapter: SqlAdapter, page: int = 100, **filters: Any) -> list[Found]:
    after: Position | None = None
    found: list[Found] = []
    while True:
        rows = adapter.find(after, page, since=filters.get("since"), companies=filters.get("companies"))
        found += rows
        if len(rows) < page:
            return found
        after = rows[-1].position


def load(adapter: SqlAdapter, key: str) -> Invoice:
    document = adapter.load([key])[key]
    assert isinstance(document, Invoice)
    return document


# --- discovery


def test_confirmed_projects_are_found_in_the_order_of_change(booking: SqlAdapter) -> None:
    found = everything(booking)
    assert [row.key for row in found] == ["100", "101", "102", "103", "106"]
    assert found[0] == Found(
        key="100",
        company="1",
        changed_at=datetime(2026, 9, 1, 9, 30, tzinfo=UTC),
        number="P-2026-001",
        kind=Kind.INVOICE,
        issue_date=date(2026, 9, 1),
        currency="EUR",
        total=Decimal("1391.40"),
        customer="Editorial Faro Norte, S.A.",
    )
    credit = found[3]
    assert (credit.kind, credit.total, credit.original_key) == (Kind.CREDIT_NOTE, Decimal(121), "100")


def test_the_day_of_confirmation_is_that_of_the_databases_zone(url: str, make: MakeAdapter) -> None:
    late = "CASE p.id WHEN 100 THEN '2026-09-01 23:30:00' WHEN 101 THEN '2026-09-02' END AS confirmed_at"
    find = booking_options()["find"].replace("SELECT ", f"SELECT {late}, ", 1)
    adapter = make(url, find=find, timezone="Europe/Madrid")
    assert adapter.tells_confirmation()
    days = {row.key: row.confirmed_on for row in everything(adapter)}
    assert (days["100"], days["101"], days["102"]) == (date(2026, 9, 1), date(2026, 9, 2), None)


def test_without_the_column_nothing_is_told_of_the_confirmation(booking: SqlAdapter) -> None:
    assert not booking.tells_confirmation()
    assert everything(booking)[0].confirmed_on is None


def test_a_confirmation_that_is_no_time_is_named(url: str, make: MakeAdapter) -> None:
    find = booking_options()["find"].replace("SELECT ", "SELECT 'soon' AS confirmed_at, ", 1)
    with pytest.raises(UsageError, match="confirmed_at of document 100"):
        everything(make(url, find=find))


@pytest.mark.parametrize("page", [1, 2, 3])
def test_paging_with_equal_and_missing_time_stamps_neither_loses_nor_repeats(
    url: str, make: MakeAdapter, page: int
) -> None:
    execute(url, "UPDATE project SET updated_at = '2026-09-01 09:30:00' WHERE id IN (101, 102)")
    execute(url, "UPDATE project SET updated_at = NULL WHERE id IN (103, 106)")
    adapter = make(url)
    paged = everything(adapter, page)
    assert [row.key for row in paged] == ["103", "106", "100", "101", "102"]
    assert paged == everything(adapter)
    assert paged[0].changed_at == EPOCH
    assert all((one.changed_at, int(one.key)) < (two.changed_at, int(two.key)) for one, two in pairwise(paged))


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize("stamp", ["1970-01-01 00:00:00", "1901-01-01 00:00:00", "0001-01-01 00:00:00"])
def test_pages_come_to_an_end_also_where_many_were_last_changed_at_the_beginning_of_time(
    url: str, make: MakeAdapter, page: int, stamp: str
) -> None:
    if make_url(url).get_backend_name() in {"mysql", "mariadb"}:  # whose TIMESTAMP begins in 1970
        execute(url, "ALTER TABLE project MODIFY updated_at DATETIME NULL")
    execute(url, f"UPDATE project SET updated_at = '{stamp}' WHERE id IN (100, 101, 106)")
    execute(url, "UPDATE project SET updated_at = NULL WHERE id = 103")
    adapter = make(url)
    found: list[Found] = []
    while more := adapter.find(found[-1].position if found else None, page, since=None, companies=None):
        found += more
        assert len(found) <= 5
    assert [row.key for row in found] == ["100", "101", "103", "106", "102"]
    assert all((one.changed_at, int(one.key)) < (two.changed_at, int(two.key)) for one, two in pairwise(found))


@pytest.mark.mariadb
@pytest.mark.parametrize("page", [1, 2, 100])
@pytest.mark.parametrize("zeros", [(100,), (106, 101), (100, 101, 102, 103, 106)])
def test_a_time_of_change_of_zeros_is_before_all_others(
    mariadb_url: str, make: MakeAdapter, zeros: tuple[int, ...], page: int
) -> None:
    make_tables(mariadb_url)
    execute(
        mariadb_url,
        "SET SESSION sql_mode = ''",
        "ALTER TABLE project MODIFY updated_at TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00'",
        f"UPDATE project SET updated_at = '0000-00-00 00:00:00' WHERE id IN ({', '.join(map(str, zeros))})",
    )
    adapter = make(mariadb_url)
    first = [str(key) for key in sorted(zeros)]
    found = everything(adapter, page)
    assert [row.key for row in found if row.changed_at == EPOCH] == first == [row.key for row in found[: len(first)]]
    assert sorted(row.key for row in found) == ["100", "101", "102", "103", "106"]
    execute(mariadb_url, "UPDATE project SET updated_at = '2026-09-20 08:00:00' WHERE id = 100")
    assert everything(adapter, page)[-1].key == "100"


@pytest.mark.mariadb
def test_a_confirmation_of_zeros_is_none(mariadb_url: str, make: MakeAdapter) -> None:
    make_tables(mariadb_url)
    execute(
        mariadb_url,
        "SET SESSION sql_mode = ''",
        "ALTER TABLE project ADD COLUMN invoiced_at DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00'",
    )
    find = booking_options()["find"].replace("p.updated_at AS", "p.invoiced_at AS confirmed_at, p.updated_at AS")
    assert {row.confirmed_on for row in everything(make(mariadb_url, find=find))} == {None}


@pytest.mark.postgres
@pytest.mark.parametrize("stamp", ["infinity", "-infinity"])
def test_a_time_of_change_that_is_none_names_its_document_also_where_no_other_is_seen_before(
    postgres_url: str, make: MakeAdapter, stamp: str
) -> None:
    make_tables(postgres_url)
    execute(postgres_url, f"UPDATE project SET updated_at = '{stamp}'")
    with pytest.raises(UsageError, match=r"document 10\d: '-?infinity'"):
        everything(make(postgres_url))


def test_a_late_change_is_found_after_the_last_position(url: str, booking: SqlAdapter) -> None:
    last = everything(booking)[-1].position
    assert booking.find(last, 10, since=None, companies=None) == []
    execute(url, "UPDATE project SET updated_at = '2026-09-14 12:00:01' WHERE id = 100")
    assert [row.key for row in booking.find(last, 10, since=None, companies=None)] == ["100"]


def test_a_position_without_key_starts_at_its_time_inclusively(booking: SqlAdapter) -> None:
    overlap = Position(changed_at=datetime(2026, 9, 10, 8, tzinfo=UTC), key="")
    found = booking.find(overlap, 10, since=None, companies=None)
    assert [row.key for row in found] == ["103", "106"]


def test_companies_and_start_date_filter_in_the_database(booking: SqlAdapter) -> None:
    assert [row.key for row in everything(booking, companies=["2"])] == ["106"]
    assert {row.company for row in everything(booking, companies=["1"])} == {"1"}
    assert everything(booking, companies=[]) == []
    assert [row.key for row in everything(booking, since=date(2026, 9, 3))] == ["102", "103", "106"]


def test_the_offices_are_the_companies(booking: SqlAdapter) -> None:
    assert [(company.key, company.name, company.country) for company in booking.companies()] == [
        ("1", "Palabras al Vuelo, S.L.", "ES"),
        ("2", "Mots Voyageurs SAS", "FR"),
    ]


def test_an_empty_database_gives_nothing_and_is_learnt_later(url: str, make: MakeAdapter) -> None:
    execute(url, "UPDATE project SET status = 'running'")
    adapter = make(url)
    assert everything(adapter) == []
    execute(url, "UPDATE project SET status = 'invoiced' WHERE id = 100")
    assert [row.key for row in everything(adapter)] == ["100"]


def test_a_page_is_one_query_that_filters_and_limits(url: str, make: MakeAdapter) -> None:
    adapter = make(url)
    position = everything(adapter)[1].position
    with statements() as seen:
        assert len(adapter.find(position, 2, since=date(2026, 1, 1), companies=["1"])) == 2
    asked = [statement for statement in seen if "FROM project" in statement]
    assert all("LIMIT" in statement for statement in asked)
    # Of times that are texts without a zone, a full page reads its last one again, in the order of the keys.
    assert len(asked) == (2 if url.startswith("sqlite") else 1)


def test_the_last_page_is_one_query_also_where_times_are_texts(url: str, make: MakeAdapter) -> None:
    adapter = make(url)
    position = everything(adapter)[1].position
    with statements() as seen:
        adapter.find(position, 2000, since=date(2026, 1, 1), companies=["1"])
    assert len([statement for statement in seen if "FROM project" in statement]) == 1


# --- documents


def test_a_project_becomes_an_invoice(booking: SqlAdapter) -> None:
    document = load(booking, "100")
    assert (document.company, document.number, document.confirmed) == ("1", "P-2026-001", True)
    assert (document.issue_date, document.due_date) == (date(2026, 9, 1), date(2026, 10, 1))
    assert (document.purchase_order, document.note) == ("FN-4471", "Travel guide, two languages")
    assert (document.buyer.key, document.buyer.tax_number, document.buyer.country) == (
        "10",
        "ESA58818501",
        "ES",
    )
    assert document.buyer.is_company
    assert (document.seller.name, document.payment.iban) == (
        "Palabras al Vuelo, S.L.",
        "ES9121000418450200051332",
    )
    assert (document.totals.net, document.totals.tax, document.totals.payable) == (
        Decimal("1149.92"),
        Decimal("241.48"),
        Decimal("1391.40"),
    )
    words, reading = document.lines
    assert (words.quantity, words.net_price, words.net_amount) == (
        Decimal(12500),
        Decimal("0.0875"),
        Decimal("1093.75"),
    )
    assert (reading.unit, reading.quantity) == ("HUR", Decimal("2.5"))
    assert [(part.amount, part.is_charge) for part in reading.allowances] == [(Decimal("7.58"), False)]
    assert document.tax_totals[0].base == Decimal("1149.92")
    assert document.tax_totals[0].tax == words.taxes[0]


def test_fractions_stay_exact_on_databases_that_keep_doubles(booking: SqlAdapter) -> None:
    line = load(booking, "101").lines[0]
    assert (line.quantity, line.net_price, line.net_amount) == (
        Decimal("0.333"),
        Decimal("1234.565"),
        Decimal("411.11"),
    )
    assert (line.taxes[0].percent, line.taxes[0].category, line.taxes[0].reason) == (
        Decimal(0),
        "AE",
        "VATEX-EU-AE",
    )


def test_withholding_is_another_kind_of_tax_and_negative(booking: SqlAdapter) -> None:
    document = load(booking, "102")
    assert (document.totals.tax, document.totals.withholding, document.totals.payable) == (
        Decimal(168),
        Decimal(-120),
        Decimal(848),
    )
    assert {(total.tax.kind, total.tax.percent, total.amount) for total in document.tax_totals} == {
        (TaxKind.VAT, Decimal(21), Decimal(168)),
        (TaxKind.WITHHOLDING, Decimal(-15), Decimal(-120)),
    }
    assert {tax.kind for tax in document.lines[0].taxes} == {TaxKind.VAT, TaxKind.WITHHOLDING}


def test_the_amounts_of_a_credit_note_are_turned_once(booking: SqlAdapter) -> None:
    document = load(booking, "103")
    assert document.kind is Kind.CREDIT_NOTE
    assert (document.totals.net, document.totals.tax, document.totals.payable) == (
        Decimal(100),
        Decimal(21),
        Decimal(121),
    )
    line = document.lines[0]
    assert (line.quantity, line.net_price, line.net_amount) == (Decimal(1000), Decimal("0.1"), Decimal(100))
    assert (document.tax_totals[0].base, document.tax_totals[0].amount) == (Decimal(100), Decimal(21))
    assert document.original is not None
    assert (document.original.key, document.original.number, document.original.confirmed) == (
        "100",
        "P-2026-001",
        True,
    )


def test_a_credit_note_with_negative_prices_gets_positive_prices(url: str, booking: SqlAdapter) -> None:
    execute(url, "UPDATE task SET quantity = 1000, rate = -0.1 WHERE id = 5")
    line = load(booking, "103").lines[0]
    assert (line.quantity, line.net_price, line.net_amount) == (Decimal(1000), Decimal("0.1"), Decimal(100))


def test_projects_of_other_states_are_loaded_as_not_confirmed(booking: SqlAdapter) -> None:
    documents = booking.load(["104", "105", "999", "x"])
    assert {key: isinstance(found, Invoice) and found.confirmed for key, found in documents.items()} == {
        "104": False,
        "105": False,
    }


def test_the_number_of_queries_does_not_grow_with_the_number_of_documents(url: str, make: MakeAdapter) -> None:
    adapter = make(url)
    adapter.load(["100"])
    with statements() as for_one:
        adapter.load(["100"])
    with statements() as for_many:
        adapter.load(["100", "101", "102", "103", "104", "105", "106"])
    assert len(for_many) == len(for_one)


def test_one_bad_document_is_reported_and_the_others_still_come(url: str, booking: SqlAdapter) -> None:
    execute(url, "UPDATE project SET document = 'Z' WHERE id = 100")
    assert len(everything(booking)) == 5
    documents = booking.load(["100", "101"])
    bad = documents["100"]
    assert isinstance(bad, DocumentNotUsableError)
    assert bad.message == ("Document P-2026-001 of the ERP cannot be read: the kind 'Z' is not one of F, R.")
    assert isinstance(documents["101"], Invoice)


def is_alone_in_being_bad(adapter: SqlAdapter, told: str, without: str) -> None:
    """Document 100 is listed without what cannot be read of it, and told when loaded; all others are as ever."""
    heads = {row.key: row for row in everything(adapter)}
    assert list(heads) == ["100", "101", "102", "103", "106"]
    assert getattr(heads["100"], without) is None
    assert getattr(heads["101"], without) is not None
    documents = adapter.load(["100", "101"])
    bad = documents["100"]
    assert isinstance(bad, DocumentNotUsableError)
    assert re.fullmatch(f"Document P-2026-001 of the ERP cannot be read: {told}\\.", bad.message)
    assert isinstance(documents["101"], Invoice)


@pytest.mark.parametrize("amount", ["1e30", "-1e300"])
def test_one_amount_beyond_all_measure_stops_no_other_document(url: str, make: MakeAdapter, amount: str) -> None:
    options = booking_options()
    beyond = f"CASE WHEN p.id = 100 THEN {amount} ELSE p.total_payable END AS"
    adapter = make(
        url,
        find=options["find"].replace("p.total_payable AS", beyond),
        header=options["header"].replace("p.total_payable AS", beyond),
    )
    is_alone_in_being_bad(adapter, r"payable: -?1\S+ is beyond all measure", without="total")


BEYOND_THE_CALENDAR = ["infinity", "-infinity", "10000-01-01", "5874897-12-31", "0001-01-01 BC", "0044-03-15 BC"]


@pytest.mark.postgres
@pytest.mark.parametrize("day", BEYOND_THE_CALENDAR)
@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_one_day_beyond_the_calendar_stops_no_other_document(
    postgres_url: str, make: MakeAdapter, day: str, kind: str
) -> None:
    if kind != "date" and day == "5874897-12-31":
        day = "294276-12-31"  # the last that there is
    make_tables(postgres_url)
    execute(
        postgres_url,
        f"ALTER TABLE project ALTER invoice_date TYPE {kind}",
        f"UPDATE project SET invoice_date = '{day}' WHERE id = 100",
    )
    [row] = query(postgres_url, "SELECT CAST(invoice_date AS text) AS day FROM project WHERE id = 100")
    told = re.escape(f"{row['day']!r}") + " is no date of the form 2026-01-31"
    is_alone_in_being_bad(make(postgres_url), told, without="issue_date")


@pytest.mark.postgres
def test_a_time_of_change_beyond_the_calendar_is_named_with_its_document(
    postgres_url: str, make: MakeAdapter
) -> None:
    make_tables(postgres_url)
    adapter = make(postgres_url)
    assert adapter.find(None, 1, since=None, companies=None)
    execute(postgres_url, "UPDATE project SET updated_at = 'infinity' WHERE id = 100")
    with pytest.raises(UsageError, match=r"document 100: .*infinity"):
        everything(adapter)


@pytest.mark.mariadb
def test_one_day_of_zeros_stops_no_other_document(mariadb_url: str, make: MakeAdapter) -> None:
    make_tables(mariadb_url)
    execute(
        mariadb_url,
        "SET SESSION sql_mode = ''",
        "UPDATE project SET invoice_date = '0000-00-00', due_date = '0000-00-00' WHERE id = 100",
    )
    told = "'0000-00-00' is no date of the form 2026-01-31"
    is_alone_in_being_bad(make(mariadb_url), told, without="issue_date")


def test_without_tax_totals_they_are_computed_per_tax_half_up(url: str, make: MakeAdapter) -> None:
    document = load(make(url, tax_totals=None), "100")
    assert [(total.base, total.amount) for total in document.tax_totals] == [(Decimal("1149.92"), Decimal("241.48"))]


def test_a_line_may_carry_its_one_tax_itself(url: str, make: MakeAdapter) -> None:
    lines = """
        SELECT t.project_id AS document_key, t.description, t.quantity, t.rate AS net_price, t.discount,
               t.amount AS net_amount,
               v.percent AS tax_percent, v.category AS tax_category, v.code AS tax_label
        FROM task t JOIN vat_code v ON v.code = t.vat_code WHERE t.project_id IN :keys
    """
    tax = load(make(url, lines=lines, taxes=None), "106").lines[0].taxes[0]
    assert (tax.percent, tax.category, tax.source_name) == (Decimal(20), "S", "FR20")


# --- write-back


def references(url: str, key: int = 100) -> dict[str, Any]:
    return query(url, "SELECT reference, project_xref FROM project WHERE id = :id", id=key)[0]


def test_both_values_are_written_and_nothing_else(url: str, booking: SqlAdapter) -> None:
    before = query(url, "SELECT * FROM project ORDER BY id")
    last = everything(booking)[-1].position
    booking.record("100", "4711", XREF)
    before[0] |= {"reference": "4711", "project_xref": XREF}
    assert query(url, "SELECT * FROM project ORDER BY id") == before
    assert booking.find(last, 10, since=None, companies=None) == []


def test_writing_the_same_again_changes_nothing(booking: SqlAdapter) -> None:
    booking.record("100", "4711", XREF)
    with statements() as seen:
        booking.record("100", "4711", XREF)
    assert not [statement for statement in seen if statement.strip().startswith("UPDATE")]


@pytest.mark.parametrize("present", [("4000", XREF), ("4711", "b2brouter:sandbox:1:1"), ("4000", None)])
def test_another_value_is_never_overwritten(url: str, booking: SqlAdapter, present: tuple[str, str | None]) -> None:
    execute(
        url,
        "UPDATE project SET reference = :reference, project_xref = :xref WHERE id = 100",
        reference=present[0],
        xref=present[1],
    )
    with pytest.raises(WriteBackRefusedError):
        booking.record("100", "4711", XREF)
    assert tuple(references(url).values()) == present


@pytest.mark.parametrize("key", ["999", "x"])
def test_a_document_that_is_gone_is_refused(booking: SqlAdapter, key: str) -> None:
    with pytest.raises(WriteBackRefusedError):
        booking.record(key, "4711", XREF)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE project SET reference = :reference, project_xref = :xref WHERE id = :key OR 1 = 1",
        "UPDATE project SET reference = :reference WHERE id = :key AND :xref <> ''",
        "UPDATE project SET reference = :reference, project_xref = :xref WHERE id = :key AND 1 = 0",
    ],
)
def test_a_wrong_write_back_leaves_no_trace(url: str, make: MakeAdapter, statement: str) -> None:
    with pytest.raises(WriteBackRefusedError, match=r"it was undone|nothing was changed"):
        make(url, write_back=statement).record("100", "4711", XREF)
    assert references(url) == {"reference": None, "project_xref": None}


def test_without_write_back_nothing_is_written(url: str, make: MakeAdapter) -> None:
    make(url, read_back=None, write_back=None).record("100", "4711", XREF)
    assert references(url) == {"reference": None, "project_xref": None}


REPORT = RemoteTaxReport(id="42", state="registered", url="https://verify.example/42", qr="iVBORw0K", problem=None)
WRITE_REPORT = "UPDATE project SET reference = :state, project_xref = :url WHERE id = :key"


def test_a_tax_report_is_written_by_the_statement_for_it(url: str, make: MakeAdapter) -> None:
    adapter = make(url, write_tax_report=WRITE_REPORT)
    assert isinstance(adapter, RecordsTaxReport)
    adapter.record_tax_report("100", REPORT)
    adapter.record_tax_report("100", REPORT)
    assert references(url) == {"reference": "registered", "project_xref": "https://verify.example/42"}


@pytest.mark.parametrize("key", ["999", "x"])
def test_a_tax_report_on_a_document_that_is_gone_is_refused(url: str, make: MakeAdapter, key: str) -> None:
    with pytest.raises(WriteBackRefusedError):
        make(url, write_tax_report=WRITE_REPORT).record_tax_report(key, REPORT)


def test_a_tax_report_that_would_change_several_documents_leaves_no_trace(url: str, make: MakeAdapter) -> None:
    with pytest.raises(WriteBackRefusedError, match="it was undone"):
        make(url, write_tax_report=f"{WRITE_REPORT} OR 1 = 1").record_tax_report("100", REPORT)
    assert references(url) == {"reference": None, "project_xref": None}


def test_without_a_place_for_it_a_tax_report_stays_in_the_ledger(url: str, make: MakeAdapter) -> None:
    make(url).record_tax_report("100", REPORT)
    assert references(url) == {"reference": None, "project_xref": None}


def test_reading_cannot_write_by_the_database_s_own_means(url: str, make: MakeAdapter) -> None:
    adapter = make(url)
    with pytest.raises(UsageError, match="tries to write"), adapter._database.reading() as connection:
        connection.exec_driver_sql("UPDATE project SET title = 'x'")
    adapter.record("100", "4711", XREF)  # the same connection may write afterwards


# --- keys and times of other databases


def test_keys_of_text_page_and_load(sqlite_url: str, make: MakeAdapter) -> None:
    make_tables(sqlite_url)
    options = booking_options(key_type="text", taxes=None, tax_totals=None, companies=None)
    changed = {
        name: statement.replace("p.id AS", "'P' || p.id AS")
        .replace("p.id IN", "'P' || p.id IN")
        .replace("t.project_id AS", "'P' || t.project_id AS")
        .replace("t.project_id IN", "'P' || t.project_id IN")
        .replace("WHERE id = :key", "WHERE 'P' || id = :key")
        for name, statement in options.items()
        if name in {"find", "header", "lines", "read_back", "write_back"}
    }
    adapter = SqlAdapter.open("booking", sqlite_url, options | changed)
    assert [row.key for row in everything(adapter, 2)] == ["P100", "P101", "P102", "P103", "P106"]
    assert len(load(adapter, "P100").lines) == 2
    adapter.record("P100", "4711", XREF)
    assert references(sqlite_url)["reference"] == "4711"
    adapter.close()


@pytest.mark.postgres
@pytest.mark.parametrize("original", ["char(8)", "varchar(8)"])
def test_companies_and_keys_that_are_filled_up_with_blanks_are_known_by_their_names(
    postgres_url: str, make: MakeAdapter, original: str
) -> None:
    """CHAR(n) of PostgreSQL: a document keeps its key and its company, and is referred to without blanks."""
    make_tables(postgres_url)
    options = {
        name: statement.replace("p.id AS", "CAST(p.id AS char(8)) AS")
        .replace("p.id IN", "CAST(p.id AS char(8)) IN")
        .replace("t.project_id AS", "CAST(t.project_id AS char(8)) AS")
        .replace("t.project_id IN", "CAST(t.project_id AS char(8)) IN")
        .replace("p.office_id AS", "CAST(p.office_id AS char(4)) AS")
        .replace("SELECT id AS company", "SELECT CAST(id AS char(4)) AS company")
        .replace("p.corrects_project_id AS", f"CAST(p.corrects_project_id AS {original}) AS")
        .replace("corrected.id AS", f"CAST(corrected.id AS {original}) AS")
        for name, statement in booking_options().items()
        if name in {"find", "header", "lines", "companies"}
    }
    adapter = make(postgres_url, **options, key_type="text", taxes=None, tax_totals=None)
    source = SourceSettings(adapter="sql", accounts={"1": "spain"})
    found = everything(adapter, companies=list(source.accounts or {}))
    assert [row.key.strip() for row in found] == ["100", "101", "102", "103"]
    assert {source.account_of(row.company) for row in found} == {"spain"}
    assert everything(adapter, companies=[found[0].company]) == found
    assert [source.account_of(company.key) for company in adapter.companies()] == ["spain", None]
    assert set(adapter.load([row.key for row in found])) == {row.key for row in found}
    credit = load(adapter, found[3].key)
    assert credit.original is not None
    assert found[3].original_key == credit.original.key == found[0].key.strip()


def test_companies_with_blanks_behind_their_names_are_found(url: str, make: MakeAdapter) -> None:
    """A text keeps the blanks that somebody typed, as CHAR(n) does not where it is cast."""
    options = {
        name: statement.replace("p.office_id AS", "CASE p.office_id WHEN 1 THEN 'main  ' ELSE 'other' END AS")
        for name, statement in booking_options().items()
        if name in {"find", "header"}
    }
    source = SourceSettings(adapter="sql", accounts={"main": "spain"})
    found = everything(make(url, **options, companies=None), companies=list(source.accounts or {}))
    assert [row.key for row in found] == ["100", "101", "102", "103"]
    assert {source.account_of(row.company) for row in found} == {"spain"}


def test_texts_and_numbers_that_are_kept_as_bytes_are_read_as_what_they_say(
    sqlite_url: str, make: MakeAdapter
) -> None:
    make_tables(sqlite_url)
    before = make(sqlite_url)
    heads, document = everything(before), load(before, "100")
    execute(
        sqlite_url,
        "UPDATE project SET invoice_number = CAST(invoice_number AS BLOB), document = CAST(document AS BLOB)",
        "UPDATE project SET total_payable = CAST(total_payable AS BLOB)",
        "UPDATE customer SET name = CAST(name AS BLOB)",
        "UPDATE task SET description = CAST(description AS BLOB)",
    )
    find = booking_options()["find"].replace("p.id AS", "CAST(CAST(p.id AS TEXT) AS BLOB) AS", 1)
    assert everything(make(sqlite_url, find=find)) == heads
    assert load(make(sqlite_url), "100") == document


def test_bytes_that_are_no_text_stop_no_other_document(sqlite_url: str, make: MakeAdapter) -> None:
    make_tables(sqlite_url)
    execute(sqlite_url, "UPDATE customer SET name = x'fffe' WHERE id = 10")
    is_alone_in_being_bad(make(sqlite_url), re.escape(r"b'\xff\xfe' is no text in UTF-8"), without="customer")


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("replace(p.updated_at, ' ', 'T')", datetime(2026, 9, 1, 9, 30, tzinfo=UTC)),
        ("p.updated_at || '.500'", datetime(2026, 9, 1, 9, 30, 0, 500_000, tzinfo=UTC)),
        ("p.updated_at || 'Z'", datetime(2026, 9, 1, 9, 30, tzinfo=UTC)),
        ("p.updated_at || '+02:00'", datetime(2026, 9, 1, 7, 30, tzinfo=UTC)),
        ("date(p.updated_at)", datetime(2026, 9, 1, tzinfo=UTC)),
        ("CAST(strftime('%s', p.updated_at) AS INTEGER)", datetime(2026, 9, 1, 9, 30, tzinfo=UTC)),
        ("strftime('%s', p.updated_at) + 0.25", datetime(2026, 9, 1, 9, 30, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_times_kept_as_text_or_number_page_exactly(
    sqlite_url: str, make: MakeAdapter, expression: str, first: datetime
) -> None:
    make_tables(sqlite_url)
    execute(sqlite_url, "UPDATE project SET updated_at = '2026-09-01 09:30:00' WHERE id < 103")
    find = booking_options()["find"].replace("p.updated_at AS", f"{expression} AS")
    paged = everything(make(sqlite_url, find=find), 2)
    assert [row.key for row in paged] == ["100", "101", "102", "103", "106"]
    assert paged[0].changed_at == first


@pytest.mark.parametrize("page", [1, 2, 100])
@pytest.mark.parametrize("first", [100, 103])
def test_a_fraction_of_nothing_may_be_left_out_of_a_text(
    sqlite_url: str, make: MakeAdapter, page: int, first: int
) -> None:
    make_tables(sqlite_url)
    execute(
        sqlite_url,
        "UPDATE project SET updated_at = '2026-09-01 10:00:00'",
        "UPDATE project SET updated_at = '2026-09-01 10:00:00.123456' WHERE id IN (100, 101)",
        "UPDATE project SET updated_at = '2026-09-01 09:00:00.500' WHERE id = 106",
    )
    find = booking_options()["find"]
    paged = everything(make(sqlite_url, find=f"SELECT * FROM ({find}) ORDER BY document_key <> {first}"), page)
    assert [row.key for row in paged] == ["106", "102", "103", "100", "101"]
    assert paged[-1].changed_at == datetime(2026, 9, 1, 10, 0, 0, 123_456, tzinfo=UTC)


@pytest.mark.parametrize("page", [1, 2, 3, 100])
@pytest.mark.parametrize("zeros", [{103: ""}, {100: ".000", 103: ""}, {100: ".0", 101: ".000", 102: ".00", 103: ""}])
def test_no_document_is_passed_over_where_one_time_is_written_in_several_ways(
    sqlite_url: str, make: MakeAdapter, page: int, zeros: dict[int, str]
) -> None:
    """As texts they are in an order of their own, which is not that of the keys."""
    make_tables(sqlite_url)
    execute(sqlite_url, "UPDATE project SET updated_at = '2026-09-01 10:00:00.000000'")
    for key, fraction in zeros.items():
        execute(
            sqlite_url,
            "UPDATE project SET updated_at = :at WHERE id = :key",
            at=f"2026-09-01 10:00:00{fraction}",
            key=key,
        )
    paged = everything(make(sqlite_url), page)
    assert {row.key for row in paged} == {"100", "101", "102", "103", "106"}
    assert [row.position for row in paged[page - 1 :: page]] == sorted(
        {row.position for row in paged[page - 1 :: page]}, key=lambda place: (place.changed_at, place.key)
    )


@pytest.mark.parametrize("value", ["2026-09-01T09:30:00", "2026-09-01 09:30:00Z", "yesterday"])
def test_times_written_in_two_ways_are_refused_for_they_have_no_order(
    sqlite_url: str, make: MakeAdapter, value: str
) -> None:
    make_tables(sqlite_url)
    execute(sqlite_url, "UPDATE project SET updated_at = :value WHERE id = 106", value=value)
    with pytest.raises(UsageError, match="find, document 106"):
        everything(make(sqlite_url))


def test_a_time_in_milliseconds_names_its_document_and_what_to_do(sqlite_url: str, make: MakeAdapter) -> None:
    """Programs in Java and JavaScript keep them."""
    make_tables(sqlite_url)
    find = booking_options()["find"].replace("p.updated_at AS", "strftime('%s', p.updated_at) * 1000 AS")
    adapter = make(sqlite_url, find=find)
    with pytest.raises(UsageError, match=r"find, document 100: 17\d{11} .* divided by 1000"):
        everything(adapter)
    assert [(row.status, "divided by 1000" in row.message) for row in adapter.check()] == [("failed", True)]
    assert any("divided by 1000" in sample.problem for sample in adapter.sample())


def test_one_confirmation_in_milliseconds_names_its_document(sqlite_url: str, make: MakeAdapter) -> None:
    make_tables(sqlite_url)
    stamps = "CASE p.id WHEN 101 THEN 1769900400000 ELSE 1769900400 END AS confirmed_at"
    find = booking_options()["find"].replace("SELECT ", f"SELECT {stamps}, ", 1)
    with pytest.raises(UsageError, match=r"confirmed_at of document 101: 1769900400000 .* divided by 1000"):
        everything(make(sqlite_url, find=find))


@pytest.mark.parametrize(("zone", "shown"), [("Europe/Madrid", "9999-12-31 23:59:59+00:00"), ("UTC", "infinity")])
def test_a_confirmation_on_no_day_of_its_zone_names_its_document(
    sqlite_url: str, make: MakeAdapter, zone: str, shown: str
) -> None:
    """The last instant of all stands for "never"; in Madrid it lies in the year 10000."""
    make_tables(sqlite_url)
    find = booking_options()["find"].replace("SELECT ", f"SELECT '{shown}' AS confirmed_at, ", 1)
    adapter = make(sqlite_url, find=find, timezone=zone)
    with pytest.raises(UsageError, match="confirmed_at of document 100"):
        everything(adapter)
    assert [row.status for row in adapter.check()] == ["failed"]


def test_times_without_zone_are_read_in_the_configured_one(url: str, make: MakeAdapter) -> None:
    adapter = make(url, timezone="Europe/Madrid")
    found = everything(adapter, 2)
    assert found[0].changed_at == datetime(2026, 9, 1, 7, 30, tzinfo=UTC)
    assert [row.key for row in found] == ["100", "101", "102", "103", "106"]


@pytest.mark.postgres
def test_times_with_a_zone_of_their_own_keep_it(postgres_url: str, make: MakeAdapter) -> None:
    make_tables(postgres_url)
    execute(
        postgres_url,
        "ALTER TABLE project ALTER updated_at TYPE timestamptz USING updated_at AT TIME ZONE 'UTC'",
    )
    found = everything(make(postgres_url, timezone="Asia/Tokyo"), 2)
    assert found[0].changed_at == datetime(2026, 9, 1, 9, 30, tzinfo=UTC)
    assert len(found) == 5


@pytest.mark.parametrize(
    "given", ["CAST(strftime('%Y%m%d', p.invoice_date) AS INTEGER)", "strftime('%Y%m%d', p.invoice_date)"]
)
def test_days_kept_as_numbers_are_found_from_the_start_date_on(
    sqlite_url: str, make: MakeAdapter, given: str
) -> None:
    """SQLite sorts every number before every text."""
    make_tables(sqlite_url)
    find = booking_options()["find"].replace("p.invoice_date AS issue_date", f"{given} AS issue_date")
    for page in (1, 100):
        found = everything(make(sqlite_url, find=find), page, since=date(2026, 9, 3))
        assert [row.key for row in found] == ["102", "103", "106"]
        assert {row.issue_date for row in found} == {date(2026, 9, 3), date(2026, 9, 10), date(2026, 9, 14)}


def test_a_day_that_is_a_number_and_none_is_told_and_not_passed_over(sqlite_url: str, make: MakeAdapter) -> None:
    make_tables(sqlite_url)
    find = booking_options()["find"].replace("p.invoice_date AS issue_date", "1788220800 AS issue_date")
    found = everything(make(sqlite_url, find=find), since=date(2026, 9, 3))
    assert {row.issue_date for row in found} == {None}
    assert len(found) == 5


@pytest.mark.mariadb
def test_a_boolean_that_is_a_bit_is_yes_or_no(mariadb_url: str, make: MakeAdapter) -> None:
    make_tables(mariadb_url)
    execute(mariadb_url, "ALTER TABLE project ADD COLUMN billed BIT(1)")
    execute(mariadb_url, "UPDATE project SET billed = (status = 'invoiced')")
    header = booking_options()["header"]
    was = re.compile(r"CASE WHEN p.status = 'invoiced' THEN 1 ELSE 0 END")
    assert was.search(header)
    adapter = make(mariadb_url, header=was.sub("p.billed", header))
    loaded = adapter.load(["100", "104"])
    assert [one.confirmed for one in loaded.values() if isinstance(one, Invoice)] == [True, False]
    assert [sample.problem for sample in adapter.sample() if sample.column == "confirmed"] == [""]


def of_instants(url: str) -> None:
    """Invoice dates as programs keep them that know nothing but instants: 2 September in Madrid begins on the 1st."""
    make_tables(url)
    execute(
        url,
        "ALTER TABLE project ALTER invoice_date TYPE timestamptz"
        " USING CAST(invoice_date AS timestamp) AT TIME ZONE 'Europe/Madrid'",
    )


@pytest.mark.postgres
@pytest.mark.parametrize("server", ["UTC", "Europe/Madrid", "Asia/Tokyo"])
def test_an_issue_date_that_is_an_instant_is_the_day_of_the_sources_zone(
    postgres_url: str, make: MakeAdapter, server: str
) -> None:
    of_instants(postgres_url)
    execute(postgres_url, f"ALTER DATABASE {make_url(postgres_url).database} SET timezone = '{server}'")
    adapter = make(postgres_url, timezone="Europe/Madrid")
    days = {row.key: row.issue_date for row in everything(adapter)}
    assert days["100"] == date(2026, 9, 1)
    assert load(adapter, "100").issue_date == date(2026, 9, 1)
    original = load(adapter, "103").original
    assert original is not None
    assert original.date == date(2026, 9, 1)
    for page in (1, 2, 100):  # a page that leaves one out is filled up
        some = everything(adapter, page, since=date(2026, 9, 3))
        assert [row.key for row in some] == ["102", "103", "106"]


@pytest.mark.postgres
def test_a_check_up_asks_for_the_zone_of_issue_dates_that_are_instants(postgres_url: str, make: MakeAdapter) -> None:
    of_instants(postgres_url)
    execute(postgres_url, f"ALTER DATABASE {make_url(postgres_url).database} SET timezone = 'UTC'")
    [row] = [row for row in make(postgres_url).check() if row.status != "ok"]
    assert (row.name, row.status) == ("issue date", "warning")
    assert "2026-08-31 22:00:00+00:00" in row.message
    assert "timezone" in row.action
    assert all(row.status == "ok" for row in make(postgres_url, timezone="Europe/Madrid").check())


# --- faults and wrong configurations


def find_failure(adapter: SqlAdapter) -> ConnectorError:
    with pytest.raises(ConnectorError) as failed:
        everything(adapter)
    return failed.value


def test_a_missing_table_is_named(url: str, booking: SqlAdapter) -> None:
    execute(url, "DROP TABLE customer")
    error = find_failure(booking)
    assert isinstance(error, SchemaChangedError)
    assert "customer" in error.message
    assert "query find" in error.message


def test_a_missing_column_is_named_with_its_query(url: str, booking: SqlAdapter) -> None:
    execute(url, "ALTER TABLE project DROP COLUMN total_vat")
    with pytest.raises(SchemaChangedError, match=r"query header has no column .*total_vat"):
        booking.load(["100"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("AS number", "AS nummer", "find gives a column nummer that is not known; did you mean number?"),
        ("p.currency, ", "", "find does not give the column currency."),
    ],
)
def test_a_misnamed_result_column_is_named(url: str, make: MakeAdapter, old: str, new: str, said: str) -> None:
    error = find_failure(make(url, find=booking_options()["find"].replace(old, new)))
    assert isinstance(error, UsageError)
    assert said in error.message


@pytest.mark.parametrize("name", ["header", "lines", "taxes", "tax_totals"])
def test_every_query_is_checked_for_its_columns(url: str, make: MakeAdapter, name: str) -> None:
    statement = "SELECT id AS document_key, 1 AS nonsense FROM project WHERE id IN :keys"
    with pytest.raises(UsageError, match=f"query {name} gives a column"):
        make(url, **{name: statement}).load(["100"])


def test_wrong_sql_is_told_with_the_name_of_its_query(url: str, make: MakeAdapter) -> None:
    adapter = make(url, header="SELECT FROM WHERE p.id IN :keys")
    with pytest.raises(UsageError, match="query header"):
        adapter.load(["100"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"find": "DELETE FROM project"}, "options.find: must be one SELECT statement."),
        ({"find": "SELECT 1; DELETE FROM project"}, "options.find: must be one SELECT statement."),
        ({"header": "SELECT 1"}, "options: header lacks the placeholder :keys."),
        ({"find": "SELECT :day"}, "options: find has a placeholder :day; known here: none."),
        ({"write_back": "DELETE FROM project"}, "options.write_back: must be one UPDATE statement."),
        ({"write_back": None}, "options: read_back and a statement write_back need one another."),
        (
            {"write_tax_report": "DELETE FROM project WHERE id = :key"},
            "write_tax_report: must be one UPDATE statement.",
        ),
        ({"write_tax_report": "UPDATE project SET tax = :state"}, "write_tax_report lacks the placeholder :key."),
        (
            {"write_tax_report": WRITE_REPORT, "read_back": None, "write_back": "side_table"},
            "write_tax_report is not needed with a side table, which has a table of tax reports.",
        ),
        ({"timezone": "Europe/Madird"}, "options.timezone: there is no time zone Europe/Madird."),
        ({"header": None}, "options.header is missing."),
    ],
)
def test_a_wrong_option_is_named(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        SqlAdapter.open("booking", "sqlite://", booking_options(**changes))
    assert refused.value.message.endswith(sentence)


def test_comments_quotes_and_a_last_semicolon_do_no_harm(sqlite_url: str, make: MakeAdapter) -> None:
    make_tables(sqlite_url)
    find = f"-- the list; of projects\n{booking_options()['find']} AND p.title <> 'a;b' -- all of them\n;"
    assert len(everything(make(sqlite_url, find=find))) == 5


def test_a_file_that_does_not_exist_is_not_made(tmp_path: Path, make: MakeAdapter) -> None:
    missing = tmp_path / "no.db"
    error = find_failure(make(f"sqlite:///{missing}"))
    assert isinstance(error, SourceUnavailableError)
    assert not missing.exists()


@pytest.mark.mariadb
def test_a_wrong_password_is_not_permitted_and_is_never_printed(mariadb_url: str, make: MakeAdapter) -> None:
    from sqlalchemy.engine import make_url

    wrong = make_url(mariadb_url).set(username="no_such_user", password="hunter2")
    error = find_failure(make(wrong.render_as_string(hide_password=False)))
    assert isinstance(error, SourceNotPermittedError)
    assert "hunter2" not in error.message + error.action


def test_an_unreachable_server_is_unavailable(make: MakeAdapter) -> None:
    error = find_failure(make("mysql://erp:hunter2@127.0.0.1:1/booking"))
    assert isinstance(error, SourceUnavailableError)
    assert error.down  # for whatever document
    assert "hunter2" not in error.message + error.action


def test_a_row_in_use_is_tried_again_later(url: str, make: MakeAdapter) -> None:
    adapter = make(url, lock_timeout=0.2)
    engine = create_engine(url)
    with engine.connect() as user:
        if engine.dialect.name == "sqlite":
            user.exec_driver_sql("BEGIN IMMEDIATE")
        user.exec_driver_sql("UPDATE project SET title = 'x' WHERE id = 100")
        with pytest.raises(SourceUnavailableError) as refused:
            adapter.record("100", "4711", XREF)
        assert not refused.value.down  # others can be had
        user.rollback()
    engine.dispose()
    adapter.record("100", "4711", XREF)
    assert references(url) == {"reference": "4711", "project_xref": XREF}


@pytest.mark.postgres
def test_a_cluster_without_a_primary_is_tried_again_later(postgres_url: str) -> None:
    name = make_url(postgres_url).database
    execute(postgres_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = Database("erp", f"{postgres_url}?target_session_attrs=read-write")
    with closing(database), pytest.raises(SourceUnavailableError) as refused, database.reading():
        pass
    assert refused.value.down


def keep_busy(database: Database, slow: ExitStack) -> None:
    while True:
        slow.enter_context(database.reading())


@pytest.mark.postgres
def test_a_database_that_keeps_all_our_connections_busy_is_tried_again_later(postgres_url: str) -> None:
    database = Database("erp", postgres_url, timeouts=Timeouts(turn=0.1))
    with closing(database), ExitStack() as slow:
        with pytest.raises(SourceUnavailableError, match="all connections to it are in use"):
            keep_busy(database, slow)
        slow.close()
        with database.reading():  # and so it is
            pass


def test_a_commit_that_fails_leaves_no_lock_behind(sqlite_url: str, make: MakeAdapter) -> None:
    make_tables(sqlite_url)
    adapter = make(sqlite_url, lock_timeout=0.2)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None) as user:
        user.execute("BEGIN")
        user.execute("SELECT * FROM project").fetchone()  # who reads a file keeps others from committing, not writing
        with pytest.raises(SourceUnavailableError):
            adapter.record("100", "4711", XREF)
        user.execute("ROLLBACK")
        user.execute("PRAGMA busy_timeout = 200")
        user.execute("UPDATE project SET updated_at = updated_at WHERE id = 101")
    user.close()

    assert references(sqlite_url)["reference"] is None
    adapter.record("100", "4711", XREF)
    assert references(sqlite_url)["reference"] == "4711"


MANY = ", ".join(f"task AS t{number}" for number in range(12))  # 8 rows each: 8 to the power of 12


def test_a_query_that_takes_too_long_is_given_up(url: str, make: MakeAdapter) -> None:
    endless = f"SELECT count(*) FROM {MANY}"
    error = find_failure(make(url, statement_timeout=0.2, find=endless))
    assert isinstance(error, SourceUnavailableError)
    assert "took too long" in error.message


def test_one_adapter_serves_several_threads(url: str, booking: SqlAdapter) -> None:
    keys = ["100", "101", "102", "103", "106"]
    with ThreadPoolExecutor(5) as threads:
        documents = list(threads.map(lambda key: load(booking, key), keys * 4))
        list(threads.map(lambda key: booking.record(key, f"4{key}", XREF), keys))
    assert [document.key for document in documents] == keys * 4
    assert [references(url, int(key))["reference"] for key in keys] == [f"4{key}" for key in keys]


def test_header_and_lines_are_of_one_moment(url: str, make: MakeAdapter) -> None:
    if url.startswith("sqlite"):
        execute(url, "PRAGMA journal_mode = WAL")  # else nobody could write meanwhile
    adapter = make(url)
    adapter.load(["100"])

    def change() -> None:
        execute(
            url,
            "UPDATE task SET amount = 1 WHERE project_id = 100",
            "UPDATE project SET total_net = 2 WHERE id = 100",
        )

    with meanwhile("ORDER BY t.project_id", change):
        document = load(adapter, "100")
    assert sum(line.net_amount for line in document.lines) == document.totals.net == Decimal("1149.92")
    assert load(adapter, "100").totals.net == 2


# --- check-up


def test_a_check_up_tries_every_query(booking: SqlAdapter) -> None:
    rows = booking.check()
    assert [row.name for row in rows] == [
        "query find",
        "query companies",
        "queries of documents",
        "write-back",
    ]
    assert {row.status for row in rows} == {"ok"}
    assert rows[2].message == "document P-2026-001: 2 lines, 1391.40 EUR"


def test_a_check_up_names_what_is_wrong_and_raises_nothing(url: str, make: MakeAdapter) -> None:
    def row(name: str, **changes: Any) -> str:
        found = {row.name: row for row in make(url, **changes).check()}
        return f"{found[name].status}: {found[name].message}"

    assert row("query find", find="SELECT 1 AS one").startswith("failed: The query find")
    assert row("queries of documents", lines="SELECT 1 FROM task WHERE id IN :keys").startswith("failed: ")
    assert row("write-back", read_back=None, write_back=None).startswith("warning: ")
    nobody = booking_options()["header"] + " AND 1 = 0"
    assert "header does not give document 100" in row("queries of documents", header=nobody)
    execute(url, "UPDATE project SET invoice_date = NULL, document = 'Z'")
    assert row("queries of documents").startswith("failed: Document P-2026-001")
    execute(url, "UPDATE project SET status = 'running'")
    assert row("queries").startswith("warning: ")


# --- files


FILES = {
    "attachments": "SELECT project_id AS document_key, title AS name, LENGTH(body) AS size, version, 1 AS is_view"
    " FROM document_file WHERE project_id IN :keys ORDER BY id",
    "attachment": "SELECT title AS name, body AS content FROM document_file WHERE project_id = :key ORDER BY id",
}
BLOBS = {"postgresql": "bytea", "mysql": "LONGBLOB", "mariadb": "LONGBLOB", "sqlite": "BLOB"}


@pytest.fixture
def with_files(url: str) -> str:
    blob = BLOBS[make_url(url).get_backend_name()]
    columns = f"id integer, project_id integer, title varchar(80), version integer, body {blob}"
    execute(url, f"CREATE TABLE document_file ({columns})")
    for id_, title, body in ((1, "P-2026-001.pdf", b"%PDF\x00\xff"), (2, "hours.csv", b"a;b")):
        values = {"id": id_, "title": title, "body": body}
        execute(url, "INSERT INTO document_file VALUES (:id, 100, :title, 7, :body)", **values)
    return url


def test_files_are_told_of_without_their_contents_and_read_one_document_at_a_time(
    with_files: str, make: MakeAdapter
) -> None:
    adapter = make(with_files, **FILES)
    assert load(adapter, "100").attachments == (
        Attachment(name="P-2026-001.pdf", size=6, digest="7", is_view=True),
        Attachment(name="hours.csv", size=3, digest="7", is_view=True),
    )
    assert load(adapter, "101").attachments == ()
    assert adapter.attachments("100") == [
        File(name="P-2026-001.pdf", content=b"%PDF\x00\xff"),
        File(name="hours.csv", content=b"a;b"),
    ]
    assert adapter.attachments("101") == []
    assert {row.status for row in adapter.check()} == {"ok"}


def test_without_the_queries_there_are_no_files(with_files: str, make: MakeAdapter) -> None:
    adapter = make(with_files)
    assert load(adapter, "100").attachments == ()
    assert adapter.attachments("100") == []


def test_the_query_of_the_heads_needs_that_of_the_contents(sqlite_url: str, make: MakeAdapter) -> None:
    with pytest.raises(UsageError, match="attachments and attachment need one another"):
        make(sqlite_url, attachments=FILES["attachments"])


def test_of_thousands_of_databases_those_used_last_keep_their_connections(tmp_path: Path) -> None:
    several = [Database(f"erp-{number}", f"sqlite:///{tmp_path / str(number)}") for number in range(70)]
    for number, database in enumerate(several):
        (tmp_path / str(number)).touch()
        with database.reading() as connection:
            connection.exec_driver_sql("SELECT 1")
    handles = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.exists()]
    open_ones = {int(name.name) for name in handles if name.parent == tmp_path}
    for database in several:
        database.close()
    assert open_ones == set(range(6, 70))
