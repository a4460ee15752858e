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
from connector.duties import Duties, rounds
from connector.errands import open_ledger
from connector.lookout import Lookout
from connector.reload import Reloader
from workers.ahead import Ahead
from workers.broker import Bell, reach

log = logging.getLogger(__name__)

RING_AGAIN = 10.0
"""Seconds after which an account that is still due has its bell rung again: who answered it may have left."""

_LIFE = 60.0
"""Seconds for which a bell is of use: it is not rung again meanwhile if nobody may have heard it. One that lived only
until its next turn would die unheard where workers are started anew, or have much to do."""

_COUNTED = 1.0
"""Seconds for which it is believed how many bells wait."""

_OF_ACCOUNT = 4
"""Different bells of an account. As many as there are of all accounts and sources may wait: one of each."""

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
        has_room=bell.has_room,
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
    """Rings, not more often than is of use, and not for nobody: what no worker fetches stays in a Redis for ever."""

    def __init__(self, app: Celery, services: Services) -> None:
        self._bell = Bell(app)
        self._services = services
        self._ahead = Ahead(services)
        self._drains: dict[str, float] = {}  # until when an account's bell is not rung again
        self._unheard: dict[tuple[str, ...], float] = {}  # until when a bell is of use, while any wait to be fetched
        self._waiting = 0  # how many do, about
        self._counted = float("-inf")  # when that was seen
        self._is_full = False
        self._left_alone = float("-inf")  # until when the broker is

    def ring(self, account: str) -> None:
        now = self._services.clock.monotonic()
        if now < self._drains.get(account, now):
            return
        # Whoever answered has left by then, and others may still be due.
        again = min(RING_AGAIN, self._services.settings.worker.drain_seconds)
        if self._send("drain", account=account):
            self._drains[account] = now + again

    def has_room(self, source: str) -> bool:
        """Whether a bell for a look would be of use now: else the source keeps its turn."""
        return self._ahead.has_room(source) and self._takes_bells()

    def discover(self, source: str) -> None:
        # A look that takes longer than the interval must not find a queue of others behind it.
        every = self._services.settings.scheduler.discover_every
        if not self._ahead.is_rung(source):
            self._unheard.pop(("discover", source), None)  # the ledger says that it was heard
        if self._send("discover", expires=max(every, _LIFE), source=source):
            self._ahead.rung(source)

    def follow(self, account: str) -> None:
        self._send("follow", account=account)

    def notify(self) -> None:
        self._send("notify")

    def reconcile(self, account: str) -> None:
        self._send("reconcile", account=account)

    def archive(self, account: str) -> None:
        self._send("archive", account=account)

    def _send(self, task: str, *, expires: float = _LIFE, **ids: str) -> bool:
        """Send a bell, unless the broker failed a moment ago or it would wait in vain; return whether it took it."""
        clock, bell = self._services.clock, (task, *ids.values())
        now = clock.monotonic()
        if not self._takes_bells() or now < self._unheard.get(bell, now):
            return False
        try:
            self._bell.send(task, now=clock.now(), expires=expires, **ids)
        except OutsideError as error:
            self._leave_alone(error)
            return False
        self._waiting += 1
        self._unheard[bell] = now + expires
        return True

    def _takes_bells(self) -> bool:
        """Whether the broker has not failed a moment ago, and not too many wait there."""
        now = self._services.clock.monotonic()
        if now < self._left_alone:
            return False
        try:
            self._count(now)
        except OutsideError as error:
            self._leave_alone(error)
            return False
        return not self._is_full

    def _leave_alone(self, error: OutsideError) -> None:
        log.error("%s %s", error.message, error.action)
        self._left_alone = self._services.clock.monotonic() + _BROKER_PAUSE

    def _count(self, now: float) -> None:
        """See how many bells nobody has fetched; where there are none, all were heard."""
        if now - self._counted >= _COUNTED:
            self._waiting, self._counted = self._bell.waiting(), now
            if not self._waiting:
                self._unheard.clear()
        settings = self._services.settings
        is_full = self._waiting >= _OF_ACCOUNT * len(settings.accounts) + len(settings.sources) + 1
        if is_full and not self._is_full:
            log.warning("%s bells wait for a worker: no more are rung until some are fetched", self._waiting)
        if self._is_full and not is_full:
            log.info("workers fetch bells again")
        self._is_full = is_full
