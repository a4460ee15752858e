"""Acceptance: SIGTERM ends every role soon, after the invoices in hand, and nothing stays leased."""

from __future__ import annotations

import pytest

from connector.simulator import SimulatorServer
from tests.e2e.checks import see_that_the_audit_is_clean, valid
from tests.e2e.conftest import Installer
from tests.e2e.documents import compare, received_by
from tests.e2e.erp import Erp
from tests.e2e.installation import until

SOON = 20.0


def journal_grows(server: SimulatorServer, by: int) -> None:
    target = len(server.world.journal) + by
    until(lambda: len(server.world.journal) >= target, within=40, what="no work begins")


@pytest.mark.parametrize("command", [pytest.param("sync", marks=pytest.mark.slow), "run"])
def test_a_process_that_is_told_to_end_finishes_what_it_has_in_hand(
    erp19: Erp, b2brouter: SimulatorServer, install: Installer, command: str
) -> None:
    b2brouter.world.switches.set({"latency": 0.4})
    it = install(b2brouter.base_url, erp19.url, threads=4, measured=True)
    process = it.start(command)
    journal_grows(b2brouter, by=8)

    assert process.stop() < SOON

    assert process.wait(1) in {0, 3}, process.said
    assert "Traceback" not in process.said
    assert it.leased() == []
    assert it.counts()["pending"] > 0  # it was in the middle
    b2brouter.world.switches.set({"latency": 0.0})
    it.sync()
    compare(valid(erp19), received_by(b2brouter.world))
    see_that_the_audit_is_clean(b2brouter)


def test_workers_and_scheduler_that_are_told_to_end_finish_what_they_have_in_hand(
    erp19: Erp, b2brouter: SimulatorServer, install: Installer, postgres_url: str, redis_url: str
) -> None:
    b2brouter.world.switches.set({"latency": 0.4})
    it = install(
        b2brouter.base_url, erp19.url, ledger_url=postgres_url, broker_url=redis_url, threads=4, measured=True
    )
    assert it.run("db", "upgrade").status == 0
    crew = [it.start("worker"), it.start_celery("celery"), it.start("scheduler")]
    journal_grows(b2brouter, by=8)

    assert [process.stop() < SOON for process in crew] == [True, True, True]

    assert [process.wait(1) for process in crew] == [0, 0, 0], [process.said[-2000:] for process in crew]
    assert it.leased() == []
    assert it.counts()["pending"] > 0
    b2brouter.world.switches.set({"latency": 0.0})
    it.sync()
    compare(valid(erp19), received_by(b2brouter.world))
    see_that_the_audit_is_clean(b2brouter)


@pytest.mark.parametrize(
    "command", [pytest.param("sync", marks=pytest.mark.slow), "run", pytest.param("worker", marks=pytest.mark.slow)]
)
def test_a_process_that_is_told_to_end_does_not_sit_out_a_call_that_hangs(
    erp19: Erp, b2brouter: SimulatorServer, install: Installer, postgres_url: str, redis_url: str, command: str
) -> None:
    b2brouter.world.faults.add("hang_after", operation="create_invoice", seconds=60, times=None)
    places = {"ledger_url": postgres_url, "broker_url": redis_url} if command == "worker" else {}
    it = install(b2brouter.base_url, erp19.url, timeout=60, quiet_time=61, **places)
    if command == "worker":
        assert it.run("db", "upgrade").status == 0
        it.start("scheduler")
    process = it.start(command)
    until(lambda: calls(b2brouter, "create_invoice") >= 4, within=40, what="nothing is created")

    assert process.stop() < SOON

    assert "Traceback" not in process.said
    assert it.leased() == []
    assert it.counts()["pending"] >= 4
    assert it.paused() == []  # B2Brouter was not to blame


def calls(server: SimulatorServer, operation: str) -> int:
    return sum(entry.operation == operation for entry in server.world.journal)
