"""Alarms from their beginning to their end, each written in the transaction of the fact that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, and_, select, update

from connector.domain import catalogue
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.tables import AlarmRow

COMPLETENESS_GAP: Final = "completeness_gap"
"""The alarm while a comparison finds differences."""

ERP_NOT_TOLD: Final = "erp_not_told"
"""The alarm while an ERP has not taken for long how its documents fare."""

CALM: Final = timedelta(minutes=2)
"""How long something must be well again before its alarm is over: what begins anew within that goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One alarm as the ledger has it."""

    id: int
    code: str
    subject: str
    details: dict[str, str]
    since: datetime
    ended_at: datetime | None

    def calm(self, now: datetime) -> bool:
        """Whether it has ended and will not be taken up again."""
        return self.ended_at is not None and self.ended_at <= now - CALM


_COLUMNS = tuple(getattr(AlarmRow, name) for name in Standing.__dataclass_fields__)


class Alarms:
    """The alarms of the ledger."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def begin(self, code: str, subject: str, details: Mapping[str, str]) -> bool:
        """See that an alarm lasts, with these facts; return whether it is a new one.

        Args:
            code: of `domain/alarms.toml`.
            subject: the account or source; empty for the installation.
            details: the facts of its sentence; instants by `alarms.instant`.
        """
        present = self._lasting(code, subject)
        if present is not None and present.details == dict(details):
            return False
        with self._database.write() as connection:
            return begin(connection, self._database, code, subject, details)

    def end(self, code: str, subject: str) -> None:
        """See that an alarm does not last."""
        if self._lasting(code, subject) is not None:
            with self._database.write() as connection:
                end(connection, self._database, code, subject)

    def compared(self, account: str, *, differences: int, start: date | None, end: date | None) -> None:
        """Take note of what a comparison of ERP, ledger and B2Brouter found: an alarm for an account, or its end.

        It is for comparisons of all that there is: one of a few days would end what another one found elsewhere.

        Args:
            account: by its name in the configuration.
            differences: how many there are that a person must cure.
            start: first day of issue that was compared; None: the first of all.
            end: last one; None: the last of all.
        """
        if differences:
            facts = {"account": account, "count": str(differences), "from": _day(start), "to": _day(end)}
            self.begin(COMPLETENESS_GAP, account, facts)
        else:
            self.end(COMPLETENESS_GAP, account)

    def _lasting(self, code: str, subject: str) -> Standing | None:
        query = select(*_COLUMNS).where(AlarmRow.code == code, AlarmRow.subject == subject)
        with self._database.read() as connection:
            row = connection.execute(query.where(AlarmRow.ended_at.is_(None))).one_or_none()
        return Standing(**row._mapping) if row else None

    def lasting(self) -> list[Standing]:
        """Return the alarms that last, oldest first."""
        query = select(*_COLUMNS).where(AlarmRow.ended_at.is_(None)).order_by(AlarmRow.id)
        with self._database.read() as connection:
            return [Standing(**row._mapping) for row in connection.execute(query)]

    def open(self) -> list[Standing]:
        """Return the alarms that last, and those whose end nobody has been told yet, oldest first."""
        query = select(*_COLUMNS).where(~AlarmRow.closed).order_by(AlarmRow.id)
        with self._database.read() as connection:
            return [Standing(**row._mapping) for row in connection.execute(query)]


def _day(day: date | None) -> str:
    return day.isoformat() if day else catalogue.DIFFERENT


def begin(connection: Connection, database: Database, code: str, subject: str, details: Mapping[str, str]) -> bool:
    """Do so within a transaction; see `Alarms.begin`. One that ended just now goes on."""
    now = database.clock.now()
    same = and_(AlarmRow.code == code, AlarmRow.subject == subject)
    facts = dict(details)
    lasting = and_(same, AlarmRow.ended_at.is_(None))
    if connection.execute(update(AlarmRow).where(lasting).values(details=facts)).rowcount:
        return False
    again = and_(same, ~AlarmRow.closed, AlarmRow.ended_at > now - CALM)
    if connection.execute(update(AlarmRow).where(again).values(details=facts, ended_at=None)).rowcount:
        return False
    insert = insert_dialect(database)(AlarmRow).values(
        code=code, subject=subject, details=facts, since=now, closed=False
    )
    return connection.execute(insert.on_conflict_do_nothing().returning(AlarmRow.id)).first() is not None


def end(connection: Connection, database: Database, code: str, subject: str) -> None:
    """Do so within a transaction; see `Alarms.end`."""
    lasting = and_(AlarmRow.code == code, AlarmRow.subject == subject, AlarmRow.ended_at.is_(None))
    connection.execute(update(AlarmRow).where(lasting).values(ended_at=database.clock.now()))
