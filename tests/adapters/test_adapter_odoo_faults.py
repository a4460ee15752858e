"""What the odoo adapter says when something outside is wrong: the right kind of error, no password."""

from __future__ import annotations

import re
import secrets
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from connector.adapters.odoo import OdooAdapter, schema
from connector.domain.errors import (
    ConnectorError,
    DocumentNotUsableError,
    SchemaChangedError,
    SourceNotPermittedError,
    SourceUnavailableError,
)
from connector.domain.invoice import Invoice
from connector.ports import CheckRow
from tests.adapters.databases import execute, query
from tests.support.odoo import OdooDatabase

PASSWORD = "correct-horse-battery"


def failure(url: str) -> ConnectorError:
    adapter = OdooAdapter.open("erp", url, {})
    with pytest.raises(ConnectorError) as failed:
        adapter.find(None, 10, since=None, companies=None)
    adapter.close()
    return failed.value


@contextmanager
def server_that_says(code: str, message: str) -> Iterator[int]:
    """A PostgreSQL server that refuses every log-in, whatever the rules of the real one are."""
    fields = f"SFATAL\0VFATAL\0C{code}\0M{message}\0\0".encode()
    answer = b"E" + struct.pack("!I", len(fields) + 4) + fields

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while (start := connection.recv(1024)) and struct.unpack("!I", start[4:8])[0] in {
                    80877103,  # asks for TLS
                    80877104,  # asks for GSSAPI
                }:
                    connection.sendall(b"N")
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize(
    "message",
    [
        'password authentication failed for user "erp"',
        'la autentificación password falló para el usuario "erp"',
    ],
)
def test_a_wrong_password_is_not_permitted_and_is_never_printed(message: str) -> None:
    with server_that_says("28P01", message) as port:
        error = failure(f"postgresql://erp:{PASSWORD}@127.0.0.1:{port}/odoo")
    assert isinstance(error, SourceNotPermittedError)
    assert message in error.message
    assert PASSWORD not in repr(error) + error.message + error.action


def test_a_server_that_is_starting_up_is_unavailable() -> None:
    with server_that_says("57P03", "the database system is starting up") as port:
        error = failure(f"postgresql://erp:{PASSWORD}@127.0.0.1:{port}/odoo")
    assert isinstance(error, SourceUnavailableError)


@pytest.mark.parametrize("place", ["127.0.0.1:1", "host.invalid:5432"])
def test_an_unreachable_server_is_unavailable(place: str) -> None:
    error = failure(f"postgresql://erp:{PASSWORD}@{place}/odoo")
    assert isinstance(error, SourceUnavailableError)
    assert PASSWORD not in error.message + error.action


def test_a_database_that_does_not_exist_is_named(odoo19: OdooDatabase) -> None:
    url = make_url(odoo19.url).set(database="no_such_database")
    error = failure(url.render_as_string(hide_password=False))
    assert isinstance(error, SourceUnavailableError)
    assert "no_such_database" in error.message


def test_a_missing_table_is_named(odoo: OdooDatabase) -> None:
    execute(odoo.url, "DROP TABLE account_tax CASCADE")
    error = failure(odoo.url)
    assert isinstance(error, SchemaChangedError)
    assert "table account_tax" in error.message


def test_a_missing_column_is_named(odoo: OdooDatabase) -> None:
    execute(odoo.url, "ALTER TABLE account_move_line DROP price_subtotal")
    error = failure(odoo.url)
    assert isinstance(error, SchemaChangedError)
    assert "column account_move_line.price_subtotal" in error.message


def test_an_upgrade_while_running_is_noticed(odoo: OdooDatabase) -> None:
    adapter = OdooAdapter.open("erp", odoo.url, {})
    adapter.load(["1"])
    execute(odoo.url, "ALTER TABLE account_move_line RENAME price_subtotal TO subtotal")
    with pytest.raises(SchemaChangedError, match="price_subtotal"):
        adapter.load(["1"])
    execute(odoo.url, "ALTER TABLE account_move_line RENAME subtotal TO price_subtotal")
    assert adapter.load(["1"])
    adapter.close()


