"""The dolibarr adapter writes two extra fields, both or neither, and touches nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from sqlalchemy import make_url

from connector.adapters.dolibarr import DolibarrAdapter
from connector.domain.errors import SchemaChangedError, SourceUnavailableError, WriteBackRefusedError
from tests.adapters.databases import execute, query
from tests.support import services
from tests.support.dolibarr import DolibarrDatabase

XREF = "b2brouter:sandbox:1:4711"
FIELDS = "SELECT * FROM llx_facture_extrafields ORDER BY rowid"


@pytest.fixture
def adapter(dolibarr: DolibarrDatabase) -> Iterator[DolibarrAdapter]:
    adapter = DolibarrAdapter.open("erp", dolibarr.url, {"lock_timeout": 1})
    yield adapter
    adapter.close()


@pytest.fixture
def altered(own_dolibarr: DolibarrDatabase) -> Iterator[DolibarrAdapter]:
    """On a copy whose tables the test may alter."""
    adapter = DolibarrAdapter.open("erp", own_dolibarr.url, {})
    yield adapter
    adapter.close()


def values(database: DolibarrDatabase, key: int = 1) -> list[tuple[Any, Any]]:
    statement = "SELECT b2b_reference, b2b_xref FROM llx_facture_extrafields WHERE fk_object = :key"
    return [(row["b2b_reference"], row["b2b_xref"]) for row in query(database.url, statement, key=key)]


def given(database: DolibarrDatabase, reference: str | None, xref: str | None) -> None:
    """A row that a user's save made, with what stands in our fields."""
    execute(
        database.url,
        "INSERT INTO llx_facture_extrafields (fk_object, b2b_reference, b2b_xref, b2b_status)"
        " VALUES (1, :reference, :xref, 'theirs')",
        reference=reference,
        xref=xref,
    )


def test_both_values_are_written_and_no_document_changes(
    dolibarr: DolibarrDatabase, adapter: DolibarrAdapter
) -> None:
    before = query(dolibarr.url, "SELECT * FROM llx_facture")
    adapter.record("1", "4711", XREF)
    assert values(dolibarr) == [("4711", XREF)]
    assert query(dolibarr.url, "SELECT * FROM llx_facture") == before
    assert [(row["fk_object"], row["b2b_status"]) for row in query(dolibarr.url, FIELDS)] == [(1, None)]
    document = adapter.load(["1"])["1"]
    assert (getattr(document, "reference", None), getattr(document, "xref", None)) == ("4711", XREF)


def test_a_row_that_is_there_keeps_the_users_fields(dolibarr: DolibarrDatabase, adapter: DolibarrAdapter) -> None:
    given(dolibarr, None, "")
    adapter.record("1", "4711", XREF)
    rows = query(dolibarr.url, FIELDS)
    assert [(row["b2b_reference"], row["b2b_xref"], row["b2b_status"]) for row in rows] == [("4711", XREF, "theirs")]


def test_the_own_write_does_not_wake_discovery(adapter: DolibarrAdapter) -> None:
    heads = adapter.find(None, 100, since=None, companies=None)
    adapter.record("1", "4711", XREF)
    assert adapter.find(None, 100, since=None, companies=None) == heads


def test_writing_the_same_again_changes_nothing(dolibarr: DolibarrDatabase, adapter: DolibarrAdapter) -> None:
    adapter.record("1", "4711", XREF)
    execute(dolibarr.url, "UPDATE llx_facture_extrafields SET tms = '2026-11-20 13:00:00'")
    rows = query(dolibarr.url, FIELDS)
    adapter.record("1", "4711", XREF)
    assert query(dolibarr.url, FIELDS) == rows


@pytest.mark.parametrize(
    "present", [("4000", XREF), ("4711", "b2brouter:sandbox:1:4000"), ("4000", None), (None, "other")]
)
def test_another_value_is_never_overwritten(
    dolibarr: DolibarrDatabase, adapter: DolibarrAdapter, present: tuple[str | None, str | None]
) -> None:
    given(dolibarr, *present)
    with pytest.raises(WriteBackRefusedError, match="already has"):
        adapter.record("1", "4711", XREF)
    assert values(dolibarr) == [present]


def test_a_document_that_was_abandoned_after_sending_still_gets_its_reference(
    dolibarr: DolibarrDatabase, adapter: DolibarrAdapter
) -> None:
    execute(dolibarr.url, "UPDATE llx_facture SET fk_statut = 3, close_code = 'abandon' WHERE rowid = 1")
    adapter.record("1", "4711", XREF)
    assert values(dolibarr) == [("4711", XREF)]


