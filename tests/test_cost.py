"""What an invoice costs: calls of B2Brouter, statements and commits of the ledger, as exact numbers.

Each intent is committed before its call, and what came of it before the next intent, or at once where the document
has left: with fewer commits a promise would be broken. What several threads write at once shares them.
"""

from __future__ import annotations

from connector.bench.throughput import Tally, tallied
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
