"""Tables of our own in the ERP's database, made by an explicit command and never by themselves.

Nothing of the ERP's is written: its rows, times of change and hashes stay as they are, and its users edit as they
like. A view joins our values with the ERP's numbers, for reports; tax reports have a table beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Insert,
    MetaData,
    String,
    Table,
    Update,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

from connector.adapters.checks import failed, ok
from connector.adapters.database import Database, Row, plain
from connector.adapters.rights import ALL, Right
from connector.adapters.rows import BIG_INTEGER, row_id
from connector.adapters.writeback.report_table import REPORTS, ReportTable
from connector.adapters.writeback.rules import LONGEST, Fields, Values, stamp
from connector.domain.errors import (
    ConnectorError,
    SchemaChangedError,
    SourceUnavailableError,
    WriteBackRefusedError,
)
from connector.ports import CheckRow, RemoteTaxReport

TABLE: Final = "b2brouter_invoices"
VIEW: Final = "b2brouter_report"
FIELDS: Final = Fields(
    reference="reference", xref="xref", state="state", reason="state_reason", changed_at="state_changed_at"
)
"""Our columns. `state_changed_at` is in UTC."""


RIGHTS: Final = tuple(Right(name, dict.fromkeys(("SELECT", "INSERT", "UPDATE"), ALL)) for name in (TABLE, REPORTS))
"""What our user needs of the tables of ours, where somebody else made them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The ERP's documents as the table of ours refers to them."""

    heads: Callable[[Connection], str]  # SQL that gives document_key and number of all that may have been issued
    exists: Callable[[Connection, Any], bool]  # by key, as the database has it
    key_is_text: bool = False


class SideTable:
    """The table, its view, and the statements that make both."""

    def __init__(self, database: Database, documents: Documents) -> None:
        self._database = database
        self._documents = documents
        self._table = _table(documents)
        self._reports = ReportTable(database, key=_key(documents), moment=_moment())
        self._there: set[str] = set()

    @classmethod
    def beside(cls, database: Database, table: str, *, number: str) -> SideTable:
        """Return the one beside a table of documents whose key is called `id`; `number` is a column of it."""
        exists = text(f"SELECT 1 FROM {table} WHERE id = :key")
        heads = f"SELECT i.id AS document_key, i.{number} AS number FROM {table} i"
        return cls(
            database,
            Documents(
                heads=lambda _: heads,
                exists=lambda connection, key: bool(database.rows(connection, exists, {"key": key})),
            ),
        )

    # --- making it

    def statements(self) -> Sequence[str]:
        """Return the statements that make the tables and the view; made again, they change nothing.

        Raises:
            OutsideError: the ERP's tables cannot be looked at.
        """
        with self._database.reading() as connection:
            heads = self._documents.heads(connection)
            made = [_made(table, connection) for table in (self._table, self._reports.table)]
        columns = ", ".join(f"b.{name}" for name in FIELDS.names)
        view = (
            f"VIEW {VIEW} AS SELECT b.document_key, d.number, {columns} FROM {TABLE} b"
            f" LEFT JOIN ({heads.strip()}) d ON d.document_key = b.document_key"
        )
        if self._database.dialect == "sqlite":
            return [*made, f"DROP VIEW IF EXISTS {VIEW}", f"CREATE {view}"]
        return [*made, f"CREATE OR REPLACE {view}"]

    def create(self) -> None:
        """Make the tables and the view.

        Raises:
            SourceNotPermittedError: our user may not make tables; somebody else runs the statements then.
        """
        statements = self.statements()
        with self._database.writing() as connection:
            for statement in statements:
                self._database.run(connection, text(statement.replace(":", r"\:")))

    # --- reading

    def columns(self, key: str) -> tuple[str, str]:
        """Return SQL of reference and cross-reference, for a statement in which `key` is a document's key."""
        found = f"(SELECT b.{{}} FROM {TABLE} b WHERE b.document_key = {key})"
        return found.format("reference"), found.format("xref")

    def written(self, connection: Connection, keys: Sequence[Any]) -> Mapping[Any, Row]:
        """Return reference and cross-reference of documents that have them, by key as the database has it."""
        table = self._table.c
        rows = select(table.document_key, table.reference, table.xref).where(table.document_key.in_(keys))
        return {row["document_key"]: row for row in self._database.rows(connection, rows)}

    def require(self, connection: Connection, name: str = TABLE) -> None:
        """See that one of the tables is there.

        Raises:
            SchemaChangedError: it is not; says how it is made.
        """
        if name not in self._there and not inspect(connection).has_table(name):
            source = self._database.source
            raise SchemaChangedError(
                f"The database of source {source} has no table {name} for the write-back.",
                action=f"Make it once with: connector adapters side-table {source}.",
            )
        self._there.add(name)

    # --- writing

    @contextmanager
    def opened(self, key: str) -> Iterator[SideTableSlot]:
        """Lock our row of a document, where there is one, until the end of the block."""
        with self._document(key, TABLE) as (connection, known):
            yield SideTableSlot(self._database, connection, self._table, known)

    def record_tax_report(self, key: str, report: RemoteTaxReport) -> None:
        """Write what a tax authority knows of a document; see `connector.ports.RecordsTaxReport`."""
        with self._document(key, REPORTS) as (connection, known):
            self._reports.write(connection, known, report)

    @contextmanager
    def _document(self, key: str, table: str) -> Iterator[tuple[Connection, int | str]]:
        """Open a transaction for one of the tables, with a document's key as the database has it."""
        known = key if self._documents.key_is_text else row_id(key, BIG_INTEGER)
        if known is None:
            raise WriteBackRefusedError(f"There is no document {key} in the ERP.")
        try:
            with self._database.writing() as connection:
                self.require(connection, table)
                if not self._documents.exists(connection, known):
                    raise WriteBackRefusedError(
                        f"Document {key} is not in the ERP any more.", action="Look for it there; it was issued."
                    )
                yield connection, known
        except ConnectorError as error:
            if isinstance(error.__cause__, IntegrityError):  # somebody else made the row meanwhile
                raise SourceUnavailableError(f"Document {key} was being written by somebody else.") from error
            raise

    def check(self) -> CheckRow:
        """See that the tables are there, and that we may write them."""
        try:
            with self._database.reading() as connection:
                for name in (TABLE, REPORTS):
                    self.require(connection, name)
                    if denied := _denied(self._database, connection, name):
                        grant = f"GRANT SELECT, INSERT, UPDATE ON {name} TO our user."
                        return failed("write-back", f"Our user may not {denied} {name}.", grant)
        except ConnectorError as error:
            return failed("write-back", error.message, error.action)
        return ok("write-back", f"into our own tables {TABLE} and {REPORTS}; reports: the view {VIEW}")

    def close(self) -> None:
        """Nothing: the database is the adapter's."""


