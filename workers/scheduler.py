"""The scheduler as a process of its own: elected by a lease in the ledger, it rings the workers' bells.

Several may run; one works, the others stand by. A lost bell changes nothing but latency: as long as jobs are
due, it rings again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from threading import Event

from celery import Celery

from config.settings import Settings
from connector.bootstrap import Services
from connector.daemon import rounds
from connector.domain.errors import OutsideError
from connector.duties import Duties
from workers.broker import Bell, reach

log = logging.getLogger(__name__)

RING_AGAIN = timedelta(seconds=10)
"""How long a bell may stay unanswered before it is rung again."""


def main(settings: Settings, stop: Event) -> None:
    """Ring until `stop` is set.

    Raises:
        UsageError: there is no broker in the configuration.
        OutsideError: broker or ledger cannot be reached at the start.
    """
    from workers.app import make_app

    app = make_app(settings.broker.address())
    reach(app)
    services = Services(settings, stop=stop)
    services.open_ledger()
    bell = _Bell(app, services)
    duties = Duties(services, ring=bell.ring, discover=bell.discover)
    log.info("the scheduler works; ledger %s", services.ledger.database.display)
    try:
        rounds(duties, stop)
    finally:
        duties.leave()
        services.close()


class _Bell:
    """Rings for accounts, not more often than is of use."""

    def __init__(self, app: Celery, services: Services) -> None:
        self._bell = Bell(app)
        self._services = services

    def ring(self, account: str) -> None:
        state = self._services.ledger.accounts.get(account)
        now = self._services.clock.now()
        if state is not None and state.rung_at is not None and now - state.rung_at < RING_AGAIN:
            return
        self._send("drain", expires=RING_AGAIN.total_seconds(), account=account)
        self._services.ledger.accounts.rung(account)

    def discover(self, source: str) -> None:
        # A look that takes longer than the interval must not find a queue of others behind it.
        self._send("discover", expires=self._services.settings.scheduler.discover_every, source=source)

    def _send(self, task: str, *, expires: float, **ids: str) -> None:
        try:
            self._bell.send(task, expires=expires, **ids)
        except OutsideError as error:
            log.error("%s %s", error.message, error.action)
