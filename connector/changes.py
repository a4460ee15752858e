"""Issued documents against what the ERP says of them now: a difference opens a case, going back closes it.

The job stays done, for what was issued stays issued; a person corrects it lawfully or lets it be. Documents
whose time of change moved are read at once. All others are read in a slow round, for a document that was
cancelled or deleted is listed no more, and some edits do not move the time. Our own write-back is no content.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

from connector.clock import Clock
from connector.documents import load_each
from connector.domain.content import Content, changes, content, deleted, facts
from connector.domain.errors import DocumentNotUsableError
from connector.domain.invoice import Invoice
from connector.ledger import Ledger
from connector.ledger.issued import CHANGED, Moved
from connector.ledger.records import Job
from connector.ports import Adapter, Found, HoldsFiles

log = logging.getLogger(__name__)

T = TypeVar("T")

_TOGETHER = 200
"""Documents that are read by one load."""


class Changes:
    """Compares the issued documents of a source with the ERP, a bounded number at a time."""

    def __init__(self, ledger: Ledger, *, clock: Clock, days: float, batch: int) -> None:
        """Prepare the comparison.

        Args:
            ledger: where the issued documents are remembered.
            clock: where the time comes from.
            days: how long after sending a document is compared.
            batch: most documents of the round, and most of those with a new time of change, that one look reads.
        """
        self._ledger = ledger
        self._clock = clock
        self._window = timedelta(days=days)
        self._batch = batch
        self._moved: dict[str, dict[int, Moved]] = {}  # by source, then by job

    def note(self, source: str, page: Sequence[Found]) -> None:
        """Take from a page of heads what was changed after it was issued, as far as the next look has room."""
        noted = self._moved.setdefault(source, {})
        if not self._window or len(noted) >= self._batch:
            return
        for job, changed_at in self._ledger.issued.moved(source, page, since=self._clock.now() - self._window):
            if len(noted) < self._batch:
                noted[job.id] = (job, changed_at)

    def look(self, source: str, adapter: Adapter) -> int:
        """Compare what was noted and the next documents of the round; return how many cases were opened.

        Raises:
            OutsideError: the ERP or the ledger failed; what was not compared is compared later.
        """
        moved = list(self._moved.pop(source, {}).values())
        if not self._window:
            return 0
        opened = 0
        for some in _chunks(moved):
            opened += self._compare([job for job, _ in some], adapter)
            self._ledger.issued.seen(some)
        return opened + self._round(source, adapter)

    def _round(self, source: str, adapter: Adapter) -> int:
        issued = self._ledger.issued
        mark = issued.mark(source)
        jobs = issued.next(source, mark, since=self._clock.now() - self._window, limit=self._batch)
        opened = sum(self._compare(some, adapter) for some in _chunks(jobs))
        issued.remember(source, mark, jobs[-1] if len(jobs) == self._batch else None)
        return opened

    def _compare(self, jobs: Sequence[Job], adapter: Adapter) -> int:
        documents = load_each(adapter, [job.key for job in jobs])
        suspects: list[tuple[Job, Invoice | None]] = []
        for job in jobs:
            document = documents.get(job.key)
            if document is None and isinstance(adapter, HoldsFiles):
                continue  # files that were done with are put away at their owner's pleasure
            if isinstance(document, DocumentNotUsableError):
                continue  # it cannot be judged; that is no change
            if document is not None and document.confirmed and document.fingerprint() == job.fingerprint:
                self._restored(job)
            else:
                suspects.append((job, document))
        return self._examine(suspects) if suspects else 0

    def _examine(self, suspects: Sequence[tuple[Job, Invoice | None]]) -> int:
        """Judge by content what differs in whatever way: how a customer is reached, for example, does not count."""
        issued = self._ledger.issued.contents([job for job, _ in suspects])
        accepted = self._ledger.issued.accepted([job for job, _ in suspects])
        opened = 0
        for job, document in suspects:
            if job.id not in issued:
                continue  # issued before contents were kept
            details = self._difference(job, issued[job.id], document)
            if details is None or (job.id, details["content"]) in accepted:
                self._restored(job)
            else:
                opened += self._changed(job, details)
        return opened

    def _difference(self, job: Job, issued: Content, document: Invoice | None) -> dict[str, str] | None:
        now = deleted() if document is None else content(document)
        found = changes(issued, now)
        return {"reference": job.reference or "", **facts(found, now)} if found else None

    def _changed(self, job: Job, details: dict[str, str]) -> int:
        if job.reason not in {None, CHANGED} or job.details == details:
            return 0  # another case is open, or this one already
        if not self._ledger.issued.open(job, details):
            return 0
        log.warning("job %s was changed in the ERP after it had been issued", job.id)
        return int(job.reason is None)

    def _restored(self, job: Job) -> None:
        if job.reason == CHANGED and self._ledger.issued.close(job):
            log.info("job %s is in the ERP again as it was issued or accepted", job.id)


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _TOGETHER):
        yield items[start : start + _TOGETHER]
