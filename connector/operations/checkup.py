"""Every part tried, one row each. Nothing is changed: no migration, no stamp."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from sqlalchemy import func, select, update

from config import logging as log
from connector.adapters import interface_of
from connector.adapters.checks import failed, ok, warning
from connector.bootstrap import Services
from connector.clock import SystemClock
from connector.domain import catalogue
from connector.domain.errors import ConnectorError, EnvironmentLockedError, StepError, UsageError
from connector.domain.invoice import Party
from connector.ledger import Ledger, schema
from connector.ledger.tables import JobRow
from connector.operations.account_rows import AccountRows
from connector.operations.brokers import reach
from connector.operations.chosen import chosen
from connector.operations.encryption import unprotected
from connector.operations.ledgers import missing_file
from connector.operations.notification_rows import notification_rows
from connector.operations.preflight import check_account
from connector.operations.texts import count, zone
from connector.ports import INTERFACE, CheckRow, RemoteAccount
from connector.probes import Findings, probe
from connector.supervision import at_the_end

_CLOCKS_APART = 60.0
"""Seconds between this machine's clock and the ledger's that nobody should worry about."""

_MOST: Final = 16
"""Accounts that are tried at once: one that hangs takes up to a few time-outs, and there may be thousands."""

_QUEUE: Final = 5.0
"""Seconds that they may all wait for requests where they have one key: half of what its budget lets anybody wait."""


class Checkup:
    """Tries the parts in the order in which they need one another."""

    def __init__(
        self,
        services: Services,
        *,
        config: Path,
        probe: bool = False,
        accounts: Collection[str] = (),
        sources: Collection[str] = (),
    ) -> None:
        """Try nothing yet.

        Args:
            services: the installation.
            config: where the configuration is.
            probe: also ask the five questions of `connector.probes`.
            accounts: only these, see `chosen`.
            sources: only these.

        Raises:
            UsageError: there is no such account or source.
        """
        self._services = services
        self._chosen = chosen(services, accounts, sources)
        self._config = config
        self._probe = probe
        self._ledger: Ledger | None = None
        self.configuration_wrong = False  # as could be known without talking to anybody

    def rows(self) -> Iterator[CheckRow]:
        """Yield one row after the other."""
        yield self._configuration()
        yield from self._guard("ledger", self._ledger_rows)
        yield from self._guard("broker", self._broker_rows)
        yield from map(_without_secrets, self._encryption_rows())
        yield from self._rows_of_accounts()
        for source in self._chosen.sources:
            yield from self._guard(f"source {source}", lambda name=source: self._source_rows(name))  # type: ignore[misc]
        yield from self._guard("notifications", lambda: notification_rows(self._services, self._ledger))
        yield from self._guard("archive", self._archive_rows)
        yield from self._guard("clock", self._clock_rows)

    def _guard(self, name: str, rows: Callable[[], Iterator[CheckRow]]) -> Iterator[CheckRow]:
        """Turn what a part raises into its row; whatever it said before stands."""
        try:
            yield from map(_without_secrets, rows())
        except UsageError as error:
            self.configuration_wrong = True
            yield _without_secrets(failed(name, error.message, error.action))
        except ConnectorError as error:
            yield _without_secrets(failed(name, error.message, error.action))

    def _configuration(self) -> CheckRow:
        settings = self._services.settings
        environment = settings.b2brouter.environment
        told = (
            f"{self._config}: {environment}, {settings.b2brouter.host};"
            f" {count(len(settings.accounts), 'account')}, {count(len(settings.sources), 'source')}"
        )
        if not settings.accounts:
            return warning("configuration", told, "Add a table [accounts.NAME] for your company at B2Brouter.")
        if not settings.sources:
            return warning("configuration", told, "Add a table [sources.NAME] for your ERP.")
        return ok("configuration", told)

    # ------------------------------------------------------------ ledger and broker

    def _ledger_rows(self) -> Iterator[CheckRow]:
        file = missing_file(self._services.settings.ledger.address())
        if file is not None:
            yield _new_ledger(file)
            return
        ledger = self._services.ledger
        present = schema.version(ledger.database)
        name = ledger.database.display
        if present is None:
            yield warning("ledger", f"{name} is reachable and still empty.", "Run: connector db upgrade")
            return
        if present != schema.HEAD:
            schema_row = f"{name} has the schema {present}, not {schema.HEAD}."
            yield warning("ledger", schema_row, "Run: connector db upgrade")
            return
        self._ledger = ledger
        _try_writing(ledger)
        jobs = sum(ledger.queries.by_status().values())
        yield ok("ledger", f"{name}: schema {present}, writable, {count(jobs, 'invoice')}")
        try:
            ledger.stamps.see_ledger()
        except EnvironmentLockedError as error:
            yield failed("ledger: stamp", error.message, error.action)
        if not ledger.database.cleans_up():
            told = "autovacuum is off at its server: each step gets slower with every invoice"
            yield warning("ledger: upkeep", told, "Switch autovacuum on, or run VACUUM (ANALYZE) every hour.")

    def _broker_rows(self) -> Iterator[CheckRow]:
        broker = self._services.settings.broker
        if broker.embedded:
            yield ok("broker", "none is configured: the work is done within connector run and connector sync")
            return
        yield ok("broker", f"{reach(broker)} answers")

    def _encryption_rows(self) -> Iterator[CheckRow]:
        """Say which connections to other machines are open to listeners; nothing where none is."""
        settings = self._services.settings
        asks: dict[str, Callable[[], str | None]] = {
            "ledger": settings.ledger.address,
            "broker": settings.broker.address,
            **{name: settings.sources[name].address for name in self._chosen.sources},
        }
        for name, ask in asks.items():
            with suppress(UsageError):  # a URL that cannot be read has a row of its own
                if cure := unprotected(ask() or ""):
                    told = "passwords and invoices cross the network where others can read or change them"
                    yield warning(f"{name}: encryption", told, f"Write into its URL: {cure}.")

    def _archive_rows(self) -> Iterator[CheckRow]:
        storage = self._services.storage
        if storage is None:
            yield ok("archive", "off: name a place for legal files and PDFs in [archive] url")
            return
        storage.check()
        yield ok("archive", f"{storage.place}: {', '.join(self._services.settings.archive.keep)}")

    # ------------------------------------------------------------ accounts

    def _rows_of_accounts(self) -> Iterator[CheckRow]:
        """Yield them in their order; several accounts are tried at once."""
        accounts = self._chosen.accounts
        if self._probe:  # it measures times, and deletes what it made also where it is interrupted
            for account in accounts:
                yield from self._rows_of(account)
            return
        # The language was chosen in the context of this thread; each other thread needs one of its own.
        tries = [partial(copy_context().run, list[CheckRow], self._rows_of(account)) for account in accounts]
        # After Ctrl-C nobody waits for the threads of this pool: they keep no process from ending.
        with ThreadPool(side_by_side(len(tries), self._services.settings.b2brouter.budget)) as pool:
            for rows in pool.imap(_made, tries):
                yield from rows

    def _rows_of(self, account: str) -> Iterator[CheckRow]:
        return self._guard(f"account {account}", lambda: self._account_rows(account))

    def _account_rows(self, account: str) -> Iterator[CheckRow]:
        name = f"account {account}"
        check_account(self._services.settings, account)
        if self._ledger is not None:
            yield from self._stamp_rows(account)
        try:
            there = self._services.remote(account).read_account()
        except StepError as error:
            told = at_the_end(self._services, account, error)
            yield failed(name, told.message, told.action)
            return
        if there.archived:
            yield failed(name, f"The account {there.id} is archived.", "Unarchive it in B2Brouter, or name another.")
        else:
            yield ok(name, _about(there, self._services.account_settings(account).account_id))
        yield from AccountRows(self._services, account, there, today=datetime.now(UTC).date()).rows()
        if self._probe:
            yield from self._probe_rows(account, there)
        if not self._services.sources_of(account):
            yield warning(name, "no source issues through it", "Name it in a source, or remove it.")

    def _stamp_rows(self, account: str) -> Iterator[CheckRow]:
        assert self._ledger is not None
        settings = self._services.settings
        name = f"account {account}: stamp"
        try:
            stamped = self._ledger.accounts.check_stamp(
                account,
                environment=settings.b2brouter.environment,
                account_id=settings.accounts[account].account_id,
            )
        except ConnectorError as error:
            yield failed(name, error.message, error.action)
            return
        yield ok(name, "the ledger belongs to this environment" if stamped else "set by the first sync")
        state = self._ledger.accounts.get(account)
        if state is not None and state.paused_reason is not None:
            since = state.paused_at.isoformat(timespec="minutes") if state.paused_at else "?"
            why = catalogue.reason(state.paused_reason).message(state.paused_details)
            action = catalogue.reason("account_paused").advice({})
            yield warning(f"account {account}: work", f"paused since {since}: {why}", action)

    def _probe_rows(self, account: str, there: RemoteAccount) -> Iterator[CheckRow]:
        """Ask the five questions of `connector.probes`, and keep what the answers decide."""
        name = f"account {account}: probe"
        ledger = self._services.open_ledger()
        seller = Party(name=there.name or account, country=(there.country or "ES").upper())
        today = self._services.clock.now().date()
        try:
            found = probe(
                self._services.remote(account), seller=seller, today=today, clock=SystemClock(), sleep=time.sleep
            )
        except StepError as error:
            told = at_the_end(self._services, account, error)
            yield failed(name, told.message, told.action)
            return
        ledger.accounts.store_findings(account, number_guard=found.number_guard, list_delay=found.list_delay)
        yield from _findings(name, found, self._services.settings.b2brouter.quiet_time)

    # ------------------------------------------------------------ sources

    def _source_rows(self, source: str) -> Iterator[CheckRow]:
        adapter = self._services.adapter(source)
        yield from _interface_rows(source, self._services.source_settings(source).adapter, interface_of(adapter))
        rows = adapter.check()
        for row in rows:
            yield replace(row, name=f"{source}: {row.name}")
        yield from self._identity_rows(source, adapter.identity())
        if self._services.source_settings(source).since is None:
            yield _without_start(source)
        if any(row.status == "failed" for row in rows):
            return
        paused = self._ledger.sources.pause_of(source) if self._ledger is not None else None
        if paused is not None:
            why = catalogue.reason("source_paused").message(paused.facts(source))
            yield warning(f"{source}: work", why, catalogue.reason("source_paused").advice(paused.facts(source)))
        self._services.source(source)  # its start date may be about a day that its queries do not give
        settings = self._services.source_settings(source)
        companies = adapter.companies()
        # Where one account stands for all of them, only its owner issues: the account's rows say who that is.
        condition = ", if it is that account's company" if settings.account and len(companies) > 1 else ""
        accounts = set(self._chosen.accounts)
        for company in companies:
            account = settings.account_of(company.key)
            if account is not None and account not in accounts:
                continue
            name = f"{source}: company {company.key}"
            about = f"{company.name} ({company.tax_number or 'no tax number'})"
            if account is None:
                yield warning(
                    name, f"{about} has no account: nothing of it is sent", f"Add it to sources.{source}.accounts."
                )
            else:
                yield ok(name, f"{about} issues through account {account}{condition}")

    def _identity_rows(self, source: str, identity: str) -> Iterator[CheckRow]:
        if self._ledger is None:
            return
        known = self._ledger.intake.state(source).get("identity")
        try:
            self._ledger.stamps.compare_source(source, known, identity)
        except EnvironmentLockedError as error:
            yield failed(f"{source}: stamp", error.message, error.action)

    # ------------------------------------------------------------ clock

    def _clock_rows(self) -> Iterator[CheckRow]:
        now = datetime.now(UTC)
        told = f"{now.astimezone():%Y-%m-%d %H:%M:%S} ({zone(now)})"
        if self._ledger is None or self._ledger.database.is_sqlite:
            yield ok("clock", told)
            return
        with self._ledger.database.read() as connection:
            theirs: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        apart = abs((theirs - datetime.now(UTC)).total_seconds())
        if apart > _CLOCKS_APART:
            yield warning("clock", f"{told}; {apart:.0f} s apart from the ledger's", "Set both by NTP.")
        else:
            yield ok("clock", f"{told}, as the ledger's")


def _made(rows: Callable[[], list[CheckRow]]) -> list[CheckRow]:
    return rows()


def side_by_side(accounts: int, requests_per_minute: float) -> int:
    """Return how many of some accounts are tried at once."""
    return max(1, min(accounts, _MOST, int(_QUEUE * requests_per_minute / 60)))


def _interface_rows(source: str, name: str, interface: int) -> Iterator[CheckRow]:
    if interface < INTERFACE:
        yield warning(
            f"{source}: adapter",
            f"{name} was written for interface {interface}; this connector still works with it, a later one may not",
            "Install a newer version of the adapter's package.",
        )


def _without_start(source: str) -> CheckRow:
    """Warn of what nobody expects who leaves a line out."""
    return warning(
        f"{source}: start date",
        "there is none: all invoices that the ERP ever confirmed are sent, those of past years too",
        f"Write since = {datetime.now(UTC).year}-01-01, or the first day that shall be sent, into [sources.{source}];"
        " connector preview shows how many are sent.",
    )


def _new_ledger(file: Path) -> CheckRow:
    folder = file.parent.resolve()
    if not folder.is_dir():
        return failed(
            "ledger", f"There is no folder {folder} for the ledger {file}.", "Make it, or correct ledger.url."
        )
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        told = f"The folder {folder} of the ledger cannot be written: {error.strerror}."
        return failed("ledger", told, "Grant our user the right, or correct ledger.url.")
    return ok("ledger", f"{file} does not exist yet; the first sync makes it")


def _try_writing(ledger: Ledger) -> None:
    """Write to no row at all: the database must allow it all the same."""
    with ledger.database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.id < 0).values(fence=JobRow.fence))


def _about(there: RemoteAccount, given: str) -> str:
    parts = [there.name or "without name", there.tax_number or "no tax number"]
    if given != there.id:
        parts.append(f"id {there.id}, called {given} here and in cross-references")
    if there.rounding_method:
        parts.append(f"rounding {there.rounding_method}")
    if there.round_before_sum is not None:
        parts.append("rounds before adding up" if there.round_before_sum else "adds up before rounding")
    if there.apply_taxes_per_line is not None:
        parts.append("tax per line" if there.apply_taxes_per_line else "tax on the sum")
    return f"the key is accepted: {', '.join(parts)}"


def _without_secrets(row: CheckRow) -> CheckRow:
    clean = log.redaction.clean
    return replace(row, message=clean(row.message), action=clean(row.action))


def _findings(name: str, found: Findings, quiet_time: float) -> Iterator[CheckRow]:
    """Say what the probe found, one row per question."""
    if found.number_guard:
        yield ok(f"{name}: number", "a number that exists is refused")
    else:
        told = "a number that exists is taken a second time: a lost create that is not found again is held"
        cure = (
            "Decide such cases with: connector link, or connector retry. For the first pass of a new ledger, set"
            ' existing = "adopt" on each source: what was issued before is made twice otherwise.'
        )
        yield warning(f"{name}: number", told, cure)
    if found.race_guard:
        yield ok(f"{name}: race", "two requests at once with one number: one is refused")
    else:
        yield warning(f"{name}: race", "two requests at once with one number are both taken", "Run one ledger only.")
    if found.list_delay is None or found.list_delay >= quiet_time:
        told = "a new document does not show in the list within the quiet time"
        yield failed(f"{name}: list", told, "Raise b2brouter.quiet_time well above the delay.")
    else:
        yield ok(f"{name}: list", f"a new document shows in the list after {found.list_delay:g} s")
    yield ok(f"{name}: second send", f"a second send is {found.second_send}")
    if found.request_id:
        yield ok(f"{name}: request id", "answers carry a request id")
    else:
        yield warning(f"{name}: request id", "answers carry no request id", "Support needs time and number.")
