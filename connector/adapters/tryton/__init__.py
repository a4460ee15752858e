"""Tryton, as of 7.0, read from its database on PostgreSQL or SQLite; modules are told by tables and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

from connector.adapters.checks import attempt, failed, ok, warning
from connector.adapters.database import Database, Row, Timeouts, plain
from connector.adapters.options import read
from connector.adapters.tryton.mapping import Mapper, kind
from connector.adapters.tryton.parties import party
from connector.adapters.tryton.reader import Reader
from connector.adapters.tryton.schema import Schema, require
from connector.adapters.tryton.settings import TrytonOptions
from connector.adapters.tryton.values import day, moment, number, readable
from connector.adapters.tryton.writer import HOW_TO_MAKE, Writer
from connector.domain.errors import DocumentNotUsableError, SourceNotPermittedError, UsageError
from connector.domain.invoice import Invoice, Kind
from connector.ports import CheckRow, Company, Found, Position

_INDEX = (
    "Where reading takes too long: CREATE INDEX ON account_invoice"
    " (COALESCE(write_date, create_date, TIMESTAMP '1970-01-01 00:00:00'), id);"
    " on SQLite without the word TIMESTAMP, and with a name."
)

__all__ = ["TrytonAdapter", "TrytonOptions"]


class TrytonAdapter:
    """One Tryton database. See `connector.ports.Adapter` for the contract."""

    Options: ClassVar[type[TrytonOptions]] = TrytonOptions

    def __init__(self, database: Database, options: TrytonOptions) -> None:
        self._database = database
        self._options = options
        self._writer: Writer | None = None
        written = None
        if options.write_back == "columns":
            written = (options.reference_column, options.xref_column)
            self._writer = Writer(database, reference=options.reference_column, xref=options.xref_column)
        self._reader = Reader(database, written=written, issue_refunded=options.issue_refunded)

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

    def identity(self) -> str:
        """Return what tells this database from others and from its copies."""
        return self._database.identity()

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
        return [_found(row, originals.get(row["id"])) for row in heads]

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return the documents as they stand now; see the port."""
        return Mapper(self._reader.load(keys), self._options.taxes).invoices()

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
            rows.append(warning("index", "discovery sorts the whole of account_invoice for each page", _INDEX))
        return [*rows, self._write_back_row(schema)]

    def _readable(self, schema: Schema) -> str:
        require(schema, source=self._database.source)
        denied = next(iter(schema.unreadable()), None)
        if denied:
            table = denied.partition(".")[0]
            quoted = f'"{table}"' if "-" in table else table
            raise SourceNotPermittedError(
                f"Our user may not read {denied}.", action=f"GRANT SELECT ON {quoted} TO our user."
            )
        return "all tables and columns that are needed are there and readable; reading is read-only"

    def _write_back_row(self, schema: Schema) -> CheckRow:
        if self._writer is None:
            offered = schema.has("account_invoice", "b2brouter_id")
            hint = (
                'account_invoice has a column b2brouter_id: write_back = "columns" would use it.' if offered else ""
            )
            return warning("write-back", "switched off: the reference stays in the ledger only", hint)
        for name in self._writer.columns:
            present = schema.columns.get(("account_invoice", name))
            if present is None:
                return failed("write-back", f"There is no column account_invoice.{name}.", HOW_TO_MAKE)
            if not present.writable:
                return failed(
                    "write-back",
                    f"Our user may not write account_invoice.{name}.",
                    f"GRANT UPDATE ({', '.join(self._writer.columns)}) ON account_invoice TO our user.",
                )
        if schema.columns["account_invoice", self._writer.columns[1]].is_integer:
            name = self._writer.columns[1]
            return failed(
                "write-back", f"account_invoice.{name} holds numbers; the cross-reference is a text.", HOW_TO_MAKE
            )
        return ok("write-back", f"into the columns {' and '.join(self._writer.columns)} of account_invoice")


def _found(row: Row, original: Row | None) -> Found:
    total, issue_date = readable(number, row["total_amount_cache"]), readable(day, row["invoice_date"])
    what = kind(total)
    credited = original if what is Kind.CREDIT_NOTE else None
    return Found(
        key=str(row["id"]),
        company=str(row["company"]),
        changed_at=moment(row["changed_at"]),
        number=plain(row["number"]),
        kind=what,
        issue_date=issue_date,
        currency=row["currency"],
        total=None if total is None else abs(total),
        customer=plain(row["customer"]),
        original_key=None if credited is None else str(credited["id"]),
    )


def _companies_sentence(companies: Sequence[Company]) -> str:
    return "; ".join(f"{company.key} {company.name}" for company in companies) or "none"
