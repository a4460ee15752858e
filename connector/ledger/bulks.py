"""One act on many jobs: written down as a whole, done in small pieces, stopped at any time, nothing twice.

Who begins it waits for nothing; the scheduler's rounds do the work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Numeric,
    Row,
    Select,
    and_,
    bindparam,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)

from connector.domain.invoice import Kind
from connector.domain.job import AT_REST, is_case
from connector.ledger.actions import ACTS, SKIP, Act, perform_one
from connector.ledger.cases import CASE
from connector.ledger.database import Database
from connector.ledger.deeds import write_deed
from connector.ledger.jobs import insert_dialect
from connector.ledger.people_tables import BulkItemRow, BulkRow
from connector.ledger.queries import Filter
from connector.ledger.records import COLUMNS, job_of
from connector.ledger.tables import JobRow

MOST: Final = 20_000
"""Jobs of one bulk: what is beyond is left for the next."""

_PIECE: Final = 100
"""Jobs in one transaction: it locks their rows, and on SQLite the whole ledger."""

CHANGED: Final = "changed"
LEFT_ALONE: Final = "left_alone"
"""What becomes of a job: changed, or left alone because it was not any more what it had been."""

_SEEN: Final = ("status", "reason", "updated_at")
"""What of a job tells whether it still is what it was when the act was begun; see `Job.seen`."""


class CountedOtherwiseError(Exception):
    """The act would be done to others than those that were counted before."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The jobs that an act would be done to."""

    count: int
    last: int  # the one that was found last: its id, 0 for none
    cases: int = 0  # how many of them are issued: it is their case that is acted on
    changed: datetime | None = None  # when the last change to any of them was

    def covers(self, other: Extent) -> bool:
        """Whether there are no more jobs or cases in the other, and no later ones."""
        return other.count <= self.count and other.last <= self.last and other.cases <= self.cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """One act on many jobs, and how far it is."""

    id: int
    act: str
    chosen: dict[str, str]
    who: str
    note: str
    pace: int | None
    total: int
    done: int
    changed: int
    stopped: bool
    stopped_by: str | None
    next_at: datetime | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will be done any more."""
        return self.ended_at is not None

    @property
    def left_alone(self) -> int:
        """How many jobs were not any more what they had been."""
        return self.done - self.changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One job of a bulk; `result` is None until its turn comes."""

    place: int
    job_id: int
    number: str | None
    customer: str | None
    account: str
    status: str
    reason: str | None
    result: str | None


_COLUMNS = tuple(getattr(BulkRow, name) for name in Bulk.__dataclass_fields__)
_HEAD: Final = (JobRow.status, JobRow.reason, JobRow.open_effect, JobRow.kind, JobRow.account, JobRow.currency)
_DUE = select(*_COLUMNS).where(BulkRow.next_at <= bindparam("now")).order_by(BulkRow.next_at).limit(1)


