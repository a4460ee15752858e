"""`connector sync` and several workers on one ledger, with the parts wired as they are in production."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from config.settings import Settings
from connector import supervision
from connector.bootstrap import Services, lease_seconds
from connector.clock import SystemClock
from connector.domain.errors import SourceUnavailableError, UsageError
from connector.domain.job import Status
from connector.domain.notice import notice
from connector.foreground import Pass, Result
from connector.ledger import Ledger, schema, waiting
from connector.ledger.database import Database
from connector.ledger.queries import Filter
from connector.simulator import SimulatorServer, audit
from tests.support.builders import CUSTOMER, OTHER_CUSTOMER, invoice, line
from tests.support.erp import Erp
from tests.support.house import emptied
from tests.support.ledgers import add, jobs

Make = Callable[..., Services]


class Wall(SystemClock):
    """The real time for the simulator too."""

    def signing_time(self) -> Any:
        return self.now()

    def advance(self, seconds: float) -> None:
        raise NotImplementedError


@pytest.fixture
def erp() -> Erp:
    return Erp(SystemClock())


@pytest.fixture
def services(simulator: SimulatorServer, erp: Erp) -> Iterator[Make]:
    """Makes the parts of a process, over the ERP in memory."""
    emptied(simulator, Wall())  # type: ignore[arg-type]
    with ExitStack() as stack:

        def make(url: str, **sections: Any) -> Services:
            values: dict[str, Any] = {
                "b2brouter": {"base_url": simulator.base_url, "requests_per_minute": 1_000_000},
                "accounts": {"main": {"account_id": "1", "api_key": "test_key"}},
                "sources": {"erp": {"adapter": "sql", "account": "main"}},
                "ledger": {"url": url},
                "retry": {"base": 0.05, "cap": 0.2},
                "worker": {"threads": 6},
            }
            for name, changes in sections.items():
                values[name] = {**values[name], **changes}
            made = Services(Settings(**values))
            for name in values["sources"]:
                made.erps.use(name, erp)
            stack.callback(made.close)
            return made

        yield make


def sync(services: Services, *, patience: float = 5.0, **options: Any) -> Result:
    return Pass(services, **{"sources": None, "patience": patience, "stop": Event(), **options}).run()


def test_a_pass_takes_up_what_was_found_while_the_clock_was_ahead(
    services: Make, erp: Erp, embedded_url: str
) -> None:
    made = services(embedded_url)
    erp.add(invoice("1"))
    add(made.open_ledger(), invoice("1"))
    with made.ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE job SET due_at = '2126-01-01 00:00:00.000000'")

    assert sync(made).issued == 1


def test_one_pass_discovers_and_issues_and_a_second_makes_no_write(
    services: Make, erp: Erp, embedded_url: str, simulator: SimulatorServer
) -> None:
    erp.add(invoice("1"), invoice("2", buyer=OTHER_CUSTOMER))

    first = sync(services(embedded_url))

    assert (first.found, first.issued, first.faults) == (2, 2, [])
    assert first.by_status[Status.DONE] == 2
    simulator.world.journal.clear()
    second = sync(services(embedded_url))
    assert (second.found, second.issued) == (0, 0)
    assert [entry for entry in simulator.world.journal if entry.method not in {"GET", "TIMER"}] == []


def test_two_workers_on_one_ledger_issue_everything_once(
    services: Make, erp: Erp, ledger_url: str, simulator: SimulatorServer
) -> None:
    database = Database(ledger_url)
    schema.upgrade(database)
    database.close()
    world = simulator.world
    world.switches.number_guard = False
    world.switches.contact_guard = "off"
    for kind in ("drop_after", "unavailable_after", "rate_limit"):
        world.faults.add(kind, operation="create_invoice", times=4, skip=3)
        world.faults.add(kind, operation="send_invoice", times=2, skip=3)
    documents = [invoice(str(n), line(f"{n}.00"), buyer=(CUSTOMER, OTHER_CUSTOMER)[n % 2]) for n in range(1, 41)]
    erp.add(*documents)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(sync, [services(ledger_url), services(ledger_url)]))

    assert sum(result.found for result in results) == 40
    found = audit(world)
    assert (found["duplicates"], found["double_sends"], found["duplicate_contacts"]) == (0, 0, 0)
    ledger = Ledger(ledger_url)
    unfinished = [(job.key, job.status, job.message) for job in jobs(ledger) if job.status is not Status.DONE]
    ledger.close()
    assert unfinished == []
    assert found["accounts"]["1"]["sent"] == 40
    assert len(erp.written) == 40


def test_a_wrong_key_ends_the_pass_with_one_fault_and_the_next_one_goes_on(
    services: Make, erp: Erp, embedded_url: str
) -> None:
    erp.add(invoice("1"), invoice("2"))

    refused = sync(services(embedded_url, accounts={"main": {"account_id": "1", "api_key": "wrong_key_12"}}))

    assert len(refused.faults) == 1
    assert "main" in refused.faults[0].message
    assert "wrong_key_12" not in refused.faults[0].message
    assert refused.by_status[Status.WAITING] == 2
    mended = sync(services(embedded_url))
    assert (mended.issued, mended.faults) == (2, [])


def test_all_jobs_of_an_account_that_stops_wait_at_the_end_of_the_pass_however_many(
    services: Make, erp: Erp, embedded_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_PIECE", 2)
    monkeypatch.setattr(supervision, "_AT_ONCE", 0.0)
    erp.add(*(invoice(str(n)) for n in range(1, 8)))
    refused = sync(services(embedded_url, accounts={"main": {"account_id": "1", "api_key": "wrong_key_12"}}))
    assert (refused.by_status[Status.WAITING], refused.by_status[Status.PENDING]) == (7, 0)


def test_an_account_that_was_paused_is_probed_until_it_answers_or_the_pass_gives_it_up(
    services: Make, erp: Erp, embedded_url: str, simulator: SimulatorServer
) -> None:
    erp.add(invoice("1"))
    sync(services(embedded_url, accounts={"main": {"account_id": "1", "api_key": "wrong_key_12"}}))
    simulator.world.faults.add("drop_before", operation="read_account", times=4)

    result = sync(services(embedded_url))

    assert (result.issued, result.faults) == (1, [])


def test_an_account_that_stays_paused_is_named_by_every_pass(
    services: Make, erp: Erp, embedded_url: str, simulator: SimulatorServer
) -> None:
    erp.add(invoice("1"))
    sync(services(embedded_url, accounts={"main": {"account_id": "1", "api_key": "wrong_key_12"}}))
    simulator.world.faults.add("drop_before", operation="read_account", times=None)

    result = sync(services(embedded_url, retry={"attempts": 2}))

    assert ["does not answer" in fault.message for fault in result.faults] == [True]
    assert result.by_status[Status.WAITING] == 1


def test_a_source_that_is_down_does_not_stop_the_work(services: Make, erp: Erp, embedded_url: str) -> None:
    erp.add(invoice("1"))
    sync(services(embedded_url))
    erp.fail("find", SourceUnavailableError("the database is down"))

    result = sync(services(embedded_url))

    assert [fault.message for fault in result.faults] == ["Source erp: the database is down"]


def test_jobs_of_a_source_that_was_removed_do_not_keep_the_pass_busy(
    services: Make, erp: Erp, embedded_url: str
) -> None:
    erp.add(invoice("1"))
    before = services(embedded_url)
    before.open_ledger()
    before.discovery.discover(before.source("erp"))
    with before.ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE job SET source = 'retired'")
    erp.delete("1")

    result = sync(before)

    assert result.seconds < 2
    assert result.by_status[Status.PENDING] == 1
    assert result.issued == 0


def test_an_account_that_was_removed_is_named_and_stops_nobody_else(
    services: Make, erp: Erp, embedded_url: str
) -> None:
    erp.add(invoice("1"), invoice("2"))
    before = services(embedded_url)
    before.open_ledger()
    before.discovery.discover(before.source("erp"))
    with before.ledger.database.write() as connection:
        begun = "account = 'closed', stage = 'sent', reference = '7'"  # else it went to another account, or was held
        connection.exec_driver_sql(f"UPDATE job SET {begun} WHERE key = '1'")

    result = sync(before)

    assert ["closed" in fault.message for fault in result.faults] == [True]
    assert result.issued == 1


def test_another_account_under_the_same_ledger_sends_nothing(
    services: Make, erp: Erp, embedded_url: str, simulator: SimulatorServer
) -> None:
    erp.add(invoice("1"))
    sync(services(embedded_url))
    erp.add(invoice("2"))

    other = sync(services(embedded_url, accounts={"main": {"account_id": "2", "api_key": "test_key"}}))

    assert len(other.faults) == 1
    assert "Nothing is sent" in other.faults[0].message
    assert [i.number for i in simulator.world.invoices.values() if i.account_id == 2] == []


def test_another_account_under_the_same_ledger_is_not_asked_for_news_either(
    services: Make, erp: Erp, embedded_url: str, simulator: SimulatorServer
) -> None:
    erp.add(invoice("1"))
    issuing = services(embedded_url)
    sync(issuing)
    [sent] = simulator.world.invoices
    told = {"code": "issued_invoice.state_change", "data": {"invoice_id": sent, "event_id": 1, "state": "refused"}}
    issuing.ledger.inbox.put("main", notice(json.dumps(told).encode()))
    asked_before = len(simulator.world.journal)

    other = sync(services(embedded_url, accounts={"main": {"account_id": "777", "api_key": "test_key"}}))

    assert ["belongs to account 1" in fault.message for fault in other.faults] == [True]
    assert len(simulator.world.journal) == asked_before
    assert issuing.follower.due(["main"]), "the news waits for the right account"


@pytest.mark.parametrize("paused", [False, True])
def test_another_account_under_the_same_ledger_is_named_while_nothing_is_due(
    services: Make, erp: Erp, embedded_url: str, simulator: SimulatorServer, *, paused: bool
) -> None:
    erp.add(invoice("1"))
    before = services(embedded_url)
    sync(before)
    if paused:
        before.ledger.accounts.pause("main", "access_refused", {"status": "401", "message": "Unauthorized"})
    asked_before = len(simulator.world.journal)

    other = services(embedded_url, accounts={"main": {"account_id": "777", "api_key": "test_key"}})
    result = sync(other)

    assert ["belongs to account 1" in fault.message for fault in result.faults] == [True]
    assert len(simulator.world.journal) == asked_before


def test_another_account_is_not_named_by_a_pass_of_other_sources(services: Make, erp: Erp, embedded_url: str) -> None:
    erp.add(invoice("1"))
    two = {"sources": {"erp": {"adapter": "sql", "account": "main"}, "shop": {"adapter": "sql", "account": "other"}}}
    sync(services(embedded_url, **two, accounts={"other": {"account_id": "2", "api_key": "test_key"}}))

    wrong = services(embedded_url, **two, accounts={"other": {"account_id": "777", "api_key": "test_key"}})

    assert sync(wrong, sources=["erp"]).faults == []
    assert len(sync(wrong, sources=["shop"]).faults) == 1
    assert len(sync(wrong).faults) == 1


@pytest.mark.parametrize(("guard", "existing"), [(True, "hold"), (True, "adopt"), (False, "adopt")])
def test_a_new_ledger_takes_over_what_another_issued_and_the_erp_knows_nothing_of(
    services: Make,
    erp: Erp,
    embedded_url: str,
    simulator: SimulatorServer,
    tmp_path: Path,
    *,
    guard: bool,
    existing: str,
) -> None:
    simulator.world.switches.number_guard = guard
    documents = [invoice("1"), invoice("2", buyer=OTHER_CUSTOMER)]
    erp.add(*documents)
    assert sync(services(embedded_url)).issued == 2
    for document in documents:
        erp.delete(document.key)
    erp.add(*documents)  # without the references, as where nothing is written back

    new = services(
        f"sqlite:///{tmp_path / 'service.db'}",
        sources={"erp": {"adapter": "sql", "account": "main", "existing": existing}},
    )
    result = sync(new)

    assert (result.issued, result.already_sent, result.faults) == (2, 2, [])
    found = audit(simulator.world)
    assert (found["duplicates"], found["double_sends"], found["accounts"]["1"]["sent"]) == (0, 0, 2)


def test_a_pass_does_not_wait_beyond_its_patience(
    services: Make, erp: Erp, embedded_url: str, simulator: SimulatorServer
) -> None:
    erp.add(invoice("1"))
    simulator.world.faults.add("rate_limit", operation="create_invoice", retry_after="600")

    result = sync(services(embedded_url))

    assert result.seconds < 5
    assert result.by_status[Status.PENDING] == 1


def test_a_pass_that_is_told_to_stop_takes_nothing(services: Make, erp: Erp, embedded_url: str) -> None:
    erp.add(invoice("1"))
    stop = Event()
    stop.set()

    result = sync(services(embedded_url), stop=stop)

    assert (result.found, result.issued) == (0, 0)


def test_unknown_names_are_wrong_usage(services: Make, embedded_url: str) -> None:
    made = services(embedded_url)

    with pytest.raises(UsageError, match="no source shop"):
        made.source("shop")
    with pytest.raises(UsageError, match="no account other"):
        made.remote("other")
    with pytest.raises(UsageError, match="no account other"):
        made.ensure_account("other")


def test_an_account_is_bound_to_what_it_met_first(services: Make, erp: Erp, embedded_url: str) -> None:
    made = services(embedded_url, accounts={"main": {"account_id": "iberica", "api_key": "test_key"}})
    made.open_ledger()

    made.ensure_account("main")

    state = made.ledger.accounts.get("main")
    assert state is not None
    assert (state.environment, state.account_id, state.remote_id, state.tax_number) == (
        "simulator",
        "iberica",
        "1",
        "ESB76543214",
    )
    assert made.desk("main").rules("erp").own_accounts == {"iberica", "1"}
    assert list(made.ledger.queries.jobs(Filter())) == []


def test_a_lease_outlasts_the_longest_call() -> None:
    for timeout in (0.1, 1, 30, 300):
        assert lease_seconds(timeout) > timeout + 10
