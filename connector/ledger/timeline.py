"""The timelines of jobs: whatever happens to one is appended here, and never changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from connector.domain.job import Stage
from connector.ledger import raw
from connector.ledger.records import Entry
from connector.ledger.tables import EventRow

_EVENT: Final[Any] = EventRow.__table__
_COLUMNS: Final = ("job_id", "at", *Entry.__dataclass_fields__)

_AT_ONCE: Final = 500
"""Rows of a statement: the databases take some 32,000 values in one."""


def append(connection: Connection, now: datetime, told: Iterable[tuple[int, Stage, Entry]]) -> None:
    """Append entries, each given with the id of its job and the stage where that is."""
    rows = []
    for job_id, stage, entry in told:
        values = {"job_id": job_id, "at": now, **entry.values(stage)}
        rows.append([values[name] for name in _COLUMNS])
    for start in range(0, len(rows), _AT_ONCE):
        raw.insert(connection, _EVENT, _COLUMNS, rows[start : start + _AT_ONCE])
