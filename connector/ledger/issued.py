"""Issued documents as the ledger remembers them, for comparison with what the ERP says of them now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, or_, select, update

from connector.domain.content import Content, unpack
from connector.domain.job import Status
from connector.ledger import cases, timeline
from connector.ledger.bulk import known
from connector.ledger.database import Database
from connector.ledger.jobs import still
from connector.ledger.records import COLUMNS, Entry, Job, job_of
from connector.ledger.tables import EventRow, JobRow, SourceRow
from connector.ports import Found

CHANGED: Final = "changed_after_issue"
"""The reason of an issued document that is not in the ERP as it was issued."""


Moved = tuple[Job, datetime]
"""An issued document, and when the ERP says that it was changed."""

Mark = tuple[datetime | None, int | None]
"""How far the round has come: when the last document was sent, and its job; nothing where it begins anew."""


def _next(*after: ColumnElement[bool]) -> Select[Any]:
    issued = select(*COLUMNS).where(JobRow.source == bindparam("of_source"), JobRow.status == Status.DONE, *after)
    return issued.order_by(JobRow.sent_at, JobRow.id).limit(bindparam("most"))


_AT: BindParameter[datetime] = bindparam("sent_from")
_FIRST = _next(JobRow.sent_at >= _AT)
_FURTHER = _next(JobRow.sent_at >= _AT, or_(JobRow.sent_at > _AT, JobRow.id > bindparam("after")))
_MARK = select(SourceRow.compared_at, SourceRow.compared_id).where(SourceRow.name == bindparam("of_source"))


class Issued:
    """The ledger as the comparison after issue sees it."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def moved(self, source: str, page: Sequence[Found], *, since: datetime) -> list[Moved]:
        """Return the issued documents of a page of heads whose time of change is later than ours.

        Args:
            source: by name.
            page: heads, as the ERP has just listed them.
            since: what was sent before that is left out.
        """
        heads = {(found.company, found.key): found.changed_at for found in page}
        keys: dict[str, list[str]] = {}
        for found in page:
            keys.setdefault(found.company, []).append(found.key)
        with self._database.read() as connection:
            rows = known(connection, source, keys, issued_since=since)
            later = [row.id for row in rows if heads[row.company, row.key] > row.changed_at]
            # Whole rows are large, and of a page few have moved.
            jobs = connection.execute(select(*COLUMNS).where(JobRow.id.in_(later))).all() if later else []
        return [(job, heads[job.company, job.key]) for job in map(job_of, jobs)]

    def seen(self, moved: Collection[Moved]) -> None:
        """Remember the times of change of documents that were compared: they need no second look."""
        with self._database.write() as connection:
            for job, changed_at in moved:
                connection.execute(update(JobRow).where(JobRow.id == job.id).values(changed_at=changed_at))

    def mark(self, source: str) -> Mark:
        """Return how far the round has come; see `remember`."""
        with self._database.read() as connection:
            row = connection.execute(_MARK, {"of_source": source}).one_or_none()
        return (row.compared_at, row.compared_id) if row else (None, None)

    def next(self, source: str, mark: Mark, *, since: datetime, limit: int) -> list[Job]:
        """Return the issued documents that come next in the round, in the order in which they were sent.

        The round begins anew after the last one; see `remember`.

        Args:
            source: by name.
            mark: how far the round has come.
            since: what was sent before that is left out.
            limit: most documents.
        """
        at, id_ = mark
        values: dict[str, Any] = {"of_source": source, "most": limit}
        if at is None or at < since:
            query, values["sent_from"] = _FIRST, since
        else:
            query, values["sent_from"], values["after"] = _FURTHER, at, id_
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(query, values)]

    def remember(self, source: str, mark: Mark, last: Job | None) -> None:
        """Store how far the round has come since a mark; None lets it begin anew."""
        come = (last.sent_at, last.id) if last else (None, None)
        if come == mark:
            return
        values = {"compared_at": come[0], "compared_id": come[1]}
        with self._database.write() as connection:
            connection.execute(update(SourceRow).where(SourceRow.name == source).values(values))

    def contents(self, jobs: Collection[Job]) -> Mapping[int, Content]:
        """Return what these documents said when they were issued, by job; some may not be known."""
        query = select(JobRow.id, JobRow.content).where(JobRow.id.in_([job.id for job in jobs]))
        with self._database.read() as connection:
            rows = connection.execute(query).all() if jobs else []
        return {row.id: unpack(row.content) for row in rows if row.content is not None}

    def accepted(self, jobs: Collection[Job]) -> set[tuple[int, str]]:
        """Return which differences a person has let be, as pairs of a job and the mark of a content."""
        query = select(EventRow.job_id, EventRow.details).where(
            EventRow.job_id.in_([job.id for job in jobs]),
            EventRow.who.is_not(None),
            EventRow.reason == CHANGED,
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all() if jobs else []
        return {(row.job_id, row.details.get("content", "")) for row in rows}

    def open(self, job: Job, details: Mapping[str, str]) -> bool:
        """Open a case on an issued document, or bring it up to date; return whether it was still as read."""
        entry = Entry(what="changed", reason=CHANGED, details=dict(details))
        return self._write(job, {"reason": CHANGED, "details": dict(details)}, entry)

    def close(self, job: Job) -> bool:
        """Close the case of a document that is again as it was issued; return whether it was still as read."""
        return self._write(job, {"reason": None, "details": None}, Entry(what="restored"))

    def _write(self, job: Job, values: Mapping[str, Any], entry: Entry) -> bool:
        now = self._database.clock.now()
        guard = and_(JobRow.id == job.id, JobRow.status == Status.DONE, still(job))
        with self._database.write() as connection:
            written = connection.execute(update(JobRow).where(guard).values(updated_at=now, **values)).rowcount
            if written:
                timeline.append(connection, now, [(job.id, job.stage, entry)])
                cases.judge(connection, JobRow.id == job.id, now)
        return bool(written)
