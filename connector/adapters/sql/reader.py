"""Runs the configured queries: discovery in pages, documents in one read-only transaction."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    String,
    Subquery,
    and_,
    cast,
    column,
    func,
    or_,
    select,
    text,
)

from connector.adapters.database import BYTES, Database, Row, decoded
from connector.adapters.sql import columns
from connector.adapters.sql.columns import Columns
from connector.adapters.sql.days import days_in
from connector.adapters.sql.settings import SqlOptions
from connector.adapters.sql.stamps import EPOCH, Stamps, is_zero
from connector.adapters.sql.statements import by_keys
from connector.adapters.writeback.side_table import SideTable
from connector.domain.errors import UsageError
from connector.ports import Company, File, Position

ONLY_COMPANY: Final = "1"  # where the queries know of none


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The rows of some documents, all read in one transaction."""

    headers: Sequence[Row] = ()
    lines: Sequence[Row] = ()
    taxes: Sequence[Row] | None = None  # None: the lines have them
    tax_totals: Sequence[Row] | None = None  # None: to be computed
    attachments: Sequence[Row] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One row of the query find, with its time of change understood."""

    row: Row
    changed_at: Any
    confirmed_on: date | None = None


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the query find turned out to give."""

    columns: frozenset[str]
    stamps: Stamps


