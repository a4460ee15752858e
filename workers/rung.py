"""A bell as it arrives: whether it is still of use, by the clock that all machines share, and its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

from celery.worker.request import Request
from celery.worker.state import revoked
from typing_extensions import override

from connector.domain.errors import LedgerError

log = logging.getLogger(__name__)


class _Unheard:
    """In place of Celery's log, which tells an answer that did not reach the broker as a fault, with a traceback."""

    def critical(self, _: str, *__: Any, **___: Any) -> None:
        """Say that a bell will ring once more, which does no harm."""
        log.warning("the broker did not hear that a bell was answered: it rings again")


class Rung(Request):
    """A message of ours. Celery would hold its end against this machine's clock, which may be fast."""

    _on_ack: Callable[..., None]
    _connection_errors: tuple[type[Exception], ...]

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

    @override
    def acknowledge(self) -> None:
        """Tell the broker that it was answered; where that cannot be told, the bell rings again."""
        if not self.acknowledged:
            self._on_ack(_Unheard(), self._connection_errors)
            self.acknowledged = True
