"""A table of our own in the ERP's database: made by a command alone, and nothing of the ERP's is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, make_url

from connector.adapters.dolibarr import DolibarrAdapter
from connector.adapters.odoo import OdooAdapter
from connector.adapters.sql import SqlAdapter
from connector.adapters.tryton import TrytonAdapter
from connector.domain.errors import SchemaChangedError, SourceUnavailableError, WriteBackRefusedError
from connector.domain.invoice import Invoice
from connector.ports import RecordsState, RecordsTaxReport, RemoteTaxReport
from tests.adapters.databases import execute, meanwhile, query
from tests.adapters.test_adapter_sql import booking_options, make_tables
from tests.support.services import connect_postgres, room_name

Adapter = OdooAdapter | DolibarrAdapter | TrytonAdapter | SqlAdapter
XREF = "b2brouter:sandbox:1:4711"
NOON = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)
OURS = {"b2brouter_invoices", "b2brouter_report", "b2brouter_tax_reports"}


@dataclass
class Site:
    url: str
    opened: Callable[[], Adapter]
    key: str  # of some confirmed document

    def erp(self) -> dict[str, list[dict[str, Any]]]:
        """Everything in the database that is not ours."""
        engine = create_engine(self.url)
        names = [name for name in inspect(engine).get_table_names() if name not in OURS]
        quote = engine.dialect.identifier_preparer.quote
        everything = {name: query(self.url, f"SELECT * FROM {quote(name)}") for name in names}
        engine.dispose()
        return everything

    def rows(self) -> list[dict[str, Any]]:
        return query(self.url, "SELECT document_key, reference, xref FROM b2brouter_invoices")


@pytest.fixture(
    params=[
        pytest.param("odoo", marks=pytest.mark.postgres),
        pytest.param("dolibarr", marks=pytest.mark.mariadb),
        "tryton",
        "sql",
    ]
)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    made: list[Adapter] = []

    def opened(kind: Any, url: str, **options: Any) -> Adapter:
        made.append(kind.open("erp", url, {"write_back": "side_table", "lock_timeout": 1, **options}))
        return made[-1]

    if request.param == "odoo":
        url = request.getfixturevalue("odoo19").url
        yield Site(url, lambda: opened(OdooAdapter, url), "1")
    elif request.param == "dolibarr":
        url = request.getfixturevalue("own_dolibarr").url
        yield Site(url, lambda: opened(DolibarrAdapter, url), "1")
    elif request.param == "tryton":
        url = request.getfixturevalue("_tryton_file")
        yield Site(url, lambda: opened(TrytonAdapter, url), "2")
    else:
        url = f"sqlite:///{tmp_path / 'booking.db'}"
        make_tables(url)
        options = booking_options(read_back=None, write_back="side_table")
        key = SqlAdapter.open("erp", url, options).find(None, 1, since=None, companies=None)[0].key
        yield Site(url, lambda: opened(SqlAdapter, url, **options), key)
    for adapter in made:
        adapter.close()


@pytest.fixture
def _tryton_file(_tryton_templates: Any, tmp_path: Path) -> Iterator[str]:
    from tests.conftest import _tryton

    for database in _tryton("sqlite", _tryton_templates, tmp_path):
        yield database.url


def make(adapter: Adapter) -> None:
    assert adapter.side_table is not None
    adapter.side_table.create()


def written(adapter: Adapter, key: str) -> tuple[str | None, str | None]:
    document = adapter.load([key])[key]
    assert isinstance(document, Invoice)
    return document.reference, document.xref


def test_it_is_never_made_by_itself_and_its_lack_names_the_command(site: Site) -> None:
    adapter = site.opened()
    for attempt in (
        lambda: adapter.load([site.key]),
        lambda: adapter.record(site.key, "4711", XREF),
    ):
        with pytest.raises(SchemaChangedError, match="b2brouter_invoices") as missing:
            attempt()
        assert "connector adapters side-table erp" in missing.value.action
    row = adapter.check()[-1]
    assert (row.name, row.status) == ("write-back", "failed")
    assert not OURS & set(site.erp())


def test_both_values_are_written_read_again_and_reported_and_the_erp_is_as_it_was(site: Site) -> None:
    before = site.erp()
    adapter = site.opened()
    make(adapter)
    adapter.record(site.key, "4711", XREF)
    adapter.record(site.key, "4711", XREF)
    adapter.record_state(site.key, "sent", None, NOON)

    assert written(adapter, site.key) == ("4711", XREF)
    assert [(str(row["document_key"]), row["reference"], row["xref"]) for row in site.rows()] == [
        (site.key, "4711", XREF)
    ]
    number = adapter.load([site.key])[site.key]
    assert isinstance(number, Invoice)
    (report,) = query(site.url, "SELECT number, reference, xref, state FROM b2brouter_report")
    assert report == {"number": number.number, "reference": "4711", "xref": XREF, "state": "sent"}
    assert adapter.check()[-1].status == "ok"
    assert site.erp() == before


def test_making_it_again_keeps_what_is_in_it(site: Site) -> None:
    adapter = site.opened()
    make(adapter)
    adapter.record(site.key, "4711", XREF)
    make(adapter)
    assert written(adapter, site.key) == ("4711", XREF)


def test_another_value_is_never_overwritten(site: Site) -> None:
    adapter = site.opened()
    make(adapter)
    adapter.record(site.key, "4000", XREF)
    with pytest.raises(WriteBackRefusedError, match="already has 4000"):
        adapter.record(site.key, "4711", XREF)
    assert [row["reference"] for row in site.rows()] == ["4000"]


@pytest.mark.parametrize("key", ["987654", "-"])
def test_a_document_that_is_gone_is_refused(site: Site, key: str) -> None:
    adapter = site.opened()
    make(adapter)
    with pytest.raises(WriteBackRefusedError):
        adapter.record(key, "4711", XREF)
    assert site.rows() == []


def test_states_stay_in_order_of_time_whichever_comes_first(site: Site) -> None:
    adapter = site.opened()
    make(adapter)
    assert isinstance(adapter, RecordsState)
    assert adapter.records_state()

    adapter.record_state(site.key, "refused", "Wrong \U0001f9fe VAT number " + "x" * 400, NOON)
    adapter.record_state(site.key, "sent", None, NOON - timedelta(microseconds=1))
    (refused,) = query(site.url, "SELECT reference, state, state_reason FROM b2brouter_invoices")
    adapter.record(site.key, "4711", XREF)
    adapter.record_state(site.key, "accepted", None, NOON)

    assert (refused["reference"], refused["state"]) == (None, "refused")
    assert refused["state_reason"].startswith("Wrong � VAT number xxx")
    assert len(refused["state_reason"]) == 250
    (accepted,) = query(site.url, "SELECT reference, state, state_reason FROM b2brouter_invoices")
    assert accepted == {"reference": "4711", "state": "accepted", "state_reason": None}


REPORTED = "SELECT report, document_key, kind, state, url, qr, problem FROM b2brouter_tax_reports ORDER BY report"


def test_tax_reports_have_a_row_each_and_an_older_one_never_replaces_a_newer_one(site: Site) -> None:
    adapter = site.opened()
    make(adapter)
    assert isinstance(adapter, RecordsTaxReport)
    qr = "iVBORw0K" * 500
    sent = RemoteTaxReport(id="42", kind="verifactu", state="sent", changed_at=NOON, url="https://verify.example/42")
    done = replace(sent, state="registered", qr=qr, changed_at=NOON + timedelta(microseconds=1))
    other = RemoteTaxReport(
        id="43", kind="verifactu", state="error", problem="Wrong \U0001f9fe number", changed_at=NOON
    )
    for report in (sent, done, done, sent, other):
        adapter.record_tax_report(site.key, report)

    first, second = query(site.url, REPORTED)
    assert str(first.pop("document_key")) == site.key
    assert first == {
        "report": "42",
        "kind": "verifactu",
        "state": "registered",
        "url": "https://verify.example/42",
        "qr": qr,
        "problem": None,
    }
    assert (second["report"], second["state"], second["problem"]) == ("43", "error", "Wrong � number")
    with pytest.raises(WriteBackRefusedError):
        adapter.record_tax_report("987654321", other)


def test_a_table_of_tax_reports_that_is_missing_names_the_command(site: Site) -> None:
    adapter = site.opened()
    make(adapter)
    execute(site.url, "DROP TABLE b2brouter_tax_reports")
    again = site.opened()
    row = again.check()[-1]
    assert (row.status, "b2brouter_tax_reports" in row.message) == ("failed", True)
    with pytest.raises(SchemaChangedError, match="b2brouter_tax_reports"):
        again.record_tax_report(site.key, RemoteTaxReport(id="42", changed_at=NOON))
    make(again)
    again.record_tax_report(site.key, RemoteTaxReport(id="42", changed_at=NOON))


def test_two_that_write_a_document_at_once_end_with_one_row(site: Site) -> None:
    first, second = site.opened(), site.opened()
    make(first)
    if site.url.startswith("sqlite"):  # one writer at a time: the second one waits
        first.record(site.key, "4711", XREF)
        second.record(site.key, "4711", XREF)
    else:
        with (
            meanwhile("INSERT INTO b2brouter_invoices", lambda: second.record(site.key, "4711", XREF)),
            pytest.raises(SourceUnavailableError),
        ):
            first.record(site.key, "4711", XREF)
        first.record(site.key, "4711", XREF)  # tried again
    assert [row["reference"] for row in site.rows()] == ["4711"]


@pytest.mark.postgres
def test_a_user_may_edit_and_lock_the_document_meanwhile(odoo19: Any) -> None:
    adapter = OdooAdapter.open("erp", odoo19.url, {"write_back": "side_table", "lock_timeout": 0.2})
    make(adapter)
    with connect_postgres(odoo19.url) as user, user.transaction():
        user.execute("SELECT 1 FROM account_move WHERE id = 1 FOR UPDATE")
        adapter.record("1", "4711", XREF)
    adapter.close()


@pytest.mark.postgres
def test_rights_that_are_missing_are_named_with_their_grant(odoo19: Any) -> None:
    owner = OdooAdapter.open("erp", odoo19.url, {"write_back": "side_table"})
    make(owner)
    owner.close()
    name = room_name()[-16:]
    with connect_postgres(odoo19.url) as server:
        server.execute(f'CREATE ROLE "{name}" LOGIN')
        try:
            server.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{name}"')
            clerk = make_url(odoo19.url).set(username=name).render_as_string(hide_password=False)
            adapter = OdooAdapter.open("erp", clerk, {"write_back": "side_table"})
            row = adapter.check()[-1]
            assert row.message == "Our user may not insert b2brouter_invoices."
            server.execute(f'GRANT INSERT, UPDATE ON b2brouter_invoices TO "{name}"')
            adapter.record("1", "4711", XREF)
            assert adapter.check()[-1].message == "Our user may not insert b2brouter_tax_reports."
            server.execute(f'GRANT INSERT, UPDATE ON b2brouter_tax_reports TO "{name}"')
            assert adapter.check()[-1].status == "ok"
            adapter.close()
        finally:
            server.execute(f'DROP OWNED BY "{name}"')
            server.execute(f'DROP ROLE "{name}"')


def test_a_row_with_one_value_alone_is_impossible(site: Site) -> None:
    make(site.opened())
    with pytest.raises(Exception, match=r"(?i)constraint|check"):
        execute(site.url, f"INSERT INTO b2brouter_invoices (document_key, reference) VALUES ('{site.key}', 'x')")