class Reader:
    """The reading half. Used from several threads."""

    def __init__(self, database: Database, options: SqlOptions) -> None:
        self._database = database
        self._options = options
        self.side_table: SideTable | None = None  # where reference and cross-reference are, if not in the header
        self._shape: _Shape | None = None
        self._learning = threading.Lock()

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Head]:
        """Return one page; the query is put into a SELECT of our own that filters, orders and limits it."""
        with self._database.reading() as connection:
            shape = self._known(connection)
            page = _Page(self._options.find, shape, self._wanted(shape, since, companies))
            start = self._key(after.key) if after else None
            rows: list[Row] = []
            if after is None or after.changed_at <= EPOCH:
                rows += self._rows(connection, page.without_time(start, limit), columns.FIND)
                after = None
            if len(rows) < limit and shape.stamps.example is not None:
                rows += self._with_time(connection, shape, page, after, limit - len(rows))
        return [
            Head(row=row, changed_at=self._stamp(shape, row), confirmed_on=self._confirmed_on(row)) for row in rows
        ]

    def _with_time(
        self, connection: Connection, shape: _Shape, page: _Page, after: Position | None, limit: int
    ) -> Sequence[Row]:
        """Return rows that have a time.

        Where one time may be written in several ways, the rows of a full page's last one are read again in the order
        of their keys alone: the next page begins after a key, and would pass over lesser ones that a text puts later.
        """
        start = self._key(after.key) if after else None
        statement = page.with_time(after.changed_at if after else None, start, limit)
        found = self._rows(connection, statement, columns.FIND)
        if len(found) < limit or not shape.stamps.is_open:
            return found
        last = self._stamp(shape, found[-1])
        earlier = [row for row in found if self._stamp(shape, row) != last]
        begun = start if after and after.changed_at == last else None
        return earlier + self._rows(connection, page.of_time(last, begun, len(found) - len(earlier)), columns.FIND)

    def tells_confirmation(self) -> bool:
        """Whether the query find says when a document was confirmed."""
        with self._database.reading() as connection:
            return "confirmed_at" in self._known(connection).columns

    def load(self, keys: Sequence[str]) -> Documents:
        """Return the rows of these documents, by as many queries as are configured."""
        wanted = [key for text_key in dict.fromkeys(keys) if (key := self._key(text_key)) is not None]
        if not wanted:
            return Documents()
        options = self._options
        with self._database.reading() as connection:
            headers = self._with_written(
                connection, self._by_keys(connection, options.header, columns.HEADER, wanted)
            )
            lines = self._by_keys(connection, options.lines, columns.LINES, wanted)
            taxes = totals = None
            attachments: list[Row] = []
            if options.taxes is not None:
                taxes = self._by_keys(connection, options.taxes, columns.TAXES, wanted)
            if options.tax_totals is not None:
                totals = self._by_keys(connection, options.tax_totals, columns.TAX_TOTALS, wanted)
            if options.attachments is not None:
                attachments = self._by_keys(connection, options.attachments, columns.ATTACHMENTS, wanted)
        return Documents(headers=headers, lines=lines, taxes=taxes, tax_totals=totals, attachments=attachments)

    def attachments(self, key: str) -> Sequence[File]:
        """Return the files of one document, those that have a content."""
        known = self._key(key)
        if self._options.attachment is None or known is None:
            return []
        with self._database.reading() as connection:
            rows = self._rows(connection, text(self._options.attachment), columns.ATTACHMENT, {"key": known})
        return [File(name=str(row["name"]), content=_bytes(row["content"])) for row in rows if row["content"]]

    def companies(self) -> Sequence[Company]:
        """Return the configured companies; without a query for them, the only one."""
        if self._options.companies is None:
            return [Company(key=ONLY_COMPANY, name=self._database.source, tax_number=None, country=None)]
        with self._database.reading() as connection:
            rows = self._rows(connection, text(self._options.companies), columns.COMPANIES)
        return [
            Company(
                key=str(row["company"]),
                name=str(row["name"] or ""),
                tax_number=row.get("tax_number"),
                country=row.get("country"),
            )
            for row in rows
        ]

    def _by_keys(self, connection: Connection, statement: str, expected: Columns, keys: list[Any]) -> list[Row]:
        return self._rows(connection, by_keys(statement), expected, {"keys": keys})

    def _with_written(self, connection: Connection, headers: list[Row]) -> list[Row]:
        """Return the headers with what stands in the table of ours, where that is used."""
        if self.side_table is None:
            return headers
        self.side_table.require(connection)
        written = self.side_table.written(connection, [row["document_key"] for row in headers])
        nothing = {"reference": None, "xref": None}
        return [{**row, **written.get(row["document_key"], nothing)} for row in headers]

    def _rows(
        self, connection: Connection, statement: Executable, expected: Columns, values: Row | None = None
    ) -> list[Row]:
        result = self._database.run(connection, statement, values, query=expected.query)
        names = list(result.keys())
        expected.check(names)
        return [_readable(dict(zip(names, row, strict=True))) for row in result]  # a page has many values to look up

    def _key(self, key: str) -> int | str | None:
        """Return a key as the database knows it; None for one that it cannot have."""
        if self._options.key_type == "text":
            return key or None
        return int(key) if key.removeprefix("-").isdecimal() else None

    def _known(self, connection: Connection) -> _Shape:
        """Return the shape of the query find, learnt from one row, once per process."""
        with self._learning:
            if self._shape is None:
                shape = self._learn(connection)
                if shape.stamps.example is None:
                    return shape  # nothing to learn from yet
                self._shape = shape
            return self._shape

    def _learn(self, connection: Connection) -> _Shape:
        found = select(text("*")).select_from(text(self._options.find).columns().subquery("d")).limit(1)
        result = self._database.run(connection, found, query="find")
        names = list(result.keys())
        columns.FIND.check(names)
        result.close()
        changed_at: ColumnElement[Any] = column("changed_at")
        first = self._first(connection, found.where(changed_at.is_not(None)))
        if first and is_zero(first["changed_at"]):
            first = self._first(connection, found.where(changed_at > first["changed_at"]))
        shape = _Shape(
            frozenset(names),
            Stamps(ZoneInfo(self._options.timezone), first["changed_at"] if first else None),
        )
        if first:
            self._stamp(shape, first)  # what is learnt from must be a time, to be compared with others
        return shape

    def _first(self, connection: Connection, statement: Executable) -> Row | None:
        row = self._database.run(connection, statement, query="find").mappings().first()
        return dict(row) if row else None

    def _stamp(self, shape: _Shape, row: Row) -> Any:
        try:
            return shape.stamps.read(row["changed_at"])
        except ValueError as error:
            raise UsageError(
                f"In the query find, document {row['document_key']}: {error}.",
                action="Correct find in the configuration.",
            ) from None

    def _confirmed_on(self, row: Row) -> date | None:
        """Return the day in the zone of the database's times."""
        value = row.get("confirmed_at")
        if value is None or is_zero(value):
            return None
        try:
            return Stamps(ZoneInfo(self._options.timezone)).day(value)
        except ValueError as error:
            raise UsageError(
                f"In the query find, confirmed_at of document {row['document_key']}: {error}.",
                action="Correct find in the configuration.",
            ) from None

    def _wanted(
        self, shape: _Shape, since: date | None, companies: Sequence[str] | None
    ) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = []
        if since is not None:
            wanted.append(self._issued_from(days_in(self._options.timezone).earliest(since)))
        if companies is not None and "company" in shape.columns:
            named = sorted({company.rstrip() for company in companies})  # blanks at the end are no part of a name
            wanted.append(func.rtrim(cast(column("company"), String(64))).in_(named))
        return wanted

    def _issued_from(self, first: date) -> ColumnElement[bool]:
        """Return the condition that a document is not from before a day, or has no issue date.

        SQLite has no dates but texts and numbers, such as 20260131, and sorts every number before every text.
        """
        issued: ColumnElement[Any] = column("issue_date")
        if self._database.dialect != "sqlite":
            return or_(issued.is_(None), issued >= first)
        is_number = func.typeof(issued).in_(["integer", "real"])
        later = and_(is_number, issued >= int(f"{first:%Y%m%d}"))
        return or_(issued.is_(None), issued >= first.isoformat(), later)


