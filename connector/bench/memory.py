"""Memory of a worker over many invoices: how much it holds on the way, and whether it grows.

The worker is a process of its own; so is the simulator, which keeps all that it was ever sent. A PostgreSQL whose
autovacuum is off is cleaned up at each look: the work would take longer with every invoice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, Final

from sqlalchemy import URL

from connector import errands
from connector.bench import erp, ledgers
from connector.bench.discovery import Rooms
from connector.bench.frame import Machine, Span, in_a_process, resident_memory, timed
from connector.bench.throughput import see_all_issued, settings, simulator
from connector.bootstrap import Services
from connector.domain.job import Status
from connector.ledger import schema
from connector.memory import few_arenas

SAMPLES: Final = 50
"""So many looks at the memory, evenly over the invoices."""

_WARM: Final = 0.1
"""Of the invoices: until then the process still grows to its size."""

_GLANCE: Final = 0.5
"""Seconds between looks how many invoices are done."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process held when so many invoices were done."""

    invoices: int
    memory: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The result with one ledger."""

    benchmark: str
    threads: int
    span: Span
    samples: Sequence[Sample]  # the first one before anything was done
    machine: Machine = field(default_factory=Machine.this)

    @property
    def warm(self) -> Sequence[Sample]:
        """Those after the first tenth."""
        return [sample for sample in self.samples if sample.invoices >= _WARM * self.span.items]

    @property
    def slope(self) -> float:
        """Bytes by which an invoice makes the process grow, after the first tenth: of the straight line closest."""
        warm = self.warm
        return linear_regression([one.invoices for one in warm], [one.memory for one in warm]).slope

    def record(self) -> Mapping[str, Any]:
        """Return it for machines."""
        return {
            "benchmark": self.benchmark,
            "invoices": self.span.items,
            "threads": self.threads,
            "seconds": round(self.span.seconds, 1),
            "samples": [asdict(sample) for sample in self.samples],
            "bytes_an_invoice": round(self.slope, 1),
            "machine": asdict(self.machine),
        }


def measure(count: int, threads: int, *, postgres: URL | None) -> Iterator[Memory]:
    """Measure with a ledger in SQLite and, where there is a server, in PostgreSQL; report each when it is done.

    Raises:
        UsageError: the system does not tell how much memory a process holds.
    """
    resident_memory()
    yield _measured("SQLite", count, threads, None)
    if postgres is not None:
        yield _measured("PostgreSQL", count, threads, postgres)


def _measured(name: str, count: int, threads: int, server: URL | None) -> Memory:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="connector-bench-")))
        source = f"sqlite:///{folder / 'erp.db'}"
        erp.fill(source, count)
        ledger = stack.enter_context(Rooms(folder, server).room("ledger"))
        address = stack.enter_context(simulator(0.0))
        span, samples = in_a_process(run, source, ledger, address, count, threads)
    return Memory(benchmark=f"memory on {name}", threads=threads, span=span, samples=samples)


def run(source: str, ledger: str, address: str, count: int, threads: int) -> tuple[Span, list[Sample]]:
    """Find all invoices, then issue them and look at the memory meanwhile; in a process of its own."""
    few_arenas()  # as each daemon does
    services = Services(settings(source, ledger, address, None, threads))
    schema.upgrade(services.ledger.database)
    services.open_ledger()
    (name,) = services.settings.sources
    (account,) = services.settings.accounts
    errands.discover(services, name)
    samples, over = [Sample(0, resident_memory())], Event()
    watch = Thread(target=_watch, args=(services, count, samples, over))
    watch.start()
    with timed(count) as span:
        while services.ledger.jobs.due_accounts():
            errands.drain(services, account, stopping=lambda: False)
    over.set()
    watch.join()
    done = _done(services)
    samples.append(Sample(done, resident_memory()))
    see_all_issued(services, count)
    services.close()
    return span, samples


def _watch(services: Services, count: int, samples: list[Sample], over: Event) -> None:
    every = count / SAMPLES
    while not over.wait(_GLANCE):
        done = _done(services)
        if done >= samples[-1].invoices + every:
            samples.append(Sample(done, resident_memory()))
            if not services.ledger.database.cleans_up():
                ledgers.vacuum(services.ledger)


def _done(services: Services) -> int:
    return services.ledger.queries.by_status()[Status.DONE]
