"""The scheduler as a process of its own: elected by a lease in the ledger, it rings the workers' bells.

Several may run; one works, the others stand by. A lost bell changes nothing but latency: as long as jobs are
due, it rings again.
"""

from __future__ import annotations

import logging
from functools import partial
from threading import Event

from celery import Celery

from config.settings import Settings
from connector.bootstrap import Services
from connector.closing import in_time, stop_all
from connector.crew import logged
from connector.domain.errors import OutsideError
from connector.duties import ARCHIVE_EVERY, FOLLOW_EVERY, NOTIFY_EVERY, RECONCILE_LOOK, Duties, rounds
from connector.errands import open_ledger
from connector.lookout import Lookout
from connector.reload import Reloader
from workers.broker import Bell, reach

log = logging.getLogger(__name__)

RING_AGAIN = 10.0
"""Seconds for which a bell may stay unanswered before it is rung again."""

_BROKER_PAUSE = 5.0
"""Seconds for which a broker that failed is left alone: one that is mute costs half a minute each time."""


def main(settings: Settings, stop: Event) -> None:
    """Ring until `stop` is set.

    Raises:
        UsageError: there is no broker in the configuration.
        OutsideError: broker or ledger cannot be reached at the start.
    """
    from workers.app import make_app

    app = make_app(settings.broker)
    reach(app)
    services = Services(settings, stop=stop)
    open_ledger(services)
    bell = _Bell(app, services)
    duties = Duties(
        services,
        ring=bell.ring,
        discover=bell.discover,
        follow=bell.follow,
        notify=bell.notify,
        archive=bell.archive,
        reconcile=bell.reconcile,
    )
    lookout, reloader = Lookout(services).start(), Reloader(services).start()
    log.info("the scheduler works; ledger %s", services.ledger.database.display)
    leave = partial(logged, "scheduler", duties.leave)
    with in_time(stop, leave=leave):
        try:
            rounds(duties, stop)
        finally:
            stop_all(reloader, lookout)
            leave()
            services.close()


class _Bell:
    """Rings for accounts, not more often than is of use."""

    def __init__(self, app: Celery, services: Services) -> None:
        self._bell = Bell(app)
        self._services = services
        self._unanswered: dict[str, float] = {}  # until when a bell may stay so
        self._left_alone = float("-inf")  # until when the broker is

    def ring(self, account: str) -> None:
        now = self._services.clock.monotonic()
        if now < self._unanswered.get(account, now):
            return
        # Whoever answered has left by then, and others may still be due.
        again = min(RING_AGAIN, self._services.settings.worker.drain_seconds)
        if self._send("drain", expires=again, account=account):
            self._unanswered[account] = now + again

    def discover(self, source: str) -> None:
        # A look that takes longer than the interval must not find a queue of others behind it.
        self._send("discover", expires=self._services.settings.scheduler.discover_every, source=source)

    def follow(self, account: str) -> None:
        self._send("follow", expires=FOLLOW_EVERY, account=account)

    def notify(self) -> None:
        self._send("notify", expires=NOTIFY_EVERY)

    def reconcile(self, account: str) -> None:
        self._send("reconcile", expires=RECONCILE_LOOK, account=account)

    def archive(self, account: str) -> None:
        self._send("archive", expires=ARCHIVE_EVERY, account=account)

    def _send(self, task: str, *, expires: float, **ids: str) -> bool:
        """Send a bell, unless the broker failed a moment ago; return whether it took it."""
        clock = self._services.clock
        if clock.monotonic() < self._left_alone:
            return False
        try:
            self._bell.send(task, now=clock.now(), expires=expires, **ids)
        except OutsideError as error:
            log.error("%s %s", error.message, error.action)
            self._left_alone = clock.monotonic() + _BROKER_PAUSE
            return False
        return True
