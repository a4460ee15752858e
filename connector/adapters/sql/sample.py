"""The first row of each configured query, and which of its columns are missing or of the wrong type."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Executable, select, text

from connector.adapters.database import Database, Row, exact
from connector.adapters.sql import columns
from connector.adapters.sql.columns import Columns
from connector.adapters.sql.mapping import truth
from connector.adapters.sql.settings import SqlOptions
from connector.adapters.sql.stamps import Stamps
from connector.adapters.sql.statements import by_keys
from connector.adapters.trial.sample import SampleValue
from connector.adapters.values import day
from connector.domain.errors import ConnectorError

_NUMBERS: Final = frozenset(
    "size total net tax payable withholding quantity net_price net_amount base_quantity discount tax_percent percent"
    " base amount".split()
)
_DAYS: Final = frozenset("issue_date due_date delivery_date original_date".split())
_TRUTHS: Final = frozenset(
    "is_view confirmed original_confirmed buyer_is_company buyer_is_public_body seller_is_company"
    " seller_is_public_body".split()
)
_TIMES: Final = frozenset("changed_at confirmed_at".split())
_FILLED: Final = frozenset(
    "document_key kind confirmed net tax payable quantity net_price net_amount base amount".split()
)


@dataclass(frozen=True, slots=True)
class Sampler:
    """Tries the queries one by one, so that a mistake in one hides none in another."""

    database: Database
    options: SqlOptions
    stamps: Stamps

    def values(self) -> Iterator[SampleValue]:
        """Yield the values of the first document that `find` gives."""
        options = self.options
        found = select(text("*")).select_from(text(options.find).columns().subquery("d")).limit(1)
        rows = yield from self._query(columns.FIND, found, {})
        key = rows[0].get("document_key") if rows else None
        if options.companies is not None:
            yield from self._query(columns.COMPANIES, text(options.companies), {})
        if key is None:
            return
        by_document = (
            (columns.HEADER, options.header),
            (columns.LINES, options.lines),
            (columns.TAXES, options.taxes),
            (columns.TAX_TOTALS, options.tax_totals),
            (columns.ATTACHMENTS, options.attachments),
        )
        for expected, statement in by_document:
            if statement is not None:
                yield from self._query(expected, by_keys(statement), {"keys": [key]})
        if options.read_back is not None:
            yield from self._query(columns.READ_BACK, text(options.read_back), {"key": key})

    def _query(
        self, expected: Columns, statement: Executable, values: Row
    ) -> Generator[SampleValue, None, Sequence[Row]]:
        try:
            with self.database.reading() as connection:
                names, rows = self._run(connection, statement, values, expected.query)
        except ConnectorError as error:
            yield SampleValue(query=expected.query, column="", problem=error.message)
            return []
        faults = dict(expected.faults(names))
        for column in [*dict.fromkeys(names), *(missing for missing in faults if missing not in names)]:
            yield self._value(expected.query, column, rows[0] if rows else {}, faults.get(column))
        return rows

    def _run(
        self, connection: Connection, statement: Executable, values: Row, query: str
    ) -> tuple[list[str], list[dict[str, Any]]]:
        result = self.database.run(connection, statement, values, query=query)
        names = list(result.keys())
        return names, [dict(zip(names, row, strict=True)) for row in result.fetchmany(1)]

    def _value(self, query: str, column: str, row: Mapping[str, Any], fault: str | None) -> SampleValue:
        value = row.get(column)
        shown = "" if value is None else str(value)
        if fault is not None:
            return SampleValue(query=query, column=column, value=shown, problem=f"the query {fault}")
        return SampleValue(query=query, column=column, value=shown, problem=self._problem(column, value, bool(row)))

    def _problem(self, column: str, value: object, is_there: bool) -> str:
        if value is None:
            return "is empty, and has to be filled" if is_there and column in _FILLED else ""
        try:
            self._reader(column)(value)
        except ValueError as error:
            return f"is of the wrong type: {error}"
        return ""

    def _reader(self, column: str) -> Callable[[Any], object]:
        """Return what reads a value of this column; any text will do where nothing is known."""
        if column in _NUMBERS:
            return exact
        if column in _DAYS:
            return day
        if column in _TRUTHS:
            return lambda value: truth(value, column)
        if column in _TIMES:
            return self.stamps.read
        return str
