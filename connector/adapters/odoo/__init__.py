"""Odoo 14 to 19, read from its PostgreSQL database; the version is told by tables and columns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Connection

from connector.adapters.base import DatabaseAdapter
from connector.adapters.checks import attempt, companies_told, failed, warning
from connector.adapters.database import Database, Row, Timeouts, plain
from connector.adapters.odoo.attachments import COLUMNS, Choice, see_that_it_is_there
from connector.adapters.odoo.mapping import Mapper, found_total, kind
from connector.adapters.odoo.reader import Reader
from connector.adapters.odoo.schema import ATTACHMENTS, LINKS, NO_ODOO, detect
from connector.adapters.odoo.settings import OdooOptions
from connector.adapters.odoo.writer import HOW_TO_MAKE, writer
from connector.adapters.options import read
from connector.adapters.rights import ALL, Right, grants
from connector.adapters.schema import Schema, require, require_readable
from connector.adapters.values import changed_at, day, readable
from connector.adapters.writeback.columns import written_rights
from connector.adapters.writeback.side_table import SideTable
from connector.domain.errors import DocumentNotUsableError, SourceNotPermittedError, UsageError
from connector.domain.invoice import Invoice
from connector.ports import CheckRow, Company, File, Found, Position

_FILESTORE = (
    "Where Odoo keeps its files in a folder, as it does by default, make that readable here and name it in filestore."
)
_INDEX = "Where reading takes too long: CREATE INDEX CONCURRENTLY ON account_move (write_date, id)."

__all__ = ["OdooAdapter", "OdooOptions"]


class OdooAdapter(DatabaseAdapter):
    """One Odoo database. See `connector.ports.Adapter` for the contract."""

    INTERFACE: ClassVar[int] = 2
    Options: ClassVar[type[OdooOptions]] = OdooOptions

    def __init__(self, database: Database, options: OdooOptions) -> None:
        self._database = database
        self._options = options
        if options.write_back == "side_table":
            self.side_table = SideTable.beside(database, "account_move", number="name")
        self._writer = writer(database, options, self.side_table)
        written = None
        if options.write_back in {"columns", "api"}:
            written = (options.reference_column, options.xref_column)
        self._choice = Choice(
            printed=options.attach_printed,
            names=options.attachments,
            filestore=Path(options.filestore) if options.filestore else None,
        )
        self._reader = Reader(database, written=written, side_table=self.side_table, choice=self._choice)

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

    def attachments(self, key: str) -> Sequence[File]:
        """Return the files that go out with a document; see the port."""
        return self._reader.attachments(key)

    # --- rights and check-up

    def grants(self, user: str) -> Sequence[str]:
        """Return what gives a user the rights that reading and the chosen write-back need; see the port."""
        writes = self._options.write_back in {"columns", "side_table"}
        return grants(self._database, user, self._rights, writes=writes)

    def _rights(self, connection: Connection) -> Iterator[Right]:
        schema = require(detect(self._database, connection), source=self._database.source, action=NO_ODOO)
        yield from schema.reading_rights()
        yield from (Right(table, {"SELECT": ALL}) for table in LINKS if schema.has_table(table))
        if self._choice:
            yield Right(ATTACHMENTS, {"SELECT": frozenset(COLUMNS)})
        options = self._options
        yield from written_rights(
            schema,
            "account_move",
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
            rows.append(warning("index", "discovery sorts the whole of account_move for each page", _INDEX))
        if self._choice:
            rows.append(self._attachments_row(schema))
        return [*rows, self._write_back_row()]

    def _readable(self, schema: Schema) -> str:
        told = require_readable(require(schema, source=self._database.source, action=NO_ODOO))
        for (table, _), column in sorted(schema.columns.items()):
            if table in LINKS and not column.readable:  # a module's own, read whenever they are there
                raise SourceNotPermittedError(
                    f"Our user may not read {table}.", action=f"GRANT SELECT ON {table} TO our user."
                )
        return told

    def _attachments_row(self, schema: Schema) -> CheckRow:
        rights = [schema.columns.get((ATTACHMENTS, name)) for name in COLUMNS]
        if not all(right is not None and right.readable for right in rights):
            told = f"Our user may not read {ATTACHMENTS}, where Odoo keeps files."
            return failed("attachments", told, f"GRANT SELECT ({', '.join(COLUMNS)}) ON {ATTACHMENTS} TO our user.")
        folder = self._choice.filestore
        if folder is None:
            return warning("attachments", "only files kept in the database are found", _FILESTORE)
        return attempt("attachments", lambda: self._stored_in(folder), str)[0][0]

    def _stored_in(self, folder: Path) -> str:
        see_that_it_is_there(folder)
        last = self._reader.last_stored()
        if last and not any(os.access(folder / name, os.R_OK) for name in last):
            raise UsageError(
                f"The filestore {folder} holds none of the {len(last)} files that Odoo kept there last for invoices.",
                action=_FILESTORE,
            )
        return f"read from {folder}"


def _found(row: Row) -> Found:
    original = row["original_id"]
    return Found(
        key=str(row["id"]),
        company=str(row["company_id"]),
        changed_at=changed_at(row),
        number=plain(row["number"]),
        kind=kind(row["move_type"]),
        issue_date=readable(lambda: day(row["invoice_date"])),
        currency=row["currency"],
        total=found_total(row["amount_total"]),
        customer=plain(row["customer"]),
        original_key=None if original is None else str(original),
    )
