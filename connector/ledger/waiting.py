"""Pending jobs that wait because nothing may be done for their account or source now: some at a time.

They may be a million, and the ledger has one writer at a time where it is a file.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, select, update

from connector.domain.job import Status
from connector.ledger import timeline
from connector.ledger.database import Database
from connector.ledger.records import Entry
from connector.ledger.tables import JobRow

_PIECE: Final = 1000
"""Jobs of one transaction."""


def let_pending_wait(
    database: Database,
    whose: ColumnElement[bool],
    lasts: Select[Any],
    *,
    reason: str,
    facts: Mapping[str, str],
    seconds: float,
) -> int:
    """Let pending jobs wait, as long as there is a reason to; return how many.

    Args:
        database: the ledger's.
        whose: of which account or source.
        lasts: gives and locks a row as long as nothing may be done for it: nobody would let go on what waits later.
        reason: why they wait.
        facts: of the reason.
        seconds: after this long the rest is left for another time.
    """
    until = time.monotonic() + seconds
    count = 0
    while waiting := _piece(database, whose, lasts, Entry(what="blocked", reason=reason, details=dict(facts))):
        count += waiting
        if time.monotonic() >= until:
            break
    return count


def _piece(database: Database, whose: ColumnElement[bool], lasts: Select[Any], entry: Entry) -> int:
    # In the order of the indexes: of a million jobs no others are looked at.
    in_order = (JobRow.account, JobRow.due_at)
    pending = select(JobRow.id).where(whose, JobRow.status == Status.PENDING).order_by(*in_order)
    with database.read() as connection:  # mostly there are none, and it need not be written to learn that
        if connection.execute(pending.limit(1)).first() is None:
            return 0
    with database.write() as connection:
        if connection.execute(lasts).first() is None:
            return 0
        ids = connection.execute(pending.limit(_PIECE)).scalars().all()
        return _block(connection, ids, entry, database)


def _block(connection: Connection, ids: Sequence[int], entry: Entry, database: Database) -> int:
    now = database.clock.now()
    waits = {"status": Status.WAITING, "reason": entry.reason, "details": entry.details, "updated_at": now}
    those = update(JobRow).where(JobRow.id.in_(ids), JobRow.status == Status.PENDING).values(waits)
    waiting = connection.execute(those.returning(JobRow.id, JobRow.stage)).all()
    timeline.append(connection, now, [(row.id, row.stage, entry) for row in waiting])
    return len(waiting)
