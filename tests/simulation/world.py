"""A virtual world: one clock, one server, one ERP, one ledger, and workers that die, stand still and are replaced.

The code of the workers is the real one, from `Journey.drain` down. What a worker asks of ledger, ERP and remote
goes through `Process.arrive`, where the plan's faults strike. A paused worker is a nested call: while it stands
still the others go on, then it continues where it stood.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, NoReturn, Protocol, cast
from unittest import mock

from sqlalchemy import select

from connector import journey, validation
from connector.domain.breaker import Breaker
from connector.domain.decision import Policy
from connector.domain.errors import (
    AccountError,
    DocumentNotUsableError,
    LedgerError,
    SourceUnavailableError,
    WriteBackRefusedError,
)
from connector.domain.identity import file_digest, file_reference
from connector.domain.invoice import Invoice
from connector.domain.job import Status
from connector.journey import Desk, Journey
from connector.ledger import Ledger
from connector.ledger import owner as owners
from connector.ledger.actions import RETRY
from connector.ledger.columns import Base
from connector.ledger.contacts import ContactLink
from connector.ledger.queries import Filter
from connector.ledger.records import Job
from connector.ledger.tables import ContactLinkRow
from connector.ports import CheckRow, Company, File, Found, Position
from connector.steps import validate
from connector.steps.case import Rules
from tests.simulation.faults import Done, Fault, Site
from tests.simulation.remote import ACCOUNT_ID, CALL_SECONDS, Conditions, ScriptedRemote, Server
from tests.simulation.twin import Twin
from tests.support.builders import found
from tests.support.clock import FakeClock

ACCOUNT = "main"
SOURCE = "erp"
LEASE = 75.0
QUIET = 180.0
ROUNDS = 300
"""Rounds of the scheduler after which a schedule that has not come to rest counts as stuck."""


OPERATIONS = 3000
"""Operations after which it counts as stuck, too: a worker may turn in circles within one round."""

LOST_BELLS = 3
"""Rounds whose bell nobody hears after the broker was flushed."""

RETRIES = 3
"""How often a person retries what is held."""


def file_of(document: Invoice) -> bytes:
    """The file that a document of this ERP exists as already."""
    return f"<invoice>{document.number} {document.note or ''}</invoice>".encode()


def as_a_file(document: Invoice) -> Invoice:
    """The same document, to be imported as it is."""
    return replace(document, file_digest=file_digest(file_of(document)))


class Killed(BaseException):
    """The worker is no more. None of its code has an effect from here on."""


class StuckError(BaseException):
    """The schedule does not come to rest. No code of the worker may catch it."""


# ---------------------------------------------------------------- the ERP


@dataclass(slots=True)
class Erp:
    """What stands in the ERP's tables."""

    documents: dict[str, Invoice] = field(default_factory=dict)
    edited: dict[str, Invoice] = field(default_factory=dict)  # what the next edit makes of a document
    changed_at: dict[str, datetime] = field(default_factory=dict)
    written: dict[str, tuple[str, str]] = field(default_factory=dict)
    refused: int = 0  # attempts to overwrite


