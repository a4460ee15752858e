"""What people and machines ask the ledger: lists, counts, one job with its timeline."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, true, tuple_, union_all

from connector.domain.evidence import unpacked
from connector.domain.identity import name_key
from connector.domain.job import AT_REST, Effect, Stage, Status
from connector.ledger import causes
from connector.ledger.cases import CASE
from connector.ledger.causes import Cause
from connector.ledger.database import Database
from connector.ledger.jobs import first_due_at
from connector.ledger.loose import different
from connector.ledger.records import COLUMNS, LIGHT_COLUMNS, Job, job_of
from connector.ledger.tables import EventRow, JobRow


def _reference(text: str) -> str:
    """The reference within a cross-reference, or the text itself."""
    return text.rpartition(":")[2] if text.startswith("b2brouter:") else text


@dataclass(frozen=True, slots=True)
class Named:
    """The jobs that a search found, and whether it would have found more."""

    ids: Sequence[int]
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which jobs are meant. What is None, or empty, does not narrow."""

    ids: Sequence[int] = ()
    status: Status | None = None
    stage: Stage | None = None
    reason: str | None = None
    cause: str | None = None  # by its key: rests for the same reason and because of the same customer, tax …
    remote_state: str | None = None  # as B2Brouter calls it
    source: str | None = None
    account: str | None = None
    since: date | None = None  # of issue
    until: date | None = None  # inclusive
    at_least: Decimal | None = None  # of the total, whatever its currency
    at_most: Decimal | None = None
    search: str | None = None  # anywhere in number or customer: reads all jobs
    among: Named | None = None  # what a search found; nothing fits where that is empty
    attention: bool = False  # only what needs a person: held, or a case
    case: bool = False  # only what needs a person though its work has ended
    under_way: bool = False  # only what has not come to its end
    issued_from: date | None = None
    issued_to: date | None = None
    recorded: bool = False  # only what has a reference and a cross-reference for the ERP

    @property
    def empty(self) -> bool:
        """Whether every job is meant."""
        return self == Filter()

    def clause(self) -> ColumnElement[bool]:
        """Return the condition."""
        wanted: list[ColumnElement[bool]] = [true()]
        if self.ids:
            wanted.append(JobRow.id.in_(self.ids))
        for column, value in (
            (JobRow.status, self.status),
            (JobRow.stage, self.stage),
            (JobRow.reason, self.reason),
            (JobRow.remote_state, self.remote_state),
            (JobRow.source, self.source),
            (JobRow.account, self.account),
        ):
            if value is not None:
                wanted.append(column == value)
        if self.cause is not None:
            wanted.append(causes.clause(self.cause))
        wanted += self._limits()
        if self.among is not None:
            wanted.append(JobRow.id.in_(self.among.ids))
        if self.search:
            wanted.append(_matches(self.search))
        if self.attention:
            wanted.append(either(*NEEDING))
        if self.case:
            wanted.append(CASE)
        if self.under_way:
            wanted.append(JobRow.status.not_in(AT_REST))
        if self.recorded:
            wanted.append(and_(JobRow.reference.is_not(None), JobRow.xref.is_not(None)))
        return and_(*wanted)

    @property
    def cut(self) -> bool:
        """Whether more are meant than a search could find."""
        return self.among is not None and self.among.more

    def _limits(self) -> Iterator[ColumnElement[bool]]:
        for first in (self.since, self.issued_from):
            if first is not None:
                yield JobRow.issue_date >= first
        for last in (self.until, self.issued_to):
            if last is not None:
                yield JobRow.issue_date <= last
        if self.at_least is not None:
            yield JobRow.size >= float(self.at_least)
        if self.at_most is not None:
            yield JobRow.size <= float(self.at_most)


NEEDING: Final = (JobRow.status == Status.HELD, CASE)
"""The two ways in which a job needs a person."""


