"""One leased job in the hands of one worker, with everything its steps may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, NoReturn

from connector.clock import Clock
from connector.domain import evidence, identity
from connector.domain.decision import FIRST_LOOK
from connector.domain.errors import (
    DocumentNotUsableError,
    LedgerError,
    LookAgainError,
    MisconfiguredError,
    NotSentError,
    OutcomeUnknownError,
    OutOfTimeError,
    OutsideError,
    RedirectedError,
    RefusedError,
    UsageError,
)
from connector.domain.invoice import Invoice
from connector.domain.job import Effect, Event, Stage
from connector.domain.remote_state import is_clear
from connector.ledger import Ledger
from connector.ledger.records import Entry, Job, Progress, judged
from connector.ports import Adapter, HoldsFiles, Remote, RemoteInvoice, VatRegister
from connector.validation import LATER, Level, Levels


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRules:
    """How long an answer of the directory counts, in seconds."""

    found_seconds: float
    missing_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator decided, as plain values. Times in seconds."""

    quiet_time: float
    call_seconds: float  # the longest call
    repeat_unknown: bool  # after the quiet time: the same bytes again, or hold
    owner_tax_number: str | None  # of the B2Brouter account
    many_companies: bool
    own_accounts: frozenset[str]  # id and identifier of the B2Brouter account
    levels: Levels = field(default_factory=dict)  # of validation rules, where they differ from the rules' own
    adopt_existing: bool = False  # take over equal documents that others made at B2Brouter; asks for each one
    external_originals: bool = False  # a correction may refer to an original that was issued elsewhere
    since: date | None = None  # of the source: nothing issued before this day is ever sent
    by_confirmation: bool = False  # whether `since` is about the day of confirmation, not of issue
    allow_difference: Decimal = Decimal(0)  # most that total and taxes may differ; zero: nothing differs
    ramp: Sequence[int] = ()  # invoices in each step of the first run; nothing: there are no steps
    directory: DirectoryRules | None = None  # None: it is not asked


@dataclass(frozen=True, slots=True, kw_only=True)
class VatCheck:
    """How the operator wants customers' VAT numbers to be looked up."""

    register: VatRegister
    blocks: bool  # hold what is not registered, or only say so
    domestic: bool  # also customers of the issuer's own country
    keep: timedelta  # how long a "yes" is believed


LONGEST_PAUSE = 30.0
"""Seconds between two looks at B2Brouter, at most."""

_STILL_OPEN = frozenset({"remote_differs", "number_taken"})
"""Refusals after which a document of ours may exist: under another number, or from an earlier life."""