_RAW: Final = frozenset({"content", "changed_at"})
"""Columns whose bytes stay: a file's, and a time's, which would be in no order with texts."""


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with texts for bytes; those that are no text stay, and are told where they are needed."""
    for name, value in row.items():
        if isinstance(value, BYTES) and name not in _RAW:
            with suppress(ValueError):
                row[name] = decoded(value)
    return row


def _bytes(content: Any) -> bytes:
    """Return a content as it is; a text in UTF-8."""
    return content.encode() if isinstance(content, str) else bytes(content)


class _Page:
    """Statements around the query find."""

    def __init__(self, find: str, shape: _Shape, wanted: list[ColumnElement[bool]]) -> None:
        names: list[ColumnElement[Any]] = [column(name) for name in sorted(shape.columns)]
        self._find: Subquery = text(find).columns(*names).subquery("d")
        self._stamps = shape.stamps
        self._wanted = wanted

    def without_time(self, key: int | str | None, limit: int) -> Executable:
        """Rows that have no time of change, or none worth the name, as zero is; they come first, by their keys."""
        found = self._find.c
        page = select(self._find).where(*self._wanted)
        if self._stamps.example is not None:  # else no row has one
            _, last = self._stamps.bounds(EPOCH)
            page = page.where(or_(found.changed_at.is_(None), found.changed_at <= last))
        if key is not None:
            page = page.where(found.document_key > key)
        return page.order_by(found.document_key).limit(limit)

    def of_time(self, time: datetime, key: int | str | None, limit: int) -> Executable:
        """Rows of one time, however it is written, after a key."""
        found = self._find.c
        page = select(self._find).where(found.changed_at.between(*self._stamps.bounds(time)), *self._wanted)
        if key is not None:
            page = page.where(found.document_key > key)
        return page.order_by(found.document_key).limit(limit)

    def with_time(self, after: datetime | None, key: int | str | None, limit: int) -> Executable:
        """Rows after a time, and of that time after a key, so written that any database can use an index."""
        found = self._find.c
        page = select(self._find).where(found.changed_at.is_not(None), *self._wanted)
        if after is not None:
            first, last = self._stamps.bounds(after)
            page = page.where(found.changed_at >= first)
            if key is not None:
                page = page.where(or_(found.changed_at > last, found.document_key > key))
        else:
            page = page.where(found.changed_at > self._stamps.bounds(EPOCH)[1])
        return page.order_by(found.changed_at, found.document_key).limit(limit)
