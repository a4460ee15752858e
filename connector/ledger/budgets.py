"""The common pace of all processes that share an API key, as a row of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import bindparam, select, update

from connector.domain.pace import Pace, Slots
from connector.ledger.database import Database
from connector.ledger.jobs import insert_or_ignore
from connector.ledger.tables import BudgetRow

T = TypeVar("T")

_NAMES = ("next_at", "paused_until", "lowered", "lowered_at")

# Built once, as in `jobs`.
_PACE = (
    select(*(getattr(BudgetRow, name) for name in _NAMES))
    .where(BudgetRow.name == bindparam("of_key"))
    .with_for_update()
)
_WRITE = update(BudgetRow).where(BudgetRow.name == bindparam("of_key"))


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
        new = {"name": self._name, "next_at": 0.0, "paused_until": 0.0, "lowered_at": 0.0}
        key = {"of_key": self._name}
        with self._database.write() as connection:
            connection.execute(insert_or_ignore(self._database, BudgetRow), new)
            after, given = act(Pace(full=self._full, **connection.execute(_PACE, key).one()._mapping))
            connection.execute(_WRITE, {**{name: getattr(after, name) for name in _NAMES}, **key})
        return given
