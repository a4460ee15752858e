"""Acceptance: the same results with workers behind a broker as in one process, whatever becomes of the broker."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import Final

import pytest
from amqp.exceptions import NotFound
from kombu import Connection, Queue

from connector.simulator import SimulatorServer
from tests.e2e.checks import reasons, see_that_only_ours_changed, see_that_the_audit_is_clean, valid
from tests.e2e.conftest import Installer
from tests.e2e.documents import HELD, compare, received_by
from tests.e2e.erp import Erp
from tests.e2e.installation import until
from tests.support.services import redis_client


def empty(broker_url: str, queue: str) -> None:
    """Lose all that the broker holds."""
    if broker_url.startswith("redis"):
        with redis_client(broker_url) as client:
            client.flushdb()
        return
    with Connection(broker_url) as connection, suppress(NotFound):
        Queue(QUEUES[queue], channel=connection.default_channel).purge()


def queues_of(broker_url: str) -> set[str]:
    """All queues of a virtual host."""
    with Connection(broker_url) as connection:
        host = connection.virtual_host
    listed = subprocess.run(
        ["rabbitmqctl", "-q", "list_queues", "-p", host, "name", "--no-table-headers"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return set(listed.stdout.split())


QUEUES: Final = {"classic": "connector", "quorum": "connector.quorum"}

CASES: Final = [
    pytest.param("rabbitmq", "classic", False, id="rabbitmq"),
    *(
        pytest.param(
            broker,
            queue,
            losing,
            id=f"{broker}{', quorum' * (queue == 'quorum')}{', emptied' * losing}",
            marks=pytest.mark.slow,
        )
        for broker, queue, losing in (
            ("redis", "classic", True),
            ("redis", "classic", False),
            ("rabbitmq", "classic", True),
            ("rabbitmq", "quorum", True),
            ("rabbitmq", "quorum", False),
        )
    ),
]


@pytest.mark.parametrize(("broker", "queue", "losing"), CASES)
def test_a_scheduler_and_two_workers_come_to_the_same_results_even_if_the_broker_loses_everything(
    erp19: Erp,
    b2brouter: SimulatorServer,
    install: Installer,
    postgres_url: str,
    request: pytest.FixtureRequest,
    broker: str,
    queue: str,
    losing: bool,
) -> None:
    broker_url: str = request.getfixturevalue(f"{broker}_url")
    before = erp19.moves()
    b2brouter.world.switches.set({"latency": 0.02})
    plain = erp19.named("INV01")
    partner = erp19.new_customer(plain["customer"]["id"], name="Nueva Empresa, S.L.", vat="ESB63276174")
    numbers = [f"NEW/{n:04}" for n in range(100)]
    new = erp19.confirm_copies(plain["id"], numbers, partner=partner)
    it = install(
        b2brouter.base_url,
        erp19.url,
        ledger_url=postgres_url,
        broker_url=broker_url,
        queue=queue,
        threads=4,
        measured=True,
    )
    assert it.run("db", "upgrade").status == 0
    lost = 0

    def at_rest() -> bool:
        nonlocal lost
        if losing:
            empty(broker_url, queue)
            lost += 1
        return it.at_rest(137)

    crew = [it.start("worker"), it.start_celery("celery"), it.start("scheduler")]
    until(at_rest, within=200, every=0.3, what="never at rest")

    assert lost > 2 or not losing
    jobs = it.jobs()
    assert reasons(erp19, {k: j for k, j in jobs.items() if k not in new}) == HELD["19"]
    copies = [{**plain, "number": n, "customer": {**plain["customer"], "vat": "ESB63276174"}} for n in numbers]
    compare([*valid(erp19), *copies], received_by(b2brouter.world))
    see_that_only_ours_changed(jobs, before, {key: row for key, row in erp19.moves().items() if key not in new})
    see_that_the_audit_is_clean(b2brouter)
    contacts = b2brouter.world.contacts.values()
    assert len([contact for contact in contacts if contact.tin_value == "ESB63276174"]) == 1
    if queue == "quorum":
        assert {name for name in queues_of(broker_url) if not name.startswith("celeryev.")} == {"connector.quorum"}
    for process in crew:
        assert process.stop() < 20
    assert it.leased() == []
