"""The ERP is shown how a document fares, where its adapter can; alone, in order of time, never holding an invoice."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import datetime, timedelta
from typing import Final

from connector.clock import Clock
from connector.domain.alarms import instant
from connector.domain.errors import (
    ConnectorError,
    EnvironmentLockedError,
    LedgerError,
    OutsideError,
    SchemaChangedError,
    UsageError,
    WriteBackRefusedError,
)
from connector.domain.remote_state import case_of
from connector.follow.refusals import Refusals, What
from connector.ledger import Ledger
from connector.ledger.alarms import ERP_NOT_TOLD
from connector.ledger.following import Followed
from connector.ledger.records import Entry
from connector.ports import Adapter, RecordsState, RecordsTaxReport, RemoteTaxReport

log = logging.getLogger(__name__)

_BATCH: Final = 200

_PAUSE: Final = timedelta(minutes=1)
"""How long an ERP is left alone after it failed."""

_STATE: Final = "state"
_REPORT: Final = "report"

_TOO_LONG: Final = timedelta(hours=1)
"""After this people are told that an ERP does not take what it is told."""


class Scribe:
    """Tells ERPs. An outage is logged when it begins and when it ends; one that lasts is an alarm."""

    def __init__(self, ledger: Ledger, *, clock: Clock, see_source: Callable[[str, Adapter], None]) -> None:
        """Prepare to tell what is in a ledger; see `Follower`."""
        self._ledger = ledger
        self._see_source = see_source
        self._clock = clock
        self._failing: dict[str, datetime] = {}  # until when a source is left alone
        self._since: dict[str, datetime] = {}  # when that began
        self._refusals: dict[str, Refusals] = defaultdict(lambda: Refusals(clock))

    def accounts_with_work(
        self,
        adapters: Callable[[str], Mapping[str, Adapter]],
        sources_of: Callable[[str], Iterable[str]],
        among: Set[str],
    ) -> set[str]:
        """Return the accounts of which an ERP has not been told something yet, and can be told now.

        Args:
            adapters: the ERPs that feed an account, by source; they are opened only where there is something to tell.
            sources_of: the names of these sources.
            among: the accounts that are asked for.
        """
        sources, reports = self._ledger.following.untold(), self._ledger.tax_reports.untold()
        if not sources and not reports:
            return set()
        return {
            account
            for account in among
            if account in reports or not sources.isdisjoint(sources_of(account))
            for source, adapter in adapters(account).items()
            if (source in sources or account in reports) and self._is_due(account, source, adapter)
        }

    def _is_due(self, account: str, source: str, adapter: Adapter) -> bool:
        if self._rests(source):
            return False
        return bool(
            (isinstance(adapter, RecordsState) and self._states_due(account, source, 1))
            or (isinstance(adapter, RecordsTaxReport) and self._reports_due(account, source, 1))
        )

    def _states_due(self, account: str, source: str, limit: int) -> list[Followed]:
        refusals = self._refusals[source]
        jobs = self._ledger.following.unrecorded(account, source, limit + len(refusals))
        due = [job for job in jobs if not refusals.rests(_state_of(job), job.known)]
        return sorted(due, key=lambda job: refusals.has(_state_of(job), job.known))  # those go behind all others

    def _reports_due(self, account: str, source: str, limit: int) -> list[tuple[str, RemoteTaxReport]]:
        refusals = self._refusals[source]
        found = self._ledger.tax_reports.unrecorded(account, source, limit + len(refusals))
        due = [(key, report) for key, report in found if not refusals.rests(_report_of(account, key), None)]
        return sorted(due, key=lambda one: refusals.has(_report_of(account, one[0]), None))

    def _rests(self, source: str) -> bool:
        return source in self._failing and self._clock.now() < self._failing[source]

    def tell(self, account: str, adapters: Mapping[str, Adapter], *, stopping: Callable[[], bool]) -> None:
        """Tell each ERP what it does not know yet. One that fails is told later."""
        for source, adapter in adapters.items():
            if not stopping() and self._is_due(account, source, adapter):
                self._tell(account, source, adapter, stopping)

    def _tell(self, account: str, source: str, adapter: Adapter, stopping: Callable[[], bool]) -> None:
        try:
            self._see_source(source, adapter)
            if isinstance(adapter, RecordsState):
                self._states(account, source, adapter, stopping)
            if isinstance(adapter, RecordsTaxReport):
                self._reports(account, source, adapter, stopping)
        except LedgerError:
            raise
        except (OutsideError, UsageError, EnvironmentLockedError) as error:
            self._fails(source, error)
            return
        if stopping():
            return  # whether the ERP takes the rest is not known
        if self._failing.pop(source, None):
            del self._since[source]
            log.info("source %s: states are written again", source)
        self._judge(source)

    def _fails(self, source: str, error: ConnectorError) -> None:
        now = self._clock.now()
        if source not in self._failing:
            log.error("source %s: states are not written for now: %s %s", source, error.message, error.action)
            self._since[source] = now
        self._failing[source] = now + _PAUSE
        self._alarm(source, self._since[source], error)

    def _judge(self, source: str) -> None:
        """The ERP has taken what it takes: what it refused may still be for a person."""
        oldest = self._refusals[source].oldest
        if oldest is None:
            self._ledger.alarms.end(ERP_NOT_TOLD, source)
        else:
            self._alarm(source, *oldest)

    def _alarm(self, source: str, since: datetime, error: ConnectorError) -> None:
        if self._clock.now() - since >= _TOO_LONG:
            facts = {"source": source, "since": instant(since), "fault": error.message}
            self._ledger.alarms.begin(ERP_NOT_TOLD, source, facts)

    def _states(self, account: str, source: str, adapter: RecordsState, stopping: Callable[[], bool]) -> None:
        refusals = self._refusals[source]
        while (jobs := self._states_due(account, source, _BATCH)) and not stopping():
            told: dict[Followed, datetime] = {}
            try:
                for job in jobs:
                    if stopping():
                        break
                    with refusals.behind(_state_of(job), job.known):
                        told[job] = self._state(adapter, job, again=refusals.has(_state_of(job), job.known))
            finally:
                self._ledger.following.recorded(told)
        left = self._ledger.following.unrecorded(account, source, _BATCH + len(refusals))
        refusals.forget_but(account, _STATE, {_state_of(job) for job in left})

    def _state(self, adapter: RecordsState, job: Followed, *, again: bool) -> datetime:
        """Tell one state, perhaps again; return the time that went with it.

        The time never goes back, though a look may show an older one than an event told: what was judged to be
        newer must replace what stands there.
        """
        assert job.remote_state is not None
        assert job.state_changed_at is not None
        at = max(job.state_changed_at, job.state_recorded_at or job.state_changed_at)
        needs = case_of(job.remote_state, job.reference, job.state_note)
        reason = needs[1]["message"] if needs else None
        if adapter.records_state():
            try:
                adapter.record_state(job.key, job.remote_state, reason, at)
            except WriteBackRefusedError as error:
                self._refused(job, error)
            except SchemaChangedError as error:
                if not again:
                    self._refused(job, error)
                raise
        return at

    def _reports(self, account: str, source: str, adapter: RecordsTaxReport, stopping: Callable[[], bool]) -> None:
        refusals = self._refusals[source]
        while (found := self._reports_due(account, source, _BATCH)) and not stopping():
            for key, report in found:
                if stopping():
                    break
                about = _report_of(account, key)
                if not refusals.rests(about, None):  # a later report never goes before one that was refused
                    with refusals.behind(about, None):
                        self._report(source, adapter, key, report)
        left = self._ledger.tax_reports.unrecorded(account, source, _BATCH + len(refusals))
        refusals.forget_but(account, _REPORT, {_report_of(account, key) for key, _ in left})

    def _report(self, source: str, adapter: RecordsTaxReport, key: str, report: RemoteTaxReport) -> None:
        try:
            adapter.record_tax_report(key, report)
        except WriteBackRefusedError as error:
            log.warning("source %s: tax report %s is not written: %s", source, report.id, error.message)
        self._ledger.tax_reports.recorded(report)

    def _refused(self, job: Followed, error: ConnectorError) -> None:
        log.warning("job %s: its state is not written into the ERP: %s", job.id, error.message)
        facts = {"message": error.message}
        self._ledger.following.note(job, Entry(what="warned", reason="erp_state_refused", details=facts))


def _state_of(job: Followed) -> What:
    return job.account, _STATE, str(job.id)


def _report_of(account: str, key: str) -> What:
    """A document's reports are one: where the ERP has room for one of them, the newest has to come last."""
    return account, _REPORT, key
