"""The way of an invoice: which step comes at which stage, and the one place that catches a `StepError`.

`drain` takes the due jobs of one account in a pool of threads, each through all its steps, until nothing is
due or its time is up. The broker's bell, the embedded loop and the command line all call it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from queue import Empty, SimpleQueue
from typing import Final

from connector.clock import Clock
from connector.documents import Documents
from connector.domain import catalogue, evidence
from connector.domain.breaker import Breaker, as_outage
from connector.domain.decision import Decision, Policy, decide
from connector.domain.errors import (
    AccountError,
    BlockedError,
    DocumentNotUsableError,
    EnvironmentLockedError,
    LeaseLostError,
    LedgerError,
    NotSentError,
    OutcomeUnknownError,
    OutsideError,
    RefusedError,
    StepError,
)
from connector.domain.invoice import Invoice
from connector.domain.job import MAKING, Event, Stage
from connector.ledger import Ledger
from connector.ledger.handover import REASON as ACCOUNT_CHANGED
from connector.ledger.handover import may_change_hands
from connector.ledger.records import Entry, Job
from connector.ledger.sources import ANOTHER
from connector.patience import Patience
from connector.ports import Adapter, Remote, RemoteInvoice
from connector.steps.admit import admit
from connector.steps.attach import attach
from connector.steps.case import Case, Rules, VatCheck, erp_errors
from connector.steps.check_vat_number import check_vat_number
from connector.steps.create import adopt, create, settle
from connector.steps.record import record
from connector.steps.resolve_contact import resolve_contact
from connector.steps.send import send
from connector.steps.set_aside import set_aside
from connector.steps.validate import validate
from connector.steps.verify import verify, verify_again
from connector.tracing import span, step

log = logging.getLogger(__name__)

_FOR_SUSPECTS = 0.25
"""Share of a drain's time that is kept for jobs whose last holder vanished, however many others are due."""

_OVERDUE = 60.0
"""Seconds after which such a job does not wait any longer until this process has nothing else to do."""

_GLANCE = 1.0
"""Seconds between looks for further work while a slow job keeps a drain from its end."""

_OF_ACCOUNT: Final = frozenset({"remote_unavailable", "rate_limited"})
"""Failures that may be those of all calls of the account."""

_UNEXPECTED_PAUSE = 30.0
_UNEXPECTED_TRIES = 3


Crowd = Callable[[], AbstractContextManager[Callable[[], int]]]
"""Around the jobs that are worked side by side: gives how many of them the pace of requests allows now."""

_ANY_NUMBER: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the work for one account needs: its remote, the sources that feed it, the operator's decisions."""

    remote: Remote
    adapters: Mapping[str, Adapter]  # by source
    rules: Callable[[str], Rules]  # by source
    breaker: Breaker
    vat_check: VatCheck | None = None
    account_of: Callable[[Job], str | None] = lambda job: job.account  # which issues for its company now
    see_source: Callable[[str], None] = lambda source: None  # raises where its ERP is not the one of the ledger
    crowd: Crowd = lambda: nullcontext(lambda: _ANY_NUMBER)

    @cached_property
    def fault(self) -> Callable[[str], StepError | None]:
        """Return why nothing may be done now for the documents of a source; its ERP is asked once."""
        return cache(self._fault)

    def _fault(self, source: str) -> StepError | None:
        try:
            with erp_errors():
                self.see_source(source)
        except EnvironmentLockedError:
            return BlockedError(ANOTHER, {"source": source})
        except NotSentError as error:
            error.outage = True  # whatever it comes of, no document is at fault
            return error
        except LedgerError:
            raise
        except Exception as error:
            log.exception("source %s: unexpected error while its ERP was asked which one it is", source)
            return NotSentError("erp_unavailable", {"message": repr(error)}, outage=True)
        return None

    @cached_property
    def documents(self) -> Mapping[str, Documents]:
        """The sources' documents, to be read anew."""
        return {source: Documents(adapter) for source, adapter in self.adapters.items()}


class Crowds:
    """How many accounts of a process have jobs worked side by side at this moment."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._number = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more meanwhile."""
        with self._lock:
            self._number += 1
        try:
            yield
        finally:
            with self._lock:
                self._number -= 1

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self._number > 0


