"""A bell as it arrives: whether it is still of use, by the clock that all machines share."""

from __future__ import annotations

from typing import Literal

from celery.worker.request import Request
from celery.worker.state import revoked
from typing_extensions import override

from connector.domain.errors import LedgerError


class Rung(Request):
    """A message of ours. Celery would hold its end against this machine's clock, which may be fast."""

    @override
    def maybe_expire(self) -> Literal[True] | None:
        """Throw it away where its time is over; where nobody knows the time, whoever acts on it finds that out."""
        from workers import tasks

        try:
            now = tasks.services().ledger.database.clock.now()
        except LedgerError:
            return None
        if now <= self.expires:
            return None
        revoked.add(self.id)
        return True
