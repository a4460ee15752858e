"""The ways to B2Brouter: one line for each account, and one budget for each API key."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from config.sections.accounts import AccountSettings
from config.sections.b2brouter import B2BrouterSettings
from config.sections.broker import BrokerSettings
from config.settings import reject_foreign_key
from connector.b2brouter.budget import Budget, LocalBudget, Reservoir, SharedBudget
from connector.domain.breaker import Breaker
from connector.domain.errors import OutOfTimeError, UsageError
from connector.ledger import Ledger
from connector.ledger.budgets import LedgerReservoir
from connector.meter import Meter

if TYPE_CHECKING:
    from connector.b2brouter.client import B2BrouterClient
    from connector.b2brouter.transport import Transport

log = logging.getLogger(__name__)


def lease_seconds(timeout: float) -> float:
    """Return how long a lease lasts from its last sign of life: the longest call, and room to write it down."""
    return 2 * timeout + 15


@dataclass(frozen=True, slots=True)
class Line:
    """The way to B2Brouter for one account, and what was seen on it."""

    settings: AccountSettings
    key: str = field(repr=False)
    remote: B2BrouterClient
    breaker: Breaker
    transport: Transport
    budget: Budget


class Remotes:
    """The lines of one process, each made when it is first asked for, and anew when its account or key is another.

    Whoever has a line in hand goes on with it; its connections are closed when nobody has it any more.
    """

    def __init__(
        self,
        general: B2BrouterSettings,
        broker: BrokerSettings,
        *,
        ledger: Callable[[], Ledger],
        meter: Meter,
        stop: threading.Event,
        only_looking: bool,
    ) -> None:
        """Open nothing yet.

        Args:
            general: how B2Brouter is reached.
            broker: a Redis there keeps the budgets.
            ledger: keeps them otherwise.
            meter: counts the requests.
            stop: set when the process shall end.
            only_looking: a handful of requests is made, which no budget need count.
        """
        self._general = general
        self._broker = broker
        self._ledger = ledger
        self._meter = meter
        self._stop = stop
        self._only_looking = only_looking
        self._lock = threading.RLock()
        self._lines: dict[str, Line] = {}
        self._budgets: dict[str, Budget] = {}

    def line(self, account: str, settings: AccountSettings) -> Line:
        """Return the line of an account.

        Raises:
            UsageError: its key cannot be read or is for another environment, or the broker has no address.
        """
        try:
            key = settings.key()  # a command may take half a minute for it, and keeps no other account waiting
        except UsageError as error:
            line = self._lines.get(account)
            if line is None or line.settings != settings:
                raise
            log.warning("%s The key of before stays in force.", error.message)
            return line
        broker = self._broker_address
        with self._lock:
            line = self._lines.get(account)
            if line is None or line.settings != settings or line.key != key:
                line = self._lines[account] = self._connect(account, settings, key, broker)
            return line

    def keep(self, accounts: Collection[str]) -> None:
        """Forget the lines of other accounts, and the budgets of keys that nobody has any more."""
        with self._lock:
            for gone in self._lines.keys() - set(accounts):
                del self._lines[gone]
            for unused in self._budgets.keys() - {line.key for line in self._lines.values()}:
                del self._budgets[unused]

    @cached_property
    def _broker_address(self) -> str:
        """Where the broker is, asked once, for it counts until the end of the process; "" where nobody needs it."""
        return "" if self._only_looking else self._broker.address()

    def _connect(self, account: str, settings: AccountSettings, key: str, broker: str) -> Line:
        # HTTP is slow to import, and a pass that finds nothing due has no use for it.
        from connector.b2brouter.client import B2BrouterClient
        from connector.b2brouter.transport import Transport

        general, breaker = self._general, Breaker()
        try:
            reject_foreign_key(account, key, general.environment)
        except ValueError as error:
            raise UsageError(f"{error}.") from None
        budget = self._budget(key, broker)
        transport = Transport(
            general.host,
            api_key=key,
            api_version=general.api_version,
            timeout=general.timeout,
            budget=budget,
            watch=breaker.note,
            measure=self._meter.of(account),
            sleep=self._sleep,
            stop=self._stop,
        )
        remote = B2BrouterClient(
            account_id=settings.account_id,
            environment=general.environment,
            transport=transport,
            api_version=general.api_version,
            amend_reason=settings.amend_reason,
        )
        return Line(settings, key, remote, breaker, transport, budget)

    def _budget(self, key: str, broker: str) -> Budget:
        """One budget per API key, shared by all processes: in Redis where the broker is one, else in the ledger."""
        if key not in self._budgets:
            name = hashlib.blake2b(key.encode(), digest_size=8, person=b"budget").hexdigest()
            rate = self._general.budget
            if self._only_looking:
                return self._budgets.setdefault(key, LocalBudget(rate, sleep=self._sleep))
            reservoir: Reservoir
            if broker.startswith(("redis://", "rediss://")):
                from connector.b2brouter.redis_budget import RedisReservoir

                reservoir = RedisReservoir.connect(broker, name, requests_per_minute=rate)
            else:
                reservoir = LedgerReservoir(self._ledger().database, name, requests_per_minute=rate)
            self._budgets[key] = SharedBudget(rate, reservoir, sleep=self._sleep)
        return self._budgets[key]

    def _sleep(self, seconds: float) -> None:
        """Sleep; a process that is told to end has no time for it.

        Raises:
            OutOfTimeError: `stopping`.
        """
        if self._stop.wait(seconds):
            raise OutOfTimeError("stopping", pause=0.0)

    def close(self) -> None:
        """Give back all connections."""
        for line in self._lines.values():
            line.transport.close()
