"""Acceptance with Tryton, on both kinds of database: the valid ones go exactly, the others say why not."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import pytest

from connector.simulator import SimulatorServer
from tests.adapters.databases import execute, query
from tests.e2e.checks import see_that_the_audit_is_clean
from tests.e2e.conftest import Installer
from tests.e2e.documents import compare, received_by
from tests.support.tryton import TrytonDatabase

HELD: Final = {
    "INV09": "buyer_identifier_missing",  # Tryton keeps the wrong number without a type
    "INV11": "buyer_identifier_missing",  # outside the EU, without any number
    "INV14": "exemption_reason_missing",  # exempt, by which article only the seller knows
    "INV16": "exemption_reason_missing",
    "INV17": "totals_differ",  # Tryton rounds the tax of unrounded lines: no account setting gives it
    "INV29": "tax_missing",
    "CN01": "original_not_issued",  # its original was cancelled by it
    "CN03": "original_missing",
    "CN04": "original_not_issued",
    "CN06": "buyer_identifier_missing",
}
"""All that is confirmed and cannot go, by name of the document, with the reason."""

OPTIONS: Final = {"postgresql": 'write_back = "columns"', "sqlite": ""}
"""Into columns of a module's on the one, in the ledger alone on the other."""


@pytest.mark.parametrize("tryton", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
def test_every_valid_document_is_issued_with_exactly_its_content_and_the_others_are_held_with_their_reason(
    tryton: TrytonDatabase, b2brouter: SimulatorServer, install: Installer
) -> None:
    options = OPTIONS[tryton.backend]
    execute(
        tryton.url,
        "ALTER TABLE account_invoice ADD b2brouter_id INTEGER",
        "ALTER TABLE account_invoice ADD b2brouter_xref VARCHAR",
    )
    before = rows(tryton)
    it = install(b2brouter.base_url, tryton.url, adapter="tryton", options=options, accounts={"1": "main"})

    result = it.sync()

    jobs = it.jobs()
    held = {tryton.sendable[key]["key"]: job["reason"] for key, job in jobs.items() if job["status"] != "done"}
    assert held == HELD
    assert set(jobs) == set(tryton.sendable)
    assert (result["found"], result["issued"]) == (31, 31 - len(HELD))
    compare(
        [told(each) for each in tryton.sendable.values() if each["key"] not in HELD], received_by(b2brouter.world)
    )
    see_that_the_audit_is_clean(b2brouter)

    done = {key: job for key, job in jobs.items() if job["status"] == "done"}
    for job in done.values():
        assert job["xref"] == f"b2brouter:simulator:1:{job['reference']}"
    expected = {**before}
    for key, job in done.items() if options else ():
        expected[key] |= {"b2brouter_id": int(job["reference"]), "b2brouter_xref": job["xref"]}
    assert rows(tryton) == expected
    assert it.sync()["found"] == 0


def rows(database: TrytonDatabase) -> dict[str, dict[str, Any]]:
    """Every row of account_invoice with every column."""
    return {str(row["id"]): row for row in query(database.url, "SELECT * FROM account_invoice")}


def told(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document of Tryton's in the words of the comparison: credit notes positive, numbers with their country."""
    sign = -1 if document["kind"] == "credit_note" else 1
    customer = {**document["customer"]}
    if any(each["type"] == "es_vat" for each in customer["identifiers"]):
        customer["vat"] = f"ES{customer['vat']}"

    def positive(row: Mapping[str, Any], *columns: str) -> dict[str, Any]:
        return {**row, **{column: str(sign * Decimal(row[column])) for column in columns}}

    return {
        **positive(document, "untaxed", "tax", "total"),
        "customer": customer,
        "lines": [positive(line, "quantity", "subtotal") for line in document["lines"]],
        "taxes": [positive(tax, "base", "amount") for tax in document["taxes"]],
    }
