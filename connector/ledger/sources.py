"""Sources that are left alone: paused by a person, or locked, for their database is not the one of the ledger.

Nothing is looked for in their ERP, nothing written into it, and their jobs wait.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    bindparam,
    or_,
    select,
    update,
)

from connector.domain.job import Status
from connector.ledger import alarms
from connector.ledger.database import Database
from connector.ledger.deeds import write_deed
from connector.ledger.jobs import insert_dialect, release
from connector.ledger.tables import AlarmRow, JobRow, SourceRow
from connector.ledger.waiting import let_pending_wait

REASON: Final = "source_paused"
"""Why the jobs of a paused source wait."""

ANOTHER: Final = "source_is_another"
"""The alarm while a source is locked, and why its jobs wait."""

_AT_ONCE: Final = 3.0
"""Seconds for which whoever pauses or locks a source lets its jobs wait. What is left is the scheduler's: of a paused
source nothing is leased, and whoever leases a job of a locked one lets it wait."""

_NOTHING: Final = dict.fromkeys(("paused_at", "paused_by", "paused_note", "paused_until"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Who paused a source, why, and until when; None: until somebody resumes it."""

    at: datetime
    who: str
    note: str
    until: datetime | None

    def facts(self, source: str) -> Mapping[str, str]:
        """Return the facts of the catalogue's sentence."""
        return {"source": source, "who": self.who, "note": self.note}


class Sources:
    """The pauses and locks of sources."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def paused(self) -> Mapping[str, Pause]:
        """Return the sources that are paused now, by name."""
        values = {"now": self._database.clock.now()}
        with self._database.read() as connection:
            return {row.name: _pause(row) for row in connection.execute(_PAUSES, values)}

    def pause_of(self, name: str) -> Pause | None:
        """Return the pause of a source, if it is paused now."""
        values = {"now": self._database.clock.now(), "of_source": name}
        with self._database.read() as connection:
            row = connection.execute(_PAUSE_OF, values).one_or_none()
        return _pause(row) if row else None

    def pause(self, name: str, *, who: str, note: str, until: datetime | None) -> None:
        """Pause a source until an instant, or until somebody resumes it; what is being done is done to its end."""
        now = self._database.clock.now()
        values = {"paused_at": now, "paused_by": who[:128], "paused_note": note, "paused_until": until}
        with self._database.write() as connection:
            insert = insert_dialect(self._database)(SourceRow).values(name=name, **values)
            connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))
            write_deed(connection, now, who=who, what="pause_source", subject=name, note=note)
        self.let_wait(seconds=_AT_ONCE)

    def resume(self, name: str, *, who: str, note: str) -> int:
        """End the pause of a source; return how many jobs go on."""
        now = self._database.clock.now()
        with self._database.write() as connection:
            count = self._end(connection, name, now)
            write_deed(connection, now, who=who, what="resume_source", subject=name, note=note, count=count)
        return count

    def resume_over(self) -> list[str]:
        """End the pauses whose time has come; return of which sources."""
        now = self._database.clock.now()
        over = select(SourceRow.name).where(SourceRow.paused_at.is_not(None), SourceRow.paused_until <= now)
        with self._database.read() as connection:
            names = list(connection.execute(over).scalars())
        for name in names:
            with self._database.write() as connection:
                self._end(connection, name, now)
        return names

    def _end(self, connection: Connection, name: str, now: datetime) -> int:
        connection.execute(update(SourceRow).where(SourceRow.name == name).values(_NOTHING))
        return release(connection, _waits(name, REASON), now)

    def lock(self, name: str) -> None:
        """Let the pending jobs of a source wait, and people know, for it leads to another database."""
        with self._database.write() as connection:
            alarms.begin(connection, self._database, ANOTHER, name, {"source": name})
        self._let_wait(name, ANOTHER, {"source": name}, seconds=_AT_ONCE)

    def unlock(self, name: str) -> None:
        """Let the jobs of a source go on, for it is the database that the ledger knows."""
        with self._database.read() as connection:
            locked = connection.execute(_ANY_LOCK_OF, {"of_source": name}).scalar_one()
        if not locked:
            return
        with self._database.write() as connection:
            alarms.end(connection, self._database, ANOTHER, name)
            release(connection, _waits(name, ANOTHER), self._database.clock.now())

    def locked(self) -> list[str]:
        """Return the sources that are locked, by name."""
        with self._database.read() as connection:
            return list(connection.execute(_LOCKED.order_by(AlarmRow.subject)).scalars())

    def let_wait(self, *, seconds: float = math.inf) -> int:
        """Let the pending jobs of paused and of locked sources wait, and say why; return how many.

        After so many seconds of each the rest is left for another time.
        """
        paused = {name: pause.facts(name) for name, pause in self.paused().items()}
        locked = {name: {"source": name} for name in self.locked() if name not in paused}
        return sum(
            self._let_wait(name, reason, facts, seconds=seconds)
            for reason, sources in ((REASON, paused), (ANOTHER, locked))
            for name, facts in sources.items()
        )

    def _let_wait(self, name: str, reason: str, facts: Mapping[str, str], *, seconds: float = math.inf) -> int:
        lasts = _locks(name) if reason == ANOTHER else _PAUSED.where(SourceRow.name == name)
        whose = JobRow.source == name
        return let_pending_wait(
            self._database, whose, lasts.with_for_update(), reason=reason, facts=facts, seconds=seconds
        )


_PAUSED: Final = select(SourceRow.name).where(SourceRow.paused_at.is_not(None))
_LOCKED: Final = select(AlarmRow.subject).where(AlarmRow.code == ANOTHER, AlarmRow.ended_at.is_(None))


def _locks(name: str) -> Select[str]:
    return _LOCKED.where(AlarmRow.subject == name)


def _waits(name: str | BindParameter[str], reason: str) -> ColumnElement[bool]:
    return and_(JobRow.source == name, JobRow.status == Status.WAITING, JobRow.reason == reason)


def _pause(row: Row[Any]) -> Pause:
    return Pause(at=row.paused_at, who=row.paused_by, note=row.paused_note, until=row.paused_until)


_OF_SOURCE: Final = bindparam("of_source", type_=String())
_ANY_LOCK_OF: Final = select(
    or_(
        _LOCKED.where(AlarmRow.subject == _OF_SOURCE).exists(),
        select(JobRow.id).where(_waits(_OF_SOURCE, ANOTHER)).exists(),
    )
)
_PAUSES: Final = select(
    SourceRow.name, SourceRow.paused_at, SourceRow.paused_by, SourceRow.paused_note, SourceRow.paused_until
).where(
    SourceRow.paused_at.is_not(None),
    or_(SourceRow.paused_until.is_(None), SourceRow.paused_until > bindparam("now")),
)
_PAUSE_OF: Final = _PAUSES.where(SourceRow.name == _OF_SOURCE)
