"""The parts of one process, wired."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from config.sections.accounts import AccountSettings
from config.sections.sources import SourceSettings
from config.settings import Settings, listed
from connector import tracing
from connector.bootstrap import telling
from connector.bootstrap.erps import Erps, as_discovered
from connector.bootstrap.made import made_of_settings
from connector.bootstrap.remotes import Remotes, lease_seconds
from connector.bootstrap.rulebook import Rulebook
from connector.changes import Changes
from connector.clock import Clock
from connector.cures import Cures
from connector.discovery import Discovery, Source
from connector.domain.decision import Policy
from connector.domain.errors import LedgerError, UsageError
from connector.domain.rounding import Way
from connector.follow import Follower
from connector.journey import Crowds, Desk, Journey
from connector.ledger import Ledger, schema
from connector.meter import Meter
from connector.notify.heartbeat import Heartbeat
from connector.notify.notifier import Notifier
from connector.notify.recipients import Recipient
from connector.notify.texts import Writer
from connector.notify.watch import Watch
from connector.ports import Adapter
from connector.steps.case import Rules, VatCheck
from connector.steps.explain_totals import ask_arithmetic
from connector.validation import Levels

if TYPE_CHECKING:
    from connector.archive.keeping import Archivist
    from connector.archive.storage import Storage
    from connector.b2brouter.client import B2BrouterClient
    from connector.reconcile.reconciler import Reconciler


log = logging.getLogger(__name__)

_FIXED: Final = ("b2brouter", "ledger", "broker", "worker", "archive", "web", "oidc", "tracing", "console")
"""Sections that count until the end of the process."""

_TURN: Final = 0.002
"""Seconds after which a thread that computes lets one go on whose answer has come. With 0.0005 threads wake up too
often only to ask for their turn; from this to 0.01 no difference was seen: docs/decisions, 13."""

_CLAIMED = 5
"""Files are claimed by the dozen and fetched one by one: so many times a lease. Most take far less."""


def _hours(number: float | None) -> timedelta | None:
    return None if number is None else timedelta(hours=number)


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
        self.made: dict[str, tuple[Settings, Any]] = {}
        self.stop = stop or threading.Event()
        self._ledger_open = False
        self.meter = Meter(lambda: self.ledger.calls)
        self.erps = Erps()
        self._crowds = Crowds()  # of the process: a journey by another configuration begins beside the one before
        self.remotes = Remotes(
            settings.b2brouter,
            settings.broker,
            ledger=lambda: self.ledger,
            meter=self.meter,
            stop=self.stop,
            only_looking=only_looking,
        )

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
            self._trace()
            self._ledger_open = True
        return self.ledger

    def _trace(self) -> None:
        wanted = self.settings.tracing
        if wanted.endpoint:
            tracing.begin(wanted.endpoint, service=wanted.service, ratio=wanted.ratio)

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
        return self.erps.adapter(source, self.source_settings(source))

    def source_settings(self, source: str) -> SourceSettings:
        """Return the settings of a source.

        Raises:
            UsageError: there is no such source.
        """
        settings = self.settings.sources.get(source)
        if settings is None:
            known = listed(self.settings.sources)
            raise UsageError(f"There is no source {source} in the configuration; there are: {known}.")
        return settings

    def account_settings(self, account: str) -> AccountSettings:
        """Return the settings of an account.

        Raises:
            UsageError: there is no such account.
        """
        return self.rulebook.account(account)

    def see_source(self, name: str, adapter: Adapter) -> None:
        """See, before an ERP is read or written for jobs of the ledger, that it is the one that they came from.

        Raises:
            EnvironmentLockedError: it is another database, and the source is locked.
            OutsideError: it cannot be asked, or the ledger failed.
        """
        self.ledger.stamps.see_source(name, adapter.identity())

    def erp(self, source: str) -> Adapter:
        """Return the adapter of a source whose jobs are in the ledger.

        Raises:
            EnvironmentLockedError: it leads to another database than the one that they came from.
            OutsideError: it cannot be asked.
            UsageError: no such source or adapter, or wrong options.
        """
        adapter = self.adapter(source)
        self.see_source(source, adapter)
        return adapter

    def source(self, name: str) -> Source:
        """Return a source as discovery sees it.

        Raises:
            UsageError: also where its start date is about a day that its ERP, as it is mapped, does not tell.
        """
        return as_discovered(name, self.source_settings(name), self.adapter(name))

    def remote(self, account: str) -> B2BrouterClient:
        """Return the B2Brouter side of an account.

        Raises:
            UsageError: no such account, or its key cannot be read or is for another environment.
        """
        return self.remotes.line(account, self.rulebook.account(account)).remote

    @made_of_settings
    def rulebook(self) -> Rulebook:
        """What the operator has decided about accounts."""
        return Rulebook(self.settings, lambda account: self.ledger.accounts.get(account))

    @made_of_settings
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

    @made_of_settings
    def journey(self) -> Journey:
        """Takes jobs along their way."""
        sys.setswitchinterval(_TURN)  # of the whole process: one that works invoices does little else
        retry = self.settings.retry
        return Journey(
            self.ledger,
            self.desk,
            policy=Policy(attempts=retry.attempts, base=retry.base, cap=retry.cap),
            clock=self.clock,
            threads=self.settings.worker.threads,
            crowds=self._crowds,
        )

    @cached_property
    def follower(self) -> Follower:
        """Follows issued documents."""
        return Follower(
            self.ledger,
            clock=self.clock,
            remote=self.remote,
            adapters=self.adapters_of,
            sources_of=self.sources_of,
            see_source=self.see_source,
            plan=lambda account: self.rulebook.plan(account),
            believes=self.have_one_key,
            stopping=self.stop.is_set,
        )

    def have_one_key(self, *accounts: str) -> bool:
        """Whether accounts are configured with the same API key; not where one cannot be read now."""
        known = self.settings.accounts
        try:
            return len({known[account].key() if account in known else None for account in accounts}) == 1
        except UsageError:
            return False

    def adapters_of(self, account: str) -> Mapping[str, Adapter]:
        """Return the ERPs that feed an account, by source.

        Those that are paused are to be left alone, and one that cannot be opened keeps no other from its turn.
        """
        paused = self.ledger.sources.paused()
        wanted = [name for name in self.sources_of(account) if name not in paused]
        return self.erps.opened({name: self.source_settings(name) for name in wanted})

    def desk(self, account: str) -> Desk:
        """Return what the work for an account needs; what the ledger says of the account is read once for it.

        Raises:
            EnvironmentLockedError: the ledger belongs to another environment or account.
        """
        book, adapters = self.rulebook, self.adapters_of(account)
        settings = book.account(account)
        self._check_stamp(account, settings)  # these very settings: they may be others than a moment ago
        line = self.remotes.line(account, settings)

        def rules(source: str) -> Rules:
            return book.rules(account, source, lambda: self.erps.many_companies(source, adapters[source]))

        def see(source: str) -> None:
            self.see_source(source, adapters[source])

        return Desk(
            remote=line.remote,
            adapters=adapters,
            account_of=book.account_of,
            see_source=see,
            rules=cache(rules),
            breaker=line.breaker,
            vat_check=self._vat_check,
            crowd=line.budget.crowd,
        )

    @made_of_settings
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

    @made_of_settings
    def recipients(self) -> Sequence[Recipient]:
        """Who is told."""
        return telling.recipients(self.settings.notifications)

    @made_of_settings
    def notifier(self) -> Notifier:
        """Tells people."""
        return telling.notifier(self.settings, self.ledger, self.clock, self.recipients, self.writer)

    @made_of_settings
    def writer(self) -> Writer:
        """Writes what people are told."""
        return Writer(environment=self.settings.b2brouter.environment, console=self.settings.web.public_url)

    @cached_property
    def watch(self) -> Watch:
        """Sees what falls silent; it begins to watch when it is first asked for."""
        return telling.watch(self.settings, self.ledger, self.clock)

    def adopt(self, settings: Settings) -> Sequence[str]:
        """Go by another configuration from now on; what has begun goes on by the one before.

        Returns:
            The sections that are other ones and take effect at the next start only.
        """
        later = [name for name in _FIXED if getattr(settings, name) != getattr(self.settings, name)]
        kept = {name: getattr(self.settings, name) for name in _FIXED}
        self.settings = settings.model_copy(update=kept)
        self.remotes.keep(self.settings.accounts)
        self.erps.keep(self.settings.sources)
        if "watch" in self.__dict__:
            self.watch.expect(telling.expected(self.settings))
        return later

    @made_of_settings
    def heartbeat(self) -> Heartbeat | None:
        """Calls the dead-man's switch; None where there is none."""
        return telling.heartbeat(self.settings.notifications, self.ledger)

    @cached_property
    def reconciler(self) -> Reconciler:
        """Compares ERP, ledger and B2Brouter."""
        from connector.reconcile.reconciler import Reconciler

        return Reconciler(
            self.ledger,
            clock=self.clock,
            stuck_after=lambda account: _hours(self.rulebook.account(account).overdue_hours),
            allowed=lambda account: self.rulebook.account(account).allow_difference or Decimal(0),
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
        return open_storage(settings.url, settings.opened_options()) if settings.on else None

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
        return self.settings.sources_by_account.get(account, ())

    def ramp(self, account: str) -> Sequence[int]:
        """Return how many invoices each step of an account's first run allows; see `Rulebook.ramp`."""
        return self.rulebook.ramp(account)

    def _rules_of_held(self, account: str, source: str) -> Rules | None:
        """Of a job whose account has left the configuration nothing was chosen."""
        if not self.rulebook.knows(account):
            return None
        return self.rulebook.rules(account, source, lambda: self.many_companies(source))

    def _arithmetic(self, account: str) -> Way | None:
        """Return how an account calculates now; None where it does not say, and while it is paused.

        It is asked no more often than an ERP is looked into, whatever is held for it.
        """
        state = self.ledger.accounts.get(account)
        if state is None or state.paused_reason is not None:
            return None
        stands = timedelta(seconds=self.settings.scheduler.discover_every)
        if state.arithmetic_at is not None and self.clock.now() - state.arithmetic_at < stands:
            return state.arithmetic
        try:
            return ask_arithmetic(self.remote(account), self.ledger.accounts, account)
        except UsageError:  # its key cannot be read: whoever works for it says so
            return None

    def levels(self, account: str) -> Levels:
        """Return the levels of validation rules that an account has chosen."""
        return self.rulebook.levels(account)

    def many_companies(self, source: str) -> bool:
        """Whether one account stands for a source in which several companies issue."""
        if self.source_settings(source).account is None:
            return False
        return self.erps.many_companies(source, self.adapter(source))

    def ensure_account(self, account: str) -> None:
        """See, at its first use, that an account exists and answers to our key, and stamp the ledger with it.

        Raises:
            EnvironmentLockedError: the ledger belongs to another environment or account.
            MisconfiguredError: key, account id or address is wrong.
            NotSentError: B2Brouter cannot be reached.
        """
        general, settings = self.settings.b2brouter, self.rulebook.account(account)
        if self._check_stamp(account, settings):
            return
        there = self.remotes.line(account, settings).remote.read_account()
        self.ledger.accounts.stamp(
            account,
            environment=general.environment,
            host=general.host,
            account_id=settings.account_id,
            remote_id=there.id,
            tax_number=there.tax_number,
            arithmetic=there.arithmetic,
        )

    def _check_stamp(self, account: str, settings: AccountSettings) -> bool:
        environment = self.settings.b2brouter.environment
        return self.ledger.accounts.check_stamp(account, environment=environment, account_id=settings.account_id)

    def _fold(self) -> None:
        try:
            self.meter.fold()
        except LedgerError as error:
            log.warning("the figures of the last requests are lost: %s", error.message)

    def close(self) -> None:
        """Give back all connections."""
        if self._ledger_open:  # else others of this process count and trace
            self._fold()
            if self.settings.tracing.endpoint:
                tracing.end()
        self.erps.close()
        self.remotes.close()
        if "ledger" in self.__dict__:  # it may not have been needed
            self.ledger.close()
