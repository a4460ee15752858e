"""Texts that no database takes: a NUL from an ERP that keeps one, half a character from a wrong conversion.

Such a document is issued, or held for what is wrong with it; it keeps no other one from being issued.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from connector.domain.job import Status
from connector.simulator.server import SimulatorServer
from tests.support.builders import CUSTOMER, invoice, line
from tests.support.house import House, opened

ODD = pytest.mark.parametrize("odd", ["\x00", "\udcf1"], ids=["NUL", "half a character"])


@pytest.fixture
def house(simulator: SimulatorServer, ledger_url: str) -> Iterator[House]:
    """An installation on either ledger: SQLite and PostgreSQL do not refuse the same texts."""
    with opened(simulator, ledger_url) as house:
        yield house


@ODD
def test_a_number_that_nobody_can_see_is_told_and_keeps_no_other_document(house: House, odd: str) -> None:
    house.issue(invoice("1", number=f"F-{odd}1"), invoice("2"))

    assert (house.job("1").status, house.job("1").reason) == (Status.HELD, "number_unprintable")
    house.assert_issued("2")


@ODD
def test_a_customer_whose_name_has_one_gets_its_invoice(house: House, odd: str) -> None:
    house.issue(invoice("1", buyer=replace(CUSTOMER, name=f"Suministros{odd} del Norte")))

    house.assert_issued("1")


@ODD
def test_so_does_one_whose_lines_and_references_have_one(house: House, odd: str) -> None:
    house.issue(invoice("1", lines=(line(description=f"Hours{odd}"),), purchase_order=f"PO{odd}7"))

    house.assert_issued("1")


@ODD
def test_a_tax_number_with_one_is_read_as_one_with_a_blank(house: House, odd: str) -> None:
    house.issue(invoice("1", buyer=replace(CUSTOMER, tax_number=f"ESA2801{odd}5865")))

    house.assert_issued("1")


@ODD
def test_a_document_whose_key_has_one_breaks_no_later_look(house: House, odd: str) -> None:
    house.issue(invoice("1"), invoice(f"a{odd}"))

    house.issue(invoice("2"))

    house.assert_issued("1")
    house.assert_issued("2")


@ODD
def test_a_series_with_one_clashes_with_no_other_document(house: House, odd: str) -> None:
    house.issue(invoice("1", series=f"A{odd}"), invoice("2"))

    house.assert_issued("2")
    assert house.job("1").reason != "number_clash"
