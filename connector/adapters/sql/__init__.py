"""Any database that SQLAlchemy reaches, mapped by queries in the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, inspect

from connector.adapters.base import DatabaseAdapter
from connector.adapters.checks import attempt, warning
from connector.adapters.database import Database, Timeouts, exact, plain
from connector.adapters.options import read
from connector.adapters.rights import ALL, Right, grants
from connector.adapters.sql.mapping import Mapper, company, currency, in_cents, readable
from connector.adapters.sql.reader import Documents, Head, Reader
from connector.adapters.sql.sample import Sampler
from connector.adapters.sql.settings import SqlOptions
from connector.adapters.sql.stamps import Stamps
from connector.adapters.sql.statements import tables_read, updated
from connector.adapters.sql.writer import report_statement, side_table, statements, writer
from connector.adapters.trial.sample import SampleValue
from connector.adapters.writeback.side_table import RIGHTS
from connector.domain.errors import DocumentNotUsableError, UsageError
from connector.domain.invoice import Invoice
from connector.domain.start import too_early
from connector.ports import CheckRow, Company, File, Found, Position, RemoteTaxReport

__all__ = ["SqlAdapter", "SqlOptions"]


class SqlAdapter(DatabaseAdapter):
    """One mapped database. See `connector.ports.Adapter` for the contract."""

    INTERFACE: ClassVar[int] = 2
    Options: ClassVar[type[SqlOptions]] = SqlOptions

    def __init__(self, database: Database, options: SqlOptions) -> None:
        self._database = database
        self._options = options
        self._reader = Reader(database, options)
        self._heads = Mapper(options, Documents())
        if options.write_back == "side_table":
            self.side_table = self._reader.side_table = side_table(database, options)
        self._statements = statements(database, options)
        self._writer = writer(self._statements, self.side_table)
        self._report_statement = report_statement(database, options)

    @classmethod
    def open(cls, name: str, url: str | None, options: Mapping[str, Any]) -> SqlAdapter:
        """Return the adapter of a source, not connected yet.

        Raises:
            UsageError: a wrong option or URL, or a statement that does more than it should.
        """
        settings = read(SqlOptions, options, source=name)
        timeouts = Timeouts(statement=settings.statement_timeout, lock=settings.lock_timeout)
        return cls(Database(name, url, timeouts=timeouts), settings)

    def companies(self) -> Sequence[Company]:
        """Return the companies that the query `companies` gives, or the only one."""
        return self._reader.companies()

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        """Return documents after a position; see the port.

        What the database shows of a day is not always the day: some that it lists are from before the start date.
        """
        kept: list[Found] = []
        while True:
            room = limit - len(kept)
            page = [self._found(head) for head in self._reader.find(after, room, since=since, companies=companies)]
            kept += [found for found in page if too_early(since, issued=found.issue_date, confirmed=None) is None]
            if len(page) < room or len(kept) == limit:
                return kept
            after = page[-1].position

    def tells_confirmation(self) -> bool:
        """Whether the query `find` has a column `confirmed_at`."""
        return self._reader.tells_confirmation()

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return the documents as they stand now; see the port."""
        return Mapper.of(self._reader.load(keys), self._options).invoices()

    def recorded(self, keys: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
        """Return reference and xref of documents: by the query `read_back`, or from the table of ours."""
        if self._statements is None:
            return super().recorded(keys)
        return self._statements.recorded(keys)

    def record_tax_report(self, key: str, report: RemoteTaxReport) -> None:
        """Write what a tax authority knows of a document: by write_tax_report, or into the table of ours."""
        if self._report_statement is None:
            super().record_tax_report(key, report)
        else:
            self._report_statement.record(key, report)

    def sample(self) -> Sequence[SampleValue]:
        """Return the first row of each query, value by value, with what is wrong about it."""
        stamps = Stamps(ZoneInfo(self._options.timezone))
        return [*Sampler(self._database, self._options, stamps).values()]

    def attachments(self, key: str) -> Sequence[File]:
        """Return the files that the query `attachment` gives; see the port."""
        return self._reader.attachments(key)

    def grants(self, user: str) -> Sequence[str]:
        """Return what gives a user the rights that the statements of the configuration need; see the port."""
        return grants(self._database, user, self._rights, writes=self._options.write_back != "none")

    def _rights(self, connection: Connection) -> Iterator[Right]:
        options = self._options
        seen = inspect(connection)
        plain_names = {*seen.get_table_names(), *seen.get_view_names()}

        def is_table(name: str) -> bool:
            schema, _, table = name.rpartition(".")
            return seen.has_table(table, schema=schema) if schema else name in plain_names

        changing = [options.write_tax_report, None if self._statements is None else options.write_back]
        names = frozenset[str]().union(*map(tables_read, [*options.queries(), *filter(None, changing)]))
        yield from (Right(name, {"SELECT": ALL}) for name in names if is_table(name))
        for statement in filter(None, changing):
            table, columns = updated(statement)
            yield Right(table, {"SELECT": ALL, "UPDATE": columns})
        if self.side_table is not None:
            yield from RIGHTS

    def check(self) -> Sequence[CheckRow]:
        """Try every query on the first document; change nothing."""
        rows, first = attempt(
            "query find",
            lambda: self.find(None, 1, since=None, companies=None),
            lambda found: f"{self._database.place} answers" + ("" if found else "; no document yet"),
        )
        if first is None:
            return rows
        rows += self._day_rows()
        rows += attempt("query companies", self.companies, lambda found: f"{len(found)} found")[0]
        if not first:
            return [
                *rows,
                warning("queries", "only find was tried: there is no document to try the others on"),
            ]
        key = first[0].key
        rows += attempt("queries of documents", lambda: self._sample(key), str)[0]
        return [*rows, self._write_back_row()]

    def _day_rows(self) -> Iterator[CheckRow]:
        for head in self._reader.find(None, 1, since=None, companies=None):
            shown = head.row["issue_date"]
            if self._heads.days.leaves_open(shown):
                yield warning(
                    "issue date",
                    f"issue_date is an instant, such as {shown}: its day is the one that the database shows",
                    "Set timezone, in the options of the source, to the zone of your offices, or give a day in find"
                    " and header.",
                )

    def _sample(self, key: str) -> str:
        document = self.load([key]).get(key)
        if document is None:
            raise UsageError(
                f"The query header does not give document {key}, which find gives.",
                action="Make header select every document, whatever its state.",
            )
        if isinstance(document, DocumentNotUsableError):
            raise document
        if document.attachments:
            self.attachments(key)
        lines = len(document.lines)
        return f"document {document.number}: {lines} lines, {document.totals.payable} {document.currency}"

    def _found(self, head: Head) -> Found:
        row = head.row
        kind = self._heads.head_kind(row["kind"])
        total, code = readable(exact, row["total"]), readable(currency, row)
        return Found(
            key=str(row["document_key"]),
            company=company(row),
            changed_at=head.changed_at,
            number=readable(plain, row["number"]),
            kind=kind,
            issue_date=readable(self._heads.days.read, row["issue_date"]),
            currency=code,
            total=None if total is None else in_cents(self._heads.sign(kind) * total, code),
            customer=readable(plain, row.get("customer")),
            original_key=readable(plain, row.get("original_key")),
            confirmed_on=head.confirmed_on,
        )
