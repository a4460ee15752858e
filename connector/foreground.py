"""One pass in the foreground, without a broker: discover, then work until nothing is due within the patience."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

from connector.bootstrap import Services
from connector.domain.errors import AccountDownError, AccountError, ConnectorError, LedgerError, OutOfTimeError
from connector.domain.job import Status
from connector.errands import archive
from connector.ledger.records import Job
from connector.supervision import at_the_end, follow, has_work, hasten, let_wait, look_into, pause, prepare

_LONGEST_NAP = 2.0
"""Seconds after which the ledger is looked at again although nothing is due: others may have changed it."""

_ARCHIVE_SECONDS = 20.0
"""How long a pass fetches files of an account; the next pass goes on."""

_SIDE_BY_SIDE = 8
"""Accounts that are worked at once."""


@dataclass(slots=True, kw_only=True)
class Result:
    """What a pass came to."""

    found: int = 0
    issued: int = 0
    already_sent: int = 0  # of those issued: found at B2Brouter as sent before
    seconds: float = 0.0
    by_status: dict[Status, int] = field(default_factory=dict)
    cases: int = 0  # issued documents that need a person all the same
    faults: list[ConnectorError] = field(default_factory=list)  # what failed outside

    @property
    def needs_a_person(self) -> bool:
        """Whether at least one job does."""
        return bool(self.by_status[Status.HELD] or self.cases)


class Pass:
    """One run of `connector sync`."""

    def __init__(
        self,
        services: Services,
        *,
        sources: Sequence[str] | None,
        patience: float,
        stop: Event,
        settled: Callable[[Job], None] = lambda job: None,
    ) -> None:
        """Prepare a pass.

        Args:
            services: the parts.
            sources: only these; None means all.
            patience: seconds within which something must become due for the pass to go on.
            stop: set from outside to end after the steps under way.
            settled: told of every job that was let go, from any thread.
        """
        self._services = services
        # Jobs of sources that are not configured any more would be due for ever.
        self._sources = list(services.settings.sources) if sources is None else sources
        self._patience = patience
        self._stop = stop
        self._settled = settled
        self._result = Result()
        self._failures: dict[str, int] = {}  # of an account in a row
        self._given_up: set[str] = set()
        self._again: set[str] = set()  # failed, and to be tried again also where nothing of it is due: it is paused

    def run(self) -> Result:
        """Do it.

        Raises:
            LedgerError: the ledger failed; what was begun is found again by the next pass.
            UsageError: the configuration is wrong.
        """
        services = self._services
        ledger = services.open_ledger()
        started, began = services.clock.now(), services.clock.monotonic()
        ledger.jobs.rescue()
        hasten(services)
        ledger.sources.resume_over()
        ledger.actions.retry_exhausted(who="connector sync", note="a new pass")
        self._discover()
        self._see_accounts()
        self._follow()
        self._work()
        self._archive()
        self._result.seconds = services.clock.monotonic() - began
        self._result.issued = ledger.queries.sent_since(started)
        self._result.already_sent = ledger.queries.sent_already_since(started)
        self._result.by_status = dict(ledger.queries.by_status())
        self._result.cases = ledger.queries.cases()
        return self._result

    def _discover(self) -> None:
        for name in self._sources:
            if self._stop.is_set():
                return
            try:
                self._result.found += look_into(self._services, name, thorough=True)
            except LedgerError:
                raise
            except ConnectorError as error:
                named = error.message if name in error.message else f"Source {name}: {error.message}"
                self._result.faults.append(type(error)(named, action=error.action))

    def _see_accounts(self) -> None:
        """Name accounts that are not those of the ledger, also while nothing of them is due; probe paused ones."""
        settings = self._services.settings
        environment = settings.b2brouter.environment
        known = [state for state in self._services.ledger.accounts.all() if state.name in settings.accounts]
        for state in known:
            ours = state.belongs_to(environment, settings.accounts[state.name].account_id)
            if not ours and not set(self._sources).isdisjoint(self._services.sources_of(state.name)):
                self._attempt(state.name, self._services.ensure_account)  # which says so, and asks nobody
        paused = {state.name for state in known if state.paused_reason is not None} - self._given_up
        self._side_by_side(sorted(paused), lambda name: prepare(self._services, name))

    def _follow(self) -> None:
        """Take in news of issued documents, where there is any or it is time to look for it."""
        for account in self._services.follower.due(self._services.settings.accounts):
            if not self._stop.is_set() and account not in self._given_up:
                self._attempt(account, lambda name: follow(self._services, name))

    def _work(self) -> None:
        jobs = self._services.ledger.jobs
        while not self._stop.is_set():
            jobs.rescue()
            jobs.release_ready()
            self._services.ledger.sources.let_wait()  # else what nobody may take would be due for ever
            self._services.ledger.ramp.refill(self._services.ramp)
            looked_at = self._services.clock.now()
            due = {*filter(self._has_work, jobs.due_accounts(sources=self._sources)), *self._again} - self._given_up
            self._side_by_side(sorted(due), self._drain)
            # What is due already and was left is of a source that does not lead to its account.
            if not due and not self._nap(jobs.next_due(sources=self._sources, but=self._given_up, after=looked_at)):
                return

    def _has_work(self, account: str) -> bool:
        return has_work(self._services, account, among=self._sources)

    def _archive(self) -> None:
        """Keep the files of what was issued, as far as they are ready and the time goes."""
        if not self._services.settings.archive.on:
            return
        for account in self._services.ledger.archive.accounts_due():
            if account not in self._services.settings.accounts or account in self._given_up:
                continue
            try:
                archive(self._services, account, stopping=self._stop.is_set, seconds=_ARCHIVE_SECONDS)
            except LedgerError:
                raise
            except ConnectorError as error:  # the place fails for all accounts alike
                self._result.faults.append(error)
                return

    def _side_by_side(self, accounts: Sequence[str], act: Callable[[str], None]) -> None:
        """Do something for several accounts: a slow one must not keep the others waiting."""
        if not accounts:
            return
        with ThreadPoolExecutor(min(_SIDE_BY_SIDE, len(accounts)), thread_name_prefix="pass") as pool:
            for done in [pool.submit(self._attempt, account, act) for account in accounts]:
                done.result()

    def _drain(self, account: str) -> None:
        prepare(self._services, account)
        self._services.journey.drain(
            account,
            seconds=self._services.settings.worker.drain_seconds,
            sources=self._sources,
            stopping=self._stop.is_set,
            settled=self._settled,
        )

    def _attempt(self, account: str, act: Callable[[str], None]) -> None:
        """Do something for an account. One that cannot be worked for is tried a few times, then left alone."""
        try:
            act(account)
            self._failures.pop(account, None)
            self._again.discard(account)
        except LedgerError:
            raise
        except OutOfTimeError:
            return  # we were told to stop; the next pass goes on
        except AccountError as error:
            if not self._stop.is_set():
                self._try_again_or_pause(account, error)
        except ConnectorError as error:
            self._give_up(account, error)

    def _try_again_or_pause(self, account: str, error: AccountError) -> None:
        failures = self._failures[account] = self._failures.get(account, 0) + 1
        retry = self._services.settings.retry
        wait = min(retry.cap, retry.base * 2 ** (failures - 1))
        if isinstance(error, AccountDownError) and failures < retry.attempts and wait <= self._patience:
            self._again.add(account)
            self._stop.wait(wait)
            return
        pause(self._services, account, error)
        while not self._stop.is_set() and let_wait(self._services, account, error):
            pass  # there may be no scheduler that does the rest
        self._give_up(account, at_the_end(self._services, account, error))

    def _give_up(self, account: str, fault: ConnectorError) -> None:
        self._given_up.add(account)
        self._result.faults.append(fault)

    def _nap(self, due: datetime | None) -> bool:
        """Sleep until something is due; false when that is beyond the patience."""
        if due is None:
            return False
        wait = (due - self._services.clock.now()).total_seconds()
        if wait > self._patience:
            return False
        self._stop.wait(max(0.02, min(wait, _LONGEST_NAP)))
        return True
