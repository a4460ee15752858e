"""Which databases the ledger belongs to: its own, and those of the sources. A copy of one must not send."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, bindparam, select, update

from connector.birthmark import birthmark
from connector.domain.errors import EnvironmentLockedError
from connector.domain.identity import database_identity, same_database
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.sources import Sources
from connector.ledger.tables import SourceRow, StampRow

log = logging.getLogger(__name__)

_LEDGER = "ledger"
_KNOWN = select(StampRow.identity).where(StampRow.name == _LEDGER)
_KNOWN_SOURCE = select(SourceRow.identity).where(SourceRow.name == bindparam("of_source"))
_REBIND = (
    "If it is not a copy but has moved for good, and nothing else works with it: connector db rebind --note TEXT"
)


class Stamps:
    """What the ledger is bound to."""

    def __init__(self, database: Database, sources: Sources) -> None:
        """Work on a ledger, and lock the sources that are not what it knows."""
        self._database = database
        self._sources = sources

    def check_ledger(self) -> None:
        """Stamp the ledger with the database that it is, or see that it still is that one.

        Raises:
            EnvironmentLockedError: it is a copy: restored from a backup, or copied to another place.
        """
        if not self.see_ledger():
            insert = insert_dialect(self._database)(StampRow).values(name=_LEDGER, identity=self.place())
            with self._database.write() as connection:
                connection.execute(insert.on_conflict_do_nothing())

    def see_ledger(self) -> bool:
        """See that the ledger is the database that it was stamped as; return whether it was stamped by now.

        Raises:
            EnvironmentLockedError: it is a copy.
        """
        with self._database.read() as connection:
            present = self._here(connection)
            known: str | None = connection.execute(_KNOWN).scalar_one_or_none()
        if known is not None and not same_database(known, present):
            raise EnvironmentLockedError(
                f"This ledger is a copy: it was written as {known}, and now it is {present}. Nothing is sent.",
                action=f"Use the original. {_REBIND}",
            )
        return known is not None

    def check_source(self, name: str, identity: str) -> None:
        """Stamp a source with the database it is, or see that it still is that one: then it is not locked any more.

        Raises:
            EnvironmentLockedError: the source is another database than the one this ledger knows; it is locked.
        """
        if not self.see_source(name, identity):
            self._stamp_source(name, identity)
            self.see_source(name, identity)  # another process may have been first
        self._sources.unlock(name)

    def _stamp_source(self, name: str, identity: str) -> None:
        with self._database.write() as connection:
            now = self._database.clock.now()
            insert = insert_dialect(self._database)(SourceRow).values(name=name, identity=identity, found_at=now)
            connection.execute(insert.on_conflict_do_nothing())
            unknown = update(SourceRow).where(SourceRow.name == name, SourceRow.identity.is_(None))
            connection.execute(unknown.values(identity=identity))

    def see_source(self, name: str, identity: str) -> bool:
        """See that a source is the database that the ledger knows; return whether it knows one by now.

        Raises:
            EnvironmentLockedError: it is another one; it is locked.
        """
        with self._database.read() as connection:
            known: str | None = connection.execute(_KNOWN_SOURCE, {"of_source": name}).scalar_one_or_none()
        try:
            self.compare_source(name, known, identity)
        except EnvironmentLockedError:
            self._sources.lock(name)
            raise
        return known is not None

    def compare_source(self, name: str, known: str | None, present: str) -> None:
        """See that a source is the database that the ledger knows.

        Raises:
            EnvironmentLockedError: it is another one.
        """
        if known is not None and not same_database(known, present):
            raise EnvironmentLockedError(
                f"The ledger knows the source {name} as {known}, but the configuration leads to {present}. "
                "Nothing is sent.",
                action=f"Use the ledger that belongs to this database, or give the source another name. {_REBIND}",
            )

    def rebind(self, *, who: str, note: str) -> str:
        """Bind the ledger to where it is now, and every source to what it is at its next use.

        A person says by it that the copy is the original from now on. Returns the former place.
        """
        with self._database.write() as connection:
            present = self._here(connection)
            known: str | None = connection.execute(_KNOWN).scalar_one_or_none()
            values = {"identity": present, "bound_at": self._database.clock.now(), "who": who, "note": note}
            insert = insert_dialect(self._database)(StampRow).values(name=_LEDGER, **values)
            connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))
            connection.execute(update(SourceRow).values(identity=None))
        log.warning("the ledger was bound anew by %s: %s", who, note)
        return known or present

    def place(self) -> str:
        """Return what names the ledger's database now."""
        with self._database.read() as connection:
            return self._here(connection)

    def _here(self, connection: Connection) -> str:
        return database_identity(self._database.place, birthmark(connection))
