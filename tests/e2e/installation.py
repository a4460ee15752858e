"""An installation made of real processes: a configuration file, and whatever of the product runs on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

ROUNDS: Final = int(os.environ.get("E2E_ROUNDS", "1"))
"""How often the tests with chance in them are repeated, each time with other seeds."""

BOTH: Final = {"1": "main", "2": "fr"}
"""Company of the Odoo databases -> account."""

_BIN: Final = Path(sys.executable).parent
_ROOT: Final = Path(__file__).parents[2]


@dataclass
class Ended:
    """A command that has come to its end."""

    status: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        """The last JSON object on standard output."""
        loaded: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return loaded

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Running:
    """A process of the product; what it says goes to a file."""

    def __init__(self, command: list[str], *, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                command, env=dict(environment), cwd=_ROOT, stdout=stream, stderr=stream, start_new_session=True
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """Kill -9, children included."""
        if self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def stop(self, within: float = 20) -> float:
        """Send SIGTERM to the process alone; return the seconds that it took to end.

        Raises:
            TimeoutError: it does not end.
        """
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"still running {within} s after SIGTERM: {self.said[-3000:]}") from None
        return time.monotonic() - began

    def wait(self, within: float) -> int:
        return self._process.wait(within)

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class Installation:
    """One `connector.toml` in a folder of its own."""

    folder: Path
    base_url: str
    erp_url: str  # empty where the adapter has none
    ledger_url: str = ""
    broker_url: str = "memory://"
    queue: str = "classic"
    accounts: Mapping[str, str] | str = field(default_factory=lambda: BOTH)  # or one for all
    timeout: float = 5
    quiet_time: float = 8
    lease: float | None = None  # seconds until another takes up the job of a killed worker; by default the product's
    threads: int = 16
    retry_base: float = 0.3
    unknown_outcome: str = "repeat"
    measured: bool = False  # whether the coverage of its processes counts: it costs a third of their time
    requests_per_minute: int = 60_000
    adapter: str = "odoo"
    options: str = ""  # of the adapter, in TOML
    crash_at: str = ""  # where its processes die; see connector/crashpoints.py
    environment: Mapping[str, str] = field(default_factory=dict)  # settings beyond these
    _started: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger_url = self.ledger_url or f"sqlite:///{self.folder / 'ledger.db'}"
        self.config.write_text(self._toml(), encoding="utf-8")

    @property
    def config(self) -> Path:
        return self.folder / "connector.toml"

    def _toml(self) -> str:
        if isinstance(self.accounts, str):
            mapping = f'account = "{self.accounts}"'
        else:
            pairs = ", ".join(f'"{company}" = "{account}"' for company, account in self.accounts.items())
            mapping = f"accounts = {{ {pairs} }}"
        return f"""