class Journey:
    """Takes jobs along their way."""

    def __init__(
        self,
        ledger: Ledger,
        desk_of: Callable[[str], Desk],
        *,
        policy: Policy,
        clock: Clock,
        threads: int,
        crowds: Crowds | None = None,
    ) -> None:
        """Prepare the work.

        Args:
            ledger: the only memory.
            desk_of: by account name.
            policy: how often transient faults are repeated.
            clock: where the time comes from.
            threads: invoices in flight at once.
            crowds: those of this process, whichever journey they are on; without it, this is the only one.
        """
        self._ledger = ledger
        self._desk_of = desk_of
        self._policy = policy
        self._clock = clock
        self._threads = threads
        self._crowds = crowds or Crowds()
        self.patience = Patience(ledger, clock=clock, policy=policy)

    def drain(
        self,
        account: str,
        *,
        seconds: float,
        sources: Sequence[str] | None = None,
        stopping: Callable[[], bool] = lambda: False,
        settled: Callable[[Job], None] = lambda job: None,
    ) -> int:
        """Work the account's due jobs until none is left or the time is up; return how many were taken.

        Args:
            account: by its name in the configuration.
            seconds: after this long no further job is taken.
            sources: only jobs of these.
            stopping: asked before jobs are taken and between two steps; true ends the drain after the steps under
                way, and the jobs in hand go back.
            settled: told of every job that was let go, from any thread.

        Raises:
            LedgerError: the ledger failed; jobs in hand keep their open questions and lapse.
            AccountError: the account does not work and should be paused.
        """
        desk = self._desk_of(account)
        desk.breaker.close()
        # What belongs to a source that is not configured any more stays where it is.
        sources = [name for name in desk.adapters if sources is None or name in sources]
        end = self._clock.monotonic() + seconds
        taken, more = 0, 1
        while more:  # what becomes due while a suspect is worked does not wait for all of them
            taken += self._crowd(desk, account, sources, end - seconds * _FOR_SUSPECTS, stopping, settled)
            more = self._suspect(desk, account, sources, end, stopping, settled)
            taken += more
        if desk.breaker.opened:
            raise desk.breaker.opened
        return taken

    def _crowd(
        self,
        desk: Desk,
        account: str,
        sources: Sequence[str],
        end: float,
        stopping: Callable[[], bool],
        settled: Callable[[Job], None],
    ) -> int:
        """Work the jobs that nothing is held against, side by side; return how many."""
        taken = running = 0
        ended: SimpleQueue[Future[None]] = SimpleQueue()
        with (
            self._crowds.counted(),
            desk.crowd() as places,
            ThreadPoolExecutor(self._threads, thread_name_prefix=f"drain-{account}") as pool,
        ):
            while True:
                threads = min(self._threads, places())
                jobs = [] if desk.breaker.opened else self._take(account, threads, running, sources, end, stopping)
                taken += len(jobs)
                documents = self._read(desk, jobs)
                for job in jobs:
                    document = documents.get((job.source, job.key))
                    pool.submit(self._work, desk, job, document, stopping, settled).add_done_callback(ended.put)
                running += len(jobs)
                if not running:
                    break
                for future in _next(ended):
                    running -= 1
                    future.result()
        return taken

    def _suspect(
        self,
        desk: Desk,
        account: str,
        sources: Sequence[str],
        end: float,
        stopping: Callable[[], bool],
        settled: Callable[[Job], None],
    ) -> int:
        """Work a job whose last holder vanished, after all others; return how many, which is one or none.

        Alone in this process, so that the one that kills its worker takes no innocent ones with it; and last, so
        that a process that is killed again and again from outside does not strike the same ones each time.
        """
        if stopping() or desk.breaker.opened or self._clock.monotonic() >= end:
            return 0
        overdue = _OVERDUE if self._crowds.any else 0.0
        jobs = self._ledger.jobs.lease(account, 1, sources=sources, suspects=True, overdue=overdue)
        documents = self._read(desk, jobs)
        for job in jobs:
            self._work(desk, job, documents.get((job.source, job.key)), stopping, settled)
        return len(jobs)

    def _take(
        self,
        account: str,
        threads: int,
        running: int,
        sources: Sequence[str] | None,
        end: float,
        stopping: Callable[[], bool],
    ) -> list[Job]:
        """Lease as many jobs as there are idle threads, but a fair number at once: each lease is a commit."""
        idle = threads - running
        if idle <= 0 or (running and idle < threads / 4) or stopping() or self._clock.monotonic() >= end:
            return []
        return self._ledger.jobs.lease(account, idle, sources=sources)

    def _read(self, desk: Desk, jobs: Sequence[Job]) -> Mapping[tuple[str, str], Invoice | DocumentNotUsableError]:
        """Read the ERP's documents of many jobs at once; those that fail are read again one by one.

        Before anything else is done for them it is seen that their ERP is the one that they came from.
        """
        documents: dict[tuple[str, str], Invoice | DocumentNotUsableError] = {}
        for source in dict.fromkeys(job.source for job in jobs):
            with self.patience.with_erp(source, jobs):  # all of them wait for each of the ERPs
                keys = [job.key for job in jobs if job.source == source and not job.stage.reached(Stage.SENT)]
                if desk.fault(source) is None and keys:
                    documents |= self._load(source, desk.adapters[source], keys)
        return documents

    def _load(
        self, source: str, adapter: Adapter, keys: Sequence[str]
    ) -> Mapping[tuple[str, str], Invoice | DocumentNotUsableError]:
        try:
            found = adapter.load(keys)
        except OutsideError:
            return {}
        except Exception:
            log.exception("source %s: unexpected error while %s documents were read", source, len(keys))
            return {}
        return {(source, key): document for key, document in found.items()}

    def _work(
        self,
        desk: Desk,
        job: Job,
        document: Invoice | DocumentNotUsableError | None,
        stopping: Callable[[], bool],
        settled: Callable[[Job], None],
    ) -> None:
        case = Case(
            job,
            ledger=self._ledger,
            adapter=desk.adapters[job.source],
            remote=desk.remote,
            rules=partial(desk.rules, job.source),
            clock=self._clock,
            read=desk.documents[job.source].read,
            patience=self.patience.with_erp,
            document=document if isinstance(document, Invoice) else None,
            vat_check=desk.vat_check,
        )
        try:
            with span("invoice", job=job.id, account=job.account, source=job.source) as told:
                account, fault = desk.account_of(job), desk.fault(job.source)
                if account != job.account and not job.stage.reached(Stage.SENT):
                    self._hand_over(case, account)
                elif fault is not None:
                    self._let_go(case, fault, answer=None)
                else:
                    self.work(case, stopping)
                told.set_attribute("connector.stage", str(case.job.stage))
        finally:
            settled(case.job)

    def _hand_over(self, case: Case, account: str | None) -> None:
        """Give a job to the account that issues for its company now, as long as nothing of it can be at B2Brouter."""
        job = case.job
        if account is not None and may_change_hands(job):
            log.info("job %s goes from account %s to %s", job.id, job.account, account)
            self._ledger.handover.hand_over(job, account)
        else:
            facts = {"source": job.source, "company": job.company, "account": job.account}
            self._let_go(case, RefusedError(ACCOUNT_CHANGED, facts), answer=None)

    def work(self, case: Case, stopping: Callable[[], bool] = lambda: False) -> None:
        """Take one job as far as it goes, and let it go with the reason why it goes no further.

        Args:
            case: the job in hand.
            stopping: asked between two steps; true hands the job back as it is.

        Raises:
            LedgerError: nothing can be remembered, so nothing more may be done.
            AccountError: the account does not work.
        """
        try:
            walk(case, stopping)
            if case.job.stage is not Stage.RECORDED:
                case.pay()
                self._ledger.jobs.give_back(case.job)
        except LeaseLostError:
            log.warning("job %s: the lease was lost; another worker has it", case.job.id)
        except StepError as failure:
            said = _answer(case, failure)
            error = self._behind(case, failure)
            self._let_go(case, error, said if error is failure else _answer(case, error))
        except LedgerError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug must not take the other jobs with it
            self._unexpected(case, error)

    def _behind(self, case: Case, failure: StepError) -> StepError:
        """Return what a failure comes of: before a document is given up for it, the account is asked once.

        One that does not answer either is down: nothing tells that from a document that the server stumbles over.
        """
        is_last = case.job.attempts == self._policy.attempts - 1
        if not (is_last and isinstance(failure, NotSentError) and failure.reason in _OF_ACCOUNT):
            return failure
        try:
            case.remote.read_account(once=True)
        except NotSentError as error:
            return as_outage(error)
        except StepError as error:
            return error
        except Exception:
            log.exception("job %s: the account could not be asked", case.job.id)
        return failure

    def _let_go(self, case: Case, error: StepError, answer: bytes | None) -> None:
        attempts = _failures(case, error)
        outage = isinstance(error, NotSentError) and error.outage
        lasts = attempts >= self._policy.attempts  # an outage of the ERP; no other failure may come so often
        if lasts and not outage and error.reason != "not_arrived":  # which counts what came to nothing, all along
            attempts = 0
        decision = decide(error, attempts=attempts, policy=self._policy, jitter=random.random())  # noqa: S311
        asked = isinstance(error, OutcomeUnknownError)
        self._write(case, decision, error, answer=answer, asked=asked, told=not (lasts and outage))
        if isinstance(error, RefusedError):
            set_aside(case)
        if isinstance(error, AccountError):
            raise error

    def _write(
        self,
        case: Case,
        decision: Decision,
        error: StepError | None,
        *,
        answer: bytes | None = None,
        asked: bool = False,
        told: bool = True,
    ) -> None:
        """Let the job go.

        Args:
            case: the job in hand.
            decision: what becomes of it.
            error: why.
            answer: what B2Brouter said, where that is why.
            asked: its request may have left only just now, so the quiet time begins now.
            told: whether its timeline shall say so; False: it says the same already, some minutes ago.
        """
        question = {"open_since": self._clock.now()} if asked and case.job.open_effect else {}
        entry = Entry(
            what=str(decision.event),
            effect=case.job.open_effect,
            outcome="unknown" if case.job.open_effect else None,
            reason=decision.reason,
            details=dict(decision.details),
            request_id=error.request_id if error else None,
            answer=answer,
        )
        try:
            case.pay()
            case.job = self._ledger.jobs.settle(
                case.job,
                decision.event,
                reason=decision.reason,
                details=decision.details,
                delay=decision.delay,
                attempts=decision.attempts,
                entry=entry if told else None,
                **question,
                **case.judged(),
            )
        except LeaseLostError:
            log.warning("job %s: the lease was lost before its outcome was written", case.job.id)
            return
        says = catalogue.reason(decision.reason).message(decision.details, catalogue.ENGLISH)
        log.info("job %s %s at %s: %s", case.job.id, case.job.status, case.job.stage, says)

    def _unexpected(self, case: Case, error: Exception) -> None:
        """A bug. The job is tried again, then held; an open question stays open and is looked up."""
        log.error("job %s: unexpected error", case.job.id, exc_info=error)
        attempts = case.job.attempts + 1
        details = {"error": type(error).__name__}
        if attempts >= _UNEXPECTED_TRIES:
            decision = Decision(event=Event.STUCK, reason="bug", details=details, attempts=attempts)
        else:
            decision = Decision(
                event=Event.POSTPONED,
                reason="bug",
                details=details,
                delay=_UNEXPECTED_PAUSE,
                attempts=attempts,
            )
        self._write(case, decision, None, asked=case.job.looks == 0)


