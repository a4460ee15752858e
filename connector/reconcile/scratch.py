"""A temporary file in which the three sides are laid beside one another, however many documents there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from types import TracebackType
from typing import Final

from connector.domain.errors import OutsideError
from connector.domain.identity import file_reference, storable
from connector.domain.invoice import decimal_text
from connector.ledger.intake import as_stored
from connector.ledger.reconciliations import KnownJob
from connector.ports import Found, RemoteInvoice

_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -16000;
CREATE TABLE erp (
    source TEXT, company TEXT, key TEXT, number TEXT, day TEXT, currency TEXT, total TEXT, changed TEXT,
    PRIMARY KEY (source, company, key)
) WITHOUT ROWID;
CREATE TABLE job (
    id INTEGER PRIMARY KEY, source TEXT, company TEXT, key TEXT, number TEXT, day TEXT, currency TEXT, total TEXT,
    stage INTEGER, status TEXT, reference TEXT, xref TEXT, state TEXT, in_flight INTEGER, since TEXT, wanted INTEGER
);
CREATE TABLE remote (
    id TEXT PRIMARY KEY, number TEXT, day TEXT, currency TEXT, total TEXT, state TEXT, mark TEXT
) WITHOUT ROWID;
CREATE TABLE recorded (job INTEGER PRIMARY KEY, reference TEXT, xref TEXT);
"""

_INDEXES: Final = """
CREATE UNIQUE INDEX job_key ON job (source, company, key);
CREATE INDEX job_reference ON job (reference);
CREATE INDEX job_number ON job (number);
CREATE INDEX erp_number ON erp (number);
"""


class Scratch:
    """The three sides of one account. Used by one thread; gone when it is closed."""

    def __init__(self) -> None:
        """Make the file; the system removes it, for it has no name.

        Raises:
            OutsideError: there is no room for it; using it raises the same, at its end.
        """
        try:
            self._file = sqlite3.connect("", isolation_level=None)
            self._file.create_function("marked", 3, file_reference, deterministic=True)
            self._file.executescript(_TABLES)
        except sqlite3.OperationalError as error:
            raise _no_room(error) from error

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if isinstance(error, sqlite3.OperationalError):
            raise _no_room(error) from error

    def put_erp(self, source: str, page: Iterable[Found]) -> None:
        """Add heads of the ERP; one that comes again is the newer one."""
        rows = (
            (
                source,
                head.company,
                head.key,
                head.number and storable(head.number),
                head.issue_date and head.issue_date.isoformat(),
                head.currency,
                _amount(head.total),
                head.changed_at.isoformat(),
            )
            for head in map(as_stored, page)
        )
        self._put("INSERT OR REPLACE INTO erp VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def put_jobs(self, page: Iterable[KnownJob], *, wanted: bool) -> None:
        """Add jobs of the ledger; those that are not wanted only tell whose a document at B2Brouter is."""
        rows = (
            (
                job.id,
                job.source,
                job.company,
                job.key,
                job.number,
                job.issue_date and job.issue_date.isoformat(),
                job.currency,
                _amount(job.total),
                job.stage.rank,
                str(job.status),
                job.reference,
                job.xref,
                job.remote_state,
                job.open_effect is not None,
                (job.sent_at or job.created_at).isoformat(),
                wanted,
            )
            for job in page
        )
        marks = ", ".join("?" * 16)
        self._put(f"INSERT OR REPLACE INTO job VALUES ({marks})", rows)  # noqa: S608

    def put_remote(self, page: Iterable[RemoteInvoice]) -> None:
        """Add documents at B2Brouter; rows that shift into the next page come twice."""
        rows = (
            (
                there.id,
                there.number,
                there.issue_date and there.issue_date.isoformat(),
                there.currency,
                _amount(there.total),
                there.state,
                there.file_reference,
            )
            for there in page
        )
        self._put("INSERT OR REPLACE INTO remote VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def put_recorded(self, rows: Iterable[tuple[int, str | None, str | None]]) -> None:
        """Add what the ERP has as reference and cross-reference of jobs."""
        self._put("INSERT OR REPLACE INTO recorded VALUES (?, ?, ?)", rows)

    def _put(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._file.execute("BEGIN")
        self._file.executemany(statement, rows)
        self._file.execute("COMMIT")

    def ready(self) -> None:
        """Make the comparison quick: all jobs and the ERP's documents are there."""
        self._file.executescript(_INDEXES)

    def rows(self, query: str, *values: object) -> Iterator[sqlite3.Row]:
        """Yield the rows of a query as they come; `marked(source, company, key)` is a document's mark."""
        with closing(self._file.cursor()) as cursor:
            cursor.row_factory = sqlite3.Row
            yield from cursor.execute(query, values)

    def count(self, table: str, where: str = "1") -> int:
        """Return how many rows a side has."""
        [row] = self.rows(f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608
        return int(row[0])


def _no_room(error: sqlite3.OperationalError) -> OutsideError:
    return OutsideError(
        f"The temporary file of the comparison cannot be used: {error}.",
        action="Make room where temporary files are, or set TMPDIR to a folder that has it.",
    )


def _amount(value: Decimal | None) -> str | None:
    """One text for one amount, whatever its zeros; B2Brouter shows some credit notes with negative amounts."""
    return None if value is None else decimal_text(abs(value))