[b2brouter]
environment = "simulator"
base_url = "{self.base_url}"
timeout = {self.timeout}
quiet_time = {self.quiet_time}
requests_per_minute = {self.requests_per_minute}
[accounts.main]
account_id = "1"
api_key = "test_key"
unknown_outcome = "{self.unknown_outcome}"
[accounts.fr]
account_id = "2"
api_key = "test_key"
unknown_outcome = "{self.unknown_outcome}"
[ledger]
url = "{self.ledger_url}"
[broker]
url = "{self.broker_url}"
queue = "{self.queue}"
[web]
port = 0
[retry]
base = {self.retry_base}
[worker]
threads = {self.threads}
{f"lease_seconds = {self.lease}" if self.lease else ""}
[scheduler]
discover_every = 1
[sources.erp]
adapter = "{self.adapter}"
{f'url = "{self.erp_url}"' if self.erp_url else ""}
{mapping}
[sources.erp.options]
{self.options}
"""

    # ------------------------------------------------------------ commands

    def run(self, *arguments: str, within: float = 250) -> Ended:
        """Run a command of the product to its end, with JSON as its answer."""
        done = subprocess.run(
            [*self._command(), "--json", *arguments],
            env=self._environment(),
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def sync(self, *, patience: float = 30) -> dict[str, Any]:
        """One pass; it must end well, whatever it leaves to a person."""
        ended = self.run("sync", "--patience", str(patience))
        assert ended.status in {0, 3}, f"exit status {ended.status}: {ended.out} {ended.err}"
        return ended.record

    def jobs(self) -> dict[str, dict[str, Any]]:
        """All jobs by the ERP's key."""
        ended = self.run("jobs")
        assert ended.status == 0, ended.err
        return {record["key"]: record for record in ended.records}

    def start(self, *arguments: str, name: str = "") -> Running:
        """Start a command that goes on; it is killed at the end of the test."""
        return self._start([*self._command(), *arguments], name or arguments[0])

    def start_celery(self, name: str) -> Running:
        """Start a worker by Celery's own command."""
        return self._start(
            [str(_BIN / "celery"), "-A", "workers.app", "worker", "--loglevel=INFO", "-n", f"{name}@%h"], name
        )

    def _start(self, command: list[str], name: str) -> Running:
        log = self.folder / f"{name}.log"
        started = Running(command, environment=self._environment(), log=log)
        self._started.append(started)
        return started

    def _command(self) -> list[str]:
        return [str(_BIN / "connector"), "--config", str(self.config)]

    def _environment(self) -> dict[str, str]:
        unwanted = ("CONNECTOR_",) if self.measured else ("CONNECTOR_", "COVERAGE_PROCESS_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        dying = {"CONNECTOR_CRASH_AT": self.crash_at} if self.crash_at else {}
        return {
            **clean,
            **dying,
            **self.environment,
            "CONNECTOR_CONFIG": str(self.config),
            "TMPDIR": str(self.folder),
        }

    def end(self) -> None:
        for started in self._started:
            started.kill()

    # ------------------------------------------------------------ the ledger, past the product

    def counts(self) -> Counter[str]:
        """Jobs by status, straight from the ledger's tables; nothing as long as there are none."""
        engine = create_engine(self.ledger_url)
        try:
            with engine.connect() as connection:
                rows = connection.execute(text("SELECT status, count(*) FROM job GROUP BY status"))
                return Counter({str(row[0]): int(row[1]) for row in rows})
        except Exception:  # noqa: BLE001  # before the first migration, or SQLite busy
            return Counter()
        finally:
            engine.dispose()

    def leased(self) -> list[tuple[Any, ...]]:
        """Jobs that somebody still holds."""
        held = "lease_owner IS NOT NULL OR status = 'running'"
        return self.ledger(f"SELECT id, status, lease_owner FROM job WHERE {held}")

    def paused(self) -> list[tuple[Any, ...]]:
        """Accounts that are left alone for now."""
        return self.ledger("SELECT name, paused_reason FROM account WHERE paused_reason IS NOT NULL")

    def ledger(self, query: str) -> list[tuple[Any, ...]]:
        """What the ledger's tables say; a crowded server is asked again for half a minute."""
        engine = create_engine(self.ledger_url)
        limit = time.monotonic() + 30
        try:
            while True:
                try:
                    with engine.connect() as connection:
                        return [tuple(row) for row in connection.execute(text(query))]
                except OperationalError:
                    if time.monotonic() > limit:
                        raise
                    time.sleep(0.5)
        finally:
            engine.dispose()

    def at_rest(self, jobs: int) -> bool:
        """Whether so many jobs are there and nothing is left to do by itself."""
        counts = self.counts()
        return counts.total() >= jobs and not counts["pending"] and not counts["running"]


@contextmanager
def ending(installation: Installation) -> Iterator[Installation]:
    """End all processes with the test, however it ends."""
    try:
        yield installation
    finally:
        installation.end()


def until(condition: Callable[[], bool], *, within: float, every: float = 0.05, what: str = "") -> None:
    """Poll until a condition holds.

    Raises:
        AssertionError: it does not within the time.
    """
    limit = time.monotonic() + within
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"not within {within} s: {what or condition}")
        time.sleep(every)
