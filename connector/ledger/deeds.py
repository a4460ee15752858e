"""Who did what, and when: written with the act itself, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select

from connector.ledger.database import Database
from connector.ledger.people_tables import DeedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that somebody did."""

    id: int
    at: datetime
    who: str
    what: str
    subject: str
    job_id: int | None
    bulk_id: int | None
    count: int | None
    note: str | None


_COLUMNS = tuple(getattr(DeedRow, name) for name in Deed.__dataclass_fields__)


class Deeds:
    """The record of what people did."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def write(self, who: str, what: str, subject: str, *, note: str | None = None, job_id: int | None = None) -> None:
        """Write down a deed that changed no job."""
        now, more = self._database.clock.now(), {"note": note, "job_id": job_id}
        with self._database.write() as connection:
            write_deed(connection, now, who=who, what=what, subject=subject, **more)

    def page(self, *, before: int | None, limit: int, who: str | None = None, what: str | None = None) -> list[Deed]:
        """Return deeds, latest first, those before an id."""
        query = select(*_COLUMNS).order_by(DeedRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(DeedRow.id < before)
        if who is not None:
            query = query.where(DeedRow.who == who)
        if what is not None:
            query = query.where(DeedRow.what == what)
        with self._database.read() as connection:
            return [Deed(**row._mapping) for row in connection.execute(query)]

    def has_signed_in(self, who: str, address: str, *, within: timedelta) -> bool:
        """Whether somebody has signed in from an address, at most so long ago."""
        since = self._database.clock.now() - within
        query = select(DeedRow.id).where(
            DeedRow.who == who[:128], DeedRow.what == "sign_in", DeedRow.subject == address, DeedRow.at >= since
        )
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).one_or_none() is not None


def write_deed(connection: Connection, at: datetime, *, who: str, what: str, subject: str, **more: Any) -> None:
    """Write down a deed, in the transaction of the deed itself."""
    connection.execute(insert(DeedRow).values(at=at, who=who[:128], what=what, subject=subject[:255], **more))
