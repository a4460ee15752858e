"""Counts and sums for screens: bounded, however many jobs there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Numeric, Select, case, cast, func, select

from connector.domain.invoice import Kind
from connector.domain.job import Status
from connector.ledger.database import Database
from connector.ledger.tables import BudgetRow, JobRow

COUNTED: Final = 100_000
"""Nobody needs to know more exactly than "more than so many"."""

AGES: Final = tuple(timedelta(hours=hours) for hours in (0, 1, 6, 24, 72, 168))
"""What is not sent yet is told apart by these: each group goes up to the next one."""

_UNDER_WAY: Final = (Status.PENDING, Status.RUNNING, Status.WAITING, Status.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many there are; `more` where there are more than were counted."""

    number: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was issued in a span of time: how many documents and, by currency, the sum without its credit notes."""

    count: int
    sums: Mapping[str, Decimal]

    def plus(self, other: Tally) -> Tally:
        """Return both together."""
        sums = dict(self.sums)
        for currency, value in other.sums.items():
            sums[currency] = sums.get(currency, Decimal(0)) + value
        return Tally(count=self.count + other.count, sums=sums)


NOTHING: Final = Tally(count=0, sums={})


class Figures:
    """What the overview and the metrics show."""

    def __init__(self, database: Database) -> None:
        """Read a ledger."""
        self._database = database

    def by_reason(self, status: Status) -> list[tuple[str | None, Count]]:
        """Return how many jobs of a status there are for each reason, most first."""
        some = select(JobRow.reason).where(JobRow.status == status).limit(COUNTED + 1).subquery()
        query = select(some.c.reason, func.count()).group_by(some.c.reason)
        with self._database.read() as connection:
            rows = [(row[0], int(row[1])) for row in connection.execute(query)]
        more = sum(number for _, number in rows) > COUNTED
        return [(reason, Count(number=number, more=more)) for reason, number in sorted(rows, key=lambda row: -row[1])]

    def at_rest(self, statuses: Sequence[Status]) -> list[tuple[Status, str | None, int]]:
        """Return how many jobs there are of these statuses, by reason: all of them are counted, on an index."""
        query = select(JobRow.status, JobRow.reason, func.count()).where(JobRow.status.in_(statuses))
        with self._database.read() as connection:
            rows = connection.execute(query.group_by(JobRow.status, JobRow.reason)).all()
        return [(row[0], row[1], int(row[2])) for row in rows]

    def unknown_outcomes(self) -> int:
        """Return for how many jobs it is not known whether a request had its effect."""
        unsettled = (Status.PENDING, Status.WAITING, Status.HELD)
        query = select(func.count()).select_from(JobRow)
        query = query.where(JobRow.status.in_(unsettled), JobRow.open_effect.is_not(None))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def oldest_unsent(self) -> datetime | None:
        """Return when the oldest job that still has to be sent was found; what people left out does not count."""
        query = select(func.min(JobRow.created_at)).where(JobRow.status.in_(_UNDER_WAY), JobRow.sent_at.is_(None))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def sent_between(self, since: datetime, until: datetime) -> int:
        """Return how many documents were sent from one instant on, and before another."""
        query = select(func.count()).select_from(JobRow).where(JobRow.sent_at >= since, JobRow.sent_at < until)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def unsent_by_age(self) -> list[int]:
        """Return how many jobs still have to be sent, by `AGES` since they were found; of `COUNTED` at most."""
        now = self._database.clock.now()
        waiting = (JobRow.status.in_(_UNDER_WAY), JobRow.sent_at.is_(None))
        some = select(JobRow.created_at).where(*waiting).limit(COUNTED).subquery()
        older = [func.sum(case((some.c.created_at <= now - age, 1), else_=0)) for age in AGES]
        with self._database.read() as connection:
            sums = [int(count or 0) for count in connection.execute(select(*older)).one()]
        return [count - more for count, more in pairwise([*sums, 0])]

    def issued(self, since: datetime, until: datetime) -> Tally:
        """Return what was sent from one instant on, and before another."""
        sent = (JobRow.sent_at >= since, JobRow.sent_at < until)
        if self._database.is_sqlite:  # it cannot add decimals without rounding them
            query = _of(JobRow.total).where(*sent)
        else:
            number = func.count().label("number")
            query = _of(func.sum(cast(JobRow.total, Numeric)).label("total"), number).where(*sent)
            query = query.group_by(JobRow.currency, JobRow.kind)
        sums: dict[str, Decimal] = {}
        count = 0
        with self._database.read() as connection:
            for row in connection.execute(query):
                count += _number(row)
                signed = -(row.total or 0) if row.kind is Kind.CREDIT_NOTE else (row.total or 0)
                sums[row.currency or "?"] = sums.get(row.currency or "?", Decimal(0)) + signed
        return Tally(count=count, sums=sums)

    def pace(self, name: str) -> Mapping[str, Any] | None:
        """Return the row of a request budget that processes share; None where it was never used, or is elsewhere."""
        with self._database.read() as connection:
            row = connection.execute(select(*BudgetRow.__table__.c).where(BudgetRow.name == name)).one_or_none()
        return dict(row._mapping) if row else None


def _of(*columns: Any) -> Select[Any]:
    return select(JobRow.currency, JobRow.kind, *columns)


def _number(row: Any) -> int:
    return int(row.number) if "number" in row._mapping else 1
