"""The odoo adapter writes two columns, both or neither, and touches nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from connector.adapters.odoo import OdooAdapter
from connector.domain.errors import SchemaChangedError, SourceUnavailableError, WriteBackRefusedError
from tests.adapters.databases import execute, query
from tests.support import services
from tests.support.odoo import OdooDatabase

XREF = "b2brouter:sandbox:1:4711"


@pytest.fixture
def adapter(odoo: OdooDatabase) -> Iterator[OdooAdapter]:
    adapter = OdooAdapter.open("erp", odoo.url, {"lock_timeout": 0.2})
    yield adapter
    adapter.close()


def values(database: OdooDatabase, key: int = 1) -> tuple[Any, Any]:
    row = query(database.url, "SELECT x_b2b_reference, x_b2b_xref FROM account_move WHERE id = :id", id=key)[0]
    return row["x_b2b_reference"], row["x_b2b_xref"]


def test_both_values_are_written_and_no_other_column_of_any_row(odoo: OdooDatabase, adapter: OdooAdapter) -> None:
    before = {row["id"]: row for row in query(odoo.url, "SELECT * FROM account_move")}
    adapter.record("1", "4711", XREF)
    after = {row["id"]: row for row in query(odoo.url, "SELECT * FROM account_move")}
    assert after.pop(1) == {**before.pop(1), "x_b2b_reference": "4711", "x_b2b_xref": XREF}
    assert after == before


def test_the_own_write_does_not_wake_discovery(odoo: OdooDatabase, adapter: OdooAdapter) -> None:
    last = adapter.find(None, 100, since=None, companies=None)[-1].position
    adapter.record("1", "4711", XREF)
    assert adapter.find(last, 100, since=None, companies=None) == []


def test_writing_the_same_again_changes_nothing(odoo: OdooDatabase, adapter: OdooAdapter) -> None:
    adapter.record("1", "4711", XREF)
    versions = query(odoo.url, "SELECT xmin::text, ctid::text FROM account_move WHERE id = 1")
    adapter.record("1", "4711", XREF)
    assert query(odoo.url, "SELECT xmin::text, ctid::text FROM account_move WHERE id = 1") == versions


@pytest.mark.parametrize(
    "present", [("4000", XREF), ("4711", "b2brouter:sandbox:1:4000"), ("4000", None), (None, "other")]
)
def test_another_value_is_never_overwritten(
    odoo: OdooDatabase, adapter: OdooAdapter, present: tuple[str | None, str | None]
) -> None:
    execute(
        odoo.url,
        "UPDATE account_move SET x_b2b_reference = :reference, x_b2b_xref = :xref WHERE id = 1",
        reference=present[0],
        xref=present[1],
    )
    with pytest.raises(WriteBackRefusedError, match="already has"):
        adapter.record("1", "4711", XREF)
    assert values(odoo) == present


@pytest.mark.parametrize("present", [("4711", None), ("", XREF), ("", "")])
def test_half_of_our_own_values_is_completed(
    odoo: OdooDatabase, adapter: OdooAdapter, present: tuple[str | None, str | None]
) -> None:
    execute(
        odoo.url,
        "UPDATE account_move SET x_b2b_reference = :reference, x_b2b_xref = :xref WHERE id = 1",
        reference=present[0],
        xref=present[1],
    )
    adapter.record("1", "4711", XREF)
    assert values(odoo) == ("4711", XREF)


def test_a_document_that_was_cancelled_after_sending_still_gets_its_reference(
    odoo: OdooDatabase, adapter: OdooAdapter
) -> None:
    execute(odoo.url, "UPDATE account_move SET state = 'cancel' WHERE id = 1")
    adapter.record("1", "4711", XREF)
    assert values(odoo) == ("4711", XREF)


@pytest.mark.parametrize("key", ["987654", "x", ""])
def test_a_document_that_is_gone_is_refused(adapter: OdooAdapter, key: str) -> None:
    with pytest.raises(WriteBackRefusedError):
        adapter.record(key, "4711", XREF)


def test_neither_value_stays_when_the_transaction_fails(odoo: OdooDatabase, adapter: OdooAdapter) -> None:
    execute(odoo.url, "ALTER TABLE account_move ALTER x_b2b_xref TYPE varchar(5)")
    with pytest.raises(SchemaChangedError):
        adapter.record("1", "4711", XREF)
    assert values(odoo) == (None, None)


def test_a_row_in_use_is_tried_again_later(odoo: OdooDatabase, adapter: OdooAdapter) -> None:
    with services.connect_postgres(odoo.url) as user, user.transaction():
        user.execute("SELECT 1 FROM account_move WHERE id = 1 FOR UPDATE")
        with pytest.raises(SourceUnavailableError):
            adapter.record("1", "4711", XREF)
    adapter.record("1", "4711", XREF)
    assert values(odoo) == ("4711", XREF)


def test_a_lost_connection_is_told_and_the_next_write_succeeds(odoo: OdooDatabase, adapter: OdooAdapter) -> None:
    adapter.record("1", "4711", XREF)
    with services.connect_postgres(odoo.url) as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    adapter.record("2", "4712", XREF)
    assert values(odoo, 2) == ("4712", XREF)


def test_columns_of_other_names_can_be_configured(odoo: OdooDatabase) -> None:
    execute(odoo.url, "ALTER TABLE account_move ADD b2brouter_id varchar, ADD b2brouter_xref varchar")
    options = {"reference_column": "b2brouter_id", "xref_column": "b2brouter_xref"}
    adapter = OdooAdapter.open("erp", odoo.url, options)
    adapter.record("1", "4711", XREF)
    adapter.close()
    row = query(odoo.url, "SELECT b2brouter_id, b2brouter_xref, x_b2b_reference FROM account_move WHERE id = 1")
    assert row == [{"b2brouter_id": "4711", "b2brouter_xref": XREF, "x_b2b_reference": None}]


def test_a_missing_column_is_named_with_how_to_make_it(odoo: OdooDatabase, adapter: OdooAdapter) -> None:
    execute(odoo.url, "ALTER TABLE account_move DROP x_b2b_xref")
    with pytest.raises(SchemaChangedError, match=r"account_move\.x_b2b_xref") as missing:
        adapter.record("1", "4711", XREF)
    assert "Settings, Technical, Fields" in missing.value.action
    execute(odoo.url, "ALTER TABLE account_move ADD x_b2b_xref varchar")
    adapter.record("1", "4711", XREF)  # no restart is needed
    assert values(odoo) == ("4711", XREF)


def test_without_write_back_nothing_is_written(odoo: OdooDatabase) -> None:
    adapter = OdooAdapter.open("erp", odoo.url, {"write_back": "none"})
    adapter.record("1", "4711", XREF)
    adapter.close()
    assert values(odoo) == (None, None)


def test_reading_cannot_write(odoo: OdooDatabase, adapter: OdooAdapter) -> None:
    with adapter._database.reading() as connection:
        cursor = connection.connection.cursor()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            cursor.execute("UPDATE account_move SET ref = 'x' WHERE id = 1")