class ErpOfProcess:
    """The adapter of one worker."""

    def __init__(self, process: Process, erp: Erp) -> None:
        self._process = process
        self._erp = erp

    def identity(self) -> str:
        return "memory:simulation"

    def check(self) -> Sequence[CheckRow]:
        return []

    def companies(self) -> Sequence[Company]:
        return [Company(key="1", name="Ibérica", tax_number="ESB76543214", country="ES")]

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        rows = [
            found(document, changed_at=self._erp.changed_at[key])
            for key, document in self._erp.documents.items()
            if document.confirmed
        ]
        place = (after.changed_at, after.key) if after else None
        rows = [row for row in rows if place is None or (row.changed_at, row.key) > place]
        return sorted(rows, key=lambda row: (row.changed_at, row.key))[:limit]

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        fault = self._process.arrive("load", Site.ERP_READ)
        if fault is not None and fault.gone:
            raise SourceUnavailableError("the ERP is gone")
        shown = {key: self._erp.documents[key] for key in keys if key in self._erp.documents}
        self._process.world.server.last_shown.update(shown)
        return shown

    def file(self, key: str) -> bytes:
        fault = self._process.arrive("file", Site.ERP_READ)
        if fault is not None and fault.gone:
            raise SourceUnavailableError("the folder is gone")
        document = self._erp.documents[key]
        content = file_of(document)
        mark = file_reference(SOURCE, document.company, key)
        self._process.world.server.bodies[content] = (document, mark, "")
        return content

    def set_aside(self, key: str, message: str) -> None:
        """A held file stays where it is."""

    def attachments(self, key: str) -> Sequence[File]:
        fault = self._process.arrive("attachments", Site.ERP_READ)
        if fault is not None and fault.gone:
            raise SourceUnavailableError("the ERP is gone")
        return [File(name=one.name, content=b" " * one.size) for one in self._erp.documents[key].attachments]

    def record(self, key: str, reference: str, xref: str) -> None:
        fault = self._process.arrive("record", Site.ERP_WRITE)
        if fault is None or fault.done is not Done.LOST:
            self._write(key, reference, xref)
        if fault is not None and fault.kill:
            self._process.die()
        if fault is not None and fault.gone:
            raise SourceUnavailableError("the ERP is gone")

    def _write(self, key: str, reference: str, xref: str) -> None:
        there = self._erp.written.get(key)
        if key not in self._erp.documents or (there is not None and there != (reference, xref)):
            self._erp.refused += 1
            raise WriteBackRefusedError("another reference is there already")
        self._erp.written[key] = (reference, xref)

    def close(self) -> None:
        pass


# ---------------------------------------------------------------- workers


class _Watched:
    """A side of the ledger as one worker sees it."""

    def __init__(self, process: Process, target: object) -> None:
        for name in _operations(target.__class__):
            site = Site.LEDGER_READ if name in READS else Site.LEDGER_WRITE
            setattr(self, name, process.watched(name, getattr(target, name), site))
        self.lease_seconds = LEASE


READS = frozenset({"get", "known", "timeline"})


def _operations(kind: Any) -> Sequence[str]:
    """The public methods of one side of the ledger; those of the sweep are never called by a worker."""
    return [name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")]


class _NoAccounts:
    """How the account calculates is not known here: differences are shown without an explanation."""

    def get(self, name: str) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **options: None


class _LedgerOfProcess:
    """The ledger as one worker sees it."""

    def __init__(self, process: Process, ledger: AnyLedger) -> None:
        self.jobs = _Watched(process, ledger.jobs)
        self.contacts = _Watched(process, ledger.contacts)
        self.queries = _Watched(process, ledger.queries)
        self.accounts = _NoAccounts()


class Process:
    """One worker process."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.clock = world.clock
        self.name = name
        self.dead = False
        self.cut = False  # the ledger is gone until the present drain is over
        conditions = world.conditions
        self.adapter = ErpOfProcess(self, world.erp)
        self.remote = ScriptedRemote(self, world.server, conditions)
        rules = Rules(
            quiet_time=QUIET,
            call_seconds=CALL_SECONDS,
            repeat_unknown=conditions.repeat_unknown,
            owner_tax_number=None,
            own_accounts=frozenset({ACCOUNT_ID}),
            many_companies=False,
        )
        desk = Desk(
            remote=self.remote,
            adapters={SOURCE: self.adapter},
            rules=lambda source: rules,
            breaker=Breaker(),
        )
        ledger = cast("Ledger", _LedgerOfProcess(self, world.ledger))
        self.journey = Journey(ledger, lambda account: desk, policy=Policy(), clock=world.clock, threads=1)

    def watched(self, name: str, act: Callable[..., Any], site: Site) -> Callable[..., Any]:
        """Wrap one method of the ledger."""

        def call(*args: Any, **options: Any) -> Any:
            fault = self.arrive(name, site)
            if fault is not None and fault.gone and fault.done is not Done.STORED:
                self.lose_ledger()
            result = act(*args, **options)
            if name == "lease" and not result:
                self.world.trace[-1] = None
            if fault is not None and fault.gone:
                self.lose_ledger()
            return result

        return call

    def lose_ledger(self) -> NoReturn:
        self.cut = True
        raise LedgerError("The ledger is gone.")

    def arrive(self, name: str, site: Site) -> Fault | None:
        """Be about to do one operation; return the fault that strikes within it, if one does."""
        if self.dead:
            raise Killed
        if self.cut and site in {Site.LEDGER_READ, Site.LEDGER_WRITE}:
            raise LedgerError("The ledger is gone.")
        fault = self.world.next_fault(name, site)
        if fault is None:
            return None
        if fault.flushed:
            self.world.lost_bells = LOST_BELLS
        if fault.kill and fault.done is None:
            self.die()
        if fault.edit:
            self.world.edit()
            return None
        if fault.pause and not fault.gap:
            self.pause(fault.pause)
            return None
        return fault

    def die(self) -> NoReturn:
        self.dead = True
        raise Killed

    def pause(self, seconds: float) -> None:
        """Stand still while the others go on."""
        end = self.clock.now() + timedelta(seconds=seconds)
        self.world.run(until=end)
        self.clock.advance_to(end)
        self.world.current = self


# ---------------------------------------------------------------- the ledger, real or twin


class AnyLedger(Protocol):
    """What the world asks of a ledger."""

    jobs: Any
    contacts: Any
    queries: Any

    def add(self, source: str, account: str, found: Found) -> None: ...
    def all_jobs(self) -> list[Job]: ...
    def links(self) -> list[ContactLink]: ...
    def retry(self, job: Job) -> None: ...


class RealLedger:
    """The product's own ledger, emptied. Made once, for making the tables takes longer than a schedule."""

    def __init__(self, url: str = "sqlite://") -> None:
        self.clock = _Borrowed()
        self.ledger = Ledger(url, lease_seconds=LEASE, clock=self.clock)
        Base.metadata.create_all(self.ledger.database.engine)
        self.jobs = self.ledger.jobs
        self.contacts = self.ledger.contacts
        self.queries = self.ledger.queries

    def emptied(self, clock: FakeClock) -> RealLedger:
        self.clock.lent = clock
        with self.ledger.database.write() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())
        return self

    def add(self, source: str, account: str, found: Found) -> None:
        self.ledger.intake.add(source, [found], lambda company: account)

    def all_jobs(self) -> list[Job]:
        return list(self.ledger.queries.jobs(Filter()))

    def links(self) -> list[ContactLink]:
        columns = [getattr(ContactLinkRow, name) for name in ContactLink.__dataclass_fields__]
        with self.ledger.database.read() as connection:
            return [ContactLink(**row._mapping) for row in connection.execute(select(*columns))]

    def retry(self, job: Job) -> None:
        self.ledger.actions.perform(RETRY, [job], who="somebody", note="looked at it")

    def close(self) -> None:
        self.ledger.close()


