"""What the directory said of a recipient, kept for a while and shared by all sources of an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from connector.domain.recipient import Delivery
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.tables import DirectoryRow as Row


@dataclass(frozen=True, slots=True)
class Said:
    """An answer of the directory. Without a delivery: the recipient is not there."""

    delivery: Delivery | None


class Directory:
    """The answers that still count."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def get(self, account: str, identifier: str) -> Said | None:
        """Return what was said of an identifier; None if nothing, or too long ago."""
        now = self._database.clock.now()
        query = select(Row.transport, Row.document).where(
            Row.account == account, Row.identifier == identifier, Row.valid_until > now
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return Said(Delivery(row.transport, row.document or "") if row.transport else None)

    def keep(self, account: str, identifier: str, delivery: Delivery | None, *, seconds: float) -> None:
        """Remember an answer for so long."""
        values = {
            "transport": delivery.transport if delivery else None,
            "document": delivery.document if delivery else None,
            "valid_until": self._database.clock.now() + timedelta(seconds=seconds),
        }
        insert = insert_dialect(self._database)(Row).values(account=account, identifier=identifier, **values)
        with self._database.write() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["account", "identifier"], set_=values))
