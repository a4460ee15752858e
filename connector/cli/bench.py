"""`connector bench`: the benchmarks that the figures in docs/performance.md come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from connector.cli import measured
from connector.cli.command import Group
from connector.cli.session import Session
from connector.domain.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import URL


_USUAL_SERVER: Final = "postgresql://postgres@127.0.0.1:5432/postgres"

_POSTGRES: Final = click.option(
    "--postgres",
    metavar="URL",
    help=f"Server on which databases may be made, and dropped afterwards. [default: {_USUAL_SERVER}, if it answers]",
)
_RUNS: Final = click.option(
    "--runs", default=3, show_default=True, type=click.IntRange(1), help="Of which the medians are told."
)
_JOBS: Final = click.option(
    "--jobs", default=1_000_000, show_default=True, type=click.IntRange(2000), help="In the made-up ledger."
)


@click.group("bench", cls=Group)
def bench() -> None:
    """Measure this machine; nothing of the configuration is read or touched."""


@bench.command("discovery")
@click.option("--invoices", default=1_000_000, show_default=True, type=click.IntRange(1), help="In the made-up ERP.")
@_RUNS
@_POSTGRES
@click.pass_obj
def discovery(session: Session, invoices: int, runs: int, postgres: str | None) -> None:
    """Discover a large ERP on SQLite and PostgreSQL: invoices a second, and memory.

    Other work on the machine lengthens the seconds; the CPU seconds are those of the measured process alone.
    """
    from connector.bench import discovery as benchmark

    server = _server(postgres)
    for report in benchmark.measure(invoices, runs, postgres=server):
        measured.rates(session.output, report)
    _tell_of_none(session, server)


@bench.command("throughput")
@click.option("--invoices", default=1000, show_default=True, type=click.IntRange(1), help="Of 30 customers.")
@click.option("--threads", default=32, show_default=True, type=click.IntRange(1, 256), help="Invoices in flight.")
@click.option("--latency", default=0.05, show_default=True, type=click.FloatRange(0), help="Seconds of each call.")
@_RUNS
@_POSTGRES
@click.option("--redis", metavar="URL", help="Where the pace is shared when the ledger is in PostgreSQL.")
@click.pass_obj
def throughput(
    session: Session, invoices: int, threads: int, latency: float, runs: int, postgres: str | None, redis: str | None
) -> None:
    """Issue invoices with one worker, beside bare clients that do nothing but make the same calls.

    One has the same HTTP library and as many threads; the other is raw asyncio. All talk to a simulator
    in a process of its own, which answers each call after a set time. The ratios depend less on who else uses the
    machine than the rates do, and the processor time of an invoice least of all.
    """
    from connector.bench import throughput as benchmark

    setting = benchmark.Setting(invoices=invoices, threads=threads, latency=latency)
    server = _server(postgres)
    for result in benchmark.measure(setting, runs, postgres=server, redis=redis):
        measured.throughput(session.output, result)
    _tell_of_none(session, server)


@bench.command("ledger")
@_JOBS
@click.option(
    "--times",
    default=10,
    show_default=True,
    type=click.IntRange(1, 25),
    help="That each question is asked, in a run.",
)
@_RUNS
@_POSTGRES
@click.pass_obj
def ledger(session: Session, jobs: int, times: int, runs: int, postgres: str | None) -> None:
    """Lease, sweep, and ask what the scheduler and the console ask, over a large ledger on SQLite and PostgreSQL.

    The plans by which the database leases and sweeps are shown.
    """
    from connector.bench import ledger as benchmark

    server = _server(postgres)
    for result in benchmark.measure(jobs, runs, times, postgres=server):
        measured.costs(session.output, result)
    _tell_of_none(session, server)


@bench.command("webhooks")
@click.option("--requests", default=5000, show_default=True, type=click.IntRange(1), help="Of each kind.")
@_RUNS
@_POSTGRES
@click.pass_obj
def webhooks(session: Session, requests: int, runs: int, postgres: str | None) -> None:
    """Send webhooks to a process that answers: genuine ones, and those that B2Brouter did not sign.

    The CPU time is that of the process that answers. The ledger is in SQLite, then in PostgreSQL.
    """
    from connector.bench import webhooks as benchmark

    server = _server(postgres)
    for report in benchmark.measure(requests, runs, postgres=server):
        measured.rates(session.output, report)
    _tell_of_none(session, server)


@bench.command("console")
@_JOBS
@click.option("--times", default=10, show_default=True, type=click.IntRange(1), help="That each page is asked for.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(0), help="That issue meanwhile.")
@_RUNS
@_POSTGRES
@click.pass_obj
def console(session: Session, jobs: int, times: int, workers: int, runs: int, postgres: str | None) -> None:
    """Ask for pages of the console and of the API over a large ledger in PostgreSQL, while workers issue into it.

    The CPU time is that of the process that answers, and that asks; statements are what it waits for the ledger.
    """
    from connector.bench import console as benchmark

    server = _server(postgres)
    if server is not None:
        measured.costs(session.output, benchmark.measure(jobs, runs, times, workers, server=server))
    _tell_of_none(session, server)


@bench.command("start")
@click.option("--idle", default=60.0, show_default=True, type=click.FloatRange(1), help="Seconds of an idle daemon.")
@_RUNS
@_POSTGRES
@click.pass_obj
def start(session: Session, idle: float, runs: int, postgres: str | None) -> None:
    """Start commands, and a daemon that has nothing to do: seconds, memory, and what idling costs.

    The ledger is in SQLite, then in PostgreSQL; the ERP has ten invoices, which are issued already.
    """
    from connector.bench import start as benchmark

    server = _server(postgres)
    for result in benchmark.measure(runs, idle, postgres=server):
        measured.starts(session.output, result)
    _tell_of_none(session, server)


@bench.command("memory")
@click.option("--invoices", default=100_000, show_default=True, type=click.IntRange(500), help="That are issued.")
@click.option("--threads", default=16, show_default=True, type=click.IntRange(1, 256), help="Invoices in flight.")
@_POSTGRES
@click.pass_obj
def memory(session: Session, invoices: int, threads: int, postgres: str | None) -> None:
    """Issue many invoices with one worker, and look at its memory all the while: after the first tenth it is flat."""
    from connector.bench import memory as benchmark

    server = _server(postgres)
    for result in benchmark.measure(invoices, threads, postgres=server):
        measured.memory(session.output, result)
    _tell_of_none(session, server)


@bench.command("retention")
@_JOBS
@click.option(
    "--erase", default=100_000, show_default=True, type=click.IntRange(1), help="About so many, the oldest."
)
@click.option(
    "--times", default=10, show_default=True, type=click.IntRange(1, 25), help="That each question is asked."
)
@_POSTGRES
@click.pass_obj
def retention(session: Session, jobs: int, erase: int, times: int, postgres: str | None) -> None:
    """Weigh a large ledger in PostgreSQL, erase its oldest invoices, and ask it the same before and after.

    With 5,000,000 invoices it takes 12 GB of the server's disk while it runs.
    """
    from connector.bench import retention as benchmark

    if erase >= jobs:
        raise UsageError("--erase is not less than --jobs.", action="Give less, such as a tenth.")
    server = _server(postgres)
    if server is not None:
        measured.retention(session.output, benchmark.measure(jobs, erase, times, server=server))
    _tell_of_none(session, server)


def _tell_of_none(session: Session, server: URL | None) -> None:
    if server is None and not session.json:
        session.output.line(f"No PostgreSQL at {_USUAL_SERVER}: name one with --postgres.")


def _server(url: str | None) -> URL | None:
    from sqlalchemy.exc import SQLAlchemyError

    from connector.bench.discovery import server_at

    try:
        return server_at(url or _USUAL_SERVER)
    except SQLAlchemyError as error:
        if url is None:
            return None
        raise UsageError(
            f"No PostgreSQL answers at the address of --postgres: {type(error).__name__}.",
            action="Write it as postgresql://user@host:5432/postgres.",
        ) from error
