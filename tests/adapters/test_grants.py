"""`connector check --grants`: with just these rights discovery and write-back work, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from connector.adapters.dolibarr import DolibarrAdapter
from connector.adapters.folder import FolderAdapter
from connector.adapters.odoo import OdooAdapter
from connector.adapters.sql import SqlAdapter
from connector.adapters.sql.statements import tables_read, updated
from connector.adapters.tryton import TrytonAdapter
from connector.domain.errors import SchemaChangedError
from connector.domain.invoice import Invoice
from tests.adapters.databases import execute
from tests.adapters.test_adapter_sql import booking_options, make_tables
from tests.support.services import room_name

Adapter = OdooAdapter | DolibarrAdapter | TrytonAdapter | SqlAdapter
XREF = "b2brouter:sandbox:1:4711"
STATES = {"state_column": "x_state", "state_changed_column": "x_state_at"}


@dataclass
class Site:
    """An ERP's database, how its adapter is opened, and what nobody gave us a right to."""

    url: str
    kind: Any
    options: dict[str, Any]
    forbidden: tuple[str, ...]

    def opened(self, url: str | None = None) -> Adapter:
        adapter: Adapter = self.kind.open("erp", url or self.url, self.options)
        return adapter


def odoo(database: Any) -> Site:
    execute(
        database.url,
        "ALTER TABLE account_move ADD x_state text, ADD x_state_at text",
        "CREATE TABLE IF NOT EXISTS res_users (id integer)",
        "CREATE TABLE IF NOT EXISTS ir_attachment (id integer, name text, res_model text, res_id integer,"
        " res_field text, type text, store_fname text, db_datas bytea, checksum text, file_size integer, note text)",
    )
    return Site(
        database.url,
        OdooAdapter,
        {"attachments": ["*.pdf"], **STATES},
        (
            "SELECT invoice_user_id FROM account_move",
            "SELECT * FROM res_users",
            "SELECT note FROM ir_attachment",
            "UPDATE account_move SET name = name",
            "UPDATE account_move SET write_date = now()",
            "DELETE FROM account_move",
            "CREATE TABLE ours (id integer)",
        ),
    )


def tryton(database: Any) -> Site:
    options = {"write_back": "side_table"}
    execute(database.url, "CREATE TABLE IF NOT EXISTS res_user (id integer)")
    owner = TrytonAdapter.open("erp", database.url, options)
    assert owner.side_table is not None
    owner.side_table.create()
    owner.close()
    return Site(
        database.url,
        TrytonAdapter,
        options,
        ("SELECT * FROM res_user", "UPDATE account_invoice SET number = '1'", "DELETE FROM b2brouter_invoices"),
    )


def dolibarr(database: Any) -> Site:
    return Site(
        database.url,
        DolibarrAdapter,
        {},
        (
            "SELECT * FROM llx_user",
            "SELECT note_private FROM llx_facture",
            "UPDATE llx_facture SET ref = 'x'",
            "UPDATE llx_facture_extrafields SET fk_object = 1",
            "DELETE FROM llx_facture_extrafields",
        ),
    )


def booking(url: str) -> Site:
    make_tables(url)
    execute(url, "CREATE TABLE payroll (id integer)")
    return Site(
        url,
        SqlAdapter,
        booking_options(),
        ("SELECT * FROM payroll", "UPDATE project SET id = id", "DELETE FROM project", "DELETE FROM customer"),
    )


@pytest.fixture(
    params=[
        pytest.param(("odoo19", odoo), id="odoo", marks=pytest.mark.postgres),
        pytest.param(("_tryton_postgres", tryton), id="tryton", marks=[pytest.mark.postgres, pytest.mark.slow]),
        pytest.param(("own_dolibarr", dolibarr), id="dolibarr", marks=pytest.mark.mariadb),
        pytest.param(("postgres_url", booking), id="sql", marks=[pytest.mark.postgres, pytest.mark.slow]),
        pytest.param(("mariadb_url", booking), id="sql, mariadb", marks=[pytest.mark.mariadb, pytest.mark.slow]),
    ]
)
def site(request: pytest.FixtureRequest) -> Site:
    fixture, made = request.param
    make: Callable[[Any], Site] = made
    return make(request.getfixturevalue(fixture))


@pytest.fixture
def _tryton_postgres(_tryton_templates: Any, tmp_path: Path) -> Iterator[Any]:
    from tests.conftest import _tryton

    yield from _tryton("postgresql", _tryton_templates, tmp_path)


