"""Reads Tryton's tables: a page of heads for discovery, whole documents for the rest.

Where things are was learnt from databases that Tryton 7.0 made itself, on PostgreSQL and on SQLite. Times are
UTC without a zone; `write_date` is NULL until the first change. `paid` is an issued document, too. On SQLite,
times and days are texts that order as such, and decimals are BLOBs that hold their digits: see `values`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Connection

from connector.adapters.database import Database, Row
from connector.adapters.rows import grouped, row_id, row_ids
from connector.adapters.schema import Schema, require
from connector.adapters.tryton.schema import (
    BANK_ACCOUNTS,
    NO_TRYTON,
    PAYMENT_TERMS,
    SUBDIVISIONS,
    detect,
    lacks_index,
    line_taxes,
)
from connector.adapters.tryton.statements import (
    ADDRESSES,
    BANK,
    CHANGED_AT,
    COMPANIES,
    FIND,
    HEADERS,
    IDENTIFIERS,
    ISSUED,
    LINE_TAXES,
    LINES,
    MECHANISMS,
    ORIGINALS,
    REFUNDED,
    TAX_ROWS,
    TAXES,
    TERMS,
)
from connector.adapters.tryton.streets import PARTS
from connector.adapters.writeback.side_table import SideTable
from connector.domain.errors import SchemaChangedError
from connector.ports import Position

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_OF_TERMS: Final = (("account_invoice", "payment_term"), (PAYMENT_TERMS, "id"), (PAYMENT_TERMS, "name"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """What the database says of some parties, by party."""

    addresses: dict[int, list[Row]] = field(default_factory=dict)
    identifiers: dict[int, list[Row]] = field(default_factory=dict)
    mechanisms: dict[int, list[Row]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The rows of some documents, all read in one transaction."""

    headers: Sequence[Row] = ()
    lines: dict[int, list[Row]] = field(default_factory=dict)  # by document
    line_taxes: dict[int, list[int]] = field(default_factory=dict)  # line -> taxes
    tax_rows: dict[int, list[Row]] = field(default_factory=dict)  # by document
    taxes: dict[int, Row] = field(default_factory=dict)
    originals: dict[int, list[Row]] = field(default_factory=dict)  # document -> those that its lines come from
    parties: Parties = field(default_factory=Parties)
    bank_numbers: dict[int, list[Row]] = field(default_factory=dict)  # by owner


