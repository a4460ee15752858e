"""When each ERP was last looked into, whether that went well or not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select

from connector.ledger.database import Database
from connector.ledger.tables import LeaseRow, SourceRow

_OFFICE: Final = "discover "


def look_office(source: str) -> str:
    """Return the office of whoever looks into an ERP."""
    return f"{_OFFICE}{source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLook:
    """The last look into an ERP that is over."""

    ended_at: datetime | None  # None: of a version that did not keep it
    succeeded_at: datetime | None  # when one last did

    @property
    def at(self) -> datetime:
        """When it was, however it ended."""
        return max(at for at in (self.ended_at, self.succeeded_at) if at is not None)


class Looks:
    """The last looks into ERPs."""

    def __init__(self, database: Database) -> None:
        """Read from a ledger."""
        self._database = database

    def last(self, sources: Collection[str] | None = None) -> Mapping[str, LastLook]:
        """Return the last look by source, of those that were ever looked into.

        Args:
            sources: only these, some hundred at most; None means all.

        Raises:
            LedgerError: the ledger failed.
        """
        left = select(LeaseRow.name, LeaseRow.leased_until).where(
            LeaseRow.owner.is_(None), LeaseRow.leased_until.is_not(None)
        )
        succeeded = select(SourceRow.name, SourceRow.discovered_at).where(SourceRow.discovered_at.is_not(None))
        if sources is None:
            left = left.where(LeaseRow.name.like(f"{_OFFICE}%"))
        else:
            left = left.where(LeaseRow.name.in_([look_office(source) for source in sources]))
            succeeded = succeeded.where(SourceRow.name.in_(list(sources)))
        with self._database.read() as connection:
            ended = {row.name.removeprefix(_OFFICE): row.leased_until for row in connection.execute(left)}
            well = {row.name: row.discovered_at for row in connection.execute(succeeded)}
        return {name: LastLook(ended_at=ended.get(name), succeeded_at=well.get(name)) for name in ended | well}
