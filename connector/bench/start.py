"""What it costs to start, and to have nothing to do: commands in processes of their own, and an idle daemon.

Measured from outside, by what the system counts of each process: seconds, CPU seconds, and the most memory it had.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import URL

from connector.bench import erp
from connector.bench.discovery import Rooms
from connector.bench.frame import Machine
from connector.bench.throughput import simulator
from connector.domain.errors import UsageError

_INVOICES: Final = 10
_LONGEST: Final = 60.0
"""Seconds that a daemon has to become ready."""

_SETTLING: Final = 10.0
"""Seconds after which a daemon that is ready has done what it does once."""

_GLANCE: Final = 0.005
"""Seconds between looks at what a process has taken: as exact as its end is known."""

_READY: Final = "connector run, until it is ready"


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one process took."""

    seconds: float
    cpu_seconds: float
    peak_memory: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One line of the result: medians over runs."""

    name: str
    seconds: float
    cpu_seconds: float
    peak_memory_mb: float

    @classmethod
    def of(cls, name: str, prints: Sequence[Footprint]) -> Start:
        """Return the medians of some runs."""
        return cls(
            name=name,
            seconds=round(median(one.seconds for one in prints), 3),
            cpu_seconds=round(median(one.cpu_seconds for one in prints), 3),
            peak_memory_mb=round(median(one.peak_memory for one in prints) / 1_000_000, 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """The result with one ledger."""

    benchmark: str
    runs: int
    rows: Sequence[Start]
    idle_seconds: float
    idle_share: float  # of a core, by an idle daemon
    machine: Machine = field(default_factory=Machine.this)

    def record(self) -> Mapping[str, Any]:
        """Return it for machines."""
        return asdict(self)


def measure(runs: int, idle: float, *, postgres: URL | None) -> Iterator[Starts]:
    """Measure with a ledger in SQLite and, where there is a server, in PostgreSQL; report each when it is done.

    Args:
        runs: of each command.
        idle: seconds for which an idle daemon is watched, in the last run.
        postgres: a server on which databases may be made.

    Raises:
        UsageError: the system does not tell what a running process has computed.
    """
    _cpu_seconds(os.getpid())
    yield _measured("SQLite", runs, idle, None)
    if postgres is not None:
        yield _measured("PostgreSQL", runs, idle, postgres)


def _measured(name: str, runs: int, idle: float, server: URL | None) -> Starts:
    found: dict[str, list[Footprint]] = {}
    share = 0.0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="connector-bench-")))
        source = f"sqlite:///{folder / 'erp.db'}"
        erp.fill(source, _INVOICES, customers=3)
        ledger = stack.enter_context(Rooms(folder, server).room("ledger"))
        port = _free_port()
        address = stack.enter_context(simulator(0.0))
        (folder / "connector.toml").write_text(_config(source, ledger, address, port), encoding="utf-8")
        _run(folder, "db", "upgrade")
        _run(folder, "sync")  # now there is a ledger, and nothing to do
        for _ in range(runs):
            for command in ("--version", "check", "sync"):
                found.setdefault(f"connector {command}", []).append(_run(folder, command))
            with _daemon(folder, port) as (ready, pid):
                found.setdefault(_READY, []).append(ready)
                if len(found[_READY]) == runs:
                    share = _idle_share(pid, idle)
    return Starts(
        benchmark=f"start on {name}",
        runs=runs,
        rows=[Start.of(what, prints) for what, prints in found.items()],
        idle_seconds=idle,
        idle_share=round(share, 5),
    )


def _config(source: str, ledger: str, address: str, port: int) -> str:
    sections: Mapping[str, Mapping[str, Any]] = {
        "b2brouter": {"base_url": address},
        "accounts.main": {"account_id": "1", "api_key": "test_key"},
        "ledger": {"url": ledger},
        "web": {"port": port},
        "sources.bench": {"adapter": "sql", "url": source, "account": "main"},
        "sources.bench.options": erp.OPTIONS,
    }
    # What JSON writes of strings and numbers, TOML reads.
    return "\n".join(
        line
        for name, values in sections.items()
        for line in (f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()))
    )


def _started(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "connector.cli", *command]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)  # noqa: S603 - our own command


def _run(folder: Path, *command: str) -> Footprint:
    began = time.perf_counter()
    process = _started(folder, *command)
    peak = 0  # the system's own word, when all is over, would be what its parent had when it was started
    while True:
        peak = max(peak, _peak_memory(process.pid))
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        time.sleep(_GLANCE)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        said = (folder / "log").read_text(encoding="utf-8", errors="replace")
        raise AssertionError(f"connector {command[0]} ended with {process.returncode}: {said[-2000:]}")
    return Footprint(seconds, used.ru_utime + used.ru_stime, peak)


@contextmanager
def _daemon(folder: Path, port: int) -> Iterator[tuple[Footprint, int]]:
    """Run a daemon; give what it took until it was ready, and its number."""
    import httpx

    began = time.perf_counter()
    process = _started(folder, "run")
    try:
        while time.perf_counter() - began < _LONGEST:
            with suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).is_success:
                    break
            time.sleep(_GLANCE)  # each question is work of the daemon's, and would be counted as its start
        else:
            raise AssertionError(f"the daemon was not ready within {_LONGEST:g} s")
        ready = Footprint(time.perf_counter() - began, _cpu_seconds(process.pid), _peak_memory(process.pid))
        yield ready, process.pid
    finally:
        process.terminate()
        process.wait()


def _idle_share(pid: int, seconds: float) -> float:
    time.sleep(_SETTLING)
    before, began = _cpu_seconds(pid), time.perf_counter()
    time.sleep(seconds)
    return (_cpu_seconds(pid) - before) / (time.perf_counter() - began)


def _cpu_seconds(pid: int) -> float:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
    except OSError:
        raise UsageError(
            "What an idle daemon computes can be measured on Linux alone.", action="Run this benchmark there."
        ) from None
    user, system = after_name.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _peak_memory(pid: int) -> int:
    """Return the most memory that a process has had; 0 of one that has ended."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
