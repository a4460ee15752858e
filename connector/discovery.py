"""Finding confirmed documents in an ERP and opening a job for each, idempotently, in constant memory.

By keyset on (changed at, key) from where the last look ended, less an overlap for late commits; and at
intervals a full sweep from the beginning, which finds what was back-dated or committed very late; at once where
another start date or a company more lets in what lies behind. Jobs that rest because of their ERP document are
read again: a cure of the customer does not touch the invoice.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from connector.changes import Changes
from connector.clock import Clock
from connector.cures import Cures
from connector.documents import load_each
from connector.domain.errors import DocumentNotUsableError
from connector.domain.invoice import Invoice
from connector.domain.job import Stage
from connector.domain.remote_state import was_handed_over
from connector.domain.start import too_early
from connector.ledger import Ledger
from connector.ledger.intake import as_stored
from connector.ledger.records import Job
from connector.ports import Adapter, Found, HoldsFiles, Position

log = logging.getLogger(__name__)

PAGE = 2000
_RESTING_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One ERP as discovery sees it."""

    name: str
    adapter: Adapter
    since: date | None
    companies: Sequence[str] | None  # None: all of them
    account_of: Callable[[str], str | None]  # by company
    by_confirmation: bool = False  # whether `since` is about the day of confirmation, not of issue

    @property
    def extent(self) -> str:
        """What tells whether a sweep was about the same documents: where they begin, and whose they are."""
        companies = None if self.companies is None else sorted(self.companies)
        told = repr((self.since and self.since.isoformat(), self.by_confirmation, companies))
        return sha256(told.encode()).hexdigest()

    def begins_before(self, found: Found | Job) -> bool:
        """Whether the start date leaves a document out; see `too_early`."""
        confirmed = found.confirmed_on if self.by_confirmation else None
        return too_early(self.since, issued=found.issue_date, confirmed=confirmed) is not None