class _Borrowed:
    """The clock of whichever world uses the ledger now."""

    lent: FakeClock

    def now(self) -> datetime:
        return self.lent.now()

    def monotonic(self) -> float:
        return self.lent.monotonic()


# ---------------------------------------------------------------- the world


Trace = list[tuple[str, Site] | None]
"""Every operation that any worker was about to do, in order; None where a fault could change nothing."""


class World:
    """One schedule, from the first operation to the last."""

    def __init__(
        self,
        documents: Sequence[Invoice],
        *,
        conditions: Conditions,
        plan: Mapping[int, Fault] | None = None,
        ledger: RealLedger | None = None,
        edited: Mapping[str, Invoice] | None = None,
        sweep: bool = True,
    ) -> None:
        self.conditions = conditions
        self.clock = FakeClock()
        self.server = Server(self.clock, conditions)
        self.erp = Erp(edited=dict(edited or {}))
        self.ledger: AnyLedger = (
            ledger.emptied(self.clock)
            if ledger is not None
            else Twin(self.clock, LEASE, lambda: self.owner, self.is_dead)
        )
        self.trace: Trace = []
        self.plan = dict(plan or {})
        self.awaited: list[tuple[str, Fault]] = []  # strikes at the next operation of that name
        self.processes: dict[str, Process] = {}
        self.worker: Process | None = None
        self.current: Process | None = None
        self.lost_bells = 0
        self.stuck = False
        self.held: list[Job] = []  # whatever a person had to retry
        self.started = self.clock.now()
        for document in documents:
            self.confirm(document)
        global _on_stage  # noqa: PLW0603
        _on_stage = self

    def confirm(self, document: Invoice) -> None:
        """Confirm a document in the ERP and have it found."""
        self.erp.documents[document.key] = document
        self.erp.changed_at[document.key] = self.clock.now()
        self.ledger.add(SOURCE, ACCOUNT, found(document, changed_at=self.clock.now()))

    def edit(self) -> None:
        """Change documents in the ERP, as prepared."""
        self.erp.documents |= self.erp.edited

    @property
    def owner(self) -> str:
        return self.current.name if self.current else "scheduler"

    def is_dead(self, owner: str) -> bool:
        process = self.processes.get(owner)
        return self.conditions.death_proven and process is not None and process.dead

    def next_fault(self, name: str, site: Site) -> Fault | None:
        """Write an operation down; return what goes wrong with it."""
        index = len(self.trace)
        if index > OPERATIONS:
            self.stuck = True
            raise StuckError
        self.trace.append((name, site))
        if self.awaited and self.awaited[0][0] == name:
            return self.awaited.pop(0)[1]
        return self.plan.get(index)

    # ------------------------------------------------------------ time goes by

    def run(self, *, until: datetime | None = None) -> None:
        """Sweep, ring, drain, and jump to whatever is due next, until nothing is."""
        before, self.worker = self.worker, None
        for _ in range(ROUNDS):
            self.round()
            due = self.ledger.jobs.next_due()
            if due is None or (until is not None and due >= until):
                self.worker = before
                return
            self.clock.advance_to(due + timedelta(milliseconds=1))
        self.stuck = True
        raise StuckError

    def round(self) -> None:
        """One round of the scheduler, and what its bell sets off."""
        self.current = None
        self.ledger.jobs.rescue()
        self.ledger.jobs.release_ready()
        if self.lost_bells:
            self.lost_bells -= 1
            self.clock.advance(10.0)
            return
        if self.worker is None or self.worker.dead:
            self.worker = self.new_process()
        self.drain(self.worker)

    def new_process(self) -> Process:
        name = f"worker-{len(self.processes) + 1}"
        process = self.processes[name] = Process(self, name)
        return process

    def drain(self, process: Process) -> None:
        """Answer one bell."""
        self.current = process
        try:
            process.journey.drain(ACCOUNT, seconds=600.0)
        except Killed:
            pass
        except LedgerError:
            process.cut = False
        except AccountError:
            self.clock.advance(60.0)  # paused; the probe then finds it well
        self.current = None

    def finish(self) -> None:
        """Run to the end; then whatever is held is retried by a person, an hour later, a few times."""
        try:
            self.run()
            for _ in range(RETRIES):
                held = [job for job in self.jobs if job.status is Status.HELD]
                self.held += held
                if not held:
                    break
                self._pass_an_hour()
                for job in held:
                    self.ledger.retry(job)
                self.run()
            self._pass_an_hour()
        except StuckError:
            pass

    def _pass_an_hour(self) -> None:
        self.clock.advance(3600.0)
        self.server.land()

    @property
    def jobs(self) -> list[Job]:
        return self.ledger.all_jobs()