def _failures(case: Case, error: StepError) -> int:
    """How many failures of the same kind came before this one.

    A look-up that fails is no failure of the request it looks for: one that works forgets them, and what counts
    when nothing is found is how often a request came to nothing.
    """
    match error.reason:
        case "looking_up":
            return 0
        case "not_arrived":
            return case.ledger.jobs.in_vain(case.job)
        case _:
            return case.job.attempts


def _next(ended: SimpleQueue[Future[None]]) -> Iterator[Future[None]]:
    """Yield the work that has ended; wait for the first, though not for long: the idle have other work by then."""
    with suppress(Empty):
        yield ended.get(timeout=_GLANCE)
    while not ended.empty():
        yield ended.get()


def _answer(case: Case, error: StepError) -> bytes | None:
    """What B2Brouter said, where that is why the job goes no further."""
    if error.request_id is None or error.request_id != case.remote.last_request_id():
        return None
    return evidence.packed(case.remote.last_answer())


def walk(case: Case, stopping: Callable[[], bool] = lambda: False) -> None:
    """Take a job from its stage to the last one, or as far as it comes until `stopping`.

    Raises:
        StepError: it goes no further for now.
    """
    made: RemoteInvoice | None = None
    verified = False  # here and now; what lay there verified may have been touched by others
    while case.job.stage is not Stage.RECORDED and not stopping():
        match case.job.stage:
            case Stage.FOUND | Stage.CONTACT_READY if case.job.open_effect in MAKING:
                made = step(settle, case)
            case Stage.FOUND | Stage.CONTACT_READY:
                made = step(adopt, case)
                if made is None:
                    step(validate, case)
                    step(check_vat_number, case)
                    step(admit, case)
                    step(resolve_contact, case)
                    made = step(create, case)
            case Stage.CREATED:
                step(verify, case, made)
                verified = True
            case Stage.VERIFIED:
                step(admit, case)
                if step(attach, case) and (verified or step(verify_again, case)):
                    step(send, case)
            case Stage.SENT:
                step(record, case)
