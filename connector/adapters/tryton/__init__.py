"""Tryton, as of 7.0, read from its database on PostgreSQL or SQLite; modules are told by tables and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

from sqlalchemy import Connection

from connector.adapters.base import DatabaseAdapter
from connector.adapters.checks import attempt, companies_told, warning
from connector.adapters.database import Database, Row, Timeouts, plain
from connector.adapters.options import read
from connector.adapters.rights import Right, grants
from connector.adapters.schema import Schema, require, require_readable
from connector.adapters.tryton.mapping import Mapper, kind
from connector.adapters.tryton.parties import party
from connector.adapters.tryton.reader import Reader
from connector.adapters.tryton.schema import NO_TRYTON, detect
from connector.adapters.tryton.settings import TrytonOptions
from connector.adapters.tryton.values import number, readable
from connector.adapters.tryton.writer import HOW_TO_MAKE, writer
from connector.adapters.values import changed_at, day
from connector.adapters.writeback.columns import written_rights
from connector.adapters.writeback.side_table import SideTable
from connector.domain.errors import DocumentNotUsableError, UsageError
from connector.domain.invoice import Invoice, Kind
from connector.ports import CheckRow, Company, Found, Position

_INDEX = (
    "Where reading takes too long: CREATE INDEX ON account_invoice"
    " (COALESCE(write_date, create_date, TIMESTAMP '1970-01-01 00:00:00'), id);"
    " on SQLite without the word TIMESTAMP, and with a name."
)
_OFFERED = 'account_invoice has a column b2brouter_id: write_back = "columns" would use it.'

__all__ = ["TrytonAdapter", "TrytonOptions"]


class TrytonAdapter(DatabaseAdapter):
    """One Tryton database. See `connector.ports.Adapter` for the contract."""

    INTERFACE: ClassVar[int] = 2
    Options: ClassVar[type[TrytonOptions]] = TrytonOptions

    def __init__(self, database: Database, options: TrytonOptions) -> None:
        self._database = database
        self._options = options
        written = None
        if options.write_back == "side_table":
            self.side_table = SideTable.beside(database, "account_invoice", number="number")
        if options.write_back == "columns":
            written = (options.reference_column, options.xref_column)
        self._writer = writer(database, options, self.side_table)
        self._reader = Reader(
            database, written=written, side_table=self.side_table, issue_refunded=options.issue_refunded
        )

    @classmethod
    def open(cls, name: str, url: str | None, options: Mapping[str, Any]) -> TrytonAdapter:
        """Return the adapter of a source, not connected yet.

        Raises:
            UsageError: a wrong option, or a URL that names neither a PostgreSQL nor an SQLite database.
        """
        settings = read(TrytonOptions, options, source=name)
        timeouts = Timeouts(statement=settings.statement_timeout, lock=settings.lock_timeout)
        database = Database(name, url, timeouts=timeouts)
        if database.dialect not in {"postgresql", "sqlite"}:
            raise UsageError(
                f"Source {name} is a Tryton, which lives in PostgreSQL or SQLite; its url names {database.dialect}.",
                action="Write it as postgresql+psycopg://user:password@host:5432/database, or sqlite:///tryton.sqlite.",
            )
        return cls(database, settings)

    def companies(self) -> Sequence[Company]:
        """Return all companies of the database, whether or not they issue documents."""
        rows, parties = self._reader.companies()
        found = [(row, party(parties, row["party"], row["name"])) for row in rows]
        return [
            Company(key=str(row["id"]), name=each.name, tax_number=each.tax_number, country=each.country)
            for row, each in found
        ]

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        """Return posted and paid customer invoices and credit notes after a position; see the port."""
        heads, originals = self._reader.find(after, limit, since=since, companies=companies)
        return [_found(row, originals.get(row["id"], ())) for row in heads]

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return the documents as they stand now; see the port."""
        return Mapper(self._reader.load(keys), self._options.taxes).invoices()

    # --- rights and check-up

    def grants(self, user: str) -> Sequence[str]:
        """Return what gives a user the rights that reading and the chosen write-back need; see the port."""
        return grants(self._database, user, self._rights, writes=self._options.write_back != "none")

    def _rights(self, connection: Connection) -> Iterator[Right]:
        schema = require(detect(self._database, connection), source=self._database.source, action=NO_TRYTON)
        yield from schema.reading_rights()
        options = self._options
        yield from written_rights(
            schema,
            "account_invoice",
            options.fields(options.reference_column, options.xref_column).names,
            write_back=options.write_back,
            source=self._database.source,
            how_to_make=HOW_TO_MAKE,
        )

    def check(self) -> Sequence[CheckRow]:
        """Try connection, tables, rights, companies and write-back; change nothing."""
        rows, schema = attempt("connection", self._reader.schema, lambda _: f"connected to {self._database.place}")
        if schema is None:
            return rows
        rows += attempt("tables", lambda: self._readable(schema), str)[0]
        if rows[-1].status != "ok":
            return rows
        rows += attempt("companies", self.companies, companies_told)[0]
        if self._reader.lacks_index():
            rows.append(warning("index", "discovery sorts the whole of account_invoice for each page", _INDEX))
        offered = schema.has("account_invoice", "b2brouter_id")
        return [*rows, self._write_back_row(_OFFERED if offered else "")]

    def _readable(self, schema: Schema) -> str:
        return require_readable(require(schema, source=self._database.source, action=NO_TRYTON))


def _found(row: Row, originals: Sequence[Row]) -> Found:
    total, issue_date = readable(number, row["total_amount_cache"]), readable(day, row["invoice_date"])
    what = kind(total)
    credited = originals[0] if originals and what is Kind.CREDIT_NOTE else None
    return Found(
        key=str(row["id"]),
        company=str(row["company"]),
        changed_at=changed_at(row),
        number=plain(row["number"]),
        kind=what,
        issue_date=issue_date,
        currency=row["currency"],
        total=None if total is None else abs(total),
        customer=plain(row["customer"]),
        original_key=None if credited is None else str(credited["id"]),
    )
