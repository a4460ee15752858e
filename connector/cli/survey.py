"""What would be sent: counted, summed and judged by the local rules, page by page, touching nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import chain, islice
from typing import Any, TypeVar

from connector.bootstrap import Services
from connector.cli import ending
from connector.discovery import PAGE, Source
from connector.documents import load_each
from connector.domain import catalogue
from connector.domain.correction import follows_original, issued_elsewhere
from connector.domain.errors import ConnectorError, DocumentNotUsableError
from connector.domain.identity import key_spellings
from connector.domain.invoice import Invoice, Original
from connector.domain.job import Stage, Status
from connector.ledger import Ledger
from connector.ledger.intake import as_stored
from connector.ledger.queries import Filter
from connector.ledger.records import Job
from connector.operations.texts import Sums
from connector.ports import Found
from connector.steps.validate import foreign_company, holds
from connector.validation import Problem, problems

_DOCUMENTS = 250
"""Documents that are loaded at once."""

_GO_ON = frozenset({"account_paused", "original_waiting"})
"""What a document may wait for that ends without a person: a paused account is tried again by each pass."""

Item = TypeVar("Item")


@dataclass(slots=True)
class Trouble:
    """One reason why documents would be held, with the first of them as an example."""

    reason: str
    count: int
    example: str
    message: str
    action: str

    def record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "reason": self.reason,
            "count": self.count,
            "example": self.example,
            "message": self.message,
            "action": self.action,
            "who": str(catalogue.reason(self.reason).who),
        }


@dataclass(slots=True)
class Survey:
    """What is to be sent, of one source or of all."""

    new: int = 0  # no job yet
    under_way: int = 0  # a job, not sent yet, that goes on by itself
    waiting: int = 0  # among these: for the account, or for the original
    unsaid: int = 0  # sent; the ERP does not say so yet
    unusable: int = 0  # among the first two: would be held
    referenced: int = 0  # among the first two: the ERP has a reference of them already
    too_early: int = 0  # left out by the start date
    unmapped: int = 0  # left out because their company has no account
    sums: Sums = field(default_factory=Sums)
    oldest: date | None = None
    newest: date | None = None
    troubles: dict[str, Trouble] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """All documents that are to be sent, good or not."""
        return self.new + self.under_way

    def judge(self, number: str, problem: Problem) -> None:
        """Count a document that would be held."""
        self.unusable += 1
        known = self.troubles.get(problem.reason)
        if known is not None:
            known.count += 1
            return
        entry = catalogue.reason(problem.reason)
        self.troubles[problem.reason] = Trouble(
            problem.reason, 1, number, entry.message(problem.details), entry.advice(problem.details)
        )

    def weigh(self, invoice: Invoice) -> None:
        """Count a document's amount, its date, and whether it was issued before as far as the ERP knows."""
        self.referenced += bool(invoice.reference or invoice.xref)
        self.sums.add(invoice.kind, invoice.totals.payable, invoice.currency)
        self._span(invoice.issue_date, invoice.issue_date)

    def merge(self, other: Survey) -> None:
        """Add another source's."""
        self.new += other.new
        self.under_way += other.under_way
        self.waiting += other.waiting
        self.unsaid += other.unsaid
        self.unusable += other.unusable
        self.referenced += other.referenced
        self.too_early += other.too_early
        self.unmapped += other.unmapped
        self.sums.merge(other.sums)
        self._span(other.oldest, other.newest)
        for reason, trouble in other.troubles.items():
            if reason in self.troubles:
                self.troubles[reason].count += trouble.count
            else:
                self.troubles[reason] = Trouble(
                    reason, trouble.count, trouble.example, trouble.message, trouble.action
                )

    def _span(self, oldest: date | None, newest: date | None) -> None:
        self.oldest = min(filter(None, (self.oldest, oldest)), default=None)
        self.newest = max(filter(None, (self.newest, newest)), default=None)

    @property
    def by_count(self) -> list[Trouble]:
        """The troubles, most frequent first."""
        return sorted(self.troubles.values(), key=lambda trouble: (-trouble.count, trouble.reason))

    def record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "count": self.count,
            "ready": self.count - self.unusable,
            "with_problems": self.unusable,
            "new": self.new,
            "under_way": self.under_way,
            "waiting": self.waiting,
            "write_back_due": self.unsaid,
            "with_reference": self.referenced,
            "left_out": {"start_date": self.too_early, "company_unmapped": self.unmapped},
            "sums": self.sums.record(),
            "counts": self.sums.counts(),
            "oldest": self.oldest.isoformat() if self.oldest else None,
            "newest": self.newest.isoformat() if self.newest else None,
            "problems": [trouble.record() for trouble in self.by_count],
        }


