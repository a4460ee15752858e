"""What workers, the scheduler and the console ask of a large ledger, in SQLite and in PostgreSQL, and by which plans.

The measured process asks; nobody else works with the ledger meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, Final

from sqlalchemy import URL, update

from config.settings import Settings
from connector.bench import ledgers
from connector.bench.discovery import Rooms
from connector.bench.frame import Cost, Costs, Taken, in_a_process
from connector.bench.statements import Watched, planned, taken
from connector.bootstrap import Services
from connector.domain.job import AT_REST, Status
from connector.duties import Duties
from connector.ledger import Ledger
from connector.ledger.queries import ATTENTION, Filter
from connector.ledger.tables import JobRow

LEASED: Final = 16
"""Jobs that a worker takes at once."""

_SHOWN: Final = 20_000
"""Jobs that need a person, of which the overview shows the causes."""

_ACCOUNT: Final = ledgers.ACCOUNTS[0]


@dataclass(frozen=True, slots=True)
class Run:
    """What one process measured."""

    costs: Sequence[Taken]
    plans: Mapping[str, Sequence[str]]


def measure(count: int, runs: int, times: int, *, postgres: URL | None) -> Iterator[Costs]:
    """Measure on SQLite and, where there is a server, on PostgreSQL; report each when it is done."""
    yield _measured("SQLite", count, runs, times, None)
    if postgres is not None:
        yield _measured("PostgreSQL", count, runs, times, postgres)


def _measured(name: str, count: int, runs: int, times: int, server: URL | None) -> Costs:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="connector-bench-")))
        url = stack.enter_context(Rooms(folder, server).room("ledger"))
        ledger = Ledger(url)
        ledgers.fill(ledger, count)
        ledger.close()
        found = [in_a_process(run, url, times) for _ in range(runs)]
    return Costs(
        benchmark=f"ledger of {count:,} invoices on {name}",
        runs=runs,
        rows=[Cost.of(same) for same in zip(*(one.costs for one in found), strict=True)],
        plans=found[-1].plans,
    )


def run(url: str, times: int) -> Run:
    """Ask everything so many times, then look at the plans; in a process of its own."""
    costs, ledger = asked(url, times), Ledger(url)
    found = plans(ledger)
    give_back(ledger)
    ledger.close()
    return Run(costs, found)


def asked(url: str, times: int) -> list[Taken]:
    """Ask everything so many times; leave no lease."""
    accounts = {name: {"account_id": str(n), "api_key": "test_key"} for n, name in enumerate(ledgers.ACCOUNTS, 1)}
    options: dict[str, Any] = {"ledger": {"url": url}, "accounts": accounts}
    services = Services(Settings(**options), stop=Event())
    services.open_ledger()
    watched = Watched(services.ledger.database.engine)
    acts = {**_work(services.ledger), **_rounds(services), **_console(services.ledger)}
    costs = [taken(name, watched, times, act) for name, act in acts.items()]
    give_back(services.ledger)
    services.close()
    return costs


def _work(ledger: Ledger) -> dict[str, Callable[[], object]]:
    """Return what workers ask, and the sweep for those that have vanished; leases grow with each repetition."""
    return {
        "sweep, nothing is leased": ledger.jobs.rescue,
        f"lease of {LEASED}, kept": lambda: _lease(ledger),
        "sweep, all of these live": ledger.jobs.rescue,
        f"lease of {LEASED} that lapse, swept": lambda: _lapse(ledger),
        "when the next one is due": ledger.jobs.next_due,
    }


def _lease(ledger: Ledger) -> None:
    if len(ledger.jobs.lease(_ACCOUNT, LEASED)) != LEASED:
        raise AssertionError("there are not enough due jobs for so many repetitions")


def _lapse(ledger: Ledger) -> None:
    """Lease some, let their leases lapse, free them."""
    jobs = ledger.jobs.lease(_ACCOUNT, LEASED)
    long_ago = ledger.database.clock.now() - timedelta(hours=1)
    with ledger.database.write() as connection:
        ours = JobRow.id.in_([job.id for job in jobs])
        connection.execute(update(JobRow).where(ours).values(leased_until=long_ago))
    if ledger.jobs.rescue() != LEASED:
        raise AssertionError("a lapsed lease was not swept")


def _rounds(services: Services) -> dict[str, Callable[[], object]]:
    """Return the scheduler's rounds."""
    usual = _duties(services)
    return {
        "round of the scheduler, all is due": lambda: _duties(services).tick(),
        "round of the scheduler": usual.tick,
    }


def _duties(services: Services) -> Duties:
    def nobody(*_: object) -> None:
        """Answer no bell."""

    return Duties(services, nobody, nobody, nobody, nobody, nobody, nobody)


def _console(ledger: Ledger) -> dict[str, Callable[[], object]]:
    """Return the heaviest questions of the console and the metrics."""
    queries, figures, now = ledger.queries, ledger.figures, ledger.database.clock.now()
    return {
        "causes of what needs a person": lambda: queries.causes(most=_SHOWN),
        "page of what needs a person": lambda: queries.page(ATTENTION, after=None, limit=50),
        "search, nothing is found": lambda: queries.named("nothing at all"),
        "search, thousands are found": lambda: queries.named("customer 9"),
        "waiting, by reason": lambda: figures.by_reason(Status.WAITING),
        "unsent, by age": figures.unsent_by_age,
        "issued in a day": lambda: figures.issued(now - timedelta(days=2), now - timedelta(days=1)),
        "all that is at rest, counted": lambda: figures.at_rest(AT_REST),
        "events, the last thousand": lambda: ledger.events.after(ledger.events.newest() - 1000, 1000),
    }


def give_back(ledger: Ledger) -> None:
    """Give all leases back, for the next run."""
    for job in ledger.queries.jobs(Filter(status=Status.RUNNING)):
        ledger.jobs.give_back(job)


def plans(ledger: Ledger) -> dict[str, list[str]]:
    """Return by which plans a ledger leases, sweeps and finds what has work; all of it is done for that."""
    found: dict[str, list[str]] = {}
    for name, act in (
        ("a lease", lambda: ledger.jobs.lease(_ACCOUNT, LEASED)),
        ("a sweep", ledger.jobs.rescue),
        ("accounts with work", ledger.jobs.due_accounts),
        ("accounts with documents to mark", ledger.following.accounts_to_mark),
        ("sources that have not been told", ledger.following.untold),
    ):
        with planned(ledger.database) as lines:
            act()
        found[name] = lines
    return found
