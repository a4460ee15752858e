"""What people and machines ask the ledger: lists, counts, one job with its timeline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select

from connector.domain.job import Effect, Event, Stage, Status
from connector.ledger import causes
from connector.ledger.causes import Cause
from connector.ledger.database import Database
from connector.ledger.records import COLUMNS, Job, job_of
from connector.ledger.tables import EventRow, JobRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which jobs are meant. What is None, or empty, does not narrow."""

    ids: Sequence[int] = ()
    status: Status | None = None
    stage: Stage | None = None
    reason: str | None = None
    source: str | None = None
    search: str | None = None
    attention: bool = False  # only what needs a person: held, or issued and with a reason all the same

    @property
    def empty(self) -> bool:
        """Whether every job is meant."""
        chosen = (self.status, self.stage, self.reason, self.source, self.search, self.attention)
        return not self.ids and not any(chosen)

    def clause(self) -> ColumnElement[bool]:
        """Return the condition."""
        wanted: list[ColumnElement[bool]] = [JobRow.id > 0]
        if self.ids:
            wanted.append(JobRow.id.in_(self.ids))
        for column, value in (
            (JobRow.status, self.status),
            (JobRow.stage, self.stage),
            (JobRow.reason, self.reason),
            (JobRow.source, self.source),
        ):
            if value is not None:
                wanted.append(column == value)
        if self.search:
            wanted.append(_matches(self.search))
        if self.attention:
            wanted.append(or_(JobRow.status == Status.HELD, _CASE))
        return and_(*wanted)


_CASE = and_(JobRow.status == Status.DONE, JobRow.reason.is_not(None))


def _matches(text: str) -> ColumnElement[bool]:
    return or_(
        JobRow.number.icontains(text, autoescape=True),
        JobRow.customer.icontains(text, autoescape=True),
        JobRow.key == text,
        JobRow.reference == text,
        JobRow.xref == text,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEvent:
    """One thing that happened to a job."""

    at: datetime
    what: str
    stage: Stage
    effect: Effect | None
    outcome: str | None
    reason: str | None
    details: dict[str, str]
    request_id: str | None
    who: str | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteMessage:
    """A refusal by B2Brouter that the catalogue has no entry for, in B2Brouter's own words."""

    code: str
    param: str
    message: str
    count: int  # refusals, repetitions included
    jobs: int
    first_at: datetime
    last_at: datetime


UNKNOWN_REFUSAL: Final = "refused_by_b2brouter"
"""The reason that stands for all refusals without one of their own."""

ATTENTION: Final = Filter(attention=True)

_EVENT_COLUMNS = tuple(getattr(EventRow, name) for name in TimelineEvent.__dataclass_fields__)
_PAGE = 1000


class Queries:
    """Reading, without disturbing the work."""

    def __init__(self, database: Database) -> None:
        """Read a ledger."""
        self._database = database

    def jobs(self, wanted: Filter) -> Iterator[Job]:
        """Return jobs by id, in pages, whatever their number."""
        after = 0
        while page := self._page(select(*COLUMNS).where(wanted.clause(), JobRow.id > after)):
            yield from page
            after = page[-1].id

    def _page(self, query: Select[Any]) -> list[Job]:
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(query.order_by(JobRow.id).limit(_PAGE))]

    def find(self, text: str) -> list[Job]:
        """Return the jobs with this number, id, key or reference; ids count only where no number fits."""
        exact = or_(JobRow.number == text, JobRow.reference == text, JobRow.xref == text)
        found = self._page(select(*COLUMNS).where(exact))
        if not found and re.fullmatch("[0-9]{1,18}", text):
            found = self._page(select(*COLUMNS).where(JobRow.id == int(text)))
        return found or self._page(select(*COLUMNS).where(JobRow.key == text))

    def timeline(self, job_id: int) -> list[TimelineEvent]:
        """Return all that happened to a job, oldest first."""
        query = select(*_EVENT_COLUMNS).where(EventRow.job_id == job_id).order_by(EventRow.id)
        with self._database.read() as connection:
            return [TimelineEvent(**row._mapping) for row in connection.execute(query)]

    def causes(self, wanted: Filter = ATTENTION) -> list[Cause]:
        """Return the jobs that have a reason, by default those that need a person, grouped by what is to be cured."""
        return causes.grouped(self._resting(wanted))

    def _resting(self, wanted: Filter) -> Iterator[Row[Any]]:
        after = 0
        query = select(*causes.COLUMNS).where(wanted.clause(), JobRow.reason.is_not(None))
        while True:
            with self._database.read() as connection:
                page = connection.execute(query.where(JobRow.id > after).order_by(JobRow.id).limit(_PAGE)).all()
            if not page:
                return
            yield from page
            after = page[-1].id

    def unknown_refusals(self) -> list[RemoteMessage]:
        """Return how often B2Brouter refused with which words, as far as the catalogue does not know them.

        Most frequent first. It reads the whole timeline: for a report, not for a page that is shown often.
        """
        numbers: tuple[Any, ...] = (
            func.count().label("count"),
            func.count(EventRow.job_id.distinct()).label("jobs"),
            func.min(EventRow.at).label("first_at"),
            func.max(EventRow.at).label("last_at"),
        )
        query = (
            select(EventRow.details, *numbers)
            .where(EventRow.reason == UNKNOWN_REFUSAL, EventRow.what == str(Event.STUCK))
            .group_by(EventRow.details)
        )
        found: dict[tuple[str, str, str], RemoteMessage] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                one = _remote_message(row)
                key = (one.code, one.param, one.message)
                found[key] = _together(found[key], one) if key in found else one
        return sorted(found.values(), key=lambda one: (-one.count, one.code, one.param, one.message))

    def by_status(self) -> Mapping[Status, int]:
        """Return how many jobs there are of each status; statuses without jobs count 0."""
        query = select(JobRow.status, func.count()).group_by(JobRow.status)
        with self._database.read() as connection:
            counts = {row[0]: int(row[1]) for row in connection.execute(query)}
        return {status: counts.get(status, 0) for status in Status}

    def cases(self) -> int:
        """Return how many issued documents need a person all the same."""
        query = select(func.count()).select_from(JobRow).where(_CASE)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def sent_since(self, instant: datetime) -> int:
        """Return how many jobs were sent at or after an instant."""
        query = select(func.count()).select_from(JobRow).where(JobRow.sent_at >= instant)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def oldest_due(self) -> datetime | None:
        """Return since when the longest waiting due job waits: the age of this is the health of the work."""
        query = select(func.min(JobRow.due_at)).where(JobRow.status == Status.PENDING)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def known_keys(self, source: str, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return which (company, key) pairs of a source have a job."""
        query = select(JobRow.company, JobRow.key).where(
            JobRow.source == source, JobRow.key.in_([key for _, key in keys])
        )
        with self._database.read() as connection:
            return {(row[0], row[1]) for row in connection.execute(query)} & set(keys)


def _remote_message(row: Row[Any]) -> RemoteMessage:
    words = {name: row.details.get(name, "") for name in ("code", "param", "message")}
    # `count` is also the name of a method of rows.
    numbers = {name: row._mapping[name] for name in ("count", "jobs", "first_at", "last_at")}
    return RemoteMessage(**words, **numbers)


def _together(one: RemoteMessage, other: RemoteMessage) -> RemoteMessage:
    return replace(
        one,
        count=one.count + other.count,
        jobs=one.jobs + other.jobs,
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
    )
