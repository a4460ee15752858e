"""Dolibarr on MariaDB or MySQL, read from its database; the version is told by tables and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import Connection

from connector.adapters.base import DatabaseAdapter
from connector.adapters.checks import attempt, companies_told, warning
from connector.adapters.database import Database, Row, Timeouts, exact, plain
from connector.adapters.dolibarr.mapping import Mapper, currency_of, in_cents, is_foreign, kind, number_of
from connector.adapters.dolibarr.parties import company_country, company_tax_number
from connector.adapters.dolibarr.reader import Reader
from connector.adapters.dolibarr.schema import NO_DOLIBARR, Schema, detect
from connector.adapters.dolibarr.settings import DolibarrOptions
from connector.adapters.dolibarr.writer import side_table, writer, written_rights
from connector.adapters.options import read
from connector.adapters.rights import Right, grants
from connector.adapters.schema import require, require_readable
from connector.adapters.values import changed_at, day, readable
from connector.domain.errors import DocumentNotUsableError, UsageError
from connector.domain.invoice import Invoice, Kind
from connector.ports import CheckRow, Company, Found, Position

__all__ = ["DolibarrAdapter", "DolibarrOptions"]


class DolibarrAdapter(DatabaseAdapter):
    """One Dolibarr database. See `connector.ports.Adapter` for the contract."""

    INTERFACE: ClassVar[int] = 2
    Options: ClassVar[type[DolibarrOptions]] = DolibarrOptions

    def __init__(self, database: Database, options: DolibarrOptions) -> None:
        self._database = database
        self._options = options
        self._reader = Reader(database, options)
        if options.write_back == "side_table":
            self.side_table = side_table(database, self._reader)
            self._reader.side_table = self.side_table
        self._writer = writer(database, options, self._reader, self.side_table)

    @classmethod
    def open(cls, name: str, url: str | None, options: Mapping[str, Any]) -> DolibarrAdapter:
        """Return the adapter of a source, not connected yet.

        Raises:
            UsageError: a wrong option, or a URL that does not name a MariaDB or MySQL database.
        """
        settings = read(DolibarrOptions, options, source=name)
        timeouts = Timeouts(statement=settings.statement_timeout, lock=settings.lock_timeout)
        database = Database(name, url, timeouts=timeouts)
        if database.dialect not in {"mysql", "mariadb"}:
            raise UsageError(
                f"Source {name} is a Dolibarr, which lives in MariaDB or MySQL; its url names {database.dialect}.",
                action="Write it as mariadb+pymysql://user:password@host:3306/database.",
            )
        return cls(database, settings)

    def companies(self) -> Sequence[Company]:
        """Return the companies of the database: one, or with the module Multicompany one per entity."""
        return [
            Company(
                key=str(entity),
                name=plain(values.get("MAIN_INFO_SOCIETE_NOM")) or "",
                tax_number=company_tax_number(values),
                country=company_country(values),
            )
            for entity, values in sorted(self._reader.companies().items())
        ]

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        """Return validated customer invoices and credit notes after a position; see the port."""
        return [_found(row) for row in self._reader.find(after, limit, since=since, companies=companies)]

    def tells_confirmation(self) -> bool:
        """Dolibarr keeps the day of validation."""
        return True

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return the documents as they stand now; see the port."""
        return Mapper(self._reader.load(keys), self._options).invoices()

    # --- rights and check-up

    def grants(self, user: str) -> Sequence[str]:
        """Return what gives a user the rights that reading and the chosen write-back need; see the port."""
        writes = self._options.write_back in {"columns", "side_table"}
        return grants(self._database, user, self._rights, writes=writes)

    def _rights(self, connection: Connection) -> Iterator[Right]:
        options = self._options
        found = detect(self._database, connection, options.table_prefix)
        schema = require(found, source=self._database.source, action=NO_DOLIBARR)
        yield from schema.reading_rights()
        theirs = {options.service_code_column, *options.dir3_columns.values()}
        there = frozenset(name for name in theirs if schema.has("societe_extrafields", name.lower()))
        yield Right(f"{schema.prefix}societe_extrafields", {"SELECT": there | {"fk_object"}})
        yield from written_rights(schema, options, source=self._database.source)

    def check(self) -> Sequence[CheckRow]:
        """Try connection, tables, rights, companies and write-back; change nothing."""
        rows, place = attempt("connection", self._database.identity, lambda _: f"connected to {self._database.place}")
        if place is None:
            return rows
        seen, schema = attempt("tables", self._reader.schema, lambda _: "")
        if schema is None:
            return [*rows, *seen]
        rows += attempt("tables", lambda: self._readable(schema), str)[0]
        if rows[-1].status != "ok":
            return rows
        rows += attempt("companies", self.companies, companies_told)[0]
        if self._reader.lacks_index(schema):
            index = f"CREATE INDEX idx_facture_tms ON {schema.prefix}facture (tms, rowid)."
            message = f"discovery sorts the whole of {schema.prefix}facture for each page"
            rows.append(warning("index", message, f"Where reading takes too long: {index}"))
        return [*rows, self._write_back_row()]

    def _readable(self, schema: Schema) -> str:
        return require_readable(require(schema, source=self._database.source, action=NO_DOLIBARR))


def _found(row: Row) -> Found:
    document_kind = kind(row["type"])
    original = row["fk_facture_source"] if document_kind is Kind.CREDIT_NOTE else None
    return Found(
        key=str(row["id"]),
        company=str(row["entity"]),
        changed_at=changed_at(row),
        number=number_of(row["number"]),
        kind=document_kind,
        issue_date=readable(lambda: day(row["datef"])),
        currency=currency_of(row),
        total=readable(lambda: _total(row, document_kind)),
        customer=plain(row["customer"]),
        original_key=None if original is None else str(original),
        confirmed_on=readable(lambda: day(row["date_valid"])),
    )


def _total(row: Row, document_kind: Kind) -> Decimal | None:
    value = exact(row["foreign_total_ttc" if is_foreign(row) else "total_ttc"])
    if value is None:
        return None
    return in_cents(-value if document_kind is Kind.CREDIT_NOTE else value, currency_of(row))
