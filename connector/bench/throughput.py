"""Throughput of a worker: invoices a second, and what one costs, beside bare clients that make the same calls.

The connector's work is done in a process of its own, against the simulator in another one that answers after a set
time; so is that of the bare clients. Where the ledger is in PostgreSQL, so is the ERP: into a file one invoice is
written back after the other.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import URL, Engine, event

from config.settings import Settings
from connector import errands
from connector.bench import bare, erp
from connector.bench.discovery import Rooms
from connector.bench.frame import Machine, Span, in_a_process, keep_beside, timed
from connector.bootstrap import Services
from connector.domain.errors import OutsideError
from connector.domain.job import Status
from connector.ledger import schema
from connector.ledger.queries import Filter

CUSTOMERS: Final = 30
_ACCOUNT: Final = "main"
_SOURCE: Final = "bench"
_NO_LIMIT: Final = 1_000_000
"""Requests a minute: here the pace is not what is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is measured."""

    invoices: int
    threads: int  # invoices in flight at once
    latency: float  # seconds until the simulator answers
    one_core: bool  # each measured process is kept on one


@dataclass(slots=True)
class Tally:
    """What a ledger was asked to do. BEGIN and COMMIT are no statements."""

    statements: int = 0
    commits: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """What one worker measured."""

    span: Span
    tally: Tally
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """The result for one ledger: medians over runs, each with a bare client beside it."""

    benchmark: str
    setting: Setting
    runs: int
    per_second: float
    cpu_ms: float  # of the worker, per invoice
    bare_per_second: float  # with the same HTTP library, in threads
    bare_cpu_ms: float
    streams_per_second: float  # over raw connections of asyncio
    streams_cpu_ms: float
    calls: float  # per invoice, those for contacts included
    statements: float
    commits: float
    machine: Machine = field(default_factory=Machine.this)

    @property
    def ratio(self) -> float:
        """Of the rate of the bare client with the same library."""
        return self.per_second / self.bare_per_second

    @property
    def ratio_to_streams(self) -> float:
        """Of the rate of the raw one."""
        return self.per_second / self.streams_per_second

    def record(self) -> Mapping[str, Any]:
        """Return it for machines."""
        figures = {
            name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(self).items()
        }
        return {**figures, "ratio": round(self.ratio, 2), "ratio_to_streams": round(self.ratio_to_streams, 2)}


def measure(setting: Setting, runs: int, *, postgres: URL | None, redis: str | None) -> Iterator[Throughput]:
    """Measure with a ledger in SQLite and, where there is a server, in PostgreSQL; report each when it is done."""
    yield _measured("SQLite", setting, runs, None, None)
    if postgres is not None:
        yield _measured(f"PostgreSQL{' and Redis' if redis else ''}", setting, runs, postgres, redis)


def _measured(name: str, setting: Setting, runs: int, server: URL | None, redis: str | None) -> Throughput:
    ours: list[Run] = []
    threads: list[Span] = []
    streams: list[Span] = []
    for number in range(runs):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="connector-bench-")))
            rooms = Rooms(folder, server)
            source = stack.enter_context(rooms.room(f"erp{number}"))
            erp.fill(source, setting.invoices, customers=CUSTOMERS)
            ledger = stack.enter_context(rooms.room(f"ledger{number}"))
            with simulator(setting.latency, beside=setting.one_core) as address:
                arguments = (source, ledger, address, redis, setting)
                ours.append(in_a_process(work, *arguments, one_core=setting.one_core))
            for client, spans in ((bare.in_threads, threads), (bare.on_streams, streams)):
                with simulator(setting.latency, beside=setting.one_core) as address:
                    given = (source, address, setting.invoices, setting.threads)
                    spans.append(in_a_process(client, *given, one_core=setting.one_core))
    count = setting.invoices
    return Throughput(
        benchmark=f"throughput on {name}",
        setting=setting,
        runs=runs,
        per_second=_rate(run.span for run in ours),
        cpu_ms=_cost(run.span for run in ours),
        bare_per_second=_rate(threads),
        bare_cpu_ms=_cost(threads),
        streams_per_second=_rate(streams),
        streams_cpu_ms=_cost(streams),
        calls=median(run.calls / count for run in ours),
        statements=median(run.tally.statements / count for run in ours),
        commits=median(run.tally.commits / count for run in ours),
    )


def _rate(spans: Iterable[Span]) -> float:
    return median(span.items / span.seconds for span in spans)


def _cost(spans: Iterable[Span]) -> float:
    return median(1000 * span.cpu_seconds / span.items for span in spans)


@contextmanager
def simulator(latency: float, *, beside: bool = False) -> Iterator[str]:
    """Run a simulator in a process of its own; give its address. `beside`: not on the core of what is measured."""
    command = [
        sys.executable,
        "-m",
        "connector.cli",
        "simulator",
        "--port",
        "0",
        "--quiet",
        "--latency",
        str(latency),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        assert process.stdout is not None
        if beside:
            keep_beside(process.pid)
        try:
            yield next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        finally:
            process.terminate()


def work(source: str, ledger: str, address: str, redis: str | None, setting: Setting) -> Run:
    """Find all invoices, then measure how they are issued; in a process of its own."""
    services = Services(settings(source, ledger, address, redis, setting.threads))
    schema.upgrade(services.ledger.database)
    services.open_ledger()
    errands.discover(services, _SOURCE)
    with tallied(services.ledger.database.engine) as tally, timed(setting.invoices) as span:
        while services.ledger.jobs.due_accounts():
            errands.drain(services, _ACCOUNT, stopping=lambda: False)
    see_all_issued(services, setting.invoices)
    services.close()
    return Run(span, tally, _calls(address))


def see_all_issued(services: Services, count: int) -> None:
    """See that a measured worker issued all: figures of fewer would be those of something else.

    Raises:
        OutsideError: some are not issued; its message says why they are not.
    """
    queries = services.ledger.queries
    if (done := queries.by_status()[Status.DONE]) == count:
        return
    reasons = Counter(job.reason for job in queries.jobs(Filter()) if job.status is not Status.DONE)
    told = ", ".join(f"{reason} ({times})" for reason, times in reasons.most_common())
    raise OutsideError(
        f"Only {done:,} of {count:,} invoices were issued: nothing was measured. The others wait for: {told}.",
        action="Run it again when nothing else keeps this machine or its servers busy.",
    )


def _calls(address: str) -> int:
    """Return how many requests a simulator has had so far."""
    import httpx

    journal = httpx.get(f"{address}/_simulator/journal", params={"limit": _NO_LIMIT}, timeout=60).json()["entries"]
    return sum(entry["operation"] is not None for entry in journal)


def settings(source: str, ledger: str, address: str, redis: str | None, threads: int) -> Settings:
    """Return the configuration of a worker for the made-up ERP."""
    values: dict[str, Any] = {
        "b2brouter": {"base_url": address, "requests_per_minute": _NO_LIMIT},
        "accounts": {_ACCOUNT: {"account_id": "1", "api_key": bare.KEY}},
        "ledger": {"url": ledger},
        "broker": {"url": redis} if redis else {},
        "worker": {"threads": threads},
        "sources": {_SOURCE: {"adapter": "sql", "url": source, "account": _ACCOUNT, "options": erp.OPTIONS}},
    }
    return Settings(**values)


@contextmanager
def tallied(engine: Engine) -> Iterator[Tally]:
    """Count what a ledger's engine is asked to do."""
    tally = Tally()
    lock = threading.Lock()

    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        with lock:
            tally.statements += not text.startswith("BEGIN")

    def commit(_connection: Any) -> None:
        with lock:
            tally.commits += 1

    listeners = (("before_cursor_execute", statement), ("commit", commit))
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield tally
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)
