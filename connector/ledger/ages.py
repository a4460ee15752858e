"""How long things have been lying: what a watch over the installation asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, Select, and_, bindparam, func, select

from connector.domain.job import Stage, Status
from connector.ledger.database import Database
from connector.ledger.jobs import first_due_at
from connector.ledger.loose import different
from connector.ledger.tables import JobRow

_UNFINISHED = (Status.PENDING, Status.RUNNING, Status.WAITING, Status.HELD)

_LEFT = (Status.PENDING, Status.WAITING, Status.HELD)

_UNSENT = (Stage.FOUND, Stage.CONTACT_READY, Stage.CREATED, Stage.VERIFIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """What should have been sent by now."""

    count: int
    since: datetime  # when the oldest was found
    number: str  # of the oldest, or its job


@dataclass(frozen=True, slots=True, kw_only=True)
class Astray:
    """What of an account nobody would send, or write back, whatever happens to it."""

    count: int
    since: datetime  # when the oldest was found
    sources: Collection[str]


_PENDING = JobRow.status == Status.PENDING


def _origins() -> CTE:
    """Return a table `source`, `account` of what has pending jobs, found by jumps along their index.

    For each source it ends in a row without account.
    """
    sources = different(JobRow.source, _PENDING)
    source, account = sources.c.value, func.min(JobRow.account)
    first = select(account).where(_PENDING, JobRow.source == source, JobRow.account > "").correlate(sources)
    found = select(source.label("source"), first.scalar_subquery().label("account")).where(source.is_not(None))
    origins = found.cte(recursive=True)
    here = and_(_PENDING, JobRow.source == origins.c.source)
    higher = select(account).where(here, JobRow.account > origins.c.account).correlate(origins).scalar_subquery()
    return origins.union_all(select(origins.c.source, higher).where(origins.c.account.is_not(None)))


def _first_due() -> Select[Any]:
    origins = _origins()
    of_both = (JobRow.source == origins.c.source, JobRow.account == origins.c.account)
    due_at = first_due_at(_PENDING, *of_both).correlate(origins).scalar_subquery()
    return select(origins.c.source, origins.c.account, due_at).where(origins.c.account.is_not(None))


def _first_late() -> Select[Any]:
    late = and_(
        JobRow.status.in_(_UNFINISHED), JobRow.stage.in_(_UNSENT), JobRow.created_at < bindparam("found_before")
    )
    account = JobRow.account + ""  # else SQLite would read all jobs, in the order of this index
    place = func.row_number().over(partition_by=account, order_by=(JobRow.created_at, JobRow.id))
    number = func.count().over(partition_by=account)
    columns = (JobRow.account, JobRow.number, JobRow.id, JobRow.created_at)
    rows = select(*columns, place.label("place"), number.label("late")).where(late).subquery()
    return select(rows).where(rows.c.place == 1)


_FIRST_DUE = _first_due()
_FIRST_LATE = _first_late()
_WORKED = select(JobRow.account).where(JobRow.status == Status.RUNNING)
_ACCOUNTS = select(different(JobRow.account).c.value)
_SOURCES = select(different(JobRow.source).c.value)
_LEFT_LYING = (
    select(JobRow.account, JobRow.source, func.count().label("number"), func.min(JobRow.created_at).label("since"))
    .where(JobRow.status.in_(_LEFT))
    .group_by(JobRow.account, JobRow.source)
)


class Ages:
    """Reading, without disturbing the work."""

    def __init__(self, database: Database) -> None:
        """Read a ledger."""
        self._database = database

    def left_lying(self, sources: Mapping[str, Collection[str]]) -> Mapping[str, datetime]:
        """Return since when the oldest due job of an account is due, by account; not where somebody works at them.

        Args:
            sources: the account's own, by account; what comes of others nobody may work at.
        """
        with self._database.read() as connection:
            worked = set(connection.execute(_WORKED).scalars())
            rows = connection.execute(_FIRST_DUE).all()
        due: dict[str, datetime] = {}
        for source, account, due_at in rows:
            if account not in worked and source in sources.get(account, ()):
                due[account] = min(due_at, due.get(account, due_at))
        return due

    def overdue(self, *, found_before: datetime) -> Mapping[str, Overdue]:
        """Return what is not sent though it was found before an instant, by account."""
        with self._database.read() as connection:
            rows = connection.execute(_FIRST_LATE, {"found_before": found_before}).all()
        return {
            row.account: Overdue(count=row.late, since=row.created_at, number=row.number or f"#{row.id}")
            for row in rows
        }

    def astray(self, issuers: Mapping[str, Collection[str]]) -> Mapping[str, Astray]:
        """Return what is under way and goes no further, by account: no source of its own leads there any more.

        What was sent counts as well: as long as its reference is not in the ERP, it is not done.

        Where no such job can be, because every account and source of the ledger belong together, that is seen by
        jumps along indexes; else all jobs that are under way are read, though not those that came to their end.

        Args:
            issuers: the accounts that issue for each source.
        """
        with self._database.read() as connection:
            accounts = {name for name in connection.execute(_ACCOUNTS).scalars() if name is not None}
            sources = [name for name in connection.execute(_SOURCES).scalars() if name is not None]
            if all(accounts.issubset(issuers.get(source, ())) for source in sources):
                return {}
            rows = connection.execute(_LEFT_LYING).all()
        found: dict[str, Astray] = {}
        for account, source, number, since in rows:
            if account in issuers.get(source, ()):
                continue
            one = Astray(count=number, since=since, sources={source})
            found[account] = _together(found[account], one) if account in found else one
        return found


def _together(one: Astray, other: Astray) -> Astray:
    return Astray(
        count=one.count + other.count,
        since=min(one.since, other.since),
        sources={*one.sources, *other.sources},
    )