@pytest.mark.parametrize("key", ["987654", "x", ""])
def test_a_document_that_is_gone_is_refused(dolibarr: DolibarrDatabase, adapter: DolibarrAdapter, key: str) -> None:
    with pytest.raises(WriteBackRefusedError):
        adapter.record(key, "4711", XREF)
    assert query(dolibarr.url, FIELDS) == []


def test_a_row_in_use_is_tried_again_later(dolibarr: DolibarrDatabase, adapter: DolibarrAdapter) -> None:
    url = make_url(dolibarr.url)
    with services.mariadb_server().connect() as user, user.cursor() as cursor:
        cursor.execute(f"USE `{url.database}`")
        user.begin()
        cursor.execute("SELECT 1 FROM llx_facture WHERE rowid = 1 FOR UPDATE")
        with pytest.raises(SourceUnavailableError):
            adapter.record("1", "4711", XREF)
        user.rollback()
    adapter.record("1", "4711", XREF)
    assert values(dolibarr) == [("4711", XREF)]


def test_without_write_back_nothing_is_written(dolibarr: DolibarrDatabase) -> None:
    adapter = DolibarrAdapter.open("erp", dolibarr.url, {"write_back": "none"})
    adapter.record("1", "4711", XREF)
    assert adapter.check()[-1].message == "switched off: the reference stays in the ledger only"
    adapter.close()
    assert query(dolibarr.url, FIELDS) == []


def test_neither_value_stays_when_one_does_not_fit(own_dolibarr: DolibarrDatabase, altered: DolibarrAdapter) -> None:
    execute(own_dolibarr.url, "ALTER TABLE llx_facture_extrafields MODIFY b2b_xref varchar(5)")
    with pytest.raises(SchemaChangedError, match="does not accept"):
        altered.record("1", "4711", XREF)
    assert query(own_dolibarr.url, FIELDS) == []


def test_a_missing_column_is_named_with_how_to_make_it(
    own_dolibarr: DolibarrDatabase, altered: DolibarrAdapter
) -> None:
    execute(own_dolibarr.url, "ALTER TABLE llx_facture_extrafields DROP b2b_xref")
    with pytest.raises(SchemaChangedError, match=r"llx_facture_extrafields\.b2b_xref") as missing:
        altered.record("1", "4711", XREF)
    assert "Complementary attributes" in missing.value.action
    assert altered.check()[-1].message == "There is no column llx_facture_extrafields.b2b_xref."
    assert len(altered.load(["1"])) == 1  # reading goes on
    execute(own_dolibarr.url, "ALTER TABLE llx_facture_extrafields ADD b2b_xref varchar(64)")
    altered.record("1", "4711", XREF)  # no restart is needed
    assert values(own_dolibarr) == [("4711", XREF)]


@pytest.fixture
def clerk(dolibarr: DolibarrDatabase) -> Iterator[DolibarrAdapter]:
    """The adapter as a user with the grants that the manual names, and no more."""
    name = services.room_name()[-16:]
    database = make_url(dolibarr.url).database
    both = "b2b_reference, b2b_xref"
    with services.mariadb_server().connect() as server, server.cursor() as cursor:
        cursor.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY 'secret'")
        try:
            cursor.execute(f"GRANT SELECT ON `{database}`.* TO '{name}'@'%'")
            cursor.execute(
                f"GRANT INSERT (fk_object, {both}), UPDATE ({both}) ON `{database}`.llx_facture_extrafields"
                f" TO '{name}'@'%'"
            )
            url = make_url(dolibarr.url).set(username=name, password="secret")
            adapter = DolibarrAdapter.open("erp", url.render_as_string(hide_password=False), {})
            yield adapter
            adapter.close()
        finally:
            cursor.execute(f"DROP USER '{name}'@'%'")


def test_the_grants_of_the_manual_suffice(dolibarr: DolibarrDatabase, clerk: DolibarrAdapter) -> None:
    assert {row.status for row in clerk.check()} == {"ok"}
    clerk.record("1", "4711", XREF)
    clerk.record("1", "4711", XREF)
    given(dolibarr, None, None)
    assert values(dolibarr) == [("4711", XREF), (None, None)]
    clerk.record("1", "4711", XREF)  # two rows, which version 16 does not forbid
    assert values(dolibarr) == [("4711", XREF), ("4711", XREF)]


def test_reading_cannot_write(adapter: DolibarrAdapter) -> None:
    with adapter._database.reading() as connection:
        cursor = connection.connection.cursor()
        with pytest.raises(pymysql.err.OperationalError, match="READ ONLY"):
            cursor.execute("UPDATE llx_facture SET ref_ext = 'x' WHERE rowid = 1")