class Discovery:
    """Fills the ledger from the sources."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        overlap: float,
        sweep_every: float,
        stopping: Callable[[], bool] = lambda: False,
        changes: Changes | None = None,
        cures: Cures | None = None,
        recheck_batch: int = 1000,
    ) -> None:
        """Prepare discovery.

        Args:
            ledger: to fill.
            clock: where the time comes from.
            overlap: seconds that each look goes back before the last one.
            sweep_every: seconds between full sweeps.
            stopping: asked before each page; true ends the look, and the next one begins where it began.
            changes: is shown what the ERP lists, and compares issued documents at the end of each look.
            cures: judges resting documents again that did not change.
            recheck_batch: most resting jobs whose documents one look reads again.
        """
        self._ledger = ledger
        self._clock = clock
        self._overlap = timedelta(seconds=overlap)
        self._sweep_every = timedelta(seconds=sweep_every)
        self._stopping = stopping
        self._changes = changes
        self._cures = cures
        self._recheck_batch = recheck_batch
        self._assigned: dict[str, Callable[[str], str | None]] = {}  # by which mapping jobs have their accounts

    def discover(self, source: Source, *, thorough: bool = False, ours: Callable[[], bool] = lambda: True) -> int:
        """Open a job for every confirmed document that has none; return how many were new.

        Args:
            source: the ERP.
            thorough: read all resting documents again, however many they are: somebody waits for the result.
            ours: asked between pages like `stopping`; false ends the look, for another process has taken it over.

        Raises:
            OutsideError: the ERP or the ledger failed; what was found before that is kept.
            EnvironmentLockedError: the source is another database than the one the ledger knows.
        """
        state = self._ledger.intake.state(source.name)
        bind = partial(self._ledger.stamps.check_source, source.name, source.adapter.identity())
        bound = state.get("identity") is not None
        if bound:
            bind()
            self._assign(source)
        started = self._clock.now()
        swept = state.get("swept_at")
        is_other = state.get("swept_for") != source.extent  # what lies behind us may be wanted now
        # One that is dated ahead was made by a clock that was wrong.
        sweep = swept is None or is_other or not timedelta(0) <= started - swept < self._sweep_every
        over = partial(self._over, ours)
        start = None if sweep else self._start(state)
        new = self._read(source, start, started, None if bound else bind, over)
        if over():
            return new
        if not bound:
            bind()
        # Whatever was in the ERP when it began is in the ledger from this instant on.
        marks = {"discovered_at": self._clock.now()} | (
            {"swept_at": started, "swept_for": source.extent} if sweep else {}
        )
        self._ledger.intake.remember(source.name, **marks)
        self.recheck(source, state, thorough=thorough, over=over)
        if self._changes is not None and not over():
            self._changes.look(source.name, source.adapter)
        if new:
            log.info("source %s: %s new documents", source.name, new)
        return new

    def _assign(self, source: Source) -> None:
        """See, once for each mapping of companies, that jobs are with the accounts that it names."""
        if self._assigned.get(source.name) == source.account_of:
            return
        count = self._ledger.handover.assign(source.name, source.account_of)
        if count:
            log.info(
                "source %s: %s documents go to the accounts that issue for their companies now", source.name, count
            )
        self._assigned[source.name] = source.account_of

    def _over(self, ours: Callable[[], bool]) -> bool:
        return self._stopping() or not ours()

    def _start(self, state: Mapping[str, Any]) -> Position | None:
        last = self._ledger.intake.position(state)
        return last and Position(changed_at=last.changed_at - self._overlap, key="")

    def _read(
        self,
        source: Source,
        after: Position | None,
        started: datetime,
        bind: Callable[[], None] | None,
        over: Callable[[], bool],
    ) -> int:
        """Read all pages; `bind` the ledger to a source once one was read: a mistyped address is none."""
        new = 0
        for page in self._pages(source, after, over):
            if bind is not None:
                bind()
                bind = None
            wanted = [found for found in page if not source.begins_before(found)]
            upto = _reached(page, started)
            added = self._ledger.intake.add(source.name, wanted, source.account_of, upto=upto)
            if added < len(wanted) and self._changes is not None:
                self._changes.note(source.name, [as_stored(found) for found in wanted])
            new += added
        return new

    def _pages(self, source: Source, after: Position | None, over: Callable[[], bool]) -> Iterator[Sequence[Found]]:
        """Yield what the ERP lists; the next page is read while the ledger takes one in."""
        page = () if over() else self._page(source, after)
        with ThreadPoolExecutor(1, thread_name_prefix="discovery") as reader:
            while page:
                more = len(page) == PAGE and not over()
                coming = reader.submit(self._page, source, page[-1].position) if more else None
                yield page
                page = coming.result() if coming else ()

    def _page(self, source: Source, after: Position | None) -> Sequence[Found]:
        since = None if source.by_confirmation else source.since
        return source.adapter.find(after, PAGE, since=since, companies=source.companies)

    def recheck(
        self,
        source: Source,
        state: Mapping[str, Any],
        *,
        thorough: bool = False,
        over: Callable[[], bool] = lambda: False,
    ) -> int:
        """Try resting jobs again whose document, or its customer, changed since it was judged; return how many.

        So are those whose reason holds no longer though nothing changed in the ERP; see `Cures`. And those whose
        document was deleted: that is what a person, and the corrections that wait for it, must hear.

        Unless `thorough`, a look reads a bounded number of them, from where the last one stopped: many held
        documents must not keep the ERP busy.

        Args:
            source: the ERP.
            state: how far discovery has come in it; see `Intake.state`.
            thorough: read all of them, however many they are.
            over: asked before each load; true ends it, and the next look goes on from there.
        """
        intake = self._ledger.intake
        begun = state.get("rechecked_id") or 0
        room: float = math.inf if thorough else self._recheck_batch
        woken, after = 0, 0 if thorough else begun
        while room > 0 and not over():
            jobs = intake.resting(source.name, after=after, limit=int(min(room, _RESTING_PAGE)))
            if not jobs:
                after = 0  # that was the last of them: the next look begins anew
                break
            woken += self._wake_changed(source, jobs)
            room -= len(jobs)
            after = jobs[-1].id
        if after != begun:
            intake.remember(source.name, rechecked_id=after)
        return woken

    def _wake_changed(self, source: Source, jobs: Sequence[Job]) -> int:
        documents = load_each(source.adapter, [job.key for job in jobs])
        cured = [job for job in jobs if self._is_cured(job, documents.get(job.key))]
        if cured:
            self._ledger.intake.wake(cured)
        # Files are put away at their owner's pleasure.
        missing = () if isinstance(source.adapter, HoldsFiles) else [job for job in jobs if job.key not in documents]
        deleted = [job for job in missing if _is_to_be_told(job)]
        if deleted:
            self._ledger.intake.wake(deleted, forgetting=True)
        return len(cured) + len(deleted)

    def _is_cured(self, job: Job, document: Invoice | DocumentNotUsableError | None) -> bool:
        if _changed(job, document):
            return True
        return self._cures is not None and isinstance(document, Invoice) and self._cures.cured(job, document)


def _reached(page: Sequence[Found], started: datetime) -> Position | None:
    """Return how far a look has come with a page: to the last document that is not stamped after the look began.

    One document with a stamp of the year 2099 would else hide, until the next sweep, all that changes until then. The
    place is one of the ERP's own clock, not of ours: what comes after it is found also where that clock is slow.
    """
    return next((found.position for found in reversed(page) if found.changed_at <= started), None)


def _is_to_be_told(job: Job) -> bool:
    """Whether a job whose document is gone rests for what the document said, and nothing of it can have gone out."""
    may_be_out = job.stage.reached(Stage.SENT) or job.open_effect is not None or was_handed_over(job.remote_state)
    return job.reason != "erp_deleted" and not may_be_out


def _changed(job: Job, document: Invoice | DocumentNotUsableError | None) -> bool:
    if not isinstance(document, Invoice):
        return False
    if job.reason == "not_confirmed":
        return document.confirmed
    if job.reason in {"document_not_usable", "erp_deleted"}:
        return True  # it was not there to be judged, and now it is
    if job.stage.reached(Stage.SENT):
        return False
    if job.reason == "erp_reference_exists":
        return not document.reference and not document.xref
    return document.fingerprint() != job.fingerprint
