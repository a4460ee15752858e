"""Writes reference, cross-reference and tax reports by the configured statements, or into tables of our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, text

from connector.adapters.checks import ok
from connector.adapters.database import Database, plain
from connector.adapters.sql.columns import READ_BACK
from connector.adapters.sql.settings import REPORT_VALUES, SqlOptions
from connector.adapters.sql.statements import by_keys, placeholders
from connector.adapters.writeback import Fields, WriteBack
from connector.adapters.writeback.rules import Values
from connector.adapters.writeback.side_table import FIELDS, Documents, SideTable
from connector.domain.errors import WriteBackRefusedError
from connector.ports import CheckRow, RemoteTaxReport

_FIELDS: Final = Fields(reference="reference", xref="xref")


def writer(statements: Statements | None, side: SideTable | None) -> WriteBack | None:
    """Return what writes back as the options say; None where nothing does."""
    if side:
        return WriteBack(side, FIELDS)
    return WriteBack(statements, _FIELDS) if statements else None


def statements(database: Database, options: SqlOptions) -> Statements | None:
    """Return what the statements of the configuration lead to; None where there are none."""
    if options.read_back is None:
        return None
    return Statements(database, options.read_back, options.write_back, key_is_text=options.key_type == "text")


def report_statement(database: Database, options: SqlOptions) -> ReportStatement | None:
    """Return what write_tax_report leads to; None where it is not set."""
    if options.write_tax_report is None:
        return None
    return ReportStatement(database, options.write_tax_report, key_is_text=options.key_type == "text")


def side_table(database: Database, options: SqlOptions) -> SideTable:
    """Return the table of our own; its view has the numbers that the query find gives."""
    header = by_keys(options.header)

    def exists(connection: Connection, key: Any) -> bool:
        return bool(database.rows(connection, header, {"keys": [key]}, query="header"))

    heads = f"SELECT f.document_key, f.number FROM ({options.find}) f"
    return SideTable(
        database, Documents(heads=lambda _: heads, exists=exists, key_is_text=options.key_type == "text")
    )


class Statements:
    """What the statements read_back and write_back lead to."""

    def __init__(self, database: Database, read_back: str, write_back: str, *, key_is_text: bool) -> None:
        self._database = database
        self._read_back = text(read_back)
        self._write_back = text(write_back)
        self._key_is_text = key_is_text

    @contextmanager
    def opened(self, key: str) -> Iterator[StatementsSlot]:
        """Open a transaction for the values of a document."""
        known_key = _known(key, is_text=self._key_is_text)
        with self._database.writing() as connection:
            yield StatementsSlot(self, connection, key, known_key)

    def recorded(self, keys: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
        """Run read_back for documents, one after the other, in one transaction."""
        found: dict[str, tuple[str | None, str | None]] = {}
        with self._database.reading() as connection:
            for key in keys:
                if self._key_is_text or key.removeprefix("-").isdecimal():
                    rows = self.present(connection, key if self._key_is_text else int(key))
                    if rows:
                        found[key] = (rows[0]["reference"], rows[0]["xref"])
        return found

    def check(self) -> CheckRow:
        """Run read_back for a document that is not there, changing nothing."""
        with self._database.reading() as connection:
            self.present(connection, "" if self._key_is_text else 0)
        return ok("write-back", "by the statement write_back; read_back answers")

    def close(self) -> None:
        """Nothing: the database is the adapter's."""

    def present(self, connection: Connection, key: int | str) -> list[Values]:
        """Return what read_back gives for a document: one row, if all is well."""
        result = self._database.run(connection, self._read_back, {"key": key}, query="read_back")
        READ_BACK.check(list(result.keys()))
        return [{name: plain(value) for name, value in row.items()} for row in result.mappings()]

    def change(self, connection: Connection, key: int | str, values: Values) -> int:
        """Run write_back; return how many rows it changed."""
        bound = {"key": key, **values}
        return self._database.run(connection, self._write_back, bound, query="write_back").rowcount


class ReportStatement:
    """What the statement write_tax_report leads to."""

    def __init__(self, database: Database, statement: str, *, key_is_text: bool) -> None:
        """Write by a statement that sets some of a report's values."""
        self._database = database
        self._statement = text(statement)
        self._named = placeholders(statement) & REPORT_VALUES
        self._key_is_text = key_is_text

    def record(self, key: str, report: RemoteTaxReport) -> None:
        """Run it for one report, and see that it changed one row."""
        known_key = _known(key, is_text=self._key_is_text)
        values = {name: getattr(report, "id" if name == "report" else name) for name in self._named}
        with self._database.writing() as connection:
            bound = {"key": known_key, **values}
            written = self._database.run(connection, self._statement, bound, query="write_tax_report").rowcount
            if written != 1:
                raise WriteBackRefusedError(
                    f"The statement write_tax_report changed {written} rows for document {key}; it was undone.",
                    action="Correct write_tax_report in the configuration, or look at the document in the ERP.",
                )


def _known(key: str, *, is_text: bool) -> int | str:
    """Return a document's key as the database has it."""
    if is_text:
        return key
    if not key.removeprefix("-").isdecimal():
        raise WriteBackRefusedError(f"There is no document {key} in the ERP.")
    return int(key)


class StatementsSlot:
    """Reference and cross-reference of one document."""

    def __init__(self, statements: Statements, connection: Connection, key: str, known_key: int | str) -> None:
        self._statements = statements
        self._connection = connection
        self._key = key
        self._known_key = known_key
        self._present: Values = {}

    def read(self) -> Values:
        """Run read_back."""
        rows = self._statements.present(self._connection, self._known_key)
        if len(rows) != 1:
            raise WriteBackRefusedError(
                f"The query read_back gives {len(rows)} rows for document {self._key}, not one.",
                action="Look for the document in the ERP; it was issued.",
            )
        self._present = rows[0]
        return rows[0]

    def write(self, values: Values) -> None:
        """Run write_back, which sets both values, and see that it changed one row."""
        written = self._statements.change(self._connection, self._known_key, {**self._present, **values})
        if written != 1:
            raise WriteBackRefusedError(
                f"The statement write_back changed {written} rows for document {self._key}; it was undone.",
                action="Correct write_back in the configuration, or look at the document in the ERP.",
            )
