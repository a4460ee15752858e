"""What an invoice costs: calls of B2Brouter, statements and commits of the ledger, as exact numbers.

Each intent is committed before its call, and what came of it before the next intent, or at once where the document
has left: with fewer commits a promise would be broken. What several threads write at once shares them.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from time import process_time

import pytest

from config.settings import Settings
from connector import errands
from connector.bench import erp
from connector.bench.throughput import Tally, tallied
from connector.bootstrap import Services
from connector.ledger import schema
from tests.support.builders import invoice
from tests.support.house import House


def cost(house: House, *keys: str) -> Tally:
    """Issue documents; return what the ledger was asked to do meanwhile."""
    house.take_in(*(invoice(key) for key in keys))
    house.forget_requests()
    with tallied(house.ledger.database.engine) as tally:
        house.drain()
    house.assert_issued(*keys)
    return tally


def test_an_invoice_of_a_known_customer_costs_two_calls_and_five_commits(house: House) -> None:
    house.know_customer(invoice())

    one = cost(house, "1")
    three = cost(house, "2", "3", "4")

    assert house.operations() == ["create_invoice", "send_invoice"] * 3
    assert (three.commits - one.commits) / 2 == 5  # lease, intent to create, intent to send, sent, recorded
    assert (three.statements - one.statements) / 2 == 13


def test_a_drain_with_nothing_to_do_costs_two_statements(house: House) -> None:
    with tallied(house.ledger.database.engine) as tally:
        house.drain()

    assert (tally.statements, tally.commits) == (2, 2)


def test_a_look_into_an_erp_with_nothing_new_costs_ten_statements_and_one_commit(house: House) -> None:
    house.know_customer(invoice())
    house.issue(invoice("1"))
    house.discover()

    with tallied(house.ledger.database.engine) as tally:
        assert house.discover() == 0

    assert (tally.statements, tally.commits) == (10, 1)


@pytest.mark.slow
def test_a_core_looks_into_thousands_of_quiet_erps_a_minute(ledger_url: str, tmp_path: Path) -> None:
    """Two hundred: more than the databases to which a process keeps connections."""
    urls = {f"erp{n}": f"sqlite:///{tmp_path}/erp{n}.db" for n in range(200)}
    for url in urls.values():
        erp.fill(url, 20, customers=5)
    sources = {
        name: {"adapter": "sql", "url": url, "account": "main", "options": erp.OPTIONS} for name, url in urls.items()
    }
    accounts = {"main": {"account_id": "1", "api_key": "test_key"}}
    settings = Settings.model_validate({"ledger": {"url": ledger_url}, "accounts": accounts, "sources": sources})
    with closing(Services(settings)) as services:
        schema.upgrade(services.ledger.database)

        def look() -> float:
            began = process_time()
            for name in urls:
                errands.discover(services, name)
            return 1000 * (process_time() - began) / len(urls)

        look()  # finds everything
        took = min(look() for _ in range(3))
    print(f"{took:.1f} ms of a core for a look")  # noqa: T201 - the figures of docs/operations.md
    assert took < 60
