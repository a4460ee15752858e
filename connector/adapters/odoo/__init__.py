"""Odoo 16 to 19, read from its PostgreSQL database; the version is told by tables and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date
from typing import Any, ClassVar

from connector.adapters.checks import attempt, failed, ok, warning
from connector.adapters.database import Database, Row, Timeouts, plain
from connector.adapters.odoo.mapping import Mapper, found_total, kind
from connector.adapters.odoo.reader import Reader
from connector.adapters.odoo.schema import Schema, require
from connector.adapters.odoo.settings import OdooOptions
from connector.adapters.odoo.writer import HOW_TO_MAKE, Writer
from connector.adapters.options import read
from connector.domain.errors import (
    DocumentNotUsableError,
    SourceNotPermittedError,
    UsageError,
)
from connector.domain.invoice import Invoice
from connector.ports import CheckRow, Company, Found, Position

_INDEX = "Where reading takes too long: CREATE INDEX CONCURRENTLY ON account_move (write_date, id)."

__all__ = ["OdooAdapter", "OdooOptions"]


class OdooAdapter:
    """One Odoo database. See `connector.ports.Adapter` for the contract."""

    Options: ClassVar[type[OdooOptions]] = OdooOptions

    def __init__(self, database: Database, options: OdooOptions) -> None:
        self._database = database
        self._options = options
        self._writer: Writer | None = None
        written = None
        if options.write_back == "columns":
            written = (options.reference_column, options.xref_column)
            self._writer = Writer(database, reference=options.reference_column, xref=options.xref_column)
        self._reader = Reader(database, written=written)

    @classmethod
    def open(cls, name: str, url: str | None, options: Mapping[str, Any]) -> OdooAdapter:
        """Return the adapter of a source, not connected yet.

        Raises:
            UsageError: a wrong option, or a URL that does not name a PostgreSQL database.
        """
        settings = read(OdooOptions, options, source=name)
        timeouts = Timeouts(statement=settings.statement_timeout, lock=settings.lock_timeout)
        database = Database(name, url, timeouts=timeouts)
        if database.dialect != "postgresql":
            raise UsageError(
                f"Source {name} is an Odoo, which lives in PostgreSQL; its url names {database.dialect}.",
                action="Write it as postgresql+psycopg://user:password@host:5432/database.",
            )
        return cls(database, settings)

    def identity(self) -> str:
        """Return what tells this database from others and from its copies."""
        return self._database.identity()

    def companies(self) -> Sequence[Company]:
        """Return all companies of the database, whether or not they issue documents."""
        return self._reader.companies()

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        """Return posted customer invoices and credit notes after a position; see the port."""
        return [_found(row) for row in self._reader.find(after, limit, since=since, companies=companies)]

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return the documents as they stand now; see the port."""
        return Mapper.of(self._reader.load(keys), self._options.taxes).invoices()

    def record(self, key: str, reference: str, xref: str) -> None:
        """Write both values or neither; with `write_back = "none"`, the ledger alone keeps them."""
        if self._writer is not None:
            self._writer.record(key, reference, xref)

    def close(self) -> None:
        """Give back connections."""
        self._database.close()

    # --- check-up

    def check(self) -> Sequence[CheckRow]:
        """Try connection, tables, rights, companies and write-back; change nothing."""
        rows, schema = attempt("connection", self._reader.schema, lambda _: f"connected to {self._database.place}")
        if schema is None:
            return rows
        rows += attempt("tables", lambda: self._readable(schema), str)[0]
        if rows[-1].status != "ok":
            return rows
        rows += attempt("companies", self.companies, _companies_sentence)[0]
        if self._reader.lacks_index():
            rows.append(warning("index", "discovery sorts the whole of account_move for each page", _INDEX))
        return [*rows, self._write_back_row(schema)]

    def _readable(self, schema: Schema) -> str:
        require(schema, source=self._database.source)
        denied = next(iter(schema.unreadable()), None)
        if denied:
            raise SourceNotPermittedError(
                f"Our user may not read {denied}.",
                action=f"GRANT SELECT ON {denied.partition('.')[0]} TO our user.",
            )
        return "all tables and columns that are needed are there and readable; reading is read-only"

    def _write_back_row(self, schema: Schema) -> CheckRow:
        if self._writer is None:
            return warning("write-back", "switched off: the reference stays in the ledger only")
        for name in self._writer.columns:
            rights = schema.columns.get(("account_move", name))
            if rights is None:
                return failed("write-back", f"There is no column account_move.{name}.", HOW_TO_MAKE)
            if not rights.writable:
                return failed(
                    "write-back",
                    f"Our user may not write account_move.{name}.",
                    f"GRANT UPDATE ({', '.join(self._writer.columns)}) ON account_move TO our user.",
                )
        return ok("write-back", f"into the columns {' and '.join(self._writer.columns)} of account_move")


def _found(row: Row) -> Found:
    original = row["original_id"]
    return Found(
        key=str(row["id"]),
        company=str(row["company_id"]),
        changed_at=row["changed_at"].replace(tzinfo=UTC),
        number=plain(row["number"]),
        kind=kind(row["move_type"]),
        issue_date=row["invoice_date"],
        currency=row["currency"],
        total=found_total(row["amount_total"]),
        customer=plain(row["customer"]),
        original_key=None if original is None else str(original),
    )


def _companies_sentence(companies: Sequence[Company]) -> str:
    return "; ".join(f"{company.key} {company.name}" for company in companies) or "none"
