"""Settings to objects; nothing else wires anything."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from decimal import Decimal
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from config.sections import AccountSettings, RecipientSettings, SourceSettings, weekdays
from config.settings import Settings, reject_foreign_key
from connector import adapters
from connector.b2brouter.budget import Budget, LocalBudget, Reservoir, SharedBudget
from connector.changes import Changes
from connector.clock import Clock
from connector.cures import Cures
from connector.discovery import Discovery, Source
from connector.domain.alarms import Audience
from connector.domain.breaker import Breaker
from connector.domain.decision import Policy
from connector.domain.errors import LedgerError, OutOfTimeError, UsageError
from connector.domain.rounding import Way
from connector.follow import Follower, Plan
from connector.journey import Desk, Journey
from connector.ledger import Ledger, schema
from connector.ledger.accounts import SCHEDULER
from connector.ledger.budgets import LedgerReservoir
from connector.meter import Meter
from connector.notify.calendar import QuietHours
from connector.notify.heartbeat import Heartbeat
from connector.notify.notifier import Notifier
from connector.notify.recipients import Recipient
from connector.notify.texts import Writer
from connector.notify.watch import Watch, WatchedAccount, WatchedSource
from connector.ports import Adapter, TellsConfirmation
from connector.steps.case import DirectoryRules, Rules, VatCheck
from connector.steps.explain_totals import ask_arithmetic
from connector.validation import Levels, levels_of

if TYPE_CHECKING:
    from connector.archive.keeping import Archivist
    from connector.archive.storage import Storage
    from connector.b2brouter.client import B2BrouterClient
    from connector.b2brouter.transport import Transport
    from connector.reconcile.reconciler import Reconciler


log = logging.getLogger(__name__)

_CLAIMED = 5
"""Files are claimed by the dozen and fetched one by one: so many times a lease. Most take far less."""


def _hours(number: float | None) -> timedelta | None:
    return None if number is None else timedelta(hours=number)


def lease_seconds(timeout: float) -> float:
    """Return how long a lease lasts from its last sign of life: the longest call, and room to write it down."""
    return 2 * timeout + 15


def _no_confirmation(source: str, why: str) -> UsageError:
    return UsageError(
        f"sources.{source}.since_by is confirmed_at, but source {source} does not say when a document was confirmed.",
        action=f'{why} Use since_by = "issue_date".',
    )


def _recipient(name: str, settings: RecipientSettings, zone: str) -> Recipient:
    both = settings.audience == "both"
    quiet = settings.quiet_hours and [time.fromisoformat(part) for part in settings.quiet_hours.split("-")]
    return Recipient(
        name=name,
        address=settings.where,
        audiences=frozenset(Audience) if both else frozenset({Audience(settings.audience)}),
        language=settings.language,
        zone=ZoneInfo(settings.time_zone or zone),
        digest_times=settings.digest_at,
        digest_days=weekdays(settings.digest_days),
        quiet=QuietHours(*quiet) if quiet else None,
        alarms_in_quiet_hours=settings.alarms_in_quiet_hours,
        accounts=frozenset(settings.accounts),
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
            measure=self.meter.of(account),
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
    def meter(self) -> Meter:
        """Counts the requests of this process."""
        return Meter(lambda: self.ledger.calls)

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
            cures=Cures(
                self.ledger,
                clock=self.clock,
                rules=self._rules_of_held,
                arithmetic=self._arithmetic,
                vat_check=self._vat_check,
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

    @cached_property
    def follower(self) -> Follower:
        """Follows issued documents."""
        return Follower(
            self.ledger,
            clock=self.clock,
            remote=self.remote,
            adapters=self.adapters_of,
            plan=self._plan,
            stopping=self.stop.is_set,
        )

    def _plan(self, account: str) -> Plan:
        follow, settings = self.settings.follow, self.account_settings(account)
        return Plan(
            days=follow.days,
            shortest=follow.look_every,
            longest=follow.look_at_most,
            with_webhooks=follow.look_with_webhooks,
            acknowledge=settings.acknowledge,
            mark_as=settings.mark_as,
        )

    def adapters_of(self, account: str) -> Mapping[str, Adapter]:
        """Return the ERPs that feed an account, by source; those that are paused are to be left alone."""
        paused = self.ledger.sources.paused()
        return {name: self.adapter(name) for name in self.sources_of(account) if name not in paused}

    def desk(self, account: str) -> Desk:
        """Return what the work for an account needs; what the ledger says of the account is read once for it."""
        return Desk(
            remote=self.remote(account),
            adapters=self.adapters_of(account),
            rules=cache(partial(self._rules, account)),
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

    @cached_property
    def recipients(self) -> Sequence[Recipient]:
        """Who is told."""
        general = self.settings.notifications
        return [_recipient(name, who, general.time_zone) for name, who in general.recipients.items()]

    @cached_property
    def notifier(self) -> Notifier:
        """Tells people."""
        general = self.settings.notifications
        return Notifier(
            self.ledger,
            clock=self.clock,
            recipients=self.recipients,
            writer=self.writer,
            accounts_of={name: source.issuers for name, source in self.settings.sources.items()},
            repeat=timedelta(hours=general.repeat_hours),
            remind=timedelta(days=general.remind_days),
        )

    @cached_property
    def writer(self) -> Writer:
        """Writes what people are told."""
        return Writer(environment=self.settings.b2brouter.environment, console=self.settings.web.public_url)

    @cached_property
    def watch(self) -> Watch:
        """Sees what falls silent; it begins to watch when it is first asked for."""
        general = self.settings.notifications
        return Watch(
            self.ledger,
            clock=self.clock,
            zone=ZoneInfo(general.time_zone),
            environment=self.settings.b2brouter.environment,
            office=SCHEDULER,
            accounts=[
                WatchedAccount(
                    name=name,
                    account_id=account.account_id,
                    overdue=timedelta(hours=account.overdue_hours) if account.overdue_hours else None,
                )
                for name, account in self.settings.accounts.items()
            ],
            sources=[
                WatchedSource(
                    name=name,
                    no_look=timedelta(
                        seconds=max(general.no_look_minutes * 60, 3 * self.settings.scheduler.discover_every)
                    ),
                    silent_after=source.silent_after,
                    working_days=weekdays(source.working_days),
                )
                for name, source in self.settings.sources.items()
            ],
            stalled=timedelta(minutes=general.stalled_minutes),
            silent=timedelta(minutes=general.scheduler_minutes),
        )

    @cached_property
    def heartbeat(self) -> Heartbeat | None:
        """Calls the dead-man's switch; None where there is none."""
        general = self.settings.notifications
        if not general.has_heartbeat:
            return None
        return Heartbeat(
            self.ledger, general.heartbeat, method=general.heartbeat_method, seconds=general.heartbeat_seconds
        )

    @cached_property
    def reconciler(self) -> Reconciler:
        """Compares ERP, ledger and B2Brouter."""
        from connector.reconcile.reconciler import Reconciler

        return Reconciler(
            self.ledger,
            clock=self.clock,
            stuck_after=lambda account: _hours(self.account_settings(account).overdue_hours),
            allowed=lambda account: self.account_settings(account).allow_difference or Decimal(0),
            stopping=self.stop.is_set,
        )

    @cached_property
    def storage(self) -> Storage | None:
        """The place of the archive; None where none is configured.

        Raises:
            UsageError: it cannot be used.
        """
        from connector.archive.storage import open_storage  # whoever has no archive need not load it

        settings = self.settings.archive
        return open_storage(settings.url, settings.options) if settings.on else None

    @cached_property
    def archivist(self) -> Archivist | None:
        """Keeps the files of what was issued; None where there is no archive.

        Raises:
            UsageError: the place of the archive cannot be used.
        """
        if self.storage is None:
            return None
        from connector.archive.keeping import Archivist

        return Archivist(
            self.ledger,
            self.storage,
            clock=self.clock,
            pieces=self.settings.archive.keep,
            claim_seconds=_CLAIMED * lease_seconds(self.settings.b2brouter.timeout),
        )

    def sources_of(self, account: str) -> Sequence[str]:
        """Return the sources that feed an account."""
        return [name for name, source in self.settings.sources.items() if account in source.issuers]

    def _rules(self, account: str, source: str) -> Rules:
        state = self.ledger.accounts.get(account)
        settings = self.source_settings(source)
        return Rules(
            quiet_time=self.settings.b2brouter.quiet_time,
            call_seconds=self.settings.b2brouter.timeout,
            repeat_unknown=self._repeat_unknown(account, state.number_guard if state else None),
            owner_tax_number=state.tax_number if state else None,
            own_accounts=self._own_accounts(account, state.remote_id if state else None),
            many_companies=self.many_companies(source),
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

    def _rules_of_held(self, account: str, source: str) -> Rules | None:
        """Of a job whose account has left the configuration nothing was chosen."""
        return self._rules(account, source) if account in self.settings.accounts else None

    def _arithmetic(self, account: str) -> Way | None:
        """Return how an account calculates now; None where it does not say, and while it is paused."""
        state = self.ledger.accounts.get(account)
        if state is None or state.paused_reason is not None:
            return None
        try:
            return ask_arithmetic(self.remote(account), self.ledger.accounts, account)
        except UsageError:  # its key cannot be read: whoever works for it says so
            return None

    def levels(self, account: str) -> Levels:
        """Return the levels of validation rules that an account has chosen."""
        with self._lock:
            if account not in self._levels:
                self._levels[account] = levels_of(self.account_settings(account).rules)
            return self._levels[account]

    def _own_accounts(self, account: str, remote_id: str | None) -> frozenset[str]:
        """The names under which answers may call the account: the configuration may say id or identifier."""
        return frozenset(filter(None, (self.settings.accounts[account].account_id, remote_id)))

    def many_companies(self, source: str) -> bool:
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

    def _fold(self) -> None:
        try:
            self.meter.fold()
        except LedgerError as error:
            log.warning("the figures of the last requests are lost: %s", error.message)

    def close(self) -> None:
        """Give back all connections."""
        if self._ledger_open:
            self._fold()
        for adapter in self._adapters.values():
            adapter.close()
        for transport in self._transports:
            transport.close()
        if "ledger" in self.__dict__:  # it may not have been needed
            self.ledger.close()