@contextmanager
def user_with(url: str, *grants: str) -> Iterator[str]:
    """Another user of the same database, with these rights only."""
    role = f"b2brouter_test_{secrets.token_hex(4)}"
    try:
        execute(url, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    except ProgrammingError:
        pytest.skip("the role of the tests may not create roles")
    execute(url, *(f"{grant} TO {role}" for grant in grants))
    try:
        yield make_url(url).set(username=role, password=PASSWORD).render_as_string(hide_password=False)
    finally:
        execute(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_missing_grant_is_not_permitted_and_names_the_table(odoo19: OdooDatabase) -> None:
    with user_with(odoo19.url, "GRANT SELECT ON account_move, res_currency") as url:
        error = failure(url)
    assert isinstance(error, SourceNotPermittedError)
    assert "res_partner" in error.message
    assert PASSWORD not in error.message + error.action


def without_terms(document: Invoice | DocumentNotUsableError) -> Invoice | DocumentNotUsableError:
    if isinstance(document, DocumentNotUsableError):
        return document
    return replace(document, payment=replace(document.payment, terms=None))


def test_rights_by_column_of_an_earlier_version_still_read_all_but_terms_and_what_only_spanish_taxes_need(
    odoo: OdooDatabase,
) -> None:
    """The check-up asks for what is new; until then a source goes on."""
    whole = OdooAdapter.open("erp", odoo.url, {})
    added = (" account_tax_group ", " account_payment_term ")
    granted = [line for line in whole.grants("somebody") if not any(table in line for table in added)]
    keys = [row["key"] for row in query(odoo.url, "SELECT CAST(id AS text) AS key FROM account_move ORDER BY id")]
    taxes = "description|tax_group_id|l10n_es_applicability|l10n_es_edi_facturae_tax_type"
    new = rf"\b({taxes}|invoice_payment_term_id), "
    earlier = [re.sub(new, "", line) if re.search(" account_(tax|move) ", line) else line for line in granted]
    with user_with(odoo.url, *(line.removesuffix(" TO somebody;") for line in earlier)) as url:
        adapter = OdooAdapter.open("erp", url, {})
        assert adapter.load(keys) == {key: without_terms(document) for key, document in whole.load(keys).items()}
        [told] = [row for row in adapter.check() if row.name == "tables"]
        adapter.close()
    whole.close()
    assert told.status == "failed"
    assert "account_move.invoice_payment_term_id" in told.message


def test_a_database_without_the_tables_that_are_not_needed_is_read_and_is_good(odoo: OdooDatabase) -> None:
    keys = [row["key"] for row in query(odoo.url, "SELECT CAST(id AS text) AS key FROM account_move ORDER BY id")]
    adapter = OdooAdapter.open("erp", odoo.url, {})
    before = adapter.load(keys)
    adapter.close()
    execute(odoo.url, "DROP TABLE account_payment_term CASCADE", "DROP TABLE account_tax_group CASCADE")
    adapter = OdooAdapter.open("erp", odoo.url, {})
    assert adapter.load(keys) == {key: without_terms(document) for key, document in before.items()}
    assert {row.status for row in adapter.check()} == {"ok"}
    adapter.close()


def test_a_check_up_of_a_good_database_is_good(odoo: OdooDatabase) -> None:
    adapter = OdooAdapter.open("erp", odoo.url, {})
    rows = adapter.check()
    adapter.close()
    assert [row.name for row in rows] == ["connection", "tables", "companies", "write-back"]
    assert {row.status for row in rows} == {"ok"}
    assert "1 Ibérica de Montajes Aplicados, S.L." in rows[2].message


def test_a_check_up_names_what_is_wrong_and_raises_nothing(odoo19: OdooDatabase) -> None:
    def last_row(url: str, **options: str) -> tuple[str, str, str]:
        adapter = OdooAdapter.open("erp", url, options)
        row = adapter.check()[-1]
        adapter.close()
        return row.name, row.status, row.message

    assert last_row(odoo19.url, write_back="none")[:2] == ("write-back", "warning")
    missing = last_row(odoo19.url, xref_column="x_other")
    assert missing == ("write-back", "failed", "There is no column account_move.x_other.")
    with user_with(odoo19.url, "GRANT SELECT ON ALL TABLES IN SCHEMA public") as url:
        assert last_row(url) == (
            "write-back",
            "failed",
            "Our user may not write account_move.x_b2b_reference.",
        )
    with user_with(odoo19.url, "GRANT SELECT ON account_move") as url:
        assert last_row(url)[:2] == ("tables", "failed")
    execute(odoo19.url, "DROP TABLE res_bank CASCADE")
    assert last_row(odoo19.url)[2] == "The database of source erp has no table res_bank, or our user may not see it."
    assert last_row(f"postgresql://erp:{PASSWORD}@127.0.0.1:1/odoo")[:2] == ("connection", "failed")


def test_a_check_up_names_a_table_of_a_module_that_may_not_be_read(odoo: OdooDatabase) -> None:
    """The rights by table that docs/odoo.md tells are those of an Odoo without Facturae."""
    page = (Path(__file__).parents[2] / "docs" / "odoo.md").read_text(encoding="utf-8")
    told = re.search(r"^(GRANT SELECT ON [^;]*)TO connector;", page, re.MULTILINE)
    assert told

    def tables_row(url: str) -> CheckRow:
        adapter = OdooAdapter.open("erp", url, {"write_back": "none"})
        row = next(row for row in adapter.check() if row.name == "tables")
        adapter.close()
        return row

    with user_with(odoo.url, told[1]) as url:
        row = tables_row(url)
        assert row.status == "failed"
        assert re.fullmatch(r"Our user may not read l10n_es_edi_facturae\w+\.", row.message)
        execute(odoo.url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC")
        assert tables_row(url).status == "ok"


def test_a_check_up_advises_an_index_where_there_are_many_documents(
    odoo19: OdooDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names() -> list[str]:
        adapter = OdooAdapter.open("erp", odoo19.url, {})
        rows = adapter.check()
        adapter.close()
        return [row.name for row in rows if row.status == "warning"]

    assert names() == []
    monkeypatch.setattr(schema, "_MANY_DOCUMENTS", 10)
    execute(odoo19.url, "ANALYZE account_move")
    assert names() == ["index"]
    execute(odoo19.url, "CREATE INDEX ON account_move (write_date, id)")
    assert names() == []


def test_a_query_that_takes_too_long_is_given_up(odoo19: OdooDatabase) -> None:
    adapter = OdooAdapter.open("erp", odoo19.url, {"statement_timeout": 0.05})
    with (
        pytest.raises(SourceUnavailableError, match="took too long"),
        adapter._database.reading() as connection,
    ):
        connection.exec_driver_sql("SELECT pg_sleep(5)")
    adapter.close()
