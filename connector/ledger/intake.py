"""What discovery writes: new jobs, how far it came, and jobs that a change in the ERP may have cured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, bindparam, select, update

from connector.domain import catalogue
from connector.domain.identity import known_as, name_key
from connector.domain.job import Stage, Status
from connector.ledger import bulk, timeline
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.records import COLUMNS, Entry, Job, job_of
from connector.ledger.tables import JobRow, SourceRow
from connector.ports import UNKNOWN_COMPANY, Found, Position

_FIRST: Final[Mapping[str, Any]] = {
    "stage": Stage.FOUND,
    "status": Status.PENDING,
    "attempts": 0,
    "fence": 0,
    "lapses": 0,
    "looks": 0,
    "state_unrecorded": False,
    "mark_due": False,
    "acknowledged": False,
    "report_refused": False,
}
"""How a job begins."""
_RESTING: Final = frozenset({Status.HELD, Status.WAITING, Status.PENDING})


class Intake:
    """The ledger as discovery sees it."""

    def __init__(self, database: Database) -> None:
        """Write into a ledger."""
        self._database = database
        self._all_new: set[str] = set()  # sources whose last page was; the next one is likely to be

    def add(
        self,
        source: str,
        page: Sequence[Found],
        account_of: Callable[[str], str | None],
        *,
        upto: Position | None = None,
    ) -> int:
        """Insert the jobs of a page that are not there yet; return how many were new.

        Documents that the ERP changed since are tried again if that may have cured them. Nothing is written where
        nothing is new.

        Args:
            source: by name.
            page: heads of documents.
            account_of: which account issues for a company; None leaves the document out.
            upto: where the page ended; remembered with it, if that is further than ever before.
        """
        ours = [found for found in map(as_stored, page) if account_of(found.company) is not None]
        trusted = source in self._all_new
        with self._database.read() as connection:
            new, moved = (ours, []) if trusted else bulk.compared(connection, source, ours, _RESTING)
            seen = connection.execute(_POSITION, {"of_source": source}).one_or_none()
        last = _position(dict(seen._mapping) if seen else {}, self._database.clock.now())
        further = upto is not None and (last is None or upto.order > last.order)
        if not (new or moved or further):
            return 0
        now = self._database.clock.now()
        with self._database.write() as connection:
            new, named = self._matched(connection, source, new, account_of)
            count = self._insert(connection, source, new, account_of, now) if new else 0
            if trusted and count < len(ours):
                _, moved = bulk.compared(connection, source, ours, _RESTING)
            if moved or named:
                self._refresh(connection, source, [*moved, *named], now)
            if count:
                connection.execute(update(SourceRow).where(SourceRow.name == source).values(found_at=now))
            if further and upto is not None:
                _remember(self._database, connection, source, {"changed_at": upto.changed_at, "key": upto.key})
        if count and count == len(ours):
            self._all_new.add(source)
        else:
            self._all_new.discard(source)
        return count

    def _matched(
        self,
        connection: Connection,
        source: str,
        page: Sequence[Found],
        account_of: Callable[[str], str | None],
    ) -> tuple[list[Found], list[Found]]:
        """Give jobs of unreadable documents their company where they can be read by now; leave out second jobs.

        The keys of a source that lists such documents are unique over all its companies.

        Returns:
            What may be new, and what has its company now.
        """
        readable = [found for found in page if found.company != UNKNOWN_COMPANY]
        unknown = [found for found in page if found.company == UNKNOWN_COMPANY]
        nameless = bulk.known(connection, source, {UNKNOWN_COMPANY: [found.key for found in readable]})
        ids = {row.key: row.id for row in nameless} if readable else {}
        named = []
        for found in (found for found in readable if found.key in ids):
            renamed = connection.execute(
                update(JobRow)
                .where(JobRow.id == ids[found.key])
                .where(JobRow.stage == Stage.FOUND, JobRow.status.in_([Status.HELD, Status.PENDING]))
                .values(company=found.company, account=account_of(found.company))
            )
            if renamed.rowcount:  # else somebody is at work on it, and the next look finds it again
                named.append(found)
        readable = [found for found in readable if found.key not in ids]
        if unknown:
            of_source = select(JobRow.key).where(JobRow.source == source)
            keys = of_source.where(JobRow.key.in_([found.key for found in unknown]))
            there = set(connection.execute(keys).scalars())
            unknown = [found for found in unknown if found.key not in there]
        return [*readable, *unknown], named

    def _insert(
        self,
        connection: Connection,
        source: str,
        new: Sequence[Found],
        account_of: Callable[[str], str | None],
        now: datetime,
    ) -> int:
        values: dict[str, list[Any]] = {
            "company": [found.company for found in new],
            "key": [found.key for found in new],
            "account": [account_of(found.company) for found in new],
            **{name: [*map(of, new)] for name, of in _HEAD.items()},
        }
        common = {"source": source, **_FIRST, "due_at": now, "created_at": now, "updated_at": now}
        return bulk.insert_jobs(self._database, connection, values, common)

    def _refresh(self, connection: Connection, source: str, moved: Sequence[Found], now: datetime) -> None:
        """Bring known jobs up to date that rest before anything left, and wake those that the ERP may have cured."""
        by_key = {(found.company, found.key): found for found in moved}
        ids = [row.id for row in bulk.known(connection, source, _by_company(moved))]
        for job in map(job_of, connection.execute(select(*COLUMNS).where(JobRow.id.in_(ids)))):
            found = by_key[job.company, job.key]
            if job.status in _RESTING and found.changed_at > job.changed_at:
                self._renew(connection, job, found, now)

    def _renew(self, connection: Connection, job: Job, found: Found, now: datetime) -> None:
        values: dict[str, Any] = {"changed_at": found.changed_at}
        # An open question is asked about the old number: it must be looked up under that one.
        if not job.stage.reached(Stage.CREATED) and job.open_effect is None:
            values |= _head(found)
        guard = and_(JobRow.id == job.id, JobRow.status == job.status, JobRow.fence == job.fence)
        if job.status is Status.PENDING or job.reason not in set(catalogue.cured_by_erp()):
            connection.execute(update(JobRow).where(guard).values(values))
            return
        _wake(connection, job, guard, values, now)

    def wake(self, jobs: Sequence[Job], *, forgetting: bool = False) -> None:
        """Try resting jobs again, for the ERP's document or customer has changed.

        Args:
            jobs: as read.
            forgetting: why they rest counts no longer: the steps are not to take it for something that was mended.
        """
        now = self._database.clock.now()
        values = {"reason": None, "details": None} if forgetting else {}
        with self._database.write() as connection:
            for job in jobs:
                guard = and_(JobRow.id == job.id, JobRow.status == job.status, JobRow.fence == job.fence)
                _wake(connection, job, guard, values, now)

    def resting(self, source: str, *, after: int, limit: int) -> list[Job]:
        """Return held and waiting jobs that a change in the ERP could cure, by id, after an id."""
        values = {"of_source": source, "after": after, "most": limit}
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(_resting(), values)]

    def state(self, source: str) -> Mapping[str, Any]:
        """Return how far discovery has come in a source; empty before the first time."""
        with self._database.read() as connection:
            row = connection.execute(_STATE, {"of_source": source}).one_or_none()
        return dict(row._mapping) if row else {}

    def states(self) -> Mapping[str, Mapping[str, Any]]:
        """Return how far discovery has come, by source."""
        with self._database.read() as connection:
            return {row.name: dict(row._mapping) for row in connection.execute(_STATES)}

    def remember(self, source: str, **values: Any) -> None:
        """Store how far discovery has come."""
        with self._database.write() as connection:
            _remember(self._database, connection, source, values)

    def position(self, state: Mapping[str, Any]) -> Position | None:
        """Return the last document seen, by the state of a source.

        None also where it lies in the future, for nothing goes on from there.
        """
        return _position(state, self._database.clock.now())


_STATES: Final = select(*SourceRow.__table__.c)
_OF_SOURCE: Final = SourceRow.name == bindparam("of_source")
_STATE: Final = _STATES.where(_OF_SOURCE)
_POSITION: Final = select(SourceRow.changed_at, SourceRow.key).where(_OF_SOURCE)


@cache
def _resting() -> Select[Any]:
    return (
        select(*COLUMNS)
        .where(JobRow.source == bindparam("of_source"), JobRow.id > bindparam("after"))
        .where(JobRow.status.in_([Status.HELD, Status.WAITING]))
        .where(JobRow.reason.in_(list(catalogue.cured_by_erp())))
        .order_by(JobRow.id)
        .limit(bindparam("most"))
    )


def _position(state: Mapping[str, Any], now: datetime) -> Position | None:
    changed_at = state.get("changed_at")
    if changed_at is None or changed_at > now:
        return None
    return Position(changed_at=changed_at, key=state["key"] or "")


def _remember(database: Database, connection: Connection, source: str, values: Mapping[str, Any]) -> None:
    connection.execute(_upsert(insert_dialect(database), frozenset(values)), {"name": source, **values})


@cache
def _upsert(insert: Any, columns: frozenset[str]) -> Any:
    row = insert(SourceRow)
    return row.on_conflict_do_update(index_elements=["name"], set_={each: row.excluded[each] for each in columns})


def as_stored(found: Found) -> Found:
    """Return a head whose names are those that its job has: by them it is known again."""
    company, key, original = known_as(found.company), known_as(found.key), found.original_key
    original = None if original is None else known_as(original)
    if (company, key, original) == (found.company, found.key, found.original_key):
        return found
    return replace(found, company=company, key=key, original_key=original)


def _by_company(page: Iterable[Found]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for found in page:
        keys.setdefault(found.company, []).append(found.key)
    return keys


def _customer(found: Found) -> str | None:
    return (found.customer or "")[:255] or None


def _customer_key(found: Found) -> str | None:
    return name_key(found.customer)[:255] or None


_HEAD: Final[Mapping[str, Callable[[Found], Any]]] = {
    "kind": attrgetter("kind"),
    "number": attrgetter("number"),
    "issue_date": attrgetter("issue_date"),
    "confirmed_on": attrgetter("confirmed_on"),
    "currency": attrgetter("currency"),
    "total": attrgetter("total"),
    "size": attrgetter("total"),
    "customer": _customer,
    "customer_key": _customer_key,
    "original_key": attrgetter("original_key"),
    "changed_at": attrgetter("changed_at"),
}
"""What a job knows of its document, by column."""


def _head(found: Found) -> dict[str, Any]:
    return {name: of(found) for name, of in _HEAD.items()}


def _wake(connection: Connection, job: Job, guard: Any, values: Mapping[str, Any], now: datetime) -> None:
    again = {"status": Status.PENDING, "due_at": now, "attempts": 0, "updated_at": now, **values}
    if connection.execute(update(JobRow).where(guard).values(again)).rowcount:
        timeline.append(connection, now, [(job.id, job.stage, Entry(what="released", reason=job.reason))])
