"""The timeline of all jobs as one sequence, to be read on from any place without missing an entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, select

from connector.ledger.database import Database
from connector.ledger.queries import TimelineEvent
from connector.ledger.tables import EventRow, JobRow

SETTLED: Final = timedelta(seconds=30)
"""A number that is missing for so long was never committed: no transaction of ours lasts longer."""

_OF_EVENT: Final = tuple(TimelineEvent.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One entry of a timeline, and whose it is."""

    id: int
    job_id: int
    source: str
    account: str
    number: str | None
    event: TimelineEvent


class Events:
    """What happened to all jobs, in the order of its numbers."""

    def __init__(self, database: Database) -> None:
        """Read a ledger."""
        self._database = database

    def newest(self) -> int:
        """Return the number of the last entry; 0 before the first."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.coalesce(func.max(EventRow.id), 0))).scalar_one())

    def after(self, place: int, limit: int) -> list[JobEvent]:
        """Return the entries that follow a number, by number, as far as none can still come between them.

        PostgreSQL gives a number when a row is written, not when it is committed: behind a missing number nothing is
        told before that one is there, or has been missing for so long that it will not come.
        """
        columns = (EventRow.id, EventRow.job_id, JobRow.source, JobRow.account, JobRow.number)
        query = (
            select(*columns, *(getattr(EventRow, name) for name in _OF_EVENT))
            .join(JobRow, JobRow.id == EventRow.job_id)
            .where(EventRow.id > place)
            .order_by(EventRow.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [_event(row) for row in rows[: self._safe(place, rows)]]

    def _safe(self, place: int, rows: Sequence[Any]) -> int:
        """Return how many of the rows may be told."""
        if self._database.is_sqlite:
            return len(rows)  # it has one writer at a time
        young = self._database.clock.now() - SETTLED
        numbers = [place, *(row.id for row in rows)]
        for count, (before, row) in enumerate(zip(numbers, rows, strict=False)):
            if row.id != before + 1 and row.at > young:
                return count
        return len(rows)


def _event(row: Any) -> JobEvent:
    event = TimelineEvent(**{name: getattr(row, name) for name in _OF_EVENT})
    return JobEvent(
        id=row.id, job_id=row.job_id, source=row.source, account=row.account, number=row.number, event=event
    )