@dataclass(slots=True)
class Surveys:
    """All sources: what each has, and which could not be read."""

    by_source: dict[str, Survey] = field(default_factory=dict)
    failures: list[ending.Failure] = field(default_factory=list)

    @property
    def total(self) -> Survey:
        """All of them together."""
        total = Survey()
        for one in self.by_source.values():
            total.merge(one)
        return total

    def record(self) -> dict[str, Any]:
        """Return them for JSON."""
        sources = [{"source": name, **one.record()} for name, one in self.by_source.items()]
        faults = [failure.record() for failure in self.failures]
        return {**self.total.record(), "sources": sources, "faults": faults}


def survey(
    services: Services,
    ledger: Ledger | None,
    sources: Sequence[str],
    *,
    seen: Callable[[str, int], None] = lambda source, count: None,
) -> Surveys:
    """Read all sources; one that fails does not keep the others from being read.

    Args:
        services: the parts.
        ledger: as it stands; None where there is none yet.
        sources: by name.
        seen: told how many documents of a source were looked at.

    Raises:
        LedgerError: the ledger failed.
    """
    found = Surveys()
    for name in sources:
        try:
            found.by_source[name] = _Reader(services, name, ledger, seen).read()
        except ConnectorError as error:
            failure = ending.failure_of(error)
            found.failures.append(failure)
    return found


@dataclass(frozen=True, slots=True)
class _ByNumber:
    """A correction that knows its original by number alone: whether that is there, only all documents tell."""

    name: str  # of the correction
    company: str
    original: Original
    problem: Problem | None  # where it is not there

    def names(self, found: Found) -> bool:
        """Whether a document is the original."""
        return self.original.date is None or self.original.date == found.issue_date


