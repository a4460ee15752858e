"""Discovery of a large ERP: everything new, everything known, nothing to do; memory, and invoices a second.

The measured process is the connector's: reading the ERP by the sql adapter, and writing a job with its first line of
the timeline for each invoice. With SQLite it does the databases' work as well; with PostgreSQL servers do it besides.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import URL, create_engine, make_url

from connector.bench import erp
from connector.bench.frame import Report, Row, Span, in_a_process, peak_memory, timed
from connector.clock import SystemClock
from connector.discovery import Discovery, Source
from connector.ledger import Ledger, schema

PASSES: Final = ("everything is new", "full sweep, everything is known", "nothing is new")


@dataclass(frozen=True, slots=True)
class Run:
    """What one process measured."""

    spans: Sequence[Span]  # one for each of the passes
    peak_memory: int


def measure(count: int, runs: int, *, postgres: URL | None) -> Iterator[Report]:
    """Measure on SQLite and, where there is a server, on PostgreSQL; report each when it is done."""
    yield _measured("SQLite", count, runs, None)
    if postgres is not None:
        yield _measured("PostgreSQL", count, runs, postgres)


def _measured(name: str, count: int, runs: int, server: URL | None) -> Report:
    found: list[Run] = []
    with ExitStack() as stack:
        rooms = Rooms(Path(stack.enter_context(TemporaryDirectory(prefix="connector-bench-"))), server)
        source = stack.enter_context(rooms.room("erp"))
        erp.fill(source, count)
        for number in range(runs):
            with rooms.room(f"ledger{number}") as ledger:
                found.append(in_a_process(run, source, ledger, count))
    return Report(
        benchmark=f"discovery on {name}",
        runs=runs,
        rows=[Row.of(what, [each.spans[place] for each in found]) for place, what in enumerate(PASSES)],
        peak_memory=max(each.peak_memory for each in found),
    )


def run(source_url: str, ledger_url: str, count: int) -> Run:
    """Discover everything, then everything again, then what is new since; in a process of its own."""
    ledger = Ledger(ledger_url)
    schema.upgrade(ledger.database)
    source = Source(
        name="bench",
        adapter=erp.adapter(source_url),
        since=None,
        companies=None,
        account_of=lambda _: "main",
    )
    spans = []
    for place, sweep_every in enumerate((0.0, 0.0, 86400.0)):
        discovery = Discovery(ledger, clock=SystemClock(), overlap=900, sweep_every=sweep_every)
        with timed(count if sweep_every == 0 else 0) as span:
            new = discovery.discover(source)
        if new != (0 if place else count):
            raise AssertionError(f"{PASSES[place]}: {new} of {count} were new")
        spans.append(span)
    source.adapter.close()
    ledger.close()
    return Run(spans, peak_memory())


class Rooms:
    """Empty databases: files of a folder, or databases of a server's that are dropped afterwards."""

    def __init__(self, folder: Path, server: URL | None) -> None:
        self._folder = folder
        self._server = server
        self._tag = uuid.uuid4().hex[:8]

    @contextmanager
    def room(self, name: str) -> Iterator[str]:
        """Give the URL of a new database."""
        if self._server is None:
            path = self._folder / f"{name}.db"
            yield f"sqlite:///{path}"
            for each in self._folder.glob(f"{name}.db*"):
                each.unlink()
            return
        database = f"connector_bench_{name}_{self._tag}"
        self._administer(f"CREATE DATABASE {database}")
        try:
            yield self._server.set(database=database).render_as_string(hide_password=False)
        finally:
            self._administer(f"DROP DATABASE {database} WITH (FORCE)")

    def _administer(self, statement: str) -> None:
        assert self._server is not None
        engine = create_engine(self._server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


def server_at(url: str) -> URL:
    """Return the server of a URL, whose user may make databases.

    Raises:
        SQLAlchemyError: it does not answer, or that is no URL.
    """
    parsed = make_url(url)
    server = parsed.set(drivername="postgresql+psycopg", database=parsed.database or "postgres")
    engine = create_engine(server, connect_args={"connect_timeout": 5})
    with engine.connect():
        engine.dispose()
    return server
