"""What the register of VAT numbers has answered, so that it is not asked for every invoice."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.tables import VatNumberRow


class VatNumbers:
    """The answers as the ledger has them."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def known(self, number: str) -> tuple[bool, datetime] | None:
        """Return the last answer about a number, and when it was given."""
        query = select(VatNumberRow.registered, VatNumberRow.asked_at).where(VatNumberRow.number == number)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return (row.registered, row.asked_at) if row else None

    def learn(self, number: str, *, registered: bool) -> None:
        """Remember an answer."""
        values = {"registered": registered, "asked_at": self._database.clock.now()}
        insert = insert_dialect(self._database)(VatNumberRow).values(number=number, **values)
        with self._database.write() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["number"], set_=values))
