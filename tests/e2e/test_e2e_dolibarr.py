"""Acceptance on a database that Dolibarr made: what is confirmed and valid is issued exactly as it stands there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest

from connector.simulator import SimulatorServer
from tests.adapters.databases import execute, query
from tests.e2e.checks import see_that_the_audit_is_clean
from tests.e2e.conftest import Installer
from tests.e2e.documents import compare, received_by
from tests.support.dolibarr import DolibarrDatabase

pytestmark = pytest.mark.mariadb

HELD: Final = {
    "INV09": "vat_number_wrong",
    "INV11": "buyer_identifier_missing",  # outside the EU, without any number
    "INV17": "totals_differ",  # Dolibarr rounds the gross amount and takes the tax as what is left
    "INV29": "tax_unmapped",  # 0 %, and nobody says why
    "CN02": "totals_differ",  # so 21 % of 83.33 are 17.49
    "CN03": "original_missing",
    "CN04": "original_not_issued",
    "CN06": "buyer_identifier_missing",
}
"""All that is confirmed and cannot go, by name of the document, with the reason."""


def as_compared(document: dict[str, Any]) -> dict[str, Any]:
    """A document of Dolibarr's in the form of Odoo's: positive amounts, taxes summed up over the lines."""
    sign = -1 if document["kind"] == "credit_note" else 1
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for line in document["lines"]:
        for tax in line["taxes"]:
            base, amount = sums.get(tax["percent"], (Decimal(0), Decimal(0)))
            sums[tax["percent"]] = base + sign * Decimal(line["subtotal"]), amount + sign * Decimal(tax["amount"])
    return {
        **document,
        "company_id": document["entity"],
        "untaxed": sign * Decimal(document["untaxed"]),
        "total": sign * Decimal(document["total"]),
        "taxes": [{"percent": name, "base": base, "amount": amount} for name, (base, amount) in sums.items()],
        "lines": [{**line, "subtotal": sign * Decimal(line["subtotal"])} for line in document["lines"]],
    }


def test_every_valid_document_is_issued_with_exactly_its_content_and_the_others_are_held_with_their_reason(
    dolibarr: DolibarrDatabase, b2brouter: SimulatorServer, install: Installer
) -> None:
    before = query(dolibarr.url, "SELECT * FROM llx_facture")
    it = install(b2brouter.base_url, dolibarr.url, adapter="dolibarr", accounts="main")

    result = it.sync()

    assert result["found"] == len(dolibarr.sendable) == 34
    valid = [document for document in dolibarr.sendable.values() if document["key"] not in HELD]
    jobs = it.jobs()
    reasons = {dolibarr.sendable[key]["key"]: job["reason"] for key, job in jobs.items() if job["status"] != "done"}
    assert reasons == HELD
    compare(map(as_compared, valid), received_by(b2brouter.world))
    see_that_the_audit_is_clean(b2brouter)
    written = query(
        dolibarr.url, "SELECT fk_object, b2b_reference, b2b_xref, b2b_status FROM llx_facture_extrafields"
    )
    assert {str(row["fk_object"]): (row["b2b_reference"], row["b2b_xref"], row["b2b_status"]) for row in written} == {
        key: (job["reference"], f"b2brouter:simulator:1:{job['reference']}", None)
        for key, job in jobs.items()
        if job["status"] == "done"
    }
    assert query(dolibarr.url, "SELECT * FROM llx_facture") == before

    again = it.sync()
    assert (again["found"], again["issued"]) == (0, 0)
    execute(dolibarr.url, "UPDATE llx_societe SET tva_intra = 'ESB12345674' WHERE rowid = 7")
    cured = it.sync()
    assert (cured["found"], cured["issued"]) == (0, 1)
