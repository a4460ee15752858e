"""Pages of the console and answers of the API over a large ledger in PostgreSQL, while workers issue into it.

The measured process answers over HTTP, and asks. Each worker is another one: it issues the invoices of a made-up ERP
at a simulator, as fast as it can, with the ledger that the pages are read from.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, Final

from sqlalchemy import URL, func, select

from config.settings import Settings
from connector import errands
from connector.bench import erp, ledgers
from connector.bench.discovery import Rooms
from connector.bench.frame import Cost, Costs, Taken, in_a_process
from connector.bench.statements import Watched, taken
from connector.bench.throughput import settings as settings_of_a_worker
from connector.bench.throughput import simulator
from connector.bootstrap import Services
from connector.domain.people import Role, Scope
from connector.ledger import Ledger
from connector.ledger.tables import JobRow

_WORK: Final = 100_000
"""Invoices that there are for workers: more than they issue while pages are read."""

_LATENCY: Final = 0.05

_EVENTS: Final = "/api/v1/events?after={}&wait=0"
"""The last thousand entries; their numbers grow while others work."""


def measure(count: int, runs: int, times: int, workers: int, *, postgres: URL | None) -> Iterator[Costs]:
    """Measure, where there is a server, each page so many times in each of some runs, beside so many workers."""
    if postgres is not None:
        yield _measured(count, runs, times, workers, postgres)


def _measured(count: int, runs: int, times: int, workers: int, server: URL) -> Costs:
    found: list[Sequence[Taken]] = []
    with ExitStack() as stack:
        rooms = Rooms(Path(stack.enter_context(TemporaryDirectory(prefix="connector-bench-"))), server)
        url = stack.enter_context(rooms.room("ledger"))
        ledger = Ledger(url)
        ledgers.fill(ledger, count)
        ledger.close()
        if workers:
            stack.enter_context(working(stack.enter_context(rooms.room("erp")), url, workers))
        found.extend(in_a_process(run, url, times) for _ in range(runs))
    return Costs(
        benchmark=f"console over {count:,} invoices on PostgreSQL, {workers} workers beside it",
        runs=runs,
        rows=[Cost.of(same) for same in zip(*found, strict=True)],
    )


def run(url: str, times: int) -> list[Taken]:
    """Ask for each page so many times; in a process of its own."""
    import httpx

    from connector.web.server import WebServer

    services = Services(_settings(url), stop=Event())
    services.open_ledger()
    watched = Watched(services.ledger.database.engine)
    web = WebServer(services).start()
    with httpx.Client(base_url=web.address, timeout=60, **_signed_in(services.ledger)) as client:

        def ask(page: str) -> None:
            if page == _EVENTS:
                page = _EVENTS.format(services.ledger.events.newest() - 1000)
            answer = client.get(page)
            if answer.status_code != httpx.codes.OK:
                raise AssertionError(f"{page} was answered {answer.status_code}")

        ask("/health/live")  # the server is ready by now
        found = [taken(page, watched, times, partial(ask, page)) for page in pages(services.ledger)]
    web.stop()
    services.close()
    return found


def _settings(url: str) -> Settings:
    accounts = {name: {"account_id": str(n), "api_key": "test_key"} for n, name in enumerate(ledgers.ACCOUNTS, 1)}
    options: dict[str, Any] = {"ledger": {"url": url}, "web": {"port": 0}, "accounts": accounts}
    return Settings(**options)


def _signed_in(ledger: Ledger) -> dict[str, Any]:
    """Return what a browser and a machine show that are let in."""
    from connector.web.console.visit import COOKIE

    ledger.people.add("ana", Role.OPERATOR, "no password")
    ledger.tokens.revoke("bench")
    token = ledger.tokens.make("bench", frozenset(Scope), None)
    cookies = {COOKIE: ledger.people.begin("ana", hours=1)}
    return {"cookies": cookies, "headers": {"Authorization": f"Bearer {token}"}}


def pages(ledger: Ledger) -> list[str]:
    """Return the addresses to be measured: each filter alone, and those that people combine."""
    with ledger.database.read() as connection:
        of_books = JobRow.source == ledgers.SOURCE
        middle = connection.execute(select(func.max(JobRow.id)).where(of_books)).scalar_one() // 2
    return [
        "/",
        "/jobs",
        f"/jobs?after={middle}",
        "/jobs?status=held",
        f"/jobs?status=done&after={middle}",
        "/jobs?status=skipped",
        "/jobs?status=waiting&account=north",
        "/jobs?stage=created",
        "/jobs?reason=vat_number_wrong",
        "/jobs?attention=1&reason=totals_differ",
        "/jobs?attention=1",
        "/jobs?account=south",
        "/jobs?source=books&status=pending",
        "/jobs?since=2026-02-01&until=2026-02-28",
        "/jobs?status=held&since=2026-02-01&until=2026-02-28",
        "/jobs?at_least=99000",
        "/jobs?at_least=50000000",
        "/jobs?q=INV/2026/0500000&status=done",
        "/jobs?q=INV/2026/05",
        "/jobs?q=customer+12345",
        "/jobs?q=CUSTOMER+9",
        "/jobs?q=ESB00012345",
        "/jobs?q=600000&status=done",
        "/jobs?q=nothing+at+all",
        f"/jobs/{middle}",
        f"/jobs/{middle}/payload",
        "/bulks/new?act=retry&status=held",
        "/bulks/new?act=retry&status=waiting",
        "/bulks",
        "/accounts",
        "/audit",
        "/audit?who=ana",
        "/audit?who=nobody",
        "/api/v1/jobs?limit=100",
        "/api/v1/causes",
        "/api/v1/accounts",
        "/api/v1/sources",
        _EVENTS,
        "/metrics",
    ]


@contextmanager
def working(source: str, ledger: str, workers: int) -> Iterator[None]:
    """Have so many processes issue invoices of a made-up ERP, from an empty database on, until the block ends."""
    erp.fill(source, _WORK)
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with simulator(_LATENCY) as address:
        processes = [context.Process(target=_work, args=(source, ledger, address, stop)) for _ in range(workers)]
        for process in processes:
            process.start()
        try:
            yield
        finally:
            stop.set()
            for process in processes:
                process.join()


def _work(source: str, ledger: str, address: str, stop: Any) -> None:
    services = Services(settings_of_a_worker(source, ledger, address, None, threads=16))
    services.open_ledger()
    (name,) = services.settings.sources
    (account,) = services.settings.accounts
    errands.discover(services, name)
    while not stop.is_set():
        errands.drain(services, account, stopping=stop.is_set)
    services.close()