def either(*ways: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition of the jobs that are meant in one of several ways, each of which an index answers.

    Joined by "or" they would be looked for among all jobs wherever jobs are read by id.
    """
    return JobRow.id.in_(union_all(*(select(JobRow.id).where(way) for way in ways)))


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
class Place:
    """Where a page of jobs ended."""

    id: int
    day: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some jobs, and where the next ones begin; None where there are no more."""

    jobs: list[Job]
    next: Place | None


RECENT: Final = 10_000
"""Of so many jobs, the last ones found, number and name are searched for a text anywhere in them."""

NAMED: Final = 2_000
"""A search finds no more than so many each way."""

LOOKED_AT: Final = 20_000
"""Where a search is narrowed otherwise, so many are looked at each way."""

EVERY: Final = Filter()

ATTENTION: Final = Filter(attention=True)

_SENDING = select(EventRow.id).where(
    EventRow.job_id == JobRow.id, EventRow.what == "intent", EventRow.effect == Effect.SEND
)
_EVENT_COLUMNS = tuple(getattr(EventRow, name) for name in TimelineEvent.__dataclass_fields__)
_ACCOUNTS_DUE = different(JobRow.account, JobRow.status == Status.PENDING)
_PAGE = 1000
_RESTING = 20_000


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
        referred = JobRow.reference == _reference(text)
        if text.startswith("b2brouter:"):
            referred = and_(referred, JobRow.xref == text)
        exact = or_(JobRow.number == text, referred)
        found = self._page(select(*COLUMNS).where(exact))
        if not found and re.fullmatch("[0-9]{1,18}", text):
            found = self._page(select(*COLUMNS).where(JobRow.id == int(text)))
        return found or self._page(select(*COLUMNS).where(JobRow.key == text))

    def page(self, wanted: Filter, *, after: Place | None, limit: int) -> Page:
        """Return jobs, latest first, those after a place: by date of issue where a period is meant, else as found.

        Payloads are left out.
        """
        by_date = wanted.since is not None or wanted.until is not None
        order = [JobRow.issue_date.desc(), JobRow.id.desc()] if by_date else [JobRow.id.desc()]
        query = select(*LIGHT_COLUMNS).where(wanted.clause()).order_by(*order).limit(limit + 1)
        if after is not None:
            if by_date and after.day is not None:
                query = query.where(tuple_(JobRow.issue_date, JobRow.id) < tuple_(after.day, after.id))
            else:
                query = query.where(JobRow.id < after.id)
        with self._database.read() as connection:
            jobs = [job_of(row) for row in connection.execute(query)]
        if len(jobs) <= limit:
            return Page(jobs=jobs, next=None)
        last = jobs[limit - 1]
        return Page(jobs=jobs[:limit], next=Place(id=last.id, day=last.issue_date if by_date else None))

    def named(self, text: str, wanted: Filter = EVERY) -> Named:
        """Return those of a filter that a person means by what they typed, as far as indexes answer.

        At most `NAMED` are found each way, among the first `LOOKED_AT` that are called so.

        The number or the customer's name begins so; the reference or tax number is just that; of the last `RECENT`
        jobs that were found, number or name have the text anywhere, or it is their key in the ERP.
        """
        name, plain = name_key(text), re.sub("[^0-9A-Z]", "", text.upper())
        number, customer = JobRow.number, JobRow.customer_key
        anywhere = or_(number.icontains(text, autoescape=True), customer.contains(name, autoescape=True))
        newest = select(func.max(JobRow.id)).scalar_subquery()
        ways: list[Select[Any]] = [
            select(JobRow.id).where(number.startswith(text, autoescape=True)).order_by(number.desc()),
            select(JobRow.id).where(JobRow.reference == _reference(text)),
            select(JobRow.id).where(JobRow.tax_number == plain).order_by(JobRow.tax_number.desc(), JobRow.id.desc()),
            select(JobRow.id).where(JobRow.id > newest - RECENT, or_(anywhere, JobRow.key == text)),
        ]
        if name:
            begins = customer.startswith(name, autoescape=True)
            ways.append(select(JobRow.id).where(begins).order_by(customer.desc(), JobRow.id.desc()))
        with self._database.read() as connection:
            found = [_narrowed(connection, way, wanted) for way in ways]
        return Named(sorted(set().union(*(one.ids for one in found))), more=any(one.more for one in found))

    def timeline(self, job_id: int) -> list[TimelineEvent]:
        """Return all that happened to a job, oldest first."""
        query = select(*_EVENT_COLUMNS).where(EventRow.job_id == job_id).order_by(EventRow.id)
        with self._database.read() as connection:
            return [TimelineEvent(**row._mapping) for row in connection.execute(query)]

    def answers(self, job_id: int) -> list[tuple[TimelineEvent, str | None]]:
        """Return what B2Brouter was asked for, oldest first, each with the answer as it came, where that is kept."""
        asked = or_(EventRow.request_id.is_not(None), EventRow.outcome.is_not(None))
        query = select(*_EVENT_COLUMNS, EventRow.answer).where(EventRow.job_id == job_id, asked).order_by(EventRow.id)
        with self._database.read() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        kept = [row.pop("answer") for row in rows]
        return [(TimelineEvent(**row), answer and unpacked(answer)) for row, answer in zip(rows, kept, strict=True)]

    def causes(self, wanted: Filter = ATTENTION, *, most: int | None = None) -> list[Cause]:
        """Return the jobs that have a reason, by default those that need a person, grouped by what is to be cured.

        Where `most` says so, of the first so many.
        """
        with closing(self._resting(wanted)) as resting:
            return causes.grouped(islice(resting, most))

    def _resting(self, wanted: Filter) -> Generator[Row[Any]]:
        """Yield rows by id, in large pages: no index has this order, so each page costs a look at all of them."""
        query = select(*causes.COLUMNS).where(wanted.clause(), JobRow.reason.is_not(None)).order_by(JobRow.id)
        page = query
        while True:
            number = 0
            with self._database.read() as connection:
                for row in connection.execute(page.limit(_RESTING)):
                    yield row
                    number += 1
            if number < _RESTING:
                return
            page = query.where(JobRow.id > row.id)

    def by_status(self) -> Mapping[Status, int]:
        """Return how many jobs there are of each status; statuses without jobs count 0."""
        query = select(JobRow.status, func.count()).group_by(JobRow.status)
        with self._database.read() as connection:
            counts = {row[0]: int(row[1]) for row in connection.execute(query)}
        return {status: counts.get(status, 0) for status in Status}

    def cases(self) -> int:
        """Return how many documents need a person though their work has ended."""
        query = select(func.count()).select_from(JobRow).where(CASE)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def sent_since(self, instant: datetime) -> int:
        """Return how many jobs were sent at or after an instant."""
        return self._sent_since(instant)

    def sent_already_since(self, instant: datetime) -> int:
        """Return how many of these this ledger never had sent: they were found at B2Brouter, sent before."""
        return self._sent_since(instant, ~_SENDING.exists())

    def _sent_since(self, instant: datetime, *conditions: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(JobRow).where(JobRow.sent_at >= instant, *conditions)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def oldest_due(self, *, sources: Sequence[str] | None = None) -> datetime | None:
        """Return since when the longest waiting due job waits: the age of this is the health of the work."""
        pending = [JobRow.status == Status.PENDING, JobRow.account == _ACCOUNTS_DUE.c.value]
        if sources is not None:
            pending.append(JobRow.source.in_(sources))
        # The first of each account's: there may be a million that are due, and the index begins with the account.
        first = first_due_at(*pending).scalar_subquery()
        with self._database.read() as connection:
            return connection.execute(select(func.min(first)).select_from(_ACCOUNTS_DUE)).scalar_one()

    def is_being_worked(self) -> bool:
        """Whether a worker holds a lease and gives signs of life."""
        now = self._database.clock.now()
        query = select(JobRow.id).where(JobRow.status == Status.RUNNING, JobRow.leased_until >= now).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def known_keys(self, source: str, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return which (company, key) pairs of a source have a job."""
        query = select(JobRow.company, JobRow.key).where(
            JobRow.source == source, JobRow.key.in_([key for _, key in keys])
        )
        with self._database.read() as connection:
            return {(row[0], row[1]) for row in connection.execute(query)} & set(keys)


def _narrowed(connection: Connection, way: Select[Any], wanted: Filter) -> Named:
    """Return those of a filter that are found one way; how broad the search is must not say how long it takes."""
    more = False
    if not wanted.empty:
        called = way.limit(LOOKED_AT).subquery()
        more = connection.execute(select(func.count()).select_from(called)).scalar_one() == LOOKED_AT
        way = select(JobRow.id).where(JobRow.id.in_(select(called.c.id)), wanted.clause())
    ids = list(connection.execute(way.limit(NAMED + 1)).scalars())
    return Named(ids[:NAMED], more=more or len(ids) > NAMED)
