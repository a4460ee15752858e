"""How requests to B2Brouter ended and how long they took: each process adds what it has counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, select

from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.tables import CallMinuteRow, CallRow

LIMITS: Final = (100, 250, 500, 1000, 2500, 5000, 10_000, 30_000)
"""Milliseconds by which requests are told apart."""

LONGER: Final = 0
"""Stands for all that took longer than that."""

MINUTE: Final = timedelta(minutes=1)

_KEPT: Final = timedelta(days=1)


class Kind(NamedTuple):
    """What requests are counted by."""

    account: str
    operation: str
    status: str  # 2xx, 4xx, 429, 5xx; none: no answer
    within: int  # one of `LIMITS`, or `LONGER`


@dataclass(frozen=True, slots=True)
class Count:
    """How many requests of a kind there were, and how long they took together."""

    calls: int = 0
    seconds: float = 0.0

    def plus(self, other: Count) -> Count:
        """Return both together."""
        return Count(self.calls + other.calls, self.seconds + other.seconds)


@dataclass(frozen=True, slots=True)
class Series:
    """All requests of an account with one operation and one end."""

    account: str
    operation: str
    status: str
    within: Mapping[
        int, int
    ]  # by limit, `LONGER` among them: how many took at most so long, and longer than the one before
    seconds: float


def limit_of(seconds: float) -> int:
    """Return by which limit a request is counted."""
    return next((limit for limit in LIMITS if seconds * 1000 <= limit), LONGER)


class Calls:
    """The figures of requests."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def add(self, counts: Mapping[Kind, Count], minutes: Mapping[tuple[str, datetime], int]) -> None:
        """Add what a process has counted.

        Args:
            counts: by kind.
            minutes: requests by account and beginning of the minute.
        """
        kinds = [{**kind._asdict(), "calls": one.calls, "seconds": one.seconds} for kind, one in counts.items()]
        rows = [
            {"account": account, "minute": minute, "calls": calls} for (account, minute), calls in minutes.items()
        ]
        with self._database.write() as connection:
            self._add(connection, CallRow, sorted(kinds, key=_order), ("calls", "seconds"))
            self._add(connection, CallMinuteRow, sorted(rows, key=_order), ("calls",))

    def _add(self, connection: Connection, table: Any, rows: list[dict[str, Any]], summed: tuple[str, ...]) -> None:
        insert = insert_dialect(self._database)(table)
        more = {name: getattr(table, name) + insert.excluded[name] for name in summed}
        keys = [key.name for key in table.__table__.primary_key]
        if rows:
            connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=more), rows)

    def series(self) -> Iterator[Series]:
        """Yield what was counted since the ledger began."""
        found: dict[tuple[str, str, str], tuple[dict[int, int], float]] = {}
        with self._database.read() as connection:
            for row in connection.execute(select(*CallRow.__table__.c)):
                key = (row.account, row.operation, row.status)
                within, seconds = found.get(key, ({}, 0.0))
                found[key] = ({**within, row.within: int(row.calls)}, seconds + row.seconds)
        for (account, operation, status), (within, seconds) in sorted(found.items()):
            yield Series(account, operation, status, within, seconds)

    def in_minute(self, minute: datetime) -> Mapping[str, int]:
        """Return how many requests each account made in the minute that began then; none made none."""
        query = select(CallMinuteRow.account, CallMinuteRow.calls).where(CallMinuteRow.minute == minute)
        with self._database.read() as connection:
            return {row.account: int(row.calls) for row in connection.execute(query)}

    def tidy(self) -> None:
        """Forget the minutes of days that are over."""
        past = self._database.clock.now() - _KEPT
        with self._database.write() as connection:
            connection.execute(delete(CallMinuteRow).where(CallMinuteRow.minute < past))


def _order(row: Mapping[str, Any]) -> list[str]:
    """All processes write rows in one order: none waits for another that waits for it."""
    return [str(value) for name, value in row.items() if name not in {"calls", "seconds"}]
