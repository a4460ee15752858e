"""Compares an account and a period, and writes down what came of it. Nothing is sent, nothing is issued."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Final, Protocol

from connector.clock import Clock
from connector.discovery import PAGE, Source
from connector.domain.errors import ConnectorError, OutsideError, StepError, WriteBackRefusedError
from connector.domain.job import Stage
from connector.ledger import Ledger
from connector.ledger.queries import Filter
from connector.ledger.reconciliations import BROKEN_OFF, Difference
from connector.ports import Adapter, ReadsRecorded, RemoteInvoice
from connector.reconcile.differences import Differences, Limits
from connector.reconcile.scratch import Scratch

log = logging.getLogger(__name__)

_RECORDED: Final = 500
"""Documents whose write-back is read at once."""

_TOGETHER: Final = 200
"""Differences that are written down at once."""

_FEW: Final = 250
"""Documents at B2Brouter of which twice as many still come in one answer."""

_MOST_MONTHS: Final = 24
"""Whose documents are listed at once, where there are few."""

_TOO_MANY: Final = 100
"""So many documents that a list did not show are worth a second list."""


class Listed(Protocol):
    """The account at B2Brouter, as a comparison needs it."""

    def issued_invoices(self, start: date | None, end: date | None) -> Iterator[Sequence[RemoteInvoice]]:
        """Yield the invoices of a period by their day, page by page."""

    def read_invoice(self, reference: str) -> RemoteInvoice | None:
        """Return one invoice; None where it does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days of issue, both included; None where there is no bound."""

    start: date | None = None
    end: date | None = None

    def is_all_since(self, first: date) -> bool:
        """Whether every day from one on belongs to it."""
        return self.end is None and (self.start is None or self.start <= first)

    def has(self, day: date | None) -> bool:
        """Whether a document of that day belongs to it; one without a day always does."""
        return day is None or ((not self.start or day >= self.start) and (not self.end or day <= self.end))


@dataclass(slots=True, kw_only=True)
class Compared:
    """What a comparison of an account came to."""

    account: str
    period: Period
    erp: int = 0  # documents on each side
    ledger: int = 0
    remote: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)  # differences
    for_person: int = 0

    @property
    def differences(self) -> int:
        """How many there are."""
        return self.by_reason.total()


class Reconciler:
    """Compares accounts, one at a time."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        stuck_after: Callable[[str], timedelta | None],
        allowed: Callable[[str], Decimal],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare comparisons.

        Args:
            ledger: one side, and where results go.
            clock: where the time comes from.
            stuck_after: how long a document of an account may be on its way.
            allowed: by how much B2Brouter's totals may differ in an account.
            stopping: asked before each page; true gives up.
        """
        self._ledger = ledger
        self._clock = clock
        self._stuck_after = stuck_after
        self._allowed = allowed
        self._stopping = stopping

    def reconcile(
        self,
        account: str,
        sources: Sequence[Source],
        remote: Listed,
        period: Period,
        *,
        grace: float = 0.0,
        only_some: bool = False,
        tell: Callable[[Difference], None] = lambda difference: None,
    ) -> Compared | None:
        """Compare an account; None where somebody else is at it, or the process is to end.

        Args:
            account: by its name in the configuration.
            sources: the ERPs to compare.
            remote: the account at B2Brouter.
            period: days of issue.
            grace: seconds for which what the ERP has confirmed may still be on its way here.
            only_some: not all sources of the account are compared: what B2Brouter alone knows is left aside, and
                the result is not remembered as the account's.
            tell: is told of each difference as it is found; there may be as many as documents.

        Raises:
            OutsideError: an ERP, the ledger, B2Brouter or the temporary file failed; that is remembered too.
            AccountError: the account does not work.
        """
        run = None if only_some else self._ledger.reconciliations.begin(account, period.start, period.end)
        if run is None and not only_some:
            return None
        compared = Compared(account=account, period=period)
        fault: str | None = BROKEN_OFF
        try:
            with Scratch() as scratch:
                whole = self._laid_out(scratch, account, sources, remote, period)
                if whole:
                    found = self._differences(scratch, account, sources, remote, period, grace=grace)
                    wanted = (one for one in found if not only_some or one.reason != "issued_elsewhere")
                    self._count(compared, run, wanted, tell)
                    compared.erp, compared.remote = scratch.count("erp"), scratch.count("remote")
                    compared.ledger = scratch.count("job", "wanted")
            fault = None if whole else "stopped"
        except (ConnectorError, StepError) as error:
            fault = str(error.args[0])
            raise
        finally:
            self._finish(run, compared, fault=fault)
        return compared if whole else None

    def _count(
        self,
        compared: Compared,
        run: int | None,
        found: Iterator[Difference],
        tell: Callable[[Difference], None],
    ) -> None:
        while some := list(islice(found, _TOGETHER)):
            if run is not None:
                self._ledger.reconciliations.add(run, compared.differences, some)
            for one in some:
                compared.by_reason[one.reason] += 1
                compared.for_person += one.needs_person
                tell(one)

    def _finish(self, run: int | None, compared: Compared, *, fault: str | None) -> None:
        if run is not None:
            self._ledger.reconciliations.finish(
                run,
                by_reason=compared.by_reason,
                for_person=compared.for_person,
                sides={"erp": compared.erp, "ledger": compared.ledger, "remote": compared.remote},
                fault=fault,
            )
        log.info(
            "account %s was compared: %s differences, %s for a person; %s",
            compared.account,
            compared.differences,
            compared.for_person,
            fault or "done",
        )

    def _laid_out(
        self, scratch: Scratch, account: str, sources: Sequence[Source], remote: Listed, period: Period
    ) -> bool:
        """B2Brouter first, the ERPs last: so whatever happens meanwhile is on the later side already."""
        names = {source.name for source in sources}
        if not self._put_remote(scratch, account, remote, period):
            return False
        if not self._put_jobs(scratch, account, period, names):
            return False
        if not all(self._put_erp(scratch, account, source, period) for source in sources):
            return False
        scratch.ready()
        self._put_recorded(scratch, {source.name: source.adapter for source in sources})
        return not self._stopping()

    def _differences(
        self,
        scratch: Scratch,
        account: str,
        sources: Sequence[Source],
        remote: Listed,
        period: Period,
        *,
        grace: float,
    ) -> Iterator[Difference]:
        differences = Differences(
            self._ledger,
            scratch,
            account=account,
            adapters={source.name: source.adapter for source in sources},
            remote=remote,
            limits=self._limits(account, self._clock.now(), grace),
        )
        if differences.missing() > _TOO_MANY:
            self._put_remote(scratch, account, remote, period)
        return differences.all()

    def _limits(self, account: str, now: datetime, grace: float) -> Limits:
        stuck = self._stuck_after(account)
        return Limits(
            fresh_until=now - timedelta(seconds=grace) if grace else datetime.max.replace(tzinfo=now.tzinfo),
            stuck_since=now - stuck if stuck is not None else None,
            allowed=self._allowed(account),
        )

    # ------------------------------------------------------------ the sides

    def _put_remote(self, scratch: Scratch, account: str, remote: Listed, period: Period) -> bool:
        """By months: of a long list the far pages come slowly, and rows shift between pages.

        Of several together while there is little in them: a call for each empty month of many years would take a
        minute of the account's pace.
        """
        first = period.start or self._ledger.reconciliations.first_day(account)
        left = list(months(period, first, self._clock.now().date()))
        together = 1
        while left:
            some, left = left[:together], left[together:]
            rows = 0
            for page in remote.issued_invoices(some[0][0], some[-1][1]):
                scratch.put_remote(page)
                rows += len(page)
                if self._stopping():
                    return False
            together = min(2 * together, _MOST_MONTHS) if rows <= _FEW else 1
        return True

    def _put_jobs(self, scratch: Scratch, account: str, period: Period, sources: set[str]) -> bool:
        for page in self._ledger.reconciliations.jobs(account, period.start, period.end):
            scratch.put_jobs((job for job in page if job.source in sources), wanted=True)
            scratch.put_jobs((job for job in page if job.source not in sources), wanted=False)
            if self._stopping():
                return False
        return True

    def _put_erp(self, scratch: Scratch, account: str, source: Source, period: Period) -> bool:
        since = max(filter(None, (source.since, period.start)), default=None)
        after = None
        while not self._stopping():
            page = source.adapter.find(
                after, PAGE, since=period.start if source.by_confirmation else since, companies=source.companies
            )
            wanted = (
                head
                for head in page
                if source.account_of(head.company) == account
                and not source.begins_before(head)
                and period.has(head.issue_date)
            )
            scratch.put_erp(source.name, wanted)
            if len(page) < PAGE:
                return True
            after = page[-1].position
        return False

    def _put_recorded(self, scratch: Scratch, adapters: Mapping[str, Adapter]) -> None:
        for source, adapter in adapters.items():
            if not (isinstance(adapter, ReadsRecorded) and adapter.reads_recorded()):
                continue
            after = 0
            while rows := list(scratch.rows(_RECORDED_JOBS, source, after, _RECORDED)):
                there = adapter.recorded([row["key"] for row in rows])
                scratch.put_recorded((row["id"], *there[row["key"]]) for row in rows if row["key"] in there)
                after = rows[-1]["id"]

    # ------------------------------------------------------------ one cure

    def write_back(self, adapters: Mapping[str, Adapter], found: Difference, *, who: str) -> bool:
        """Write a reference into the ERP that has lost it; return whether it stands there now.

        Nothing is written over: where something else stands, the ERP's adapter refuses.
        """
        if found.reason != "reference_missing" or found.job_id is None or found.source is None:
            return False
        [job] = self._ledger.queries.jobs(Filter(ids=[found.job_id]))
        try:
            adapters[found.source].record(job.key, job.reference or "", job.xref or "")
        except (WriteBackRefusedError, OutsideError) as error:
            log.error("job %s: %s", job.id, error.message)
            return False
        self._ledger.reconciliations.recorded_again(found, who=who)
        return True


def months(period: Period, first: date | None, today: date) -> Iterator[tuple[date | None, date | None]]:
    """Yield a period in months, from the first day that matters; its open ends stay open."""
    start, last = period.start, period.end or today
    at = first or last
    while (following := (at.replace(day=1) + timedelta(days=32)).replace(day=1)) <= last:
        yield start, following - timedelta(days=1)
        start = at = following
    yield start, period.end


_RECORDED_JOBS: Final = (
    "SELECT j.id, j.key FROM job j JOIN erp e USING (source, company, key)"  # noqa: S608  # a number of ours
    f" WHERE j.wanted AND j.stage >= {Stage.RECORDED.rank} AND j.source = ? AND j.id > ? ORDER BY j.id LIMIT ?"
)
