"""The common pace of all processes that share an API key, as a row of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select, update

from connector.domain.pace import Pace, Slots
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.tables import BudgetRow

T = TypeVar("T")


class LedgerReservoir:
    """Keeps the pace of one key. It is asked twice a second or so, not for every request."""

    def __init__(self, database: Database, name: str, *, requests_per_minute: float) -> None:
        """Share a pace.

        Args:
            database: the ledger's.
            name: tells keys apart without giving one away.
            requests_per_minute: the full rate.
        """
        self._database = database
        self._name = name
        self._full = requests_per_minute / 60

    def reserve(self, slots: int, *, patience: float) -> Slots:
        """Take the next slots; none where the first is further away than `patience` seconds.

        Raises:
            LedgerError: the ledger cannot be reached.
        """
        now = self._now()
        return self._change(lambda pace: pace.deal(now, slots, patience=patience))

    def slow_down(self, retry_after: float | None) -> None:
        """Lower the common rate.

        Raises:
            LedgerError: the ledger cannot be reached.
        """
        now = self._now()
        self._change(lambda pace: (pace.slowed(now, retry_after), None))

    def _now(self) -> float:
        return self._database.clock.now().timestamp()

    def _change(self, act: Callable[[Pace], tuple[Pace, T]]) -> T:
        row = BudgetRow.__table__.c
        with self._database.write() as connection:
            connection.execute(
                insert_dialect(self._database)(BudgetRow)
                .values(name=self._name, next_at=0.0, paused_until=0.0, lowered_at=0.0)
                .on_conflict_do_nothing()
            )
            known = connection.execute(
                select(row.next_at, row.paused_until, row.lowered, row.lowered_at)
                .where(row.name == self._name)
                .with_for_update()
            ).one()
            after, given = act(Pace(full=self._full, **known._mapping))
            connection.execute(
                update(BudgetRow)
                .where(BudgetRow.name == self._name)
                .values(
                    next_at=after.next_at,
                    paused_until=after.paused_until,
                    lowered=after.lowered,
                    lowered_at=after.lowered_at,
                )
            )
        return given
