"""Sources that a person has paused: nothing is looked for in their ERP, nothing written into it, their jobs wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, and_, or_, select, update

from connector.domain.job import Status
from connector.ledger import timeline
from connector.ledger.database import Database
from connector.ledger.deeds import write_deed
from connector.ledger.jobs import insert_dialect, release
from connector.ledger.records import Entry
from connector.ledger.tables import JobRow, SourceRow

REASON: Final = "source_paused"
"""Why the jobs of a paused source wait."""

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
    """The pauses of sources."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def paused(self) -> Mapping[str, Pause]:
        """Return the sources that are paused now, by name."""
        now = self._database.clock.now()
        lasting = or_(SourceRow.paused_until.is_(None), SourceRow.paused_until > now)
        columns = (SourceRow.name, SourceRow.paused_at, SourceRow.paused_by, SourceRow.paused_note)
        query = select(*columns, SourceRow.paused_until).where(SourceRow.paused_at.is_not(None), lasting)
        with self._database.read() as connection:
            return {
                row.name: Pause(at=row.paused_at, who=row.paused_by, note=row.paused_note, until=row.paused_until)
                for row in connection.execute(query)
            }

    def pause(self, name: str, *, who: str, note: str, until: datetime | None) -> None:
        """Pause a source until an instant, or until somebody resumes it; what is being done is done to its end."""
        now = self._database.clock.now()
        values = {"paused_at": now, "paused_by": who[:128], "paused_note": note, "paused_until": until}
        with self._database.write() as connection:
            insert = insert_dialect(self._database)(SourceRow).values(name=name, **values)
            connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))
            write_deed(connection, now, who=who, what="pause_source", subject=name, note=note)
        self.hold_back()

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
        resting = and_(JobRow.source == name, JobRow.status == Status.WAITING, JobRow.reason == REASON)
        return release(connection, resting, now)

    def hold_back(self) -> int:
        """Let the pending jobs of paused sources wait, and say why; return how many."""
        return sum(self._hold_back(name, pause) for name, pause in self.paused().items())

    def _hold_back(self, name: str, pause: Pause) -> int:
        now = self._database.clock.now()
        pending = and_(JobRow.source == name, JobRow.status == Status.PENDING)
        with self._database.read() as connection:
            if connection.execute(select(JobRow.id).where(pending).limit(1)).first() is None:
                return 0
        paused = select(SourceRow.name).where(SourceRow.name == name, SourceRow.paused_at.is_not(None))
        facts = dict(pause.facts(name))
        waits = {"status": Status.WAITING, "reason": REASON, "details": facts, "updated_at": now}
        with self._database.write() as connection:
            if connection.execute(paused.with_for_update()).first() is None:
                return 0  # it goes on by now, and nobody would let these go on
            held = connection.execute(
                update(JobRow).where(pending).values(waits).returning(JobRow.id, JobRow.stage)
            ).all()
            entry = Entry(what="blocked", reason=REASON, details=facts)
            timeline.append(connection, now, [(row.id, row.stage, entry) for row in held])
        return len(held)