class SideTableSlot:
    """Our row of one document; there may be none yet."""

    def __init__(self, database: Database, connection: Connection, table: Table, key: int | str) -> None:
        self._database = database
        self._connection = connection
        self._table = table
        self._key = key

    def read(self) -> Values:
        """Return our values, and lock the row."""
        row = self._row()
        return {name: _told(row[name]) for name in FIELDS.names} if row else dict.fromkeys(FIELDS.names)

    def write(self, values: Values) -> None:
        """Change the row, or make it."""
        stored = {name: _stored(name, value) for name, value in values.items()}
        change: Update | Insert
        if self._row():
            change = update(self._table).where(self._table.c.document_key == self._key).values(stored)
        else:
            change = insert(self._table).values(document_key=self._key, **stored)
        self._database.run(self._connection, change)

    def _row(self) -> Row | None:
        row = select(self._table).where(self._table.c.document_key == self._key).with_for_update()
        return next(iter(self._database.rows(self._connection, row)), None)


def _made(table: Table, connection: Connection) -> str:
    return str(CreateTable(table, if_not_exists=True).compile(dialect=connection.dialect)).strip()


def _key(documents: Documents) -> TypeEngine[Any]:
    return String(128) if documents.key_is_text else BigInteger()


def _moment() -> TypeEngine[datetime]:
    from sqlalchemy.dialects import mysql  # takes its time, and only a side table needs it

    return DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def _table(documents: Documents) -> Table:
    return Table(
        TABLE,
        MetaData(),
        Column("document_key", _key(documents), primary_key=True, autoincrement=False),
        Column("reference", String(64)),
        Column("xref", String(255)),
        Column("state", String(LONGEST)),
        Column("state_reason", String(LONGEST)),
        Column("state_changed_at", _moment()),
        CheckConstraint(
            "(reference IS NULL AND xref IS NULL) OR (reference IS NOT NULL AND xref IS NOT NULL)",
            name="b2brouter_both_or_neither",
        ),
    )


def _told(value: Any) -> str | None:
    return stamp(value.replace(tzinfo=UTC)) if isinstance(value, datetime) else plain(value)


def _stored(name: str, value: str | None) -> Any:
    if name != FIELDS.changed_at or value is None:
        return value
    return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)


_MAY_NOT: Final = text(
    "SELECT name FROM (VALUES ('SELECT'), ('INSERT'), ('UPDATE')) rights (name)"
    " WHERE NOT has_table_privilege(CAST(:name AS regclass), name) LIMIT 1"
)


def _denied(database: Database, connection: Connection, table: str) -> str | None:
    """Return what our user may not do; databases other than PostgreSQL say that only when it is tried."""
    if database.dialect != "postgresql":
        return None
    rows = database.rows(connection, _MAY_NOT, {"name": table})
    return rows[0]["name"].lower() if rows else None