class Case:
    """One leased job. `job` is replaced at every checkpoint; a stale one cannot be written."""

    def __init__(
        self,
        job: Job,
        *,
        ledger: Ledger,
        adapter: Adapter,
        remote: Remote,
        rules: Callable[[], Rules],
        clock: Clock,
        read: Callable[[str], Invoice | DocumentNotUsableError | None],
        document: Invoice | None = None,
        vat_check: VatCheck | None = None,
        patience: Callable[[str, Sequence[Job]], AbstractContextManager[None]] = lambda source, jobs: nullcontext(),
    ) -> None:
        """Open a case.

        Args:
            job: as leased.
            ledger: to write to.
            adapter: of the job's source.
            remote: the account at B2Brouter.
            rules: gives the operator's decisions, for which the ERP may have to be asked.
            clock: where the time comes from.
            read: gives the ERP's document of a key as it stands now; None where it is gone.
            document: the ERP's document, if it has just been read.
            vat_check: where customers' VAT numbers are looked up; None: nowhere.
            patience: keeps the lease while the ERP is asked.
        """
        self.job = job
        self.ledger = ledger
        self.adapter = adapter
        self.remote = remote
        self._rules = rules
        self.clock = clock
        self.vat_check = vat_check
        self.own_email: str | None = None  # of the customer, where its contact has another one
        self._read = read
        self._document = document
        self._owed: list[Progress] = []
        self._patience = patience

    def asking_erp(self) -> AbstractContextManager[None]:
        """Around what asks the ERP, which may take longer than a lease lasts."""
        return self._patience(self.job.source, [self.job])

    @cached_property
    def rules(self) -> Rules:
        """The operator's decisions.

        Raises:
            NotSentError: the ERP, which must be asked for one of them, cannot be reached.
        """
        with self.asking_erp(), erp_errors():
            return self._rules()

    @property
    def invoice(self) -> Invoice:
        """The ERP's document as last read; read now if it has not been."""
        return self._document or self.reread()

    def reread(self) -> Invoice:
        """Read the ERP's document anew, for it may have changed.

        Raises:
            NotSentError: the ERP cannot be reached.
            RefusedError: the document is gone or cannot be used.
        """
        with self.asking_erp(), erp_errors():
            document = self._read(self.job.key)
        fresh = usable(document)
        if self._document != fresh:
            self._document = fresh
        return self._document

    def file(self) -> bytes:
        """Return the bytes of the file that the document was judged by.

        Raises:
            NotSentError: it cannot be read, or is another one by now.
            RefusedError: it is gone.
        """
        assert isinstance(self.adapter, HoldsFiles)
        try:
            with self.asking_erp(), erp_errors():
                content = self.adapter.file(self.job.key)
        except DocumentNotUsableError as error:
            raise RefusedError("document_not_usable", {"message": error.message}) from error
        if identity.file_digest(content) != self.invoice.file_digest:
            raise NotSentError("erp_unavailable", {"message": f"The file {self.job.key} is being changed."})
        return content

    @property
    def file_reference(self) -> str:
        """Our own mark on the document."""
        return identity.file_reference(self.job.source, self.job.company, self.job.key)

    def judged(self) -> dict[str, Any]:
        """Return what the ledger shall remember of the document that was judged, while nothing has left."""
        early = not self.job.stage.reached(Stage.CREATED) and self.job.open_effect is None
        if not early or self._document is None:
            return {}
        known = judged(self._document)
        # Bytes that were frozen for an earlier content must not pass for the bytes of this one.
        stale = known["fingerprint"] != self.job.fingerprint
        return {**known, "payload": None} if stale else known

    def waited(self) -> float:
        """Return the seconds since the open question was asked."""
        asked = self.job.open_since
        return (self.clock.now() - asked).total_seconds() if asked else 0.0

    def begin(self, effect: Effect, **values: Any) -> None:
        """Commit the intent, with what is owed; see `Jobs.begin`."""
        self.job = self.ledger.jobs.begin(self.job, effect, owed=self._owed, **values)
        self._owed = []

    def advance(self, stage: Stage, *, entry: Entry | None = None, **values: Any) -> None:
        """Reach a stage; see `Jobs.advance`."""
        entry = entry or Entry(
            what="reached",
            effect=self.job.open_effect,
            outcome="done",
            request_id=self.remote.last_request_id() if self.job.open_effect else None,
            answer=evidence.packed(self.remote.last_answer()) if self.job.open_effect else None,
        )
        self.job = self.ledger.jobs.advance(self.job, stage, entry=entry, owed=self._owed, **values)
        self._owed = []

    def owe(self, stage: Stage, *, entry: Entry, **values: Any) -> None:
        """Reach a stage as `advance` does, but write so only together with what is written next: a commit less.

        A process that dies before that finds the question open which was open before, and looks for the answer.
        Nobody outside but the ERP is waited for meanwhile.
        """
        progress = Progress(stage, entry, values)
        self._owed.append(progress)
        self.job = progress.of(self.job)

    def pay(self) -> None:
        """Write what is owed."""
        if self._owed:
            last = self._owed.pop()
            self.advance(last.stage, entry=last.entry, **last.values)

    def there(self) -> RemoteInvoice | None:
        """Read the document at B2Brouter; None where it is gone.

        Raises:
            LookAgainError: its state does not say whether it was sent: it is being prepared yet.
            RefusedError: `state_unclear`, for longer than the quiet time.
        """
        self.pay()
        there = self.remote.read_invoice(self.job.reference or "")
        if there is not None and there.state is not None and not is_clear(there.state):
            self._await_clear(there.id, there.state)
        return there

    def take_over_state(self, there: RemoteInvoice) -> str:
        """Remember the state in which the document was just seen, and return it: others may have sent or mended it.

        Raises:
            NotSentError: the answer shows none.
        """
        if there.state is None:  # unclear is not "new": read again
            raise NotSentError("remote_unavailable", {"message": "the answer shows no state"})
        if there.state != self.job.remote_state:
            self.job = self.ledger.jobs.saw(self.job, there.state)
        return there.state

    def give_time_to_show(self, effect: Effect, since: datetime) -> None:
        """Believe that something is gone only after the quiet time: what was just made may not show yet.

        Raises:
            LookAgainError: too early to tell.
        """
        passed = (self.clock.now() - since).total_seconds()
        if passed < self.rules.quiet_time:
            pause = min(max(passed, FIRST_LOOK), LONGEST_PAUSE)
            raise LookAgainError("looking_up", {"effect": str(effect)}, pause=pause)

    def _await_clear(self, reference: str, state: str) -> NoReturn:
        facts = {"reference": reference, "state": state}
        waited = (self.clock.now() - self._unclear_since()).total_seconds()
        if waited >= self.rules.quiet_time:
            raise RefusedError("state_unclear", facts)
        raise LookAgainError("state_unclear", facts, pause=min(max(waited, FIRST_LOOK), LONGEST_PAUSE))

    def _unclear_since(self) -> datetime:
        """When it was first looked at in vain, since anything else happened but a request that changed nothing."""
        since = self.clock.now()
        for event in reversed(self.ledger.queries.timeline(self.job.id)):
            if event.what in {"intent", "outcome"}:
                continue
            if (event.what, event.reason) != (Event.POSTPONED, "state_unclear"):
                break
            since = event.at
        return since

    def settle_intent(self, outcome: str, **details: str) -> None:
        """Close the open question at the stage where the job is; see `Jobs.close_intent`."""
        self.pay()
        self.job = self.ledger.jobs.close_intent(
            self.job, outcome=outcome, request_id=self.remote.last_request_id(), details=details
        )

    def warn(self, reason: str, details: Mapping[str, str]) -> None:
        """Say in the timeline what is wrong without holding the document; once, however often it is judged."""
        said = self.ledger.queries.timeline(self.job.id)
        facts = dict(details)
        if not any((entry.what, entry.reason, entry.details) == ("warned", reason, facts) for entry in said):
            self.pay()
            self.job = self.ledger.jobs.note(self.job, Entry(what="warned", reason=reason, details=facts))

    def object_to(self, reason: str, details: Mapping[str, str]) -> None:
        """Hold the document for what a step found out, or say it in the timeline, as the account wants.

        Raises:
            RefusedError: the reason, where it holds.
        """
        if self.rules.levels.get(reason, LATER[reason]) is Level.BLOCK:
            raise RefusedError(reason, dict(details))
        self.warn(reason, details)

    def show_life(self) -> None:
        """Extend the lease, for calls have been made since the last write and one with an effect is to follow."""
        self.pay()
        self.job = self.ledger.jobs.show_life(self.job)

    def count_look(self) -> None:
        """Remember that a look-up found nothing."""
        self.pay()
        self.job = self.ledger.jobs.look(self.job)

    @contextmanager
    def effect(self) -> Iterator[None]:
        """Around the call that an intent announced: an answer that proves "no effect" closes the intent at once."""
        try:
            with self.guarded():
                yield
        except RedirectedError:
            raise  # it stops the account, and what became of the call stays an open question
        except (NotSentError, MisconfiguredError, OutOfTimeError):
            self.settle_intent("not_sent")
            raise
        except OutcomeUnknownError as error:
            error.details["effect"] = str(self.job.open_effect)
            raise
        except RefusedError as error:
            if error.reason not in _STILL_OPEN:
                self.settle_intent("refused")
            raise

    def guarded(self) -> AbstractContextManager[None]:
        """Around a call with an effect: it is not made unless the lease outlasts it, seen at the last moment."""
        return self.remote.guarded(self._has_room)

    def _has_room(self) -> None:
        until = self.job.leased_until
        ends = self.clock.now() + timedelta(seconds=self.rules.call_seconds)
        if until is None or ends >= until:
            effect = str(self.job.open_effect or Effect.CONTACT)
            raise OutOfTimeError("lease_short", {"effect": effect}, pause=0.0)


def usable(document: Invoice | DocumentNotUsableError | None) -> Invoice:
    """Return the document if there is one to work with.

    Raises:
        RefusedError: `erp_deleted` or `document_not_usable`.
    """
    if document is None:
        raise RefusedError("erp_deleted")
    if isinstance(document, DocumentNotUsableError):
        raise RefusedError("document_not_usable", {"message": document.message})
    return document


@contextmanager
def erp_errors() -> Iterator[None]:
    """Translate what an adapter raises while reading."""
    try:
        yield
    except LedgerError:
        raise
    except OutsideError as error:
        raise NotSentError("erp_unavailable", {"message": error.message}, outage=error.down) from error
    except UsageError as error:
        raise NotSentError("erp_unavailable", {"message": error.message}) from error
