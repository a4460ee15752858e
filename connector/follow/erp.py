"""The ERP is shown how a document fares, where its adapter can; alone, in order of time, never holding an invoice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Set
from datetime import datetime, timedelta
from typing import Final

from connector.clock import Clock
from connector.domain.errors import OutsideError, UsageError, WriteBackRefusedError
from connector.domain.remote_state import case_of
from connector.ledger import Ledger
from connector.ledger.following import Followed
from connector.ledger.records import Entry
from connector.ports import Adapter, RecordsState, RecordsTaxReport

log = logging.getLogger(__name__)

_BATCH: Final = 200

_PAUSE: Final = timedelta(minutes=1)
"""How long an ERP is left alone after it failed."""


class Scribe:
    """Tells ERPs. An outage is logged when it begins and when it ends."""

    def __init__(self, ledger: Ledger, *, clock: Clock) -> None:
        """Prepare to tell what is in a ledger."""
        self._ledger = ledger
        self._clock = clock
        self._failing: dict[str, datetime] = {}  # until when a source is left alone

    def accounts_with_work(self, adapters: Callable[[str], Mapping[str, Adapter]], among: Set[str]) -> set[str]:
        """Return the accounts of which an ERP has not been told something yet, and can be told now.

        Args:
            adapters: the ERPs that feed an account, by source.
            among: the accounts that are asked for.
        """
        sources, reports = self._ledger.following.untold(), self._ledger.tax_reports.untold()
        if not sources and not reports:
            return set()
        return {
            account
            for account in among
            for source, adapter in adapters(account).items()
            if (source in sources or account in reports) and self._is_due(account, source, adapter)
        }

    def _is_due(self, account: str, source: str, adapter: Adapter) -> bool:
        if self._rests(source):
            return False
        return bool(
            (isinstance(adapter, RecordsState) and self._ledger.following.unrecorded(account, source, 1))
            or (isinstance(adapter, RecordsTaxReport) and self._ledger.tax_reports.unrecorded(account, source, 1))
        )

    def _rests(self, source: str) -> bool:
        return source in self._failing and self._clock.now() < self._failing[source]

    def tell(self, account: str, adapters: Mapping[str, Adapter], *, stopping: Callable[[], bool]) -> None:
        """Tell each ERP what it does not know yet. One that fails is told later."""
        for source, adapter in adapters.items():
            if self._is_due(account, source, adapter):
                self._tell(account, source, adapter, stopping)

    def _tell(self, account: str, source: str, adapter: Adapter, stopping: Callable[[], bool]) -> None:
        try:
            if isinstance(adapter, RecordsState):
                self._states(account, source, adapter, stopping)
            if isinstance(adapter, RecordsTaxReport):
                self._reports(account, source, adapter, stopping)
        except (OutsideError, UsageError) as error:
            if source not in self._failing:
                log.error("source %s: states are not written for now: %s %s", source, error.message, error.action)
            self._failing[source] = self._clock.now() + _PAUSE
            return
        if self._failing.pop(source, None):
            log.info("source %s: states are written again", source)

    def _states(self, account: str, source: str, adapter: RecordsState, stopping: Callable[[], bool]) -> None:
        while (jobs := self._ledger.following.unrecorded(account, source, _BATCH)) and not stopping():
            told: dict[Followed, datetime] = {}
            try:
                for job in jobs:
                    told[job] = self._state(adapter, job)
            finally:
                self._ledger.following.recorded(told)

    def _state(self, adapter: RecordsState, job: Followed) -> datetime:
        """Tell one state; return the time that went with it.

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
        return at

    def _reports(self, account: str, source: str, adapter: RecordsTaxReport, stopping: Callable[[], bool]) -> None:
        while (found := self._ledger.tax_reports.unrecorded(account, source, _BATCH)) and not stopping():
            for key, report in found:
                try:
                    adapter.record_tax_report(key, report)
                except WriteBackRefusedError as error:
                    log.warning("source %s: tax report %s is not written: %s", source, report.id, error.message)
                self._ledger.tax_reports.recorded(report)

    def _refused(self, job: Followed, error: WriteBackRefusedError) -> None:
        log.warning("job %s: its state is not written into the ERP: %s", job.id, error.message)
        facts = {"message": error.message}
        self._ledger.following.note(job, Entry(what="warned", reason="erp_state_refused", details=facts))