@contextmanager
def user_of(site: Site) -> Iterator[str]:
    """A user with the rights that the adapter prints for him; his URL."""
    name, postgres = room_name()[-16:], make_url(site.url).get_backend_name() == "postgresql"
    administrator = site.opened()
    grants = [line.partition(";")[0] for line in administrator.grants(name) if not line.startswith("--")]
    administrator.close()
    made, account = (
        (f'ROLE "{name}" LOGIN PASSWORD', f'"{name}"')
        if postgres
        else (f"USER '{name}'@'%' IDENTIFIED BY", f"'{name}'@'%'")
    )
    execute(site.url, f"CREATE {made} 'secret'")
    try:
        execute(site.url, *grants)
        yield make_url(site.url).set(username=name, password="secret").render_as_string(hide_password=False)
    finally:
        if postgres:
            execute(site.url, f"DROP OWNED BY {account}")
        execute(site.url, f"DROP {'ROLE' if postgres else 'USER'} {account}")


def test_these_rights_are_enough_for_discovery_and_write_back_and_for_nothing_else(site: Site) -> None:
    owner = site.opened()
    keys = [found.key for found in owner.find(None, 1000, since=None, companies=None)]
    expected = owner.load(keys)
    owner.close()
    with user_of(site) as url:
        adapter = site.opened(url)
        try:
            assert {row.status for row in adapter.check() if row.name != "attachments"} == {"ok"}
            assert adapter.companies()
            assert [found.key for found in adapter.find(None, 1000, since=None, companies=None)] == keys
            assert adapter.load(keys) == expected
            key = next(key for key in keys if isinstance(expected[key], Invoice))
            adapter.record(key, "4711", XREF)
            adapter.record_state(key, "sent", None, datetime(2026, 3, 1, tzinfo=UTC))
            assert adapter.recorded([key]) == {key: ("4711", XREF)}
            if not isinstance(adapter, DolibarrAdapter | TrytonAdapter):
                adapter.attachments(key)
        finally:
            adapter.close()
        engine = create_engine(url)
        for statement in site.forbidden:
            with engine.connect() as connection, pytest.raises(DBAPIError, match=r"(?i)denied|owner"):
                connection.execute(text(statement))
        engine.dispose()


@pytest.mark.mariadb
def test_a_user_who_sees_no_tables_is_told_how_to_see_them_once(own_dolibarr: Any) -> None:
    name = room_name()[-16:]
    execute(own_dolibarr.url, f"CREATE USER '{name}'@'%' IDENTIFIED BY 'secret'")
    database = make_url(own_dolibarr.url).database
    try:
        execute(own_dolibarr.url, f"GRANT CREATE TEMPORARY TABLES ON `{database}`.* TO '{name}'@'%'")
        url = make_url(own_dolibarr.url).set(username=name, password="secret")
        adapter = DolibarrAdapter.open("erp", url.render_as_string(hide_password=False), {})
        with pytest.raises(SchemaChangedError) as told:
            adapter.grants("connector")
        adapter.close()
        assert "CONNECTOR_SOURCES__ERP__URL" in told.value.action
    finally:
        execute(own_dolibarr.url, f"DROP USER '{name}'@'%'")


def test_files_have_permissions_instead(tmp_path: Path) -> None:
    file = tmp_path / "tryton.sqlite"
    reads = TrytonAdapter.open("erp", f"sqlite:///{file}", {"write_back": "none"}).grants("ana")
    assert reads[:2] == [f"setfacl -m u:ana:r '{file}'", f"setfacl -m u:ana:x '{tmp_path}'"]
    writes = TrytonAdapter.open("erp", f"sqlite:///{file}", {"write_back": "side_table"}).grants("ana")
    assert writes == [f"setfacl -m u:ana:rw '{file}'", f"setfacl -m u:ana:rwx '{tmp_path}'"]
    folder = FolderAdapter.open("in", None, {"folder": str(tmp_path)})
    assert folder.grants("ana")[0] == f"setfacl -R -m u:ana:rwX '{tmp_path}'"


def test_what_a_statement_reads_and_changes() -> None:
    read = """SELECT a.x, -- FROM nowhere
                     (SELECT max(t) FROM "rates") FROM erp.head a, line AS l LEFT JOIN `note` n ON n.id = a.id"""
    assert tables_read(read) >= {"rates", "erp.head", "line", "note"}
    assert "nowhere" not in tables_read(read)
    assert updated(
        'UPDATE ONLY invoice AS i SET "ref" = :reference, xref = coalesce(:xref, (a = 1)) WHERE i.b = 2'
    ) == (
        "invoice",
        frozenset({"ref", "xref"}),
    )
    assert updated("UPDATE invoice SET ref = :reference") == ("invoice", frozenset({"ref"}))
