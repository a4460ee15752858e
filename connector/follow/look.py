"""A look at the states of an account's documents: one list for hundreds of them, never a call for each.

Only of tax reports few that have waited long are asked for one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final

from connector.clock import Clock
from connector.domain.errors import RefusedError
from connector.domain.remote_state import Verdict
from connector.follow.news import Desk, Doubts, news_of
from connector.follow.plan import Plan
from connector.ledger import Ledger
from connector.ledger.following import Followed
from connector.ports import RemoteInvoice, RemoteNews, RemoteTaxReport

log = logging.getLogger(__name__)

_GRACE: Final = timedelta(minutes=2)
"""How long a webhook may take: what changed later than that is no proof against them."""

_SINGLY: Final = 10
"""So many reports at most are asked for by themselves in a look; a list costs less where more wait."""


@dataclass(slots=True)
class Tally:
    """How much of what changed since the last look webhooks had told of."""

    told: int = 0
    missed: int = 0

    @property
    def proved(self) -> bool | None:
        """Whether they can be relied on; None where nothing changed."""
        return None if not (self.told or self.missed) else not self.missed


class Look:
    """One look; whatever it finds is written page by page."""

    def __init__(
        self,
        ledger: Ledger,
        remote: RemoteNews,
        plan: Plan,
        doubts: Doubts,
        *,
        account: str,
        clock: Clock,
        last: datetime | None,
    ) -> None:
        """Prepare it.

        Args:
            ledger: where news is written down.
            remote: the account's side of B2Brouter.
            plan: how the account is followed.
            doubts: of this pass; while a document cannot be read, the next look begins where this one began.
            account: by name.
            clock: where the time comes from.
            last: when the last look began; None: there was none.
        """
        self._ledger = ledger
        self._remote = remote
        self._plan = plan
        self._doubts = doubts
        self._doubtful = False
        self._account = account
        self._clock = clock
        self._last = last
        self._began = clock.now()
        self._tally = Tally()

    def at_invoices(self, day: date, go_on: Callable[[], bool]) -> bool:
        """Take in what changed that day or later; return whether all of it was seen.

        Args:
            day: where to begin.
            go_on: asked after each page; false ends the look, and the next one begins where it began.

        Raises:
            StepError: a list could not be read; what was seen is written.
        """
        for page in self._remote.changed_invoices(day):
            self._doubts.answered()
            self._take(page)
            if not go_on():
                return False
        if not self._doubtful:
            self._ledger.following.looked(self._account, self._began, proved=self._tally.proved)
        return True

    def _take(self, page: Sequence[RemoteInvoice]) -> None:
        jobs = self._ledger.following.jobs(self._account, [row.id for row in page])
        desk = Desk(self._ledger, self._remote, self._plan, self._doubts)
        reports: dict[str, str] = {}
        for row in page:
            job, news = jobs.get(row.id), news_of(row, self._began)
            if job is None or news is None:
                continue
            again = self._last is not None and news.changed_at < self._last
            self._count(job, news.changed_at, desk.hear(job, news, row.state_note, again=again))
            reports |= dict.fromkeys(row.tax_report_ids, row.id)
        desk.write()
        self._doubtful |= desk.doubtful
        self._ledger.tax_reports.expect(self._account, reports)

    def _count(self, job: Followed, changed_at: datetime, verdict: Verdict) -> None:
        if self._last is None or not self._last - _GRACE <= changed_at < self._began - _GRACE:
            return
        if verdict is Verdict.CONFIRM and job.state_event is not None:
            self._tally.told += 1
        else:
            self._tally.missed += 1

    def at_reports(self, day: date, go_on: Callable[[], bool]) -> None:
        """Take in what tax authorities answered, where it is time to ask for an answer.

        A list shows what changed since the last look: it is read where documents are as young as that, or many wait.
        What it does not show, such as a report that has waited for weeks, is asked for by itself, few at a time.

        Args:
            day: where the list begins.
            go_on: asked after each page and report; false ends the look.

        Raises:
            StepError: a list or a report could not be read; what was seen is written.
        """
        since = self._began - self._plan.watched
        longest = timedelta(seconds=self._plan.longest)
        due = self._ledger.tax_reports.due(self._account, sent_since=since, longest=longest, limit=_SINGLY + 1)
        try:
            shown: set[str] = set()
            if len(due) > _SINGLY or any(sent_at.date() >= day for sent_at in due.values()):
                shown = self._list_reports(day, go_on)
            for id_, sent_at in islice(due.items(), _SINGLY):
                if not go_on():
                    return
                # Put off first: one that cannot be read keeps no other from its turn.
                pause = self._plan.interval(self._began - sent_at, proved=False)
                self._ledger.tax_reports.put_off(id_, self._began + pause)
                if id_ not in shown and (report := self._remote.read_report(id_)) is not None:
                    self._take_reports([report])
        except RefusedError as error:
            log.warning("account %s: tax reports cannot be read: %s", self._account, error.details.get("message"))

    def _list_reports(self, day: date, go_on: Callable[[], bool]) -> set[str]:
        """Take in what a list shows; return the ids of all that it does."""
        shown: set[str] = set()
        for page in self._remote.changed_reports(day):
            self._take_reports(page)
            shown |= {report.id for report in page}
            if not go_on():
                break
        return shown

    def _take_reports(self, reports: Sequence[RemoteTaxReport]) -> None:
        known = self._ledger.tax_reports.known([report.id for report in reports])
        for report in reports:
            if report.id in known and report.state is not None:
                self._ledger.tax_reports.take(self._account, self._whole(report, known[report.id]))

    def _whole(self, report: RemoteTaxReport, known: RemoteTaxReport) -> RemoteTaxReport:
        """Return what a list shows, with document and time.

        An event may be made later than the change that it tells of. Where one is older than the grace and the list
        still shows another state, the list is right: its time is lifted to that of the event.
        """
        changed_at = report.changed_at or self._began
        if known.changed_at is not None and known.changed_at < self._began - _GRACE:
            changed_at = max(changed_at, known.changed_at)
        return replace(report, reference=report.reference or known.reference, changed_at=changed_at)
