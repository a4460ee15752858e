"""`connector bench`: the benchmarks that the figures in docs/performance.md come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from config import environment
from connector.cli import measured
from connector.cli.command import Group
from connector.cli.measured import Found
from connector.cli.session import Session
from connector.domain.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import URL

    from connector.cli.output import Output

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_USUAL_SERVER: Final = "postgresql://postgres@127.0.0.1:5432/postgres"


def _number(
    name: str, default: int, meaning: str, *, least: int = 1, most: int | None = None
) -> Callable[[Decorated], Decorated]:
    """Return an option that is a number of things."""
    return click.option(name, default=default, show_default=True, type=click.IntRange(least, most), help=meaning)


_POSTGRES: Final = click.option(
    "--postgres",
    metavar="URL",
    help=f"Server on which databases may be made, and dropped afterwards. [default: {_USUAL_SERVER}, if it answers]",
)
_RUNS: Final = _number("--runs", 3, "Of which the medians are told.")
_JOBS: Final = _number("--jobs", 1_000_000, "In the made-up ledger.", least=2000)


@click.group("bench", cls=Group)
def bench() -> None:
    """Measure this machine; nothing of the configuration is read or touched."""
    environment.set_aside()


@bench.command("discovery")
@_number("--invoices", 1_000_000, "In the made-up ERP.")
@_RUNS
@_POSTGRES
@click.pass_obj
def discovery(session: Session, invoices: int, runs: int, postgres: str | None) -> None:
    """Discover a large ERP on SQLite and PostgreSQL: invoices a second, and memory.

    Other work on the machine lengthens the seconds; the CPU seconds are those of the measured process alone.
    """
    from connector.bench.discovery import measure

    _show(session, postgres, measured.rates, lambda server: measure(invoices, runs, postgres=server))


@bench.command("throughput")
@_number("--invoices", 1000, "Of 30 customers.")
@_number("--threads", 32, "Invoices in flight.", most=256)
@click.option("--latency", default=0.05, show_default=True, type=click.FloatRange(0), help="Seconds of each call.")
@_RUNS
@_POSTGRES
@click.option("--redis", metavar="URL", help="Where the pace is shared when the ledger is in PostgreSQL.")
@click.option("--all-cores", is_flag=True, help="Let the system move each measured process from core to core.")
@click.pass_obj
def throughput(
    session: Session,
    invoices: int,
    threads: int,
    latency: float,
    runs: int,
    postgres: str | None,
    redis: str | None,
    all_cores: bool,
) -> None:
    """Issue invoices with one worker, beside bare clients that do nothing but make the same calls.

    One has the same HTTP library and as many threads; the other is raw asyncio. Where there
    are several cores, each is kept on one of them. All talk to a simulator in a process of its own, which answers
    each call after a set time. The ratios depend less on who else uses the machine than the rates do, and the
    processor time of an invoice least of all.
    """
    from connector.bench.frame import keeps_to_a_core
    from connector.bench.throughput import Setting, measure

    one_core = not all_cores and keeps_to_a_core()
    setting = Setting(invoices=invoices, threads=threads, latency=latency, one_core=one_core)
    _show(session, postgres, measured.throughput, lambda server: measure(setting, runs, postgres=server, redis=redis))


@bench.command("ledger")
@_JOBS
@_number("--times", 10, "That each question is asked, in a run.", most=25)
@_RUNS
@_POSTGRES
@click.pass_obj
def ledger(session: Session, jobs: int, times: int, runs: int, postgres: str | None) -> None:
    """Lease, sweep, and ask what the scheduler and the console ask, over a large ledger on SQLite and PostgreSQL.

    The plans by which the database leases and sweeps are shown.
    """
    from connector.bench.ledger import measure

    _show(session, postgres, measured.costs, lambda server: measure(jobs, runs, times, postgres=server))


@bench.command("webhooks")
@_number("--requests", 5000, "Of each kind.")
@_RUNS
@_POSTGRES
@click.pass_obj
def webhooks(session: Session, requests: int, runs: int, postgres: str | None) -> None:
    """Send webhooks to a process that answers: genuine ones, and those that B2Brouter did not sign.

    The CPU time is that of the process that answers. The ledger is in SQLite, then in PostgreSQL.
    """
    from connector.bench.webhooks import measure

    _show(session, postgres, measured.rates, lambda server: measure(requests, runs, postgres=server))


@bench.command("console")
@_JOBS
@_number("--times", 10, "That each page is asked for.")
@_number("--workers", 1, "That issue meanwhile.", least=0)
@_RUNS
@_POSTGRES
@click.pass_obj
def console(session: Session, jobs: int, times: int, workers: int, runs: int, postgres: str | None) -> None:
    """Ask for pages of the console and of the API over a large ledger in PostgreSQL, while workers issue into it.

    The CPU time is that of the process that answers, and that asks; statements are what it waits for the ledger.
    """
    from connector.bench.console import measure

    _show(session, postgres, measured.costs, lambda server: measure(jobs, runs, times, workers, postgres=server))


@bench.command("start")
@click.option("--idle", default=60.0, show_default=True, type=click.FloatRange(1), help="Seconds of an idle daemon.")
@_RUNS
@_POSTGRES
@click.pass_obj
def start(session: Session, idle: float, runs: int, postgres: str | None) -> None:
    """Start commands, and a daemon that has nothing to do: seconds, memory, and what idling costs.

    The ledger is in SQLite, then in PostgreSQL; the ERP has ten invoices, which are issued already.
    """
    from connector.bench.start import measure

    _show(session, postgres, measured.starts, lambda server: measure(runs, idle, postgres=server))


@bench.command("memory")
@_number("--invoices", 100_000, "That are issued.", least=500)
@_number("--threads", 16, "Invoices in flight.", most=256)
@_POSTGRES
@click.pass_obj
def memory(session: Session, invoices: int, threads: int, postgres: str | None) -> None:
    """Issue many invoices with one worker, and look at its memory all the while: after the first tenth it is flat."""
    from connector.bench.memory import measure

    _show(session, postgres, measured.memory, lambda server: measure(invoices, threads, postgres=server))


@bench.command("retention")
@_number("--jobs", 1_000_000, "In the made-up ledger.", least=21_000)
@_number("--erase", 100_000, "About so many, the oldest; the newest 20,000 stay.", least=100)
@_number("--times", 10, "That each question is asked.", most=25)
@_POSTGRES
@click.pass_obj
def retention(session: Session, jobs: int, erase: int, times: int, postgres: str | None) -> None:
    """Weigh a large ledger in PostgreSQL, erase its oldest invoices, and ask it the same before and after.

    With 5,000,000 invoices it takes 12 GB of the server's disk while it runs.
    """
    from connector.bench.ledgers import UNSETTLED
    from connector.bench.retention import measure

    if erase > jobs - UNSETTLED:  # of the newest many are not issued, and few of the issued have a timeline
        raise UsageError(
            f"--erase is more than --jobs less the newest {UNSETTLED:,}.", action="Give less, such as a tenth."
        )
    _show(session, postgres, measured.retention, lambda server: measure(jobs, erase, times, postgres=server))


def _show(
    session: Session,
    url: str | None,
    table: Callable[[Output, Found], None],
    measure: Callable[[URL | None], Iterable[Found]],
) -> None:
    """Measure, on PostgreSQL where a server answers, and show each result when it is there."""
    server = _server(url)
    for result in measure(server):
        measured.show(session.output, result, table)
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
