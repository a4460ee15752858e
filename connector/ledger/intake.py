"""What discovery writes: new jobs, how far it came, and jobs that a change in the ERP may have cured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select, tuple_, update

from connector.domain import catalogue
from connector.domain.job import Stage, Status
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect, write_entries
from connector.ledger.records import COLUMNS, Entry, Job, job_of
from connector.ledger.tables import EventRow, JobRow, SourceRow
from connector.ports import Found, Position


class Intake:
    """The ledger as discovery sees it."""

    def __init__(self, database: Database) -> None:
        """Write into a ledger."""
        self._database = database

    def add(self, source: str, page: Sequence[Found], account_of: Callable[[str], str | None]) -> int:
        """Insert the jobs of a page that are not there yet; return how many were new.

        Documents that the ERP changed since are tried again if that may have cured them.
        """
        rows = [row for found in page if (row := self._row(source, found, account_of(found.company)))]
        if not rows:
            return 0
        now = self._database.clock.now()
        with self._database.write() as connection:
            insert = insert_dialect(self._database)(JobRow)
            new = connection.execute(insert.on_conflict_do_nothing().returning(JobRow.id), rows).scalars().all()
            if new:
                connection.execute(
                    insert_dialect(self._database)(EventRow),
                    [{"job_id": id_, "at": now, "what": "found", "stage": Stage.FOUND} for id_ in new],
                )
            if len(new) < len(rows):
                self._refresh(connection, source, page, now)
        return len(new)

    def _row(self, source: str, found: Found, account: str | None) -> dict[str, Any] | None:
        if account is None:
            return None
        now = self._database.clock.now()
        return {
            "source": source,
            "company": found.company,
            "key": found.key,
            "account": account,
            **_head(found),
            "stage": Stage.FOUND,
            "status": Status.PENDING,
            "attempts": 0,
            "due_at": now,
            "fence": 0,
            "lapses": 0,
            "looks": 0,
            "created_at": now,
            "updated_at": now,
        }

    def _refresh(self, connection: Any, source: str, page: Sequence[Found], now: datetime) -> None:
        """Bring known jobs up to date that rest before anything left, and wake those that the ERP may have cured."""
        by_key = {(found.company, found.key): found for found in page}
        known = connection.execute(
            select(*COLUMNS).where(
                JobRow.source == source,
                tuple_(JobRow.company, JobRow.key).in_(list(by_key)),
                JobRow.status.in_([Status.HELD, Status.WAITING, Status.PENDING]),
            )
        ).all()
        for job in map(job_of, known):
            found = by_key[job.company, job.key]
            if found.changed_at > job.changed_at:
                self._renew(connection, job, found, now)

    def _renew(self, connection: Any, job: Job, found: Found, now: datetime) -> None:
        values: dict[str, Any] = {"changed_at": found.changed_at}
        # An open question is asked about the old number: it must be looked up under that one.
        if not job.stage.reached(Stage.CREATED) and job.open_effect is None:
            values |= _head(found)
        guard = and_(JobRow.id == job.id, JobRow.status == job.status, JobRow.fence == job.fence)
        if job.status is Status.PENDING or job.reason not in set(catalogue.cured_by_erp()):
            connection.execute(update(JobRow).where(guard).values(values))
            return
        _wake(connection, job, guard, values, now)

    def wake(self, jobs: Sequence[Job]) -> None:
        """Try held jobs again, for the ERP's document or customer has changed."""
        now = self._database.clock.now()
        with self._database.write() as connection:
            for job in jobs:
                guard = and_(JobRow.id == job.id, JobRow.status == job.status, JobRow.fence == job.fence)
                _wake(connection, job, guard, {}, now)

    def resting(self, source: str, *, after: int, limit: int) -> list[Job]:
        """Return held and waiting jobs that a change in the ERP could cure, by id, after an id."""
        query = (
            select(*COLUMNS)
            .where(JobRow.source == source, JobRow.status.in_([Status.HELD, Status.WAITING]), JobRow.id > after)
            .where(JobRow.reason.in_(list(catalogue.cured_by_erp())))
            .order_by(JobRow.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(query)]

    def state(self, source: str) -> Mapping[str, Any]:
        """Return how far discovery has come in a source; empty before the first time."""
        with self._database.read() as connection:
            row = connection.execute(select(*SourceRow.__table__.c).where(SourceRow.name == source)).one_or_none()
        return dict(row._mapping) if row else {}

    def remember(self, source: str, **values: Any) -> None:
        """Store how far discovery has come."""
        insert = insert_dialect(self._database)(SourceRow).values(name=source, **values)
        with self._database.write() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))

    def position(self, source: str) -> Position | None:
        """Return the last document seen."""
        state = self.state(source)
        if not state.get("changed_at"):
            return None
        return Position(changed_at=state["changed_at"], key=state["key"] or "")


def _head(found: Found) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "number": found.number,
        "issue_date": found.issue_date,
        "currency": found.currency,
        "total": found.total,
        "customer": (found.customer or "")[:255] or None,
        "original_key": found.original_key,
        "changed_at": found.changed_at,
    }


def _wake(connection: Any, job: Job, guard: Any, values: Mapping[str, Any], now: datetime) -> None:
    again = {"status": Status.PENDING, "due_at": now, "attempts": 0, "updated_at": now, **values}
    if connection.execute(update(JobRow).where(guard).values(again)).rowcount:
        write_entries(connection, job.id, job.stage, now, [Entry(what="released", reason=job.reason)])