class Reader:
    """The queries. Used from several threads."""

    def __init__(
        self,
        database: Database,
        *,
        written: tuple[str, str] | None,
        side_table: SideTable | None,
        issue_refunded: bool,
    ) -> None:
        """Read a database.

        Args:
            database: of the source.
            written: the columns of reference and cross-reference, if there are any.
            side_table: where they are else.
            issue_refunded: whether a document is issued that its own credit note cancelled.
        """
        self._database = database
        self._written = written
        self._side_table = side_table
        self._issue_refunded = issue_refunded
        self._schema: Schema | None = None
        self._detecting = threading.Lock()

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> tuple[Sequence[Row], Mapping[int, list[Row]]]:
        """Return the heads of one page, oldest change first, and the originals of those that have one."""
        changed_at = max(after.changed_at.astimezone(UTC), EPOCH) if after else EPOCH
        values: dict[str, object] = {
            "changed_at": self._stored(changed_at.replace(tzinfo=None)),
            "id": (row_id(after.key) or 0) if after else 0,
            "limit": limit,
        }
        wanted = ""
        if since is not None:
            wanted += " AND (i.invoice_date IS NULL OR i.invoice_date >= :since)"
            values["since"] = self._stored(since)
        if companies is not None:
            wanted += " AND i.company IN :companies"
            values["companies"] = row_ids(companies)
        with self._database.reading() as connection:
            schema = self._known(connection)
            heads = self._rows(connection, schema, self._complete(FIND, schema).replace("{wanted}", wanted), values)
            return heads, self._originals(connection, schema, [row["id"] for row in heads])

    def load(self, keys: Sequence[str]) -> Documents:
        """Return the rows of these documents; the number of queries is the same for one as for many."""
        ids = row_ids(keys)
        if not ids:
            return Documents()
        with self._database.reading() as connection:
            return self._documents(connection, self._known(connection), ids)

    def companies(self) -> tuple[Sequence[Row], Parties]:
        """Return all companies of the database, with what is known of their parties."""
        with self._database.reading() as connection:
            schema = self._known(connection)
            rows = self._rows(connection, schema, COMPANIES, {})
            return rows, self._parties(connection, schema, [row["party"] for row in rows])

    def schema(self) -> Schema:
        """Look the schema up afresh, whatever it is."""
        with self._database.reading() as connection:
            return detect(self._database, connection)

    def lacks_index(self) -> bool:
        """Whether an index on the time of change would make discovery much quicker."""
        with self._database.reading() as connection:
            return lacks_index(self._database, connection)

    # --- parts

    def _documents(self, connection: Connection, schema: Schema, ids: list[int]) -> Documents:
        def query(sql: str, wanted: Iterable[int]) -> Sequence[Row]:
            return self._rows(connection, schema, sql, {"ids": sorted(wanted)})

        headers = query(self._complete(HEADERS, schema), ids)
        taxed = query(LINE_TAXES.replace("{line_taxes}", f'"{line_taxes(schema)}"'), ids)
        tax_rows = query(TAX_ROWS, ids)
        sellers = _distinct(headers, "seller")
        used = _distinct(taxed, "tax") | _distinct(tax_rows, "tax")
        return Documents(
            headers=headers,
            lines=grouped(query(LINES, ids), "invoice"),
            line_taxes={line: [row["tax"] for row in rows] for line, rows in grouped(taxed, "line").items()},
            tax_rows=grouped(tax_rows, "invoice"),
            taxes={row["id"]: row for row in query(TAXES, used)},
            originals=self._originals(connection, schema, ids),
            parties=self._parties(connection, schema, sellers | _distinct(headers, "party")),
            bank_numbers=grouped(query(BANK, sellers), "owner") if schema.has_table(BANK_ACCOUNTS) else {},
        )

    def _originals(self, connection: Connection, schema: Schema, ids: list[int]) -> dict[int, list[Row]]:
        """Return the documents that lines come from, in their order, of each document with such lines."""
        rows = self._rows(connection, schema, self._complete(ORIGINALS, schema), {"ids": ids})
        return grouped(list({(row["invoice"], row["id"]): row for row in rows}.values()), "invoice")

    def _parties(self, connection: Connection, schema: Schema, parties: Iterable[int]) -> Parties:
        values = {"ids": sorted(set(parties))}
        province, join = "NULL", ""
        if schema.has_table(SUBDIVISIONS) and schema.has("party_address", "subdivision"):
            province, join = "s.name", "LEFT JOIN country_subdivision s ON s.id = a.subdivision"
        parts = ", ".join(f"a.?{part} AS {part}" for part in PARTS)
        addresses = ADDRESSES.replace("{parts}", parts).replace("{province}", province).replace("{subdivision}", join)
        return Parties(
            addresses=grouped(self._rows(connection, schema, addresses, values), "party"),
            identifiers=grouped(self._rows(connection, schema, IDENTIFIERS, values), "party"),
            mechanisms=grouped(self._rows(connection, schema, MECHANISMS, values), "party"),
        )

    def _complete(self, sql: str, schema: Schema) -> str:
        """Fill in what depends on the kind of database, on its columns and on the options."""
        refunded = REFUNDED if self._issue_refunded and schema.has("account_invoice", "cancel_move") else "FALSE"
        reference, xref = ("NULL", "NULL")
        if self._written:
            reference, xref = (
                f"i.{name}" if schema.has("account_invoice", name) else "NULL" for name in self._written
            )
        if self._side_table:
            reference, xref = self._side_table.columns("i.id")
        epoch = "'1970-01-01 00:00:00'" if self._is_sqlite else "TIMESTAMP '1970-01-01 00:00:00'"
        return (
            sql.replace("{issued}", ISSUED)
            .replace("{refunded}", refunded)
            .replace("{changed_at}", CHANGED_AT)
            .replace("{epoch}", epoch)
            .replace("{terms}", TERMS if all(schema.may_read(*column) for column in _OF_TERMS) else "NULL")
            .replace("{reference}", reference)
            .replace("{xref}", xref)
        )

    def _rows(self, connection: Connection, schema: Schema, sql: str, values: Mapping[str, object]) -> Sequence[Row]:
        try:
            return self._database.rows(connection, schema.statement(sql), values)
        except SchemaChangedError:
            self._schema = None  # look again next time: an upgrade may be under way
            raise

    def _known(self, connection: Connection) -> Schema:
        """Return the schema, looked up once per process."""
        with self._detecting:
            if self._schema is None:
                found = require(detect(self._database, connection), source=self._database.source, action=NO_TRYTON)
                if self._side_table:
                    self._side_table.require(connection)
                self._schema = found
            return self._schema

    @property
    def _is_sqlite(self) -> bool:
        return self._database.dialect == "sqlite"

    def _stored(self, value: date) -> Any:
        """Return a time or a day as the database compares it: on SQLite in the form that Tryton writes there."""
        if not self._is_sqlite:
            return value
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()


def _distinct(rows: Sequence[Row], column: str) -> set[int]:
    return {row[column] for row in rows if row[column] is not None}