# ---------------------------------------------------------------- the stage


class _Inline:
    """A pool of threads without threads."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> _Inline:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, act: Callable[..., None], *args: Any) -> Future[None]:
        future: Future[None] = Future()
        try:
            act(*args)
            future.set_result(None)
        except BaseException as error:  # noqa: BLE001
            future.set_exception(error)
        return future


class _Dice:
    @staticmethod
    def random() -> float:
        return 0.5


_on_stage: World | None = None


def _owner() -> str:
    return _on_stage.owner if _on_stage else "nobody"


def _is_dead(owner: str) -> bool:
    return _on_stage.is_dead(owner) if _on_stage else False


def _remembering(act: Callable[..., Any]) -> Callable[..., Any]:
    """Compute what depends on a document alone once per document: the simulation makes it thousands of times."""
    known: dict[int, tuple[object, Any]] = {}

    def call(document: Any, **options: Any) -> Any:
        if id(document) not in known:
            known[id(document)] = (document, act(document, **options))
        return known[id(document)][1]

    return call


@contextmanager
def staged() -> Iterator[None]:
    """No threads, no dice, no processes but the simulated ones, no logging."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with (
        mock.patch.object(journey, "ThreadPoolExecutor", _Inline),
        mock.patch.object(journey, "random", _Dice),
        mock.patch.object(owners, "this_process", _owner),
        mock.patch.object(owners, "is_dead", _is_dead),
        mock.patch.object(Invoice, "fingerprint", _remembering(Invoice.fingerprint)),
        mock.patch.object(validate, "judge", _remembering(validation.judge)),
    ):
        try:
            yield
        finally:
            logging.disable(disabled)
