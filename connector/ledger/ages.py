"""How long things have been lying: what a watch over the installation asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select

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

    def left_lying(self, account: str, sources: Collection[str]) -> datetime | None:
        """Return since when the oldest due job of an account is due; None where somebody works at them.

        What comes of other sources than its own nobody may work at.
        """
        mine = JobRow.account == account
        worked = select(JobRow.id).where(mine, JobRow.status == Status.RUNNING).limit(1)
        due = and_(mine, JobRow.status == Status.PENDING, JobRow.source.in_(sources))
        with self._database.read() as connection:
            if connection.execute(worked).first() is not None:
                return None
            return connection.execute(first_due_at(due)).scalar_one_or_none()

    def overdue(self, account: str, *, found_before: datetime) -> Overdue | None:
        """Return what of an account is not sent though it was found before an instant."""
        late = and_(
            JobRow.account == account,
            JobRow.status.in_(_UNFINISHED),
            JobRow.stage.in_(_UNSENT),
            JobRow.created_at < found_before,
        )
        first = select(JobRow.number, JobRow.id, JobRow.created_at).where(late)
        with self._database.read() as connection:
            count = connection.execute(select(func.count()).where(late)).scalar_one()
            row = connection.execute(first.order_by(JobRow.created_at, JobRow.id).limit(1)).one_or_none()
        if row is None:
            return None
        return Overdue(count=count, since=row.created_at, number=row.number or f"#{row.id}")

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
