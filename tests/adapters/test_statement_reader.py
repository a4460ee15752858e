"""Reading by a handful of statements, for ERPs whose keys are texts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connector.adapters.database import Database
from connector.adapters.statement_reader import StatementReader, Statements
from connector.ports import Position

TABLES = """
CREATE TABLE doc (guid TEXT PRIMARY KEY, firm TEXT, changed TEXT, day TEXT);
CREATE TABLE part (doc TEXT, what TEXT);
INSERT INTO doc VALUES ('a-1', 'N', '2026-09-01', '20260901'), ('b-7', 'S', '2026-09-01', '20260901'),
    ('c-3', 'N', '2026-09-02', '20260902');
INSERT INTO part VALUES ('a-1', 'hammer'), ('a-1', 'nail'), ('c-3', 'saw');
"""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[StatementReader]:
    with closing(sqlite3.connect(tmp_path / "erp.db")) as connection:
        connection.executescript(TABLES)
    statements = Statements(
        find="""
            SELECT d.guid AS id FROM doc d
            WHERE d.changed >= :changed_at AND (d.changed > :changed_at OR d.guid > :id){wanted}
            ORDER BY d.changed, d.guid LIMIT :limit
        """,
        since="d.day >= REPLACE(:since, '-', '')",
        companies_wanted="d.firm IN :companies",
        headers="SELECT d.guid AS id FROM doc d WHERE d.guid IN :ids ORDER BY d.guid",
        parts={"lines": "SELECT p.doc AS invoice_id, p.what FROM part p WHERE p.doc IN :ids"},
        companies="SELECT DISTINCT d.firm FROM doc d",
        stored=lambda moment: moment.strftime("%Y-%m-%d"),
        document=str,
        company=str,
        lowest="",
    )
    database = Database("erp", f"sqlite:///{tmp_path / 'erp.db'}")
    yield StatementReader(database, statements)
    database.close()


def found(
    reader: StatementReader,
    after: Position | None = None,
    *,
    since: date | None = None,
    companies: list[str] | None = None,
) -> list[str]:
    return [row["id"] for row in reader.find(after, 9, since=since, companies=companies)]


def test_documents_with_texts_for_keys_are_paged_in_their_order(reader: StatementReader) -> None:
    first_day = datetime(2026, 9, 1, tzinfo=UTC)
    assert found(reader) == ["a-1", "b-7", "c-3"]
    assert found(reader, Position(changed_at=first_day, key="")) == ["a-1", "b-7", "c-3"]
    assert found(reader, Position(changed_at=first_day, key="a-1")) == ["b-7", "c-3"]


def test_documents_with_texts_for_keys_are_narrowed_by_company_and_day(reader: StatementReader) -> None:
    assert found(reader, companies=["N"]) == ["a-1", "c-3"]
    assert found(reader, since=date(2026, 9, 2)) == ["c-3"]


def test_documents_with_texts_for_keys_are_loaded_with_their_parts(reader: StatementReader) -> None:
    loaded = {
        row["id"]: [part["what"] for part in parts["lines"]] for row, parts in reader.load(["a-1", "b-7", "x", "a-1"])
    }
    assert loaded == {"a-1": ["hammer", "nail"], "b-7": []}
