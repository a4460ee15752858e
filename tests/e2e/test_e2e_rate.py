"""Acceptance: a backlog uses what B2Brouter allows, and never meets its limit."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Final

import pytest

from connector.simulator import SimulatorServer
from tests.e2e.checks import see_that_the_audit_is_clean
from tests.e2e.conftest import Installer
from tests.e2e.erp import Erp
from tests.e2e.installation import Installation, until

ALLOWED: Final = 600
"""Requests a minute, the limit of every environment but production (API reference 2.4)."""


@pytest.fixture
def strict(b2brouter: SimulatorServer) -> SimulatorServer:
    """A server that counts every request of the last 60 seconds and refuses what is beyond the limit."""
    b2brouter.world.switches.set({"requests_per_minute": ALLOWED})
    return b2brouter


@pytest.fixture(params=[60, pytest.param(300, marks=pytest.mark.slow)])
def backlog(request: pytest.FixtureRequest, erp19: Erp) -> int:
    """So many new invoices; the greater number keeps the server's whole minute full."""
    count: int = request.param
    erp19.confirm_copies(erp19.named("INV01")["id"], [f"RATE/{n:04}" for n in range(count)])
    return count


def see_that_the_limit_was_used_and_never_met(server: SimulatorServer) -> None:
    # What has no status is the simulator's own: documents that go on by themselves.
    requests = [entry for entry in server.world.journal if entry.status is not None]
    made: list[datetime] = [entry.at for entry in requests]
    assert [entry.path for entry in requests if entry.status == 429] == []
    # The first requests may go at once; the share is that of the steady flow between the first and the last tenth.
    tenth = len(made) // 10
    minutes = (made[-tenth] - made[tenth]).total_seconds() / 60
    share = len(made[tenth:-tenth]) / minutes / ALLOWED
    sys.stdout.write(f"\n{len(made)} requests, {share:.1%} of the allowed rate, none refused\n")  # shown by -s
    assert share >= 0.95


def test_one_process_uses_the_allowed_rate(
    strict: SimulatorServer, erp19: Erp, backlog: int, install: Installer
) -> None:
    it = install(strict.base_url, erp19.url, requests_per_minute=ALLOWED)
    it.sync(patience=300)
    assert it.counts()["done"] >= backlog
    see_that_the_limit_was_used_and_never_met(strict)
    see_that_the_audit_is_clean(strict)


@pytest.mark.slow
def test_two_workers_share_the_allowed_rate(
    strict: SimulatorServer, erp19: Erp, backlog: int, install: Installer, postgres_url: str, redis_url: str
) -> None:
    it = install(
        strict.base_url, erp19.url, ledger_url=postgres_url, broker_url=redis_url, requests_per_minute=ALLOWED
    )
    assert it.run("db", "upgrade").status == 0
    crew = [it.start("worker", name="one"), it.start("worker", name="two"), it.start("scheduler")]
    until(lambda: _finished(it, backlog), within=300, what="not all invoices are done")
    for process in crew:
        process.stop()
    see_that_the_limit_was_used_and_never_met(strict)
    see_that_the_audit_is_clean(strict)


def _finished(it: Installation, backlog: int) -> bool:
    return it.counts()["done"] >= backlog and it.at_rest(backlog)
