"""Acceptance: processes are replaced one by one under load while the schema grows; nothing is lost or doubled.

The migration is one as docs/operations.md allows it: columns that may be empty, columns with a default, an index.
"""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from connector.simulator import SimulatorServer
from tests.e2e.checks import see_that_the_audit_is_clean, valid
from tests.e2e.conftest import Installer
from tests.e2e.documents import compare, received_by
from tests.e2e.erp import Erp
from tests.e2e.installation import Installation, until

pytestmark = pytest.mark.slow

EXPAND = (
    "ALTER TABLE job ADD COLUMN colour text",
    "ALTER TABLE job ADD COLUMN weight integer NOT NULL DEFAULT 0",
    "ALTER TABLE account ADD COLUMN flavour text",
    "CREATE INDEX ix_job_colour ON job (colour)",
)


def execute(it: Installation, *statements: str) -> None:
    engine = create_engine(it.ledger_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def work_goes_on(server: SimulatorServer) -> None:
    target = len(server.world.journal) + 10
    until(lambda: len(server.world.journal) >= target, within=60, what="the work stands still")


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_two_schedulers_and_four_workers_are_replaced_under_load_while_the_schema_grows(
    erp19: Erp,
    b2brouter: SimulatorServer,
    install: Installer,
    postgres_url: str,
    request: pytest.FixtureRequest,
    broker: str,
) -> None:
    b2brouter.world.switches.set({"latency": 0.05})
    plain = erp19.named("INV01")
    partner = erp19.new_customer(plain["customer"]["id"], name="Nueva Empresa, S.L.", vat="ESB63276174")
    numbers = [f"NEW/{n:04}" for n in range(600)]
    erp19.confirm_copies(plain["id"], numbers, partner=partner)
    broker_url: str = request.getfixturevalue(f"{broker}_url")
    it = install(b2brouter.base_url, erp19.url, ledger_url=postgres_url, broker_url=broker_url, threads=2)
    assert it.run("db", "upgrade").status == 0
    roles = [("scheduler", n) for n in range(2)] + [("worker", n) for n in range(4)]
    crew = {(role, n): it.start(role, name=f"{role}-{n}-old") for role, n in roles}
    work_goes_on(b2brouter)

    execute(it, *EXPAND)  # as the first pod of a new version does it
    work_goes_on(b2brouter)
    for role, n in roles:
        old = crew[role, n]
        assert old.running, old.said
        old.stop()
        crew[role, n] = it.start(role, name=f"{role}-{n}-new")
    assert it.counts()["pending"] > 0  # it was under load all the while

    until(lambda: it.at_rest(637), within=250, every=0.3, what="never at rest")
    copies = [{**plain, "number": n, "customer": {**plain["customer"], "vat": "ESB63276174"}} for n in numbers]
    compare([*valid(erp19), *copies], received_by(b2brouter.world))
    see_that_the_audit_is_clean(b2brouter)
    for process in crew.values():
        process.stop()
        assert "Traceback" not in process.said
    assert it.leased() == []

    execute(it, "UPDATE alembic_version SET version_num = '9999'")  # the old version, started again too late
    refused = it.run("sync", "--patience", "1")
    assert refused.status == 1
    assert "has the schema 9999" in refused.out
    assert "Install the version that wrote it" in refused.out
