"""Settings to objects; nothing else wires anything."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from config.settings import AccountSettings, Settings, SourceSettings, reject_foreign_key
from connector import adapters
from connector.b2brouter.budget import Budget, LocalBudget, Reservoir, SharedBudget
from connector.changes import Changes
from connector.clock import Clock
from connector.discovery import Discovery, Source
from connector.domain.breaker import Breaker
from connector.domain.decision import Policy
from connector.domain.errors import OutOfTimeError, UsageError
from connector.journey import Desk, Journey
from connector.ledger import Ledger, schema
from connector.ledger.budgets import LedgerReservoir
from connector.ports import Adapter, TellsConfirmation
from connector.steps.case import DirectoryRules, Rules, VatCheck
from connector.validation import Levels, levels_of

if TYPE_CHECKING:
    from connector.b2brouter.client import B2BrouterClient
    from connector.b2brouter.transport import Transport


def lease_seconds(timeout: float) -> float:
    """Return how long a lease lasts from its last sign of life: the longest call, and room to write it down."""
    return 2 * timeout + 15


def _no_confirmation(source: str, why: str) -> UsageError:
    return UsageError(
        f"sources.{source}.since_by is confirmed_at, but source {source} does not say when a document was confirmed.",
        action=f'{why} Use since_by = "issue_date".',
    )


class Services:
    """The parts of one process, each made when it is first asked for."""

    def __init__(
        self, settings: Settings, *, only_looking: bool = False, stop: threading.Event | None = None
    ) -> None:
        """Prepare the parts; nothing is opened yet.

        Args:
            settings: the configuration.
            only_looking: a handful of requests is made, so the budget that all processes share is left alone,
                for it is a row of the ledger.
            stop: set from outside when the process shall end.
        """
        self.settings = settings
        self.stop = stop or threading.Event()
        self._only_looking = only_looking
        self._lock = threading.RLock()
        self._ledger_open = False
        self._adapters: dict[str, Adapter] = {}
        self._remotes: dict[str, B2BrouterClient] = {}
        self._budgets: dict[str, Budget] = {}
        self._breakers: dict[str, Breaker] = {}
        self._transports: list[Transport] = []
        self._companies: dict[str, bool] = {}
        self._levels: dict[str, Levels] = {}

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger; see `open_ledger`."""
        return Ledger(
            self.settings.ledger.address(),
            lease_seconds=self.settings.worker.lease_seconds or lease_seconds(self.settings.b2brouter.timeout),
            pool_size=self.settings.worker.threads + 8,
        )

    def open_ledger(self) -> Ledger:
        """Return the ledger with its schema in place: an embedded one is brought up to date by itself.

        Raises:
            LedgerError: it cannot be opened, or its schema is another one.
            EnvironmentLockedError: it is a copy of another one.
        """
        if not self._ledger_open:
            self.upgrade_ledger()
            self.ledger.stamps.check_ledger()
            self._ledger_open = True
        return self.ledger

    def upgrade_ledger(self) -> None:
        """Bring an embedded ledger to the schema of this version; others must be there already.

        Raises:
            LedgerError: it cannot be opened, or its schema is another one.
        """
        if self.ledger.database.is_sqlite:
            schema.upgrade(self.ledger.database)
        else:
            schema.require(self.ledger.database)

    @property
    def clock(self) -> Clock:
        """The ledger's time."""
        return self.ledger.database.clock

    def adapter(self, source: str) -> Adapter:
        """Return the adapter of a source.

        Raises:
            UsageError: no such source or adapter, or wrong options.
        """
        with self._lock:
            if source not in self._adapters:
                settings = self.source_settings(source)
                kind = adapters.adapter_class(settings.adapter)
                adapter = kind.open(source, settings.address(), settings.options)
                if settings.since_by == "confirmed_at" and not isinstance(adapter, TellsConfirmation):
                    raise _no_confirmation(source, "Its ERP does not remember that.")
                self._adapters[source] = adapter
            return self._adapters[source]

    def source_settings(self, source: str) -> SourceSettings:
        """Return the settings of a source.

        Raises:
            UsageError: there is no such source.
        """
        settings = self.settings.sources.get(source)
        if settings is None:
            known = ", ".join(self.settings.sources) or "none"
            raise UsageError(f"There is no source {source} in the configuration; there are: {known}.")
        return settings

    def account_settings(self, account: str) -> AccountSettings:
        """Return the settings of an account.

        Raises:
            UsageError: there is no such account.
        """
        settings = self.settings.accounts.get(account)
        if settings is None:
            raise UsageError(f"There is no account {account} in the configuration.")
        return settings

    def source(self, name: str) -> Source:
        """Return a source as discovery sees it.

        Raises:
            UsageError: also where its start date is about a day that its ERP, as it is mapped, does not tell.
        """
        settings = self.source_settings(name)
        adapter = self.adapter(name)
        by_confirmation = settings.since_by == "confirmed_at"
        if by_confirmation and not (isinstance(adapter, TellsConfirmation) and adapter.tells_confirmation()):
            raise _no_confirmation(name, "Its query find gives no column confirmed_at.")
        return Source(
            name=name,
            adapter=adapter,
            since=settings.since,
            companies=None if settings.accounts is None else list(settings.accounts),
            account_of=settings.account_of,
            by_confirmation=by_confirmation,
        )

    def remote(self, account: str) -> B2BrouterClient:
        """Return the B2Brouter side of an account.

        Raises:
            UsageError: no such account, or its key cannot be read or is for another environment.
        """
        with self._lock:
            if account not in self._remotes:
                self._remotes[account] = self._connect(account)
            return self._remotes[account]

    def _connect(self, account: str) -> B2BrouterClient:
        # HTTP is slow to import, and a pass that finds nothing due has no use for it.
        from connector.b2brouter.client import B2BrouterClient
        from connector.b2brouter.transport import Transport

        settings = self.account_settings(account)
        general = self.settings.b2brouter
        key = settings.key()
        try:
            reject_foreign_key(account, key, general.environment)
        except ValueError as error:
            raise UsageError(f"{error}.") from None
        transport = Transport(
            general.host,
            api_key=key,
            api_version=general.api_version,
            timeout=general.timeout,
            budget=self._budget(key),
            watch=self._breaker(account).note,
            sleep=self._sleep,
            stop=self.stop,
        )
        self._transports.append(transport)
        return B2BrouterClient(
            account_id=settings.account_id,
            environment=general.environment,
            transport=transport,
            api_version=general.api_version,
            amend_reason=settings.amend_reason,
        )

    def _budget(self, key: str) -> Budget:
        """One budget per API key, shared by all processes: in Redis where the broker is one, else in the ledger."""
        if key not in self._budgets:
            name = hashlib.blake2b(key.encode(), digest_size=8, person=b"budget").hexdigest()
            rate = self.settings.b2brouter.budget
            if self._only_looking:
                return self._budgets.setdefault(key, LocalBudget(rate, sleep=self._sleep))
            broker = self.settings.broker.address()
            reservoir: Reservoir
            if broker.startswith(("redis://", "rediss://")):
                from connector.b2brouter.redis_budget import RedisReservoir

                reservoir = RedisReservoir.connect(broker, name, requests_per_minute=rate)
            else:
                reservoir = LedgerReservoir(self.ledger.database, name, requests_per_minute=rate)
            self._budgets[key] = SharedBudget(rate, reservoir, sleep=self._sleep)
        return self._budgets[key]

    def _sleep(self, seconds: float) -> None:
        """Sleep; a process that is told to end has no time for it.

        Raises:
            OutOfTimeError: `stopping`.
        """
        if self.stop.wait(seconds):
            raise OutOfTimeError("stopping", pause=0.0)

    def _breaker(self, account: str) -> Breaker:
        with self._lock:
            return self._breakers.setdefault(account, Breaker())

    @cached_property
    def discovery(self) -> Discovery:
        """Finds what is new in the sources."""
        scheduler = self.settings.scheduler
        return Discovery(
            self.ledger,
            clock=self.clock,
            overlap=scheduler.overlap,
            sweep_every=scheduler.sweep_every,
            stopping=self.stop.is_set,
            changes=Changes(
                self.ledger, clock=self.clock, days=scheduler.compare_days, batch=scheduler.compare_batch
            ),
            recheck_batch=scheduler.recheck_batch,
        )

    @cached_property
    def journey(self) -> Journey:
        """Takes jobs along their way."""
        retry = self.settings.retry
        return Journey(
            self.ledger,
            self.desk,
            policy=Policy(attempts=retry.attempts, base=retry.base, cap=retry.cap),
            clock=self.clock,
            threads=self.settings.worker.threads,
        )

    def desk(self, account: str) -> Desk:
        """Return what the work for an account needs."""
        return Desk(
            remote=self.remote(account),
            adapters={name: self.adapter(name) for name in self.sources_of(account)},
            rules=lambda source: self._rules(account, source),
            breaker=self._breaker(account),
            vat_check=self._vat_check,
        )

    @cached_property
    def _vat_check(self) -> VatCheck | None:
        vies = self.settings.vies
        if vies.unregistered == "ignore":
            return None
        from connector.vies import Vies

        return VatCheck(
            register=Vies(vies.base_url, timeout=vies.timeout),
            blocks=vies.unregistered == "block",
            domestic=vies.domestic,
            keep=timedelta(days=vies.keep_days),
        )

    def sources_of(self, account: str) -> Sequence[str]:
        """Return the sources that feed an account."""
        return [
            name
            for name, source in self.settings.sources.items()
            if account == source.account or account in (source.accounts or {}).values()
        ]

    def _rules(self, account: str, source: str) -> Rules:
        state = self.ledger.accounts.get(account)
        settings = self.source_settings(source)
        return Rules(
            quiet_time=self.settings.b2brouter.quiet_time,
            call_seconds=self.settings.b2brouter.timeout,
            repeat_unknown=self._repeat_unknown(account, state.number_guard if state else None),
            owner_tax_number=state.tax_number if state else None,
            own_accounts=self._own_accounts(account, state.remote_id if state else None),
            many_companies=self._many_companies(source),
            levels=self.levels(account),
            adopt_existing=settings.existing == "adopt",
            external_originals=settings.external_originals == "reference",
            since=settings.since,
            allow_difference=self.settings.accounts[account].allow_difference or Decimal(0),
            ramp=() if state and state.ramp_over else self.ramp(account),
            directory=self._directory(account),
        )

    def _directory(self, account: str) -> DirectoryRules | None:
        settings = self.settings.accounts[account]
        if not settings.asks_directory(self.settings.b2brouter.environment):
            return None
        return DirectoryRules(
            found_seconds=settings.directory_found_days * 86400,
            missing_seconds=settings.directory_missing_hours * 3600,
        )

    def ramp(self, account: str) -> Sequence[int]:
        """Return how many invoices each step of an account's first run allows; nothing where there are no steps.

        An account that has left the configuration has none.
        """
        settings = self.settings.accounts.get(account)
        return settings.ramp_in(self.settings.b2brouter.environment) if settings else ()

    def _repeat_unknown(self, account: str, number_guard: bool | None) -> bool:
        """The operator's word counts; left to us, a number that is known not to be guarded is never sent twice."""
        wish = self.settings.accounts[account].unknown_outcome
        return wish == "repeat" or (wish == "auto" and number_guard is not False)

    def levels(self, account: str) -> Levels:
        """Return the levels of validation rules that an account has chosen."""
        with self._lock:
            if account not in self._levels:
                self._levels[account] = levels_of(self.account_settings(account).rules)
            return self._levels[account]

    def _own_accounts(self, account: str, remote_id: str | None) -> frozenset[str]:
        """The names under which answers may call the account: the configuration may say id or identifier."""
        return frozenset(filter(None, (self.settings.accounts[account].account_id, remote_id)))

    def _many_companies(self, source: str) -> bool:
        """Whether one account stands for a source in which several companies issue."""
        if self.source_settings(source).account is None:
            return False
        with self._lock:
            if source not in self._companies:
                self._companies[source] = len(self.adapter(source).companies()) > 1
            return self._companies[source]

    def ensure_account(self, account: str) -> None:
        """See, at its first use, that an account exists and answers to our key, and stamp the ledger with it.

        Raises:
            EnvironmentLockedError: the ledger belongs to another environment or account.
            MisconfiguredError: key, account id or address is wrong.
            NotSentError: B2Brouter cannot be reached.
        """
        general, settings = self.settings.b2brouter, self.account_settings(account)
        accounts = self.ledger.accounts
        if accounts.check_stamp(account, environment=general.environment, account_id=settings.account_id):
            return
        there = self.remote(account).read_account()
        accounts.stamp(
            account,
            environment=general.environment,
            host=general.host,
            account_id=settings.account_id,
            remote_id=there.id,
            tax_number=there.tax_number,
            arithmetic=there.arithmetic,
        )

    def close(self) -> None:
        """Give back all connections."""
        for adapter in self._adapters.values():
            adapter.close()
        for transport in self._transports:
            transport.close()
        if "ledger" in self.__dict__:  # it may not have been needed
            self.ledger.close()