class _Reader:
    """Reads one source."""

    def __init__(
        self,
        services: Services,
        name: str,
        ledger: Ledger | None,
        seen: Callable[[str, int], None],
    ) -> None:
        self._source: Source = services.source(name)
        self._external_originals = services.source_settings(name).external_originals == "reference"
        self._levels = services.levels
        self._many_companies = services.many_companies(name)
        self._owners = _owners(services, name, ledger)
        self._ledger = ledger
        self._seen = seen
        self._looked_at = 0
        self._survey = Survey()
        self._by_number: list[_ByNumber] = []

    def read(self) -> Survey:
        for page in self._pages():
            keys = self._unknown(page)
            self._survey.new += self._judge(keys)
            self._tell(len(page))
        for keys in _chunks(self._pending(), _DOCUMENTS):
            self._survey.under_way += self._judge(keys)
        self._look_for_originals()
        return self._survey

    def _tell(self, count: int) -> None:
        self._looked_at += count
        self._seen(self._source.name, self._looked_at)

    def _pages(self) -> Iterator[Sequence[Found]]:
        """Yield everything: what is left out is counted too."""
        source, after = self._source, None
        while page := source.adapter.find(after, PAGE, since=None, companies=None):
            yield page
            if len(page) < PAGE:
                return
            after = page[-1].position

    def _unknown(self, page: Sequence[Found]) -> list[str]:
        wanted = [*self._wanted(page)]
        names = [(one.company, one.key) for one in map(as_stored, wanted)]
        known = self._ledger.queries.known_keys(self._source.name, names) if self._ledger else set()
        return [one.key for one, name in zip(wanted, names, strict=True) if name not in known]

    def _wanted(self, page: Sequence[Found]) -> Iterator[Found]:
        """Yield what a pass would find; what it leaves out is counted."""
        for found in page:
            if self._source.account_of(found.company) is None:
                self._survey.unmapped += 1
            elif self._source.begins_before(found):
                self._survey.too_early += 1
            else:
                yield found

    def _pending(self) -> Iterator[str]:
        """Yield what goes on by itself, because it is due or because the next pass tries what it waits for."""
        for job in self._of_status(Status.PENDING):
            if job.stage.reached(Stage.SENT):
                self._survey.unsaid += 1
            elif not self._is_too_early(job):
                yield job.key
        stopped = self._stopped()
        for job in self._of_status(Status.WAITING):
            goes_on = job.reason in _GO_ON and job.account not in stopped and not job.stage.reached(Stage.SENT)
            if goes_on and not self._is_too_early(job):
                self._survey.waiting += 1
                yield job.key

    def _is_too_early(self, job: Job) -> bool:
        """Whether the start date leaves one out by now that was not sent; it was counted so among all documents."""
        return job.open_effect is None and self._source.begins_before(job)

    def _of_status(self, status: Status) -> Iterable[Job]:
        if self._ledger is None:
            return ()
        return self._ledger.queries.jobs(Filter(status=status, source=self._source.name))

    def _stopped(self) -> Collection[str]:
        """Return the accounts that a person has paused: they stay so."""
        states = self._ledger.accounts.all() if self._ledger else ()
        return {state.name for state in states if state.paused_by_person}

    def _judge(self, keys: Sequence[str]) -> int:
        """Load and judge; return how many are still there and confirmed."""
        count = 0
        for some in _chunks(keys, _DOCUMENTS):
            documents = load_each(self._source.adapter, some)
            now = datetime.now(UTC)
            count += sum(self._one(key, documents[key], now) for key in some if key in documents)
        return count

    def _one(self, key: str, document: Invoice | DocumentNotUsableError, now: datetime) -> bool:
        if isinstance(document, DocumentNotUsableError):
            self._survey.judge(f"key {key}", Problem("document_not_usable", {"message": document.message}))
            return True
        if not document.confirmed:
            return False
        self._survey.weigh(document)
        account = self._source.account_of(document.company)
        levels = self._levels(account) if account else {}
        problem = (
            self._of_another_company(document, account)
            or next(iter(problems(document, now=now, levels=levels)), None)
            or self._without_original(document)
        )
        if problem is not None:
            self._survey.judge(document.number or f"key {key}", problem)
        return True

    def _of_another_company(self, document: Invoice, account: str | None) -> Problem | None:
        """Judge as `validate` does, once the ledger knows whose account it is."""
        owner = self._owners.get(account or "")
        if account is None or owner is None:
            return None
        problem = foreign_company(document, account=account, owner=owner, many_companies=self._many_companies)
        return problem if problem and holds(problem, self._levels(account)) else None

    def _without_original(self, document: Invoice) -> Problem | None:
        """A credit note follows its originals, which are in the ledger already or are about to be found."""
        if not document.originals:
            return Problem("original_missing") if document.is_credit_note else None
        if not follows_original(document):
            return None
        return next(filter(None, [self._missing(document, original) for original in document.originals]), None)

    def _missing(self, document: Invoice, original: Original) -> Problem | None:
        if original.key is None and original.number:
            name, problem = document.number or "", self._not_issued(original)
            self._by_number.append(_ByNumber(name, document.company, original, problem))
            return None
        names = [(document.company, key) for key in key_spellings(original.key or "", document.key)]
        if self._ledger and self._ledger.queries.known_keys(self._source.name, names):
            return None
        # Of the original's confirmation the credit note knows nothing.
        since = None if self._source.by_confirmation else self._source.since
        in_time = since is None or original.date is None or original.date >= since
        if original.key and original.confirmed and in_time:
            return None
        return self._not_issued(original)

    def _not_issued(self, original: Original) -> Problem | None:
        """Judge a correction whose original is not issued here: it may refer to another's, if the operator allows."""
        since = None if self._source.by_confirmation else self._source.since
        if self._external_originals and issued_elsewhere(original, since=since):
            return None if original.date else Problem("original_date_missing", {"number": original.number})
        return Problem("original_not_issued", {"number": original.number})

    def _look_for_originals(self) -> None:
        """Read the heads once more where corrections know nothing of their originals but numbers."""
        sought: dict[tuple[str, str | None], list[_ByNumber]] = {}
        for one in self._by_number:
            sought.setdefault((one.company, one.original.number), []).append(one)
        if not sought:
            return
        for found in chain.from_iterable(self._pages()):
            if self._source.account_of(found.company) is None or self._source.begins_before(found):
                continue
            waiting = sought.get((found.company, found.number), [])
            waiting[:] = [one for one in waiting if not one.names(found)]
        for one in chain.from_iterable(sought.values()):
            if one.problem is not None:
                self._survey.judge(one.name, one.problem)


def _owners(services: Services, source: str, ledger: Ledger | None) -> dict[str, str]:
    """Return the tax numbers of whom the source's accounts belong to, as far as they are known, by the account."""
    states = {name: ledger.accounts.get(name) for name in services.source_settings(source).issuers} if ledger else {}
    return {name: state.tax_number for name, state in states.items() if state and state.tax_number}


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
