"""A piece of news about a document, judged against what the ledger knows; what cannot be judged is read again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from connector.domain.errors import NotSentError, OutcomeUnknownError, RefusedError, StepError
from connector.domain.remote_state import REASONS, News, Standing, Verdict, case_of, judge, standing
from connector.follow.plan import Plan
from connector.ledger import Ledger
from connector.ledger.following import Change, Followed
from connector.ports import RemoteInvoice, RemoteNews

log = logging.getLogger(__name__)

SILENCE: Final = 3
"""Failures in a row that say that no document is at fault; fewer must not keep the others from what is due."""


class Doubts:
    """The documents that could not be read in one pass; none of them is asked for twice."""

    def __init__(self) -> None:
        """Begin with none."""
        self.failure: StepError | None = None  # the last one
        self._unread: set[int] = set()
        self._in_a_row = 0

    def settle(self, job: Followed, read: Callable[[Followed], None]) -> None:
        """Read a document if that can be done; after a silence, no more of them until something answers."""
        if job.id in self._unread or self._in_a_row >= SILENCE:
            return
        try:
            read(job)
        except (NotSentError, OutcomeUnknownError, RefusedError) as error:
            why, request = error.details.get("message", error), error.request_id or "-"
            log.warning("job %s: its state cannot be read now: %s (request %s)", job.id, why, request)
            self.failure = error
            self._unread.add(job.id)
            self._in_a_row += 1
        else:
            self.answered()

    def answered(self) -> None:
        """Take note that B2Brouter answers: it is documents that are at fault, if any."""
        self._in_a_row = 0


class Desk:
    """Takes news in, document by document, and writes it down in one go."""

    def __init__(
        self, ledger: Ledger, remote: RemoteNews, plan: Plan, doubts: Doubts, *, may_ask: bool = True
    ) -> None:
        """Prepare to take news of one account in; where B2Brouter may not be asked, what is doubtful stays so."""
        self._ledger = ledger
        self._remote = remote
        self._plan = plan
        self._doubts = doubts
        self._may_ask = may_ask
        self._known: dict[int, News | None] = {}
        self._changes: dict[int, Change] = {}
        self._doubtful: dict[int, Followed] = {}

    def hear(
        self, job: Followed, news: News, note: str | None, *, believed: bool = True, again: bool = False
    ) -> Verdict:
        """Judge one piece; later pieces about the same document are judged against it.

        Args:
            job: of the document.
            news: what was told or read of it.
            note: why.
            believed: whether it comes from where it should; else it is a hint to read the document, and no more.
            again: whether it was heard before, and all that it left open settled.
        """
        known = self._known.get(job.id, job.known)
        verdict = judge(known, news)
        if verdict is Verdict.TAKE and not believed:
            verdict = Verdict.ASK
        if verdict is Verdict.TAKE:
            self._take(job, news, note)
            if self._is_to_be_read(job, news, note):
                self._doubtful[job.id] = job
        elif verdict is Verdict.ASK:
            self._doubtful[job.id] = job
        elif verdict is Verdict.CONFIRM and believed and job.id not in self._changes:
            self._confirm(job, news, note, again=again)
        return verdict

    @staticmethod
    def _is_to_be_read(job: Followed, news: News, note: str | None) -> bool:
        """Whether the document itself has to confirm what was told of it, or may say why."""
        if case_of(news.state, job.reference, note):
            return note is None
        return news.event is not None and job.reason in REASONS  # nobody's word alone closes a case

    def _take(self, job: Followed, news: News, note: str | None) -> None:
        if standing(news.state) is Standing.UNKNOWN and news.state != job.remote_state:
            log.warning("job %s: B2Brouter shows a state that is not known here, %r; it is kept", job.id, news.state)
        self._known[job.id] = news
        self._changes[job.id] = Change(job=job, news=news, note=note, marks=self._marks(job, news.state))
        self._doubtful.pop(job.id, None)

    def _confirm(self, job: Followed, news: News, note: str | None, *, again: bool) -> None:
        """Take what is known already: it may say at last why, or have been written down before that was read."""
        known = job.known
        assert known is not None
        if _lacks_its_why(known, job.state_note) and note is not None:
            self._take(job, known, note)
        elif _lacks_its_why(known, job.state_note) and news.event == known.event and not again:
            self._doubtful[job.id] = job
        elif news.event is not None and known.event is None:
            self._ledger.following.confirm(job, news.event)

    def _marks(self, job: Followed, state: str) -> bool:
        delivered = standing(state) in {Standing.DELIVERED, Standing.CLOSED}
        return state in self._plan.mark_as or (self._plan.acknowledge and delivered and not job.acknowledged)

    def write(self) -> set[int]:
        """Read what is doubtful again, and write all news down.

        Returns:
            The jobs whose news is to be kept: they moved meanwhile, could not be read, or B2Brouter may not be asked.
        """
        try:
            for job in list(self._doubtful.values()) if self._may_ask else ():
                self._doubts.settle(job, self._read_again)
        finally:
            # What is doubtful still may be wrong, and is heard again; so is a case without its why, but it is told.
            sure = [change for id_, change in self._changes.items() if id_ not in self._doubtful or _tells(change)]
            left = self._ledger.following.take(sure)
        return left | set(self._doubtful)

    @property
    def doubtful(self) -> bool:
        """Whether the news of a document still is."""
        return bool(self._doubtful)

    def _read_again(self, job: Followed) -> None:
        """What the document itself says now counts, whatever lists and events said."""
        there = self._remote.read_news(job.reference)
        if there is not None and (news := news_of(there, self._ledger.database.clock.now())) is not None:
            self._take(job, news, there.state_note)
        self._doubtful.pop(job.id, None)


def _lacks_its_why(news: News, note: str | None) -> bool:
    return note is None and case_of(news.state, None, None) is not None


def _tells(change: Change) -> bool:
    """Whether a person has to know of it at once, and nothing that is known gets lost."""
    return _lacks_its_why(change.news, change.note) and change.news.state != change.job.remote_state


def news_of(there: RemoteInvoice, now: datetime) -> News | None:
    """Return what a look shows; one without a time is of now. None where it shows no state."""
    if there.state is None:
        return None
    return News(state=there.state, changed_at=there.state_changed_at or now)
