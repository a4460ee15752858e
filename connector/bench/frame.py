"""What every benchmark has: a process of its own for each run, medians, and what machine it was.

Wall-clock times depend on who else uses the machine; CPU seconds of the measured process hardly do. Both are told.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, TypeVar

from connector.domain.errors import UsageError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where it was measured."""

    processor: str
    cores: int
    system: str
    python: str
    load: float  # processes that wanted a core, over the last minute

    @classmethod
    def this(cls) -> Machine:
        """Return the one that this process runs on."""
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            system=platform.platform(),
            python=platform.python_version(),
            load=round(os.getloadavg()[0], 1),
        )

    def told(self) -> str:
        """Return it as one line."""
        return f"{self.processor}, {self.cores} cores, {self.system}, Python {self.python}, load {self.load}"


@dataclass(slots=True)
class Span:
    """How long something took: by the clock, and of this process's own computing."""

    items: int  # 0 where there is nothing to count
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@contextmanager
def timed(items: int) -> Iterator[Span]:
    """Measure a block that handles so many items."""
    span = Span(items)
    wall, cpu = perf_counter(), process_time()
    yield span
    span.seconds, span.cpu_seconds = perf_counter() - wall, process_time() - cpu


def peak_memory() -> int:
    """Return the most bytes that this process has held in memory so far."""
    with suppress(OSError):  # what the system calls the highest of a new process may be that of its parent
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_memory() -> int:
    """Return the bytes that this process holds in memory now.

    Raises:
        UsageError: this system does not tell.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        raise UsageError(
            "How much memory a process holds can be measured on Linux alone.", action="Run this benchmark there."
        ) from None
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024


def in_a_process(work: Callable[..., Result], *arguments: Any, one_core: bool = False) -> Result:
    """Run something in a fresh process, so that its memory is its own; return what it returns.

    Args:
        work: a function of a module.
        arguments: its own.
        one_core: keep the process on the machine's last core; see `keeps_to_a_core`.
    """
    context = multiprocessing.get_context("spawn")
    first = _to_one_core if one_core else None
    with ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=first) as pool:
        return pool.submit(work, *arguments).result()


def keeps_to_a_core() -> bool:
    """Whether a process can be kept on one core here, and others remain for whom it talks to."""
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1


def keep_beside(pid: int) -> None:
    """Keep a process off the core of what is measured."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(pid, cores - {max(cores)})


def _to_one_core() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a benchmark's result: medians over its runs."""

    name: str
    items: int
    seconds: float
    cpu_seconds: float

    @classmethod
    def of(cls, name: str, spans: Sequence[Span]) -> Row:
        """Return the medians of some runs."""
        return cls(
            name=name,
            items=spans[0].items,
            seconds=median(span.seconds for span in spans),
            cpu_seconds=median(span.cpu_seconds for span in spans),
        )

    @property
    def per_second(self) -> int | None:
        """Items by the clock."""
        return round(self.items / self.seconds) if self.items else None

    @property
    def per_cpu_second(self) -> int | None:
        """Items by our own computing: what a core of one's own would give, if nothing else were slower."""
        return round(self.items / self.cpu_seconds) if self.items else None

    def record(self) -> Mapping[str, Any]:
        """Return it for machines."""
        return {
            "name": self.name,
            "items": self.items,
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "per_second": self.per_second,
            "per_cpu_second": self.per_cpu_second,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of one benchmark."""

    benchmark: str
    runs: int
    counted: str = "invoices"  # what the items are
    rows: Sequence[Row]
    peak_memory: int  # bytes, the highest of all runs
    machine: Machine = field(default_factory=Machine.this)

    def record(self) -> Mapping[str, Any]:
        """Return it for machines."""
        return {
            "benchmark": self.benchmark,
            "runs": self.runs,
            "counted": self.counted,
            "rows": [row.record() for row in self.rows],
            "peak_memory_mb": round(self.peak_memory / 1_000_000, 1),
            "machine": asdict(self.machine),
        }


@dataclass(slots=True)
class Taken:
    """What one question took, each time that it was asked, in milliseconds."""

    name: str
    clock: list[float] = field(default_factory=list)
    computing: list[float] = field(default_factory=list)  # of the measured process
    statements: list[float] = field(default_factory=list)  # of the clock: until the ledger's database had answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One line of a benchmark of questions: medians over all times that it was asked."""

    name: str
    times: int
    ms: float
    slowest_ms: float
    cpu_ms: float
    statements_ms: float

    @classmethod
    def of(cls, taken: Sequence[Taken]) -> Cost:
        """Return the medians of the same question in several runs."""
        clock = [ms for each in taken for ms in each.clock]
        return cls(
            name=taken[0].name,
            times=len(clock),
            ms=median(clock),
            slowest_ms=max(clock),
            cpu_ms=median(ms for each in taken for ms in each.computing),
            statements_ms=median(ms for each in taken for ms in each.statements),
        )

    def record(self) -> Mapping[str, Any]:
        """Return it for machines."""
        return {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The result of a benchmark of questions."""

    benchmark: str
    runs: int
    rows: Sequence[Cost]
    plans: Mapping[str, Sequence[str]] = field(default_factory=dict)  # how the database goes about some of them
    machine: Machine = field(default_factory=Machine.this)

    def record(self) -> Mapping[str, Any]:
        """Return it for machines."""
        return {
            "benchmark": self.benchmark,
            "runs": self.runs,
            "rows": [row.record() for row in self.rows],
            "plans": {name: list(lines) for name, lines in self.plans.items()},
            "machine": asdict(self.machine),
        }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