class Bulks:
    """The acts on many jobs."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def fitting(self, act: Act, wanted: Filter) -> Iterator[Any]:
        """Return the jobs that `begin` would take now, as rows of what acts are judged by.

        Each has its `number` of jobs, the `last` of them, when the last change to them was, `changed`, and what they
        come to together, their `total`. A row may stand for one job or for many.
        """
        return self._kinds(_meant(act, wanted), _order(act))

    def unfit(self, act: Act, wanted: Filter) -> Iterator[Any]:
        """Return the same of those that are meant and that the act does not fit: of the first `MOST` of them."""
        return self._kinds(and_(wanted.clause(), ~act.clause()), (JobRow.id,))

    def _kinds(self, meant: ColumnElement[bool], order: tuple[Any, ...]) -> Iterator[Any]:
        columns = (*_HEAD, JobRow.total, JobRow.id, JobRow.updated_at)
        first = select(*columns).where(meant).order_by(*order).limit(MOST).subquery()
        head = [first.c[column.key] for column in _HEAD]
        if self._database.is_sqlite:  # it cannot add decimals without rounding them
            one = [literal(1).label("number"), first.c.id.label("last"), first.c.updated_at.label("changed")]
            query: Select[Any] = select(*head, first.c.total, *one)
        else:
            total = func.sum(cast(first.c.total, Numeric)).label("total")
            latest = [func.max(first.c.id).label("last"), func.max(first.c.updated_at).label("changed")]
            query = select(*head, total, func.count().label("number"), *latest).group_by(*head)
        with self._database.read() as connection:
            yield from connection.execute(query)

    def begin(
        self,
        act: Act,
        wanted: Filter,
        *,
        chosen: dict[str, str],
        who: str,
        note: str,
        pace: int | None,
        counted: Extent | None = None,
    ) -> int:
        """Write down what is to be done to which jobs, those that the act fits now; return its id.

        Args:
            act: what is done to each.
            wanted: which are meant; the first `MOST` of them are taken, originals before what corrects them, but
                where they are left out: then what corrects them first, for it is judged anew once they are.
            chosen: the filter, as the console's addresses have it.
            who: who wants it.
            note: why.
            pace: jobs a minute; None: as fast as it goes.
            counted: those that whoever wants it was told of; None: nobody was told. Those that changed since are
                none of them: what went is not missed, and what came is not taken.

        Raises:
            CountedOtherwiseError: it would be done to more than were counted, or to later ones; nothing is written
                down.
        """
        now = self._database.clock.now()
        taken = self._taken(act, wanted, counted)
        row = {
            "act": act.name, "chosen": chosen, "who": who, "note": note, "pace": pace, "total": len(taken), "done": 0,
            "changed": 0, "stopped": False, "next_at": now if taken else None, "created_at": now,
            "ended_at": None if taken else now,
        }  # fmt: skip
        with self._database.write() as connection:
            bulk_id: int = connection.execute(
                insert_dialect(self._database)(BulkRow).values(row).returning(BulkRow.id)
            ).scalar_one()
            if taken:
                items = [
                    {"bulk_id": bulk_id, "place": place, **job._mapping} for place, job in enumerate(taken, start=1)
                ]
                connection.execute(insert(BulkItemRow), items)
            write_deed(
                connection, now, who=who, what=f"bulk_{act.name}", subject="", note=note, bulk_id=bulk_id,
                count=len(taken),
            )  # fmt: skip
        return bulk_id

    def _taken(self, act: Act, wanted: Filter, counted: Extent | None) -> Sequence[Row[Any]]:
        """Return the jobs of a bulk in their order, as they are seen now: what changes until its turn is left alone.

        They are looked for outside of the transaction that writes them down: there may be a million to choose from.
        """
        seen = [getattr(JobRow, name) for name in _SEEN]
        meant = select(JobRow.id.label("job_id"), *seen).where(_meant(act, wanted))
        if counted is not None and counted.changed is not None:
            meant = meant.where(JobRow.updated_at <= counted.changed)
        with self._database.read() as connection:
            taken = connection.execute(meant.order_by(*_order(act)).limit(MOST)).all()
        if counted is not None and not counted.covers(_extent(taken)):
            raise CountedOtherwiseError
        return taken

    def get(self, bulk_id: int) -> Bulk | None:
        """Return one; None where there is none."""
        with self._database.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(BulkRow.id == bulk_id)).one_or_none()
        return Bulk(**row._mapping) if row else None

    def latest(self, limit: int = 20) -> list[Bulk]:
        """Return the last ones, latest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(*_COLUMNS).order_by(BulkRow.id.desc()).limit(limit))
            return [Bulk(**row._mapping) for row in rows]

    def items(self, bulk_id: int, *, after: int, limit: int, result: str | None = None) -> list[Item]:
        """Return jobs of one in their order, those after a place."""
        job = [getattr(JobRow, name) for name in ("number", "customer", "account", "status", "reason")]
        query = (
            select(BulkItemRow.place, BulkItemRow.job_id, BulkItemRow.result, *job)
            .join(JobRow, JobRow.id == BulkItemRow.job_id)
            .where(BulkItemRow.bulk_id == bulk_id, BulkItemRow.place > after)
            .order_by(BulkItemRow.place)
            .limit(limit)
        )
        if result is not None:
            query = query.where(BulkItemRow.result == result)
        with self._database.read() as connection:
            return [Item(**row._mapping) for row in connection.execute(query)]

    def stop(self, bulk_id: int, *, who: str) -> bool:
        """Do nothing more of it; what is done stays. Return whether there was anything to stop."""
        now = self._database.clock.now()
        ended = {"stopped": True, "stopped_by": who, "next_at": None, "ended_at": now}
        under_way = (BulkRow.id == bulk_id, BulkRow.ended_at.is_(None))
        with self._database.write() as connection:
            row = connection.execute(
                update(BulkRow).where(*under_way).values(ended).returning(BulkRow.changed)
            ).one_or_none()
            if row is None:
                return False
            write_deed(connection, now, who=who, what="bulk_stop", subject="", bulk_id=bulk_id, count=row.changed)
        return True

    def work(self, seconds: float) -> int:
        """Do what is due of them, for about so long; return how many jobs were looked at."""
        until = time.monotonic() + seconds
        looked_at = 0
        while True:
            done = self._piece()
            looked_at += done
            if not done or time.monotonic() >= until:
                return looked_at

    def _piece(self) -> int:
        """Do one piece of the bulk that has waited longest, in one transaction with what is remembered of it."""
        now = self._database.clock.now()
        with self._database.read() as connection:  # most rounds find nothing, and need not write to learn it
            if connection.execute(_DUE, {"now": now}).one_or_none() is None:
                return 0
        with self._database.write() as connection:
            row = connection.execute(_DUE.with_for_update(skip_locked=True), {"now": now}).one_or_none()
            if row is None:
                return 0
            bulk = Bulk(**row._mapping)
            items = self._next(connection, bulk)
            changed = self._perform(connection, bulk, items, now)
            connection.execute(
                update(BulkRow).where(BulkRow.id == bulk.id).values(_progress(bulk, len(items), changed, now))
            )
        return len(items)

    def _next(self, connection: Connection, bulk: Bulk) -> Sequence[Row[Any]]:
        size = _PIECE if bulk.pace is None else max(1, min(_PIECE, bulk.pace // 30))
        columns = [getattr(BulkItemRow, name) for name in ("place", "job_id", *_SEEN)]
        query = select(*columns).where(BulkItemRow.bulk_id == bulk.id, BulkItemRow.place > bulk.done)
        return connection.execute(query.order_by(BulkItemRow.place).limit(size)).all()

    def _perform(self, connection: Connection, bulk: Bulk, items: Sequence[Row[Any]], now: datetime) -> int:
        """Do the act to those that are still what they were when it was begun; return how many changed."""
        act = ACTS[bulk.act]
        rows = connection.execute(select(*COLUMNS).where(JobRow.id.in_([item.job_id for item in items])))
        jobs = {job.id: job for job in map(job_of, rows)}
        results: dict[str, list[int]] = {CHANGED: [], LEFT_ALONE: []}
        for item in items:
            job = jobs[item.job_id]
            fits = job.seen == (item.status, item.reason, item.updated_at) and act.fits(job)
            done = fits and perform_one(
                connection, act, job, bulk.who, bulk.note, now, spared=_to_come(bulk, item.place)
            )
            results[CHANGED if done else LEFT_ALONE].append(item.place)
        for result, those in results.items():
            _remember(connection, bulk.id, those, result)
        return len(results[CHANGED])


def _meant(act: Act, wanted: Filter) -> ColumnElement[bool]:
    meant = and_(wanted.clause(), act.clause())
    # Of what has ended an act that leaves out fits cases alone; an index has them, where that is said outright.
    return and_(meant, CASE) if act is SKIP and wanted.status in AT_REST else meant


def _extent(taken: Sequence[Row[Any]]) -> Extent:
    cases = sum(is_case(job.status, job.reason) for job in taken)
    return Extent(len(taken), max((job.job_id for job in taken), default=0), cases)


def _order(act: Act) -> tuple[Any, ...]:
    corrects = JobRow.kind == Kind.CREDIT_NOTE
    return corrects.desc() if act is SKIP else corrects, JobRow.id


def _to_come(bulk: Bulk, place: int) -> ColumnElement[bool]:
    """Return the jobs whose turn has not come: what is done to the others lets none of these go on before it."""
    later = select(BulkItemRow.job_id).where(BulkItemRow.bulk_id == bulk.id, BulkItemRow.place > place)
    return JobRow.id.in_(later)


def _remember(connection: Connection, bulk_id: int, places: Sequence[int], result: str) -> None:
    if places:
        mine = (BulkItemRow.bulk_id == bulk_id, BulkItemRow.place.in_(places))
        connection.execute(update(BulkItemRow).where(*mine).values(result=result))


def _progress(bulk: Bulk, looked_at: int, changed: int, now: datetime) -> dict[str, Any]:
    done = bulk.done + looked_at
    values: dict[str, Any] = {"done": done, "changed": bulk.changed + changed}
    if done >= bulk.total or not looked_at:
        return {**values, "next_at": None, "ended_at": now}
    pause = looked_at * 60 / bulk.pace if bulk.pace else 0
    return {**values, "next_at": now + timedelta(seconds=pause)}
