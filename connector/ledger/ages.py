"""How long things have been lying: what a watch over the installation asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select

from connector.domain.job import Stage, Status
from connector.ledger.database import Database
from connector.ledger.tables import JobRow

_UNFINISHED = (Status.PENDING, Status.RUNNING, Status.WAITING, Status.HELD)

_UNSENT = (Stage.FOUND, Stage.CONTACT_READY, Stage.CREATED, Stage.VERIFIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """What should have been sent by now."""

    count: int
    since: datetime  # when the oldest was found
    number: str  # of the oldest, or its job


class Ages:
    """Reading, without disturbing the work."""

    def __init__(self, database: Database) -> None:
        """Read a ledger."""
        self._database = database

    def left_lying(self, account: str) -> datetime | None:
        """Return since when the oldest due job of an account is due; None where somebody works at them."""
        mine = JobRow.account == account
        worked = select(JobRow.id).where(mine, JobRow.status == Status.RUNNING).limit(1)
        oldest = select(func.min(JobRow.due_at)).where(mine, JobRow.status == Status.PENDING)
        with self._database.read() as connection:
            if connection.execute(worked).first() is not None:
                return None
            return connection.execute(oldest).scalar_one()

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
