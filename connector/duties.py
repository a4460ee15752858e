"""What has to happen again and again, whoever does it: look into the ERPs, free what is stuck, see what is due.

The scheduler calls `tick` and passes a bell to ring; embedded, the bell is a thread of the same process, else
it is a message to the workers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from connector.bootstrap import Services
from connector.domain.errors import AccountError, ConnectorError, OutOfTimeError
from connector.supervision import hold_back_paused, pause, prepare

log = logging.getLogger(__name__)

OFFICE = "scheduler"

RESCUE_EVERY = 10.0
"""Seconds between looks for lapsed leases."""

OFFICE_SECONDS = 30.0
"""How long the scheduler's office is held without a sign of life."""

RENEW_EVERY = 5.0
"""Seconds between signs of life of the scheduler."""


class Duties:
    """The scheduler's round. Only the holder of the office does anything."""

    def __init__(self, services: Services, ring: Callable[[str], None], discover: Callable[[str], None]) -> None:
        """Prepare the round.

        Args:
            services: the parts.
            ring: starts the work for an account, somewhere.
            discover: starts a look into a source, somewhere.
        """
        self._services = services
        self._ring = ring
        self._discover = discover
        self._due: dict[str, float] = {}
        self._in_office = False

    def tick(self) -> None:
        """Do whatever is due now.

        Raises:
            LedgerError: the ledger failed; the next round tries again.
        """
        ledger = self._services.ledger
        if self._is_due("office", RENEW_EVERY):
            self._stand()
        if not self._in_office:
            return
        if self._is_due("rescue", RESCUE_EVERY):
            freed = ledger.jobs.rescue()
            if freed:
                log.warning("%s jobs of vanished workers were freed", freed)
            hold_back_paused(self._services)
        for source in self._services.settings.sources:
            if self._is_due(f"discover {source}", self._services.settings.scheduler.discover_every):
                self._discover(source)
        ledger.jobs.release_ready()
        ledger.ramp.refill(self._services.ramp)
        for account in [*ledger.jobs.due_accounts(), *ledger.accounts.to_probe()]:
            self._ring(account)

    def _stand(self) -> None:
        """Take the office, or keep it, or learn that another has it."""
        held = self._services.ledger.offices.hold(OFFICE, seconds=OFFICE_SECONDS)
        if held is not self._in_office:
            log.info("this process %s the scheduler", "is" if held else "is no longer")
            self._in_office = held

    def leave(self) -> None:
        """Give the office up, so that another process takes over at once."""
        if self._in_office:
            self._services.ledger.offices.leave(OFFICE)
            self._in_office = False

    def _is_due(self, duty: str, every: float) -> bool:
        now = self._services.clock.monotonic()
        if now < self._due.get(duty, now):
            return False
        self._due[duty] = now + every
        return True


def drain(services: Services, account: str, *, stopping: Callable[[], bool]) -> None:
    """Answer a bell. Whatever fails is in the ledger, and the next round rings again.

    Raises:
        LedgerError: the ledger failed.
    """
    try:
        prepare(services, account)
        services.journey.drain(account, seconds=services.settings.worker.drain_seconds, stopping=stopping)
    except AccountError as error:
        if not stopping():  # a call that we cut off ourselves is no fault of the account
            pause(services, account, error)
    except OutOfTimeError:
        log.debug("account %s: nothing more is begun, for the process ends", account)


def discover(services: Services, source: str) -> None:
    """Look into one ERP. A failure is logged once per look; the next look tries again."""
    try:
        services.discovery.discover(services.source(source))
    except ConnectorError as error:
        log.error("source %s: %s %s", source, error.message, error.action)


class Crew:
    """Threads that answer bells within this process: one at a time for each account and source."""

    def __init__(self, size: int) -> None:
        """Start with no work; at most `size` bells are answered at once."""
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="crew")
        self._busy: dict[str, Future[None]] = {}

    def call(self, name: str, act: Callable[[], None]) -> None:
        """Have `act` done, unless the same is being done already."""
        present = self._busy.get(name)
        if present is None or present.done():
            self._busy[name] = self._pool.submit(_logged, name, act)

    def dismiss(self) -> None:
        """Wait until all that was begun is done."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _logged(name: str, act: Callable[[], None]) -> None:
    try:
        act()
    except ConnectorError as error:
        log.error("%s: %s %s", name, error.message, error.action)
    except Exception:
        log.exception("%s: unexpected error", name)
